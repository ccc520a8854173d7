"""Interactive explorers for JupyterLab: edit, prune, train and step through machines."""

from ..core.doors import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
