"""Random machines of neurons on trees, for hypothesis, and items that they read."""

from hypothesis import strategies as st

from dmmlab.core import (
    CONS,
    GATE,
    INPUT,
    LOOKUP,
    MASK,
    MIX,
    NEST,
    PAIR,
    TIMER,
    UNCONS,
    Machine,
    answering,
    customary_links,
)
from dmmlab.core.network_matrix import matrix_of_links

TREE_KINDS = {
    "nest": NEST,
    "pair": PAIR,
    "lookup": LOOKUP,
    "mask": MASK,
    "gate": GATE,
    "mix": MIX,
    "cons": CONS,
    "uncons": UNCONS,
}


@st.composite
def layered_machines(draw, kinds=()):
    """Up to five neurons on trees, each fed by the input and by those before it."""
    neurons, links, sources = {"timer": TIMER, "input": INPUT}, {}, ["input.char"]
    for i, name in enumerate(draw(st.lists(st.sampled_from(sorted(kinds or TREE_KINDS)), min_size=2, max_size=5))):
        kind = TREE_KINDS[name]
        neurons[f"{name}-{i}"] = kind
        for field in kind.inputs:
            for source in draw(st.lists(st.sampled_from(sources[-4:]), min_size=1, max_size=2, unique=True)):
                links.setdefault(f"{name}-{i}.{field}", {})[source] = draw(st.sampled_from([-1.0, 0.5, 1.0]))
        sources += [f"{name}-{i}.{field}" for field in kind.outputs]
    links["output.answer"] = dict.fromkeys(sources[1:], 1.0)
    neurons["output"] = answering(("answer",))
    return Machine(neurons, matrix_of_links(links), customary_links(neurons))


ITEMS_OF_TREES = [
    {"a": 1.0, "b": {"a": 0.5, ":number": -1.0}, ":number": 0.5},
    {"a": {"b": 2.0}},
    1.5,
    {"b": 1.0},
    {},
    {"b": {"a": 1.0}},
]
