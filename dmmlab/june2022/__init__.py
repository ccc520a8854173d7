"""The experiments of June 2022: their runs, random numbers and truncated gradients."""

from ..core.doors import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
