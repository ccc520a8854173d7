"""Sparsify and prune: a compiled task, the phases of a restart, cuts, rounding, exactness."""

from ..core.doors import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
