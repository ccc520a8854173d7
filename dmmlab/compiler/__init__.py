"""A machine on arrays: which keys reach which port, where they lie, two schedules, weights as matrices."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
