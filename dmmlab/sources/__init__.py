"""External sources of problems: tables of examples, and programs that are run on strings."""

from ..core.doors import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
