"""Questions about streams: targets, the strings they are asked on, and catalogues of them."""

from ..core.doors import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
