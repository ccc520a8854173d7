"""Questions about streams: targets, the strings they are asked on, and catalogues of them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
