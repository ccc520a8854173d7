"""What a machine means: V-values, neuron types, machines, streams, and the engine that runs them.

The ground floor. Nothing here needs JAX until something is differentiated.
"""

from .doors import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
