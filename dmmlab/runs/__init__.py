"""Runs in folders: syntheses that can be resumed, tables of jobs, sweeps, the streaming tasks."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
