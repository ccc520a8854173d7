"""Machines without training: states of targets, and exact fits of what one cycle does."""

from ..core.doors import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
