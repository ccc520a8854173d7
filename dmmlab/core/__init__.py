"""The core: V-values, neuron types, machines, streams, and the reference engine that runs them.

Nothing here needs JAX until something is differentiated.
"""

from .doors import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
