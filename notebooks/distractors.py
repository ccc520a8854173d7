"""The duplicate detector's problem with distractors, for the sweeps of notebook 10."""

from dataclasses import replace

import dmmlab as dm

plain = dm.PROBLEMS["duplicates"]
useless = {"a": {"a": 1.0}, "exclamation": {"!": 1.0}, "two": 2.0}
constants = replace(plain, constants={**plain.constants, **useless})
products = replace(constants, types=(*dm.machines.LAYER, dm.core.PRODUCT))
