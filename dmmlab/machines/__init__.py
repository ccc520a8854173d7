"""Machines as objects: starting networks, the duplicate detectors, canonical form, sameness."""

from ..core.doors import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
