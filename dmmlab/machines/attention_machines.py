"""Attention machines: what neurons on trees do that neurons on numbers cannot.

A memory of nested keys is an associative memory, and to look something up in it is a linear
combination (arXiv:1712.07447; :mod:`dmmlab.core.tree_neurons`).
"""

from ..core.machine import Machine
from ..core.neurons import ACCUM, INPUT, TIMER, answering
from ..core.tree_neurons import LOOKUP, NEST, UPDATE

INDUCTION_DELAY = 3  # cycles from an item to its answer


def induction_head() -> Machine:
    """What has followed this item before, and how often: an induction head in eight links.

    The pair of the last item and this one is added to a memory in every cycle, and this item is
    looked up there. Exact for any alphabet and strings of any length, one item a cycle; the answer
    is a V-value, a count for each item, and comes three cycles later. The newest pair goes to
    *lookup* directly, as it takes a cycle to reach the memory.

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
