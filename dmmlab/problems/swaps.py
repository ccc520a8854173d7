"""Swaps: adds the links that a machine's canonical form may need.

Canonicalisation may exchange the inputs of a neuron, or the sides of a comparison
(:mod:`dmmlab.machines.canonical_form`). A compiled network has only the links that it was compiled
with, so the links must be there before.
"""

from ..core.machine import Machine
from ..core.network_matrix import matrix_of
from ..core.neuron_type import Scaling


def with_swaps(machine: Machine) -> Machine:
    """Adds all links that exchanging inputs, or sides of comparisons, may create.

    Args:
        machine: any machine.

    Returns:
        The machine with those links, all of weight 1: a network for training.
    """
    links = set()
    for to, into, source, output, *_ in machine.links():
        intos = machine.neurons[to].inputs if machine.neurons[to].scaling is not None else (into,)
        outputs = machine.neurons[source].outputs if machine.neurons[source].scaling is Scaling.DIFFERENCE else (output,)
        links |= {(to, i, source, o) for i in intos for o in outputs}
    hard = {link[:4] for link in machine.links() if link.hard}
    return machine.with_soft(matrix_of((*link, 1.0) for link in sorted(links - hard)))
