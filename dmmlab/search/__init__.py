"""From a problem to its smallest exact machine: starts, restarts, the portfolio, results."""

from ..core.doors import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
