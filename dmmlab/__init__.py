"""dmmlab: dataflow matrix machines in JAX. Start with the notebooks; README.md says how.

All that a notebook or a script needs for the main path is here, loaded when it is first used:
``import dmmlab as dm``. The packages below have front doors of their own, for the rest:
``dm.learning.TrainingSession``.
"""

from .core.doors import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
