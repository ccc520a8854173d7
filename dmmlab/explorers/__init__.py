"""Explorers: machines that a person turns, prunes, trains and steps through, in JupyterLab."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
