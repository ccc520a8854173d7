"""Machines to be looked at: circuits, bundles, programs, equations; V-values and runs; curves."""

import logging

from ..core.doors import door

__getattr__, __dir__, __all__ = door(__name__, __file__)

logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it warns, in three lines, of a cache that it cannot write
