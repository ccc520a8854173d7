"""Starting networks: large machines to be trained and pruned.

A network has neurons and an ordered list of the soft links between them. With weights it becomes a
machine. The links have the order of 2022, so that each gets the same random number as then
(:mod:`dmmlab.june2022.random_numbers`).
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
RECURRENT = (ACCUM, NORM, COMPARE, DOT)  # the types of a recurrent network, in the order of 2022


class NetworkError(LabError):
    """Invalid network."""


@summarised
@dataclass(frozen=True)
class Network:
    """Neurons, hard links, and soft links in the order in which they get their weights."""

    neurons: Mapping[str, NeuronType]
    links: Sequence[tuple[Port, Port]]  # (to_neuron, to_field), (from_neuron, from_field)
    hard: VValue

    def machine(self, weights: Iterable[Any]) -> Machine:
        """Returns the machine with these weights, one for each soft link, in order."""
        soft = matrix_of((*to, *source, weight) for (to, source), weight in zip(self.links, weights, strict=True))
        return Machine(self.neurons, soft, self.hard)

    def random(self, key: Any, scale: float = 0.01) -> Machine:
        """Returns the machine with random weights ``scale * N(0, 1)`` from a JAX key."""
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
    """Returns a feedforward network with local recurrence.

    Accumulators feed themselves. All other links lead forward from layer to layer.

    Args:
        layers: the number of layers between the sources and the output.
        copies: neurons of each type in a layer; they are called ``type-layer-copy``.
        types: the neuron types of a layer.
        skip_links: if True, all earlier layers feed a layer. If False, only the layer before feeds
            it, as in 2022: then only the input feeds layer 1, and the constants feed every later
            layer except the output's.
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
    """Returns a network in which every output of every neuron feeds every input of every neuron.

    Accumulators have no hard self-links, so training must also learn that they remember.

    Args:
        copies: neurons of each type; they are called ``type-copy``.
        types: the neuron types.
        outputs: the type of the output neuron.
        sources: the neurons that only the timer may feed, by name.

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
    """Widens a neuron type to have all these fields as inputs and as outputs, as in 2022.

    Args:
        kind: a neuron type; its function still uses only its own fields.
        fields: names, including those of the type's fields.

    Returns:
        The wider type, without feedback; the same object for the same arguments. A type that has
        all these fields already is returned unchanged.
    """
    if set(kind.inputs) == set(kind.outputs) == set(fields):
        return kind

    def function(*values: VValue) -> tuple[VValue, ...]:
        results = kind.activate(dict(zip(fields, values, strict=True)))
        return tuple(results.get(field, {}) for field in fields)

    return NeuronType(f"{kind.name} of all fields", fields, fields, function, uniform=kind.uniform, widens=kind)


def copies_of(types: Iterable[NeuronType], copies: int) -> dict[str, NeuronType]:
    """Returns ``copies`` neurons of each type, called ``type-copy``, copy by copy.

    Raises :class:`NetworkError` for no copies.
    """
    if copies < 1:
        raise NetworkError(f"{copies} copies: at least one is needed")
    kinds = list(types)
    return {f"{kind.name.split()[0]}-{c}": kind for c in range(1, copies + 1) for kind in kinds}


def _soft_inputs(layer: Iterable[tuple[str, NeuronType]]) -> list[Port]:
    """Returns the inputs that soft links may feed: all inputs without feedback."""
    fed = {name: {to for to, _ in kind.feedback} for name, kind in layer}
    return [(name, field) for name, kind in layer for field in kind.inputs if field not in fed[name]]


def output_ports(layer: Iterable[tuple[str, NeuronType]]) -> list[Port]:
    """Returns all outputs of these neurons, in order."""
    return [(name, field) for name, kind in layer for field in kind.outputs]
