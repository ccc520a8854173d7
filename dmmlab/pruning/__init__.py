"""Sparsify and prune: a compiled task, the phases of a restart, cuts, rounding, exactness."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
