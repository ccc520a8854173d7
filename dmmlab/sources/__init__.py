"""What comes from outside: tables of examples, and programs that are run on strings."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
