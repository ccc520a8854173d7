"""Machines to be looked at: circuits, bundles, programs, equations; V-values and runs; curves."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
