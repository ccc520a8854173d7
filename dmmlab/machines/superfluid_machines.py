"""Superfluid machines (2024): each neuron computes all activation functions at once.

There are four functions: a sum, a norm, a dot product and a comparison. Each is scaled by a
coefficient and emitted at its own outputs. Each coefficient is a soft link from the constant 1 to
a separate input. So the coefficients are a part of the network matrix, and functions are trained
and pruned like links. After pruning, :func:`plain` turns each remaining function of a neuron into
an ordinary neuron.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from ..core.errors import LabError
from ..core.machine import Machine, customary_links
from ..core.network_matrix import matrix_of
from ..core.neuron_type import NeuronType, Port
from ..core.neurons import ACCUM, COMPARE, DOT, NORM, OUTPUT, SUPERFLUID, TIMER
from .isomorphism import equivalent
from .networks import SOURCES, Network, NetworkError, output_ports

CONST_1_PORT = ("const_1", "const_1")
# Key: the input for the coefficient. Value: the ordinary neuron type, {superfluid input: input of
# this type}, and {superfluid output: output of this type}.
FUNCTIONS = {
    "of-sum": (replace(ACCUM, feedback=()), {"accum": "dict-1", "delta": "dict-2"}, {"result": "dict"}),
    "of-norm": (NORM, {"dict": "dict"}, {"norm": "norm"}),
    "of-dot": (DOT, {"x": "dict-1", "y": "dict-2"}, {"dot": "dot"}),
    "of-compare": (COMPARE, {"x": "dict-1", "y": "dict-2"}, {"true": "true", "false": "false"}),
}


def superfluid(
    layers: int = 5,
    neurons: int = 4,
    outputs: NeuronType = OUTPUT,
    sources: Mapping[str, NeuronType] = SOURCES,
    published: bool = False,
) -> Network:
    """Returns a network of superfluid neurons in layers.

    All earlier layers feed a layer, and each neuron feeds itself.

    Args:
        layers: the number of layers.
        neurons: neurons in each layer; they are called ``superfluid-layer-number``.
        outputs: the type of the output neuron.
        sources: the neurons of layer 0, by name; ``const_1`` is one of them.
        published: repeats the off-by-one loop of the published network. There a layer does not feed
            the next one, so nothing feeds layer 1, and the last layer feeds nothing.

    Returns:
        The network: 4,606 links for the defaults, 2,906 as published.

    Raises:
        NetworkError: no layers, no neurons, or no constant.
    """
    if layers < 1 or neurons < 1 or "const_1" not in sources:
        raise NetworkError(f"{layers} layers of {neurons} neurons: one of each is needed, and const_1 among the sources")
    names = [[f"superfluid-{n}-{k}" for k in range(1, neurons + 1)] for n in range(1, layers + 1)]
    offered = [output_ports(sources.items()), *(output_ports((name, SUPERFLUID) for name in layer) for layer in names)]
    kinds = {"timer": TIMER, **sources, **{name: SUPERFLUID for layer in names for name in layer}, "output": outputs}
    late = 1 if published else 0
    links: list[tuple[Port, Port]] = []
    for n, layer in enumerate([*names, ["output"]]):
        available = [port for ports in offered[: max(0, n + 1 - late)] for port in ports]
        fields = [f for f in SUPERFLUID.inputs if f not in FUNCTIONS] if n < layers else outputs.inputs
        links += [((name, field), source) for name in layer for field in fields for source in available]
    links += [((name, "accum"), (name, "result")) for layer in names for name in layer]
    links += [((name, part), CONST_1_PORT) for layer in names for name in layer for part in FUNCTIONS]
    return Network(kinds, links, customary_links(kinds))


def functions(machine: Machine) -> dict[str, dict[str, float]]:
    """Returns the coefficients of each superfluid neuron that are not zero, by function.

    Args:
        machine: any machine.

    Returns:
        ``{neuron: {"of-norm": 0.5}}``.

    Raises:
        LabError: a coefficient that does not come from the constant 1 alone.
    """
    found: dict[str, dict[str, float]] = {n: {} for n, kind in machine.neurons.items() if equivalent(kind, SUPERFLUID)}
    for link in machine.links():
        if link.to_neuron in found and link.to_field in FUNCTIONS:
            if (link.from_neuron, link.from_field) != CONST_1_PORT:
                raise LabError(f"{link.to_neuron}.{link.to_field}: a coefficient comes from {'.'.join(CONST_1_PORT)} alone")
            found[link.to_neuron][link.to_field] = float(link.weight)
    return {name: {part: x for part, x in of.items() if x} for name, of in found.items()}


def plain(machine: Machine) -> Machine:
    """Replaces superfluid neurons by ordinary neurons.

    Args:
        machine: any machine.

    Returns:
        A machine that gives the same answers, with an ordinary neuron for each function of each
        superfluid neuron, called ``norm-2-1`` in place of ``superfluid-2-1``. The coefficient of
        the function moves to the links from the new neuron.

    Raises:
        LabError: as :func:`functions`; or the machine already has a neuron of such a name.
    """
    of = functions(machine)
    neurons: dict[str, NeuronType] = {}
    for name, kind in machine.neurons.items():
        made = {_name(name, part): FUNCTIONS[part][0] for part in of[name]} if name in of else {name: kind}
        if taken := sorted(made.keys() & neurons.keys()):
            raise LabError(f"{name}: there is a neuron {taken[0]!r} already")
        neurons |= made

    def inputs(name: str, field: str) -> Iterator[tuple[str, str]]:
        if name not in of:
            yield name, field
        for part in of.get(name, ()):
            if field in FUNCTIONS[part][1]:
                yield _name(name, part), FUNCTIONS[part][1][field]

    def outputs(name: str, field: str) -> Iterator[tuple[str, str, float]]:
        if name not in of:
            yield name, field, 1.0
        for part, coefficient in of.get(name, {}).items():
            if field in FUNCTIONS[part][2]:
                yield _name(name, part), FUNCTIONS[part][2][field], coefficient

    weights: dict[bool, dict[tuple[str, ...], float]] = {False: {}, True: {}}
    for link in machine.links():
        for to in inputs(link.to_neuron, link.to_field):
            for name, field, coefficient in outputs(link.from_neuron, link.from_field):
                place = (*to, name, field)
                weights[link.hard][place] = weights[link.hard].get(place, 0.0) + coefficient * float(link.weight)
    soft, hard = (matrix_of((*path, w) for path, w in weights[side].items()) for side in (False, True))
    return Machine(neurons, soft, hard)


def _name(name: str, part: str) -> str:
    kind = FUNCTIONS[part][0]
    return f"{kind.name}{name.removeprefix('superfluid')}" if name.startswith("superfluid") else f"{name}-{kind.name}"
