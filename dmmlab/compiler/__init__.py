"""A machine on arrays: the layout of keys and ports, two schedules, weights as matrices."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
