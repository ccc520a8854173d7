"""Starting networks: large machines, to be trained and pruned.

A network is neurons and an ordered list of the soft links between them; weights make a machine of it. The order is
that of 2022, so that the same random numbers go to the same links as then (see :mod:`dmmlab.june2022.random_numbers`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from ..core.errors import LabError
from ..core.machine import Machine, customary_links
from ..core.neurons import ACCUM, COMPARE, CONST_1, DOT, EOS, ID_FIELDS, INPUT, NORM, OUTPUT, TIMER, NeuronType, Port
from ..core.vvalues import VValue
from ..june2022.random_numbers import normal_numbers

SOURCES = {kind.name: kind for kind in (INPUT, EOS, CONST_1)}  # layer 0
LAYER = (ACCUM, NORM, DOT, COMPARE)  # the types of a layer, in the order of 2022
RECURRENT = (ACCUM, NORM, COMPARE, DOT)  # and those of a recurrent network


class NetworkError(LabError):
    """A network that cannot be."""


@dataclass(frozen=True)
class Network:
    """Neurons, hard links, and the soft links in the order in which random numbers are dealt to them."""

    neurons: Mapping[str, NeuronType]
    links: Sequence[tuple[Port, Port]]  # (to_neuron, to_field), (from_neuron, from_field)
    hard: VValue

    def machine(self, weights: Iterable[Any]) -> Machine:
        """The machine with these weights, one for each link, in order."""
        soft: dict = {}
        for (to, source), weight in zip(self.links, weights, strict=True):
            soft.setdefault(to[0], {}).setdefault(to[1], {}).setdefault(source[0], {})[source[1]] = weight
        return Machine(self.neurons, soft, self.hard)

    def random(self, key: Any, scale: float = 0.01) -> Machine:
        """The machine with weights ``scale * N(0, 1)`` from a JAX key."""
        import jax

        return self.machine((scale * jax.random.normal(key, (len(self.links),))).tolist())

    def random_2022(self, scale: float, seed: int = 123) -> Machine:
        """The machine with the weights of 2022: ``Float32(scale * randn())`` in Julia, after ``Random.seed!(seed)``."""
        numbers = islice(normal_numbers(seed), len(self.links))
        return self.machine(np.float32(np.float64(scale) * x) for x in numbers)


def feedforward(
    layers: int,
    copies: int,
    types: Sequence[NeuronType] = LAYER,
    skip_links: bool = True,
    outputs: NeuronType = OUTPUT,
    sources: Mapping[str, NeuronType] = SOURCES,
) -> Network:
    """A feedforward network with local recurrence: accumulators feed themselves, all else goes from layer to layer.

    Args:
        layers: how many layers between the sources and the output.
        copies: neurons of each type in a layer; they are called ``type-layer-copy``.
        types: the types of a layer.
        skip_links: whether a layer is fed by all layers before it, or by the one before it alone (then, as in
            2022, layer 1 by the input alone, and the constants by every later layer but the output's).
        outputs: the type of the output neuron.
        sources: the neurons of layer 0, by name.
    """
    if layers < 1 or copies < 1:
        raise NetworkError(f"{layers} layers of {copies} copies: at least one of each is needed")
    names = {n: [(f"{kind.name}-{n}-{c}", kind) for c in range(1, copies + 1) for kind in types] for n in range(1, layers + 1)}
    neurons = {"timer": TIMER, **sources}
    neurons |= {name: kind for layer in names.values() for name, kind in layer} | {"output": outputs}
    inputs = {n: _soft_inputs(layer) for n, layer in names.items()} | {layers + 1: _soft_inputs([("output", outputs)])}
    offered = {n: _outputs(layer) for n, layer in names.items()}
    first = _outputs(sources.items())
    links = []
    for n in range(1, layers + 2):
        if skip_links:
            available = [port for m in range(n) for port in (offered[m] if m else first)]
        elif n == 1:
            available = _outputs([("input", INPUT)])
        else:
            available = offered[n - 1] if n > layers else _outputs([("eos", EOS), ("const_1", CONST_1)]) + offered[n - 1]
        links += [(to, source) for to in inputs[n] for source in available]
    return Network(neurons, links, customary_links(neurons))


def recurrent(
    copies: int,
    types: Sequence[NeuronType] = RECURRENT,
    outputs: NeuronType = OUTPUT,
    sources: Mapping[str, NeuronType] = SOURCES,
) -> Network:
    """Every output of every neuron to every input of every neuron: the prior-free start.

    No accumulator has a hard self-link: that it remembers is to be learned, too.
    """
    inner = _copies(copies, [replace(kind, feedback=()) for kind in types])
    neurons = {"timer": TIMER, **sources, **inner, "output": outputs}
    to_ports = _soft_inputs([("output", outputs), *inner.items()])
    from_ports = _outputs([*sources.items(), *inner.items()])
    return Network(neurons, [(to, source) for to in to_ports for source in from_ports], customary_links(neurons))


def recurrent_2022(copies: int, types: Sequence[NeuronType] = RECURRENT) -> Network:
    """The recurrent network of 2022: every neuron has all seven fields as inputs and as outputs.

    Those that its function does not use carry nothing, and count only in the regularizers.
    """
    inner = _copies(copies, [all_fields(kind) for kind in types])
    neurons = {"timer": TIMER, **SOURCES, **inner, "output": OUTPUT}
    ports = [(name, field) for name in inner for field in ("dict", "dict-1", "dict-2", "norm", "dot", "true", "false")]
    to_ports = [("output", field) for field in OUTPUT.inputs] + ports
    from_ports = _outputs(SOURCES.items()) + ports
    return Network(neurons, [(to, source) for to in to_ports for source in from_ports], customary_links(neurons))


def _copies(copies: int, types: Iterable[NeuronType]) -> dict[str, NeuronType]:
    if copies < 1:
        raise NetworkError(f"{copies} copies: at least one is needed")
    kinds = list(types)
    return {f"{kind.name.split()[0]}-{c}": kind for c in range(1, copies + 1) for kind in kinds}


def all_fields(kind: NeuronType) -> NeuronType:
    """The type with all seven fields as inputs and as outputs, of which its function uses its own, and no feedback."""
    if set(kind.inputs) == set(kind.outputs) == set(ID_FIELDS):
        return kind

    def function(*values: VValue) -> tuple[VValue, ...]:
        results = kind.activate(dict(zip(ID_FIELDS, values, strict=True)))
        return tuple(results.get(field, {}) for field in ID_FIELDS)

    return replace(kind, name=f"{kind.name} of all fields", inputs=ID_FIELDS, outputs=ID_FIELDS, function=function, feedback=())


def _soft_inputs(layer: Iterable[tuple[str, NeuronType]]) -> list[Port]:
    """The inputs that soft links may feed: all but those that a neuron feeds itself."""
    fed = {name: {to for to, _ in kind.feedback} for name, kind in layer}
    return [(name, field) for name, kind in layer for field in kind.inputs if field not in fed[name]]


def _outputs(layer: Iterable[tuple[str, NeuronType]]) -> list[Port]:
    return [(name, field) for name, kind in layer for field in kind.outputs]
