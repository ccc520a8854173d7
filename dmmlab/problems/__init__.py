"""Questions about streams: targets, the strings that pose them, and catalogues of problems."""

from ..core.doors import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
