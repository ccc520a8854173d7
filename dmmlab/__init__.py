"""dmmlab: dataflow matrix machines in JAX. Start with the notebooks; README.md says how."""

from .core import vvalues
from .core.machine import Link, Machine
from .core.neurons import NeuronType

__all__ = ["Link", "Machine", "NeuronType", "vvalues"]
