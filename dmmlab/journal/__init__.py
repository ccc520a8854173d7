"""The journal as a whole: its notebooks executed, its pages made, a browser to try it in."""

from ..core.doors import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
