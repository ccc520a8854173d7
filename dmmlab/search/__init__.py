"""Search for the smallest exact machine of a problem: starts, restarts, portfolio, results."""

from ..core.doors import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
