"""The duplicate detector's problem with parts that its answer does not need, for sweeps of notebook 10."""

from dataclasses import replace

import dmmlab as dm

plain = dm.PROBLEMS["duplicates"]
constants = replace(plain, constants={**plain.constants, "a": {"a": 1.0}, "exclamation": {"!": 1.0}, "two": 2.0})
products = replace(constants, types=(*dm.machines.LAYER, dm.PRODUCT))
