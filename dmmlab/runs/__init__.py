"""Runs in folders: syntheses that can be resumed, tables of jobs, sweeps, the streaming tasks."""

from ..core.doors import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
