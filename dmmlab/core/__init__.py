"""What a machine means: V-values, neuron types, machines, streams, and the engine that runs them.

The ground floor. Nothing here needs JAX until something is differentiated.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
