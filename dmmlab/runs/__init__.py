"""Runs in folders: resumable syntheses, job tables, sweeps, and the streaming tasks."""

from ..core.doors import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
