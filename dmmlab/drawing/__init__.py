"""Machines to be looked at: circuits, bundles, programs, equations; V-values and runs; curves."""

import logging

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it warns, in three lines, of a cache that it cannot write
