"""Compiles machines to arrays: the layout of keys and ports, two schedules, weight matrices."""

from ..core.doors import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
