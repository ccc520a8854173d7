"""Proofs that machines are right: explorations, inductions, certificates, counterexamples."""

from ..core.doors import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
