"""Benchmarks that compare dmmlab with peers, on the same work, in one run."""

from ..core.doors import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
