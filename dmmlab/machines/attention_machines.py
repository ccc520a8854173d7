"""Attention machines: machines that look items up in an associative memory.

Neurons on trees can do this; neurons on numbers cannot. The memory is a V-value with nested keys,
and a lookup is a linear combination (arXiv:1712.07447; :mod:`dmmlab.core.tree_neurons`).
"""

from ..core.machine import Machine
from ..core.neurons import ACCUM, INPUT, TIMER, answering
from ..core.tree_neurons import LOOKUP, NEST, UPDATE

INDUCTION_DELAY = 3  # cycles from an item to its answer


def induction_head() -> Machine:
    """Returns an induction head in eight links: it counts which items followed this one before.

    In every cycle the machine reads one item. It adds the pair (last item, this item) to a memory
    and looks this item up there. The answer is a V-value with a count for each item; it arrives
    three cycles later. It is exact for any alphabet and for strings of any length. The newest pair
    goes to *lookup* directly, because it takes a cycle to reach the memory.

    Source of the circuit: Olsson and others 2022 (arXiv:2209.11895), there in transformers.
    """
    links = {
        "previous.single": {"input.char": 1.0},
        "nest.dict-1": {"previous.single": 1.0},
        "nest.dict-2": {"input.char": 1.0},
        "accum.dict-2": {"nest.dict": 1.0},
        "lookup.dict-1": {"previous.single": 1.0},
        "lookup.dict-2": {"accum.dict": 1.0, "nest.dict": 1.0},
        "output.next": {"lookup.dict": 1.0},
    }
    neurons = {"timer": TIMER, "input": INPUT, "previous": UPDATE, "nest": NEST, "accum": ACCUM, "lookup": LOOKUP}
    return Machine.build(links, neurons | {"output": answering(("next",))})
