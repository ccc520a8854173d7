"""The journal as a whole: executes its notebooks, writes its site, opens it in a browser."""

from ..core.doors import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
