"""The experiments of June 2022: their runs, random numbers and truncated gradients."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
