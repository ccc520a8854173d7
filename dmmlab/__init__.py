"""dmmlab: dataflow matrix machines in JAX. Start with the notebooks; README.md says how."""

from .machine import Link, Machine
from .neurons import NeuronType

__all__ = ["Link", "Machine", "NeuronType"]
