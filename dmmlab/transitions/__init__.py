"""Machines without training: states of targets, and exact fits of what one cycle does."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
