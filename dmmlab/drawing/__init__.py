"""Draws machines as circuits, bundles, programs and equations; shows V-values, runs and curves."""

import logging

from ..core.doors import door

__getattr__, __dir__, __all__ = door(__name__, __file__)

logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it warns at length of a cache that it cannot write
