"""Starting networks: large machines, to be trained and pruned.

A network is neurons and an ordered list of the soft links between them; weights make a machine of
it. The order is that of 2022, so that the same random numbers go to the same links as then (see
:mod:`dmmlab.june2022.random_numbers`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from ..core.errors import LabError
from ..core.machine import Machine, customary_links
from ..core.network_matrix import matrix_of
from ..core.neuron_type import NeuronType, Port
from ..core.neurons import ACCUM, COMPARE, CONST_1, DOT, EOS, INPUT, NORM, OUTPUT, TIMER
from ..core.summaries import Facts, plural, summarised
from ..core.vvalues import VValue

SOURCES = {kind.name: kind for kind in (INPUT, EOS, CONST_1)}  # layer 0
LAYER = (ACCUM, NORM, DOT, COMPARE)  # the types of a layer, in the order of 2022
RECURRENT = (ACCUM, NORM, COMPARE, DOT)  # and those of a recurrent network


class NetworkError(LabError):
    """A network that cannot be."""


@summarised
@dataclass(frozen=True)
class Network:
    """Neurons, hard links, and the soft links in the order in which weights are dealt to them."""

    neurons: Mapping[str, NeuronType]
    links: Sequence[tuple[Port, Port]]  # (to_neuron, to_field), (from_neuron, from_field)
    hard: VValue

    def machine(self, weights: Iterable[Any]) -> Machine:
        """The machine with these weights, one for each link, in order."""
        soft = matrix_of((*to, *source, weight) for (to, source), weight in zip(self.links, weights, strict=True))
        return Machine(self.neurons, soft, self.hard)

    def random(self, key: Any, scale: float = 0.01) -> Machine:
        """The machine with weights ``scale * N(0, 1)`` from a JAX key."""
        import jax

        return self.machine((scale * jax.random.normal(key, (len(self.links),))).tolist())

    def _summary(self) -> tuple[str, Facts]:
        counts: dict[str, int] = {}
        for kind in self.neurons.values():
            counts[kind.name] = counts.get(kind.name, 0) + 1
        title = f"Network: {plural(len(self.neurons), 'neuron')}, {plural(len(self.links), 'soft link')} to be given weights"
        return title, ((name, plural(count, "neuron")) for name, count in counts.items())


def feedforward(
    layers: int,
    copies: int,
    types: Sequence[NeuronType] = LAYER,
    skip_links: bool = True,
    outputs: NeuronType = OUTPUT,
    sources: Mapping[str, NeuronType] = SOURCES,
) -> Network:
    """A feedforward network with local recurrence.

    Accumulators feed themselves; all else goes from layer to layer.

    Args:
        layers: how many layers between the sources and the output.
        copies: neurons of each type in a layer; they are called ``type-layer-copy``.
        types: the types of a layer.
        skip_links: whether a layer is fed by all layers before it, or by the one before it alone
            (then, as in 2022, layer 1 by the input alone, and the constants by every later layer
            but the output's).
        outputs: the type of the output neuron.
        sources: the neurons of layer 0, by name.

    Returns:
        The network.

    Raises:
        NetworkError: no layers or no copies.
    """
    if layers < 1 or copies < 1:
        raise NetworkError(f"{layers} layers of {copies} copies: at least one of each is needed")
    names = {n: [(f"{kind.name}-{n}-{c}", kind) for c in range(1, copies + 1) for kind in types] for n in range(1, layers + 1)}
    neurons = {"timer": TIMER, **sources}
    neurons |= {name: kind for layer in names.values() for name, kind in layer} | {"output": outputs}
    inputs = {n: _soft_inputs(layer) for n, layer in names.items()} | {layers + 1: _soft_inputs([("output", outputs)])}
    offered = {n: output_ports(layer) for n, layer in names.items()}
    first = output_ports(sources.items())
    links = []
    for n in range(1, layers + 2):
        if skip_links:
            available = [port for m in range(n) for port in (offered[m] if m else first)]
        elif n == 1:
            available = output_ports([("input", INPUT)])
        else:
            available = offered[n - 1] if n > layers else output_ports([("eos", EOS), ("const_1", CONST_1)]) + offered[n - 1]
        links += [(to, source) for to in inputs[n] for source in available]
    return Network(neurons, links, customary_links(neurons))


def recurrent(
    copies: int,
    types: Sequence[NeuronType] = RECURRENT,
    outputs: NeuronType = OUTPUT,
    sources: Mapping[str, NeuronType] = SOURCES,
) -> Network:
    """A network in which every output of every neuron feeds every input of every neuron.

    No accumulator has a hard self-link: that it remembers is to be learned, too.

    Args:
        copies: neurons of each type; they are called ``type-copy``.
        types: the types.
        outputs: the type of the output neuron.
        sources: the neurons that nothing but the timer feeds, by name.

    Returns:
        The network.

    Raises:
        NetworkError: no copies.
    """
    inner = copies_of([replace(kind, feedback=()) for kind in types], copies)
    neurons = {"timer": TIMER, **sources, **inner, "output": outputs}
    to_ports = _soft_inputs([("output", outputs), *inner.items()])
    from_ports = output_ports([*sources.items(), *inner.items()])
    return Network(neurons, [(to, source) for to in to_ports for source in from_ports], customary_links(neurons))


@lru_cache(maxsize=256)
def with_fields(kind: NeuronType, fields: tuple[str, ...]) -> NeuronType:
    """The type with these fields on both sides, as in 2022, of which its function uses its own.

    Args:
        kind: a type.
        fields: names, the type's own among them.

    Returns:
        A type that widens it, without feedback, the same object for the same type and names; the
        type itself if it has all these fields already.
    """
    if set(kind.inputs) == set(kind.outputs) == set(fields):
        return kind

    def function(*values: VValue) -> tuple[VValue, ...]:
        results = kind.activate(dict(zip(fields, values, strict=True)))
        return tuple(results.get(field, {}) for field in fields)

    return NeuronType(f"{kind.name} of all fields", fields, fields, function, uniform=kind.uniform, widens=kind)


def copies_of(types: Iterable[NeuronType], copies: int) -> dict[str, NeuronType]:
    """So many neurons of each type, called ``type-copy``, copy by copy.

    Raises :class:`NetworkError` for no copies.
    """
    if copies < 1:
        raise NetworkError(f"{copies} copies: at least one is needed")
    kinds = list(types)
    return {f"{kind.name.split()[0]}-{c}": kind for c in range(1, copies + 1) for kind in kinds}


def _soft_inputs(layer: Iterable[tuple[str, NeuronType]]) -> list[Port]:
    """The inputs that soft links may feed: all but those that a neuron feeds itself."""
    fed = {name: {to for to, _ in kind.feedback} for name, kind in layer}
    return [(name, field) for name, kind in layer for field in kind.inputs if field not in fed[name]]


def output_ports(layer: Iterable[tuple[str, NeuronType]]) -> list[Port]:
    """All outputs of these neurons, in order."""
    return [(name, field) for name, kind in layer for field in kind.outputs]
