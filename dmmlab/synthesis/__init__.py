"""From a question about a stream to the smallest exact machine: problems, phases, search."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
