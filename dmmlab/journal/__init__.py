"""The journal as a whole: its notebooks executed, its pages made, a browser to try it in."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
