"""From a problem to its smallest exact machine: starts, restarts, the portfolio, results."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
