"""Layout: the keys that can reach each port, and the place of each coordinate in arrays.

The tree engine finds the keys while it runs; the compiled machine needs them before. Keys flow
along the links, so the sets of keys at all ports are the least fixed point of

    keys(input)  = union of keys(output) over the links into it
    keys(output) = the keys of the activation function's result, from the keys of its inputs

JAX provides the second line: traced numbers are never trimmed, so a traced result has the largest
possible structure. The computation starts at the *boundary*: the neurons that no soft link can
influence, such as input, timer and constants. The tree engine runs them, once for each stream;
their outputs are the compiled machine's input.

Then the paths of all ports are sorted into *blocks*. Paths that the same ports carry lie together
in one array, so scalars are never padded to the width of an alphabet. Blocks may be merged, with a
little padding, to make them fewer and larger.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal

from ..core.array_neurons import ArrayFunction
from ..core.clocks import clocked
from ..core.engine import Streams, run
from ..core.errors import LabError
from ..core.machine import Machine
from ..core.neuron_type import NeuronType, Port
from ..core.streams import Stream
from ..core.summaries import Facts, names, plural, summarised
from ..core.vvalues import MAX_DEPTH, Path, VValue, from_paths, paths, show_path, trim
from .type_checks import check_type

MAX_COORDINATES = 100_000
PADDING = 1.25  # two blocks are merged if this makes them larger by at most this factor
Keys = frozenset[Path]


class LayoutError(LabError):
    """The machine cannot be laid out in arrays; the tree engine may still run it."""


@summarised
@dataclass(frozen=True)
class Layout:
    """The places of ports and coordinates in arrays.

    ``boundary`` lists the output ports whose values are inputs of the compiled machine, ``inner``
    the neurons that it computes. ``blocks[b]`` is a tuple of paths. ``carried[port]`` holds the
    blocks of the keys that an output port can carry. ``used[port]`` holds the blocks of the keys
    that can reach an input port and that the neuron's function depends on.
    """

    machine: Machine
    boundary: tuple[Port, ...]
    inner: tuple[str, ...]
    blocks: tuple[tuple[Path, ...], ...]
    carried: Mapping[Port, frozenset[int]]
    used: Mapping[Port, frozenset[int]]

    @cached_property
    def coordinate(self) -> dict[Path, tuple[int, int]]:
        """Path -> its block, and its row in the block."""
        return {path: (b, row) for b, block in enumerate(self.blocks) for row, path in enumerate(block)}

    @cached_property
    def emitters(self) -> "Boundary":
        """The neurons of the boundary."""
        return Boundary(self.machine, self.boundary)

    def pack(self, v: VValue) -> dict[int, np.ndarray]:
        """Converts a V-value to arrays, (keys,) for each block.

        Raises :class:`LayoutError` for a path that no port can carry.
        """
        arrays = {b: np.zeros(len(block)) for b, block in enumerate(self.blocks)}
        for path, leaf in paths(v):
            if path not in self.coordinate:
                raise LayoutError(
                    f"{show_path(path)}: no port of this compiled machine can carry it; compile it with such a stream"
                )
            block, row = self.coordinate[path]
            arrays[block][row] = leaf
        return arrays

    def unpack(self, arrays: Mapping[int, Any]) -> VValue:
        """Converts arrays, (keys,) for each block, to a V-value."""
        return from_paths(
            (path, x) for b, array in arrays.items() for path, x in zip(self.blocks[b], np.asarray(array).tolist(), strict=True)
        )

    def table(self) -> str:
        """The layout as text: the paths of each block, and the ports that carry it."""
        lines = []
        for b, block in enumerate(self.blocks):
            ports = [f"{neuron}.{field}" for (neuron, field), blocks in self.carried.items() if b in blocks]
            lines.append(f"block {b}: {len(block)} paths x {len(ports)} ports")
            lines.append("  paths: " + ", ".join(show_path(path) if path else ":number" for path in block))
            lines.append("  ports: " + ", ".join(ports))
        return "\n".join(lines)

    def _summary(self) -> tuple[str, Facts]:
        facts = {
            "from outside": names(f"{neuron}.{field}" for neuron, field in self.boundary),
            "computed": f"{plural(len(self.inner), 'neuron')}: {names(self.inner, 4)}",
            "blocks of keys": names(len(block) for block in self.blocks),
            "ports": f"{len(self.carried):,} outputs, {len(self.used):,} inputs; table() lists them",
        }
        return "Layout of a machine in arrays", facts.items()


def lay_out(
    machine: Machine, streams: Streams | None, cycles: int, initial: Mapping[Port, Keys] = MappingProxyType({})
) -> Layout:
    """Finds the layout of a machine for streams with the keys of an example.

    Args:
        machine: the machine to lay out.
        streams: the example.
        cycles: how many cycles of it to examine.
        initial: keys that outputs carry before the first cycle.

    Returns:
        The layout.

    Raises:
        LayoutError: JAX cannot trace a function, keys grow without limit, or soft links drive a
            clock.
        TypeMisbehaves: a function lacks a property that its type declares
            (:mod:`dmmlab.compiler.type_checks`).
    """
    outside = boundary_neurons(machine)
    links = list(machine.links())
    boundary = dict.fromkeys(
        (link.from_neuron, link.from_field) for link in links if link.from_neuron in outside and link.to_neuron not in outside
    )
    keys: dict[Port, Keys] = {port: frozenset() for port in boundary}
    enough = max(cycles, len(outside))  # enough for values to pass through all boundary neurons
    for port, _, v in Boundary(machine, boundary).emissions(streams, enough):
        keys[port] |= {path for path, _ in paths(v)}
    inner = tuple(name for name in machine.neurons if name not in outside)
    for name in inner:
        if machine.neurons[name].reads_stream:
            raise LayoutError(f"neuron {name!r}: reads a stream by a clock that soft links drive; that is for the tree engine")
    reached, outputs = _fixed_point(machine, inner, keys, initial)
    blocks = _sort_into_blocks({**keys, **outputs}, reached)
    everywhere = {path: b for b, block in enumerate(blocks) for path in block}
    carried = {port: frozenset(everywhere[path] for path in ks) for port, ks in {**keys, **outputs}.items()}
    used = {port: frozenset(everywhere[path] for path in ks) for port, ks in _looked_at(machine, inner, reached).items()}
    return Layout(machine, tuple(boundary), inner, blocks, carried, used)


def boundary_neurons(machine: Machine) -> set[str]:
    """Returns the neurons that no soft link can influence, except those without outputs.

    All links to them are hard links from other such neurons.
    """
    outside = set(machine.neurons) - {name for name, kind in machine.neurons.items() if not kind.outputs}
    before: set[str] = set()
    links = list(machine.links())
    while outside != before:
        before = outside
        reached = {link.to_neuron for link in links if not link.hard or link.from_neuron not in outside}
        outside = outside - reached
    return outside


class Boundary:
    """The boundary's neurons, run by the tree engine.

    Args:
        machine: the whole machine.
        ports: the output ports of interest.
    """

    def __init__(self, machine: Machine, ports: Iterable[Port]):
        outside, links, ports = boundary_neurons(machine), list(machine.links()), list(ports)
        self.machine, self.ports = machine, ports
        fed = {link.to_neuron for link in links if link.to_neuron in outside}
        constant = {name for name in outside - fed if not machine.neurons[name].reads_stream}
        self.constants = {port: trim(machine.neurons[port[0]].activate({})[port[1]]) for port in ports if port[0] in constant}
        self.clocked = clocked(machine).readers & outside
        self._others = any(name not in constant | self.clocked for name, _ in ports)
        self._inner = set(machine.neurons) - outside

    def emissions(self, streams: Streams | None, cycles: int) -> Iterator[tuple[Port, int | slice, VValue]]:
        """Yields the V-values that the ports emit in the first cycles; zeros may be left out.

        Args:
            streams: as for :func:`dmmlab.core.engine.run`.
            cycles: the number of cycles.

        Returns:
            Triples of a port, a cycle (for a constant, the slice of all cycles), and the V-value.
        """
        by_neuron: dict[str, Any] = dict(streams) if isinstance(streams, Mapping) else dict.fromkeys(self.clocked, streams)
        shown = [port for port in self.ports if port[0] in self.clocked]
        if self._others or any(by_neuron.get(name) is None for name, _ in shown):
            part = self.machine
            for name in self._inner:
                part = part.without_neuron(name)
            for state in run(part, streams, cycles):
                yield from ((port, state.cycle, state.outputs.get(port[0], {}).get(port[1], {})) for port in self.ports)
            return
        yield from ((port, slice(None), v) for port, v in self.constants.items())
        for port in shown:
            stream = by_neuron[port[0]]
            pairs = stream.shown(cycles) if isinstance(stream, Stream) else ((t, stream(t)) for t in range(cycles))
            yield from ((port, t, v) for t, v in pairs)


def _fixed_point(
    machine: Machine, inner: tuple[str, ...], boundary: Mapping[Port, Keys], initial: Mapping[Port, Keys]
) -> tuple[dict[Port, Keys], dict[Port, Keys]]:
    """The keys that can reach each input, and that each output can carry, of inner neurons."""
    into: dict[Port, list[Port]] = {(name, field): [] for name in inner for field in machine.neurons[name].inputs}
    for link in machine.links():
        if (link.to_neuron, link.to_field) in into:
            into[link.to_neuron, link.to_field].append((link.from_neuron, link.from_field))
    ports = [(name, field) for name in inner for field in machine.neurons[name].outputs]
    outputs: dict[Port, Keys] = {port: initial.get(port, frozenset()) for port in ports}
    known: dict[Any, tuple[Keys, ...]] = {}
    while True:
        available = {**boundary, **outputs}
        reached = {
            port: frozenset().union(*(available.get(source, frozenset()) for source in sources))
            for port, sources in into.items()
        }
        following: dict[Port, Keys] = {}
        for name in inner:
            kind = machine.neurons[name]
            input_keys = tuple(reached[name, field] for field in kind.inputs)
            if (kind, input_keys) not in known:
                known[kind, input_keys] = _output_keys(name, kind, input_keys)
            following |= {(name, field): ks for field, ks in zip(kind.outputs, known[kind, input_keys], strict=True)}
        following = {port: ks | outputs[port] for port, ks in following.items()}
        if following == outputs:
            return reached, outputs
        outputs = following
        if sum(map(len, outputs.values())) > MAX_COORDINATES:
            raise LayoutError(f"more than {MAX_COORDINATES} coordinates: this machine is one for the tree engine")


def _output_keys(name: str, kind: NeuronType, input_keys: tuple[Keys, ...]) -> tuple[Keys, ...]:
    if isinstance(kind.function, ArrayFunction):
        _check_indices(name, kind, kind.function, input_keys)
        return tuple(frozenset(array.entries) for array in kind.function.outputs)
    try:
        results = jax.eval_shape(_function_of_trees(kind), _trees(input_keys))
    except LabError:
        raise
    except Exception as error:
        raise LayoutError(
            f"neuron {name!r}: type {kind.name!r} cannot be compiled, JAX cannot trace its function: "
            f"{type(error).__name__}: {str(error).splitlines()[0]}"
        ) from error
    keys = tuple(frozenset(path for path, _ in paths(results.get(field, {}))) for field in kind.outputs)
    if any(len(path) > MAX_DEPTH for ks in keys for path in ks):
        raise LayoutError(f"neuron {name!r}: its keys grow without end: this machine is one for the tree engine")
    return keys


def _check_indices(name: str, kind: NeuronType, function: ArrayFunction, input_keys: tuple[Keys, ...]) -> None:
    for field, keys, array in zip(kind.inputs, input_keys, function.inputs, strict=True):
        if other := sorted(keys - set(array.entries)):
            raise LayoutError(f"neuron {name!r}: {field}: {show_path(other[0])} is no index of {array}")


def _looked_at(machine: Machine, inner: tuple[str, ...], reached: Mapping[Port, Keys]) -> dict[Port, Keys]:
    """The keys of each input that outputs depend on; all keys if a neuron has no outputs."""
    known: dict[Any, tuple[Keys, ...]] = {}
    result: dict[Port, Keys] = {}
    for name in inner:
        kind = machine.neurons[name]
        input_keys = tuple(reached[name, field] for field in kind.inputs)
        if (kind, input_keys) not in known:
            known[kind, input_keys] = input_keys
            if kind.outputs and not isinstance(kind.function, ArrayFunction):
                check_type(kind, input_keys)
                known[kind, input_keys] = _dependencies(kind, input_keys)
        result |= {(name, field): ks for field, ks in zip(kind.inputs, known[kind, input_keys], strict=True)}
    return result


def _dependencies(kind: NeuronType, input_keys: tuple[Keys, ...]) -> tuple[Keys, ...]:
    jaxpr = jax.make_jaxpr(_function_of_trees(kind))(_trees(input_keys)).jaxpr
    live = {v for v in jaxpr.outvars if not isinstance(v, Literal)}
    for equation in reversed(jaxpr.eqns):
        if live & set(equation.outvars):
            live |= {v for v in equation.invars if not isinstance(v, Literal)}
    flags = jax.tree.unflatten(jax.tree.structure(_trees(input_keys)), [v in live for v in jaxpr.invars])
    return tuple(frozenset(path for path, flag in paths(tree) if flag) for tree in flags)


def _function_of_trees(kind: NeuronType) -> Callable[[tuple[VValue, ...]], VValue]:
    return lambda trees: trim(kind.activate(dict(zip(kind.inputs, trees, strict=True))))


def _trees(input_keys: tuple[Keys, ...]) -> tuple[VValue, ...]:
    return tuple(_tree(ks) for ks in input_keys)


def _tree(ks: Iterable[Path]) -> VValue:
    ks = sorted(ks)
    places = from_paths((path, float(i + 1)) for i, path in enumerate(ks))
    return jax.tree.map(lambda _: jax.ShapeDtypeStruct((), jnp.result_type(float)), places)


def _sort_into_blocks(outputs: Mapping[Port, Keys], reached: Mapping[Port, Keys]) -> tuple[tuple[Path, ...], ...]:
    carriers: dict[Path, set[Port]] = {}
    for port, ks in outputs.items():
        for path in ks:
            carriers.setdefault(path, set()).add(port)
    groups: dict[frozenset[Port], list[Path]] = {}
    for path in sorted(carriers):
        if path:
            groups.setdefault(frozenset(carriers[path]), []).append(path)
    blocks = [(set(ports), members) for ports, members in groups.items()]
    merged = True
    while merged:  # greedily, the cheapest pair first
        merged = False
        pairs = [(i, j) for i in range(len(blocks)) for j in range(i)]
        costs = {(i, j): _padding(blocks[i], blocks[j]) for i, j in pairs}
        if costs and min(costs.values()) <= PADDING:
            i, j = min(costs, key=costs.__getitem__)
            union = (blocks[i][0] | blocks[j][0], sorted(blocks[i][1] + blocks[j][1]))
            blocks = [block for k, block in enumerate(blocks) if k not in (i, j)] + [union]
            merged = True
    inner = [tuple(members) for _, members in sorted(blocks, key=lambda block: block[1])]
    return (((),), *inner)  # the scalar part is always block 0, alone


def _padding(first: tuple[set[Port], list[Path]], second: tuple[set[Port], list[Path]]) -> float:
    together = len(first[0] | second[0]) * (len(first[1]) + len(second[1]))
    return together / (len(first[0]) * len(first[1]) + len(second[0]) * len(second[1]))
