"""Random machines for hypothesis: random types, links, recurrences, nested keys, and types of a reader's own."""

from hypothesis import strategies as st

from dmmlab import Machine, NeuronType
from dmmlab.core.neurons import ACCUM, COMPARE, CONST_1, DOT, EOS, ID, INPUT, NORM, OUTPUT, TIMER
from dmmlab.core.streams import values
from dmmlab.core.vvalues import add, linear_combination, number, scale
from dmmlab.june2022.truncated_gradients import TRUNCATED

# Types as a reader writes them in a notebook: keys by name, nested results, a product, a constant beside a sum.
PICK = NeuronType(
    "pick", ("x",), ("y", "z"), lambda v: (linear_combination({"a": 2.0, "w": {"b": -1.0}}, v), {"a": {"n": number(v)}})
)
MIX = NeuronType("mix", ("x", "y"), ("z",), lambda u, v: add(scale(number(u), v), {"a": 0.5}), affine_in=("y",))
WRAP = NeuronType("wrap", ("x",), ("y",), lambda v: {"w": {"b": number(v)}})

KINDS = [ACCUM, NORM, DOT, COMPARE, ID, PICK, MIX, WRAP, TRUNCATED["accum"]]
sizes = st.sampled_from([-1.5, -1.0, -0.6, -0.3, 0.25, 0.5, 0.8, 1.0, 1.2])
events = st.recursive(sizes, lambda inner: st.dictionaries(st.sampled_from("abw"), inner, min_size=1, max_size=2), max_leaves=3)


@st.composite
def machines(draw, recurrent=None):
    """A machine and a stream. Recurrences other than neurons' own memories only if asked for (None: either)."""
    if recurrent is None:
        recurrent = draw(st.booleans())
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=2, max_size=6))
    inner = {f"{kind.name}-{i}": kind for i, kind in enumerate(kinds)}
    neurons = {kind.name: kind for kind in (TIMER, INPUT, CONST_1, EOS)} | inner | {"output": OUTPUT}
    order = list(neurons)
    machine = Machine.build({}, neurons)
    for to, kind in (*inner.items(), ("output", OUTPUT)):
        for field in kind.inputs:
            if (field, "dict") in kind.feedback and not (recurrent and draw(st.booleans())):
                continue
            sources = [name for name in order[1:-1] if recurrent or order.index(name) < order.index(to)]
            for source in draw(st.lists(st.sampled_from(sources), min_size=1, max_size=2, unique=True)):
                port = draw(st.sampled_from(neurons[source].outputs))
                if (source, field) != (to, kind.inputs[0]) or kind.name != "accum":
                    machine = machine.link(f"{to}.{field}", f"{source}.{port}", draw(sizes), hard=draw(st.integers(0, 5)) == 0)
        affine = [field for field in kind.affine_in if (field, kind.outputs[0]) not in kind.feedback]
        if affine and not recurrent and not kind.stop_gradient and draw(st.booleans()):
            machine = machine.link(f"{to}.{affine[0]}", f"{to}.{kind.outputs[0]}", draw(sizes), hard=draw(st.booleans()))
    stream = values(draw(st.lists(st.just({}) | events, min_size=3, max_size=5)))
    return machine, stream
