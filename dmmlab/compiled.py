"""Compiled machines: the two-stroke cycle on arrays.

The same function as the tree engine's, for a machine whose matrix is fixed while it runs. The layout
(:mod:`dmmlab.layout`) says where each coordinate lies; two schedules say in which order things are computed.

* *time-parallel*: where only accumulators recur, neurons are computed stage by stage, each for all cycles at
  once. What arrives at a stage is one matrix product for each block of coordinates, ports x (keys*cycles); an accumulator
  is a running sum. Depth is sequential, length is not.
* *scan*: for any other recurrence, ``lax.scan`` over the cycles. The gradient with respect to the weights is one product
  after the backward scan, not a sum of outer products inside it.

In both, a link costs one cycle: the arrays hold what *arrives*, that is, outputs one cycle late. Time is the last axis.
Weights are a list of matrices, one for a stage, with a mask of the same shape, so that pruning a link never recompiles.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np

from .blocks import Block
from .engine import Streams
from .errors import one_of
from .layout import Layout, LayoutError, boundary_values, lay_out
from .machine import Machine
from .neurons import NeuronType, Port, add_cut
from .vvalues import VValue, add, from_paths, paths, trim

Weights = list[jax.Array]  # one matrix for each stage: input ports x output ports
Arrays = dict[int, jax.Array]  # by block: ports x keys x cycles
SCHEDULES = ("time-parallel", "scan")
RUNNING_SUMS = (add, add_cut)  # functions that make a neuron with feedback an accumulator


@dataclass(frozen=True)
class Unit:
    """Ports that lie side by side in the arrays: one field of all neurons of a group, with the blocks it concerns."""

    ports: tuple[Port, ...]
    blocks: frozenset[int]


@dataclass(frozen=True)
class Group:
    """Neurons of one type in one stage, computed together. ``inputs`` and ``outputs`` are units, one for each field."""

    kind: NeuronType
    inputs: tuple[Unit, ...]
    outputs: tuple[Unit, ...]
    accumulates: bool


@dataclass(frozen=True)
class Stage:
    """A part of the matrix: rows are the input ports of some groups, columns the output ports that may feed them."""

    groups: tuple[Group, ...]
    rows: tuple[Unit, ...]
    columns: tuple[Unit, ...]
    exists: np.ndarray  # 1.0 where there is a soft link
    hard: np.ndarray


@dataclass(frozen=True, eq=False)
class Compiled:
    """A machine on arrays; make one with :func:`compile_machine`."""

    layout: Layout
    schedule: str
    stages: tuple[Stage, ...]
    answers: tuple[Port, ...]  # the inputs of the neurons that have no outputs

    @property
    def machine(self) -> Machine:
        return self.layout.machine

    def weights(self, soft: VValue | None = None) -> Weights:
        """Soft links as matrices; the machine's own if none are given.

        Raises :class:`LayoutError` for a link that the machine did not have when it was compiled.
        """
        tree = self.machine.soft if soft is None else soft
        matrices = [np.zeros(stage.exists.shape) for stage in self.stages]
        for path, weight in paths(tree):
            if path not in self._places:
                raise LayoutError(f"{'/'.join(path)}: the compiled machine has no such link; compile one that has it")
            s, r, c = self._places[path]
            matrices[s][r, c] = weight
        return [jnp.asarray(matrix, jnp.result_type(float)) for matrix in matrices]

    def soft(self, weights: Weights) -> VValue:
        """Matrices as soft links; weights that are zero are no links."""
        arrays = [np.asarray(matrix).tolist() for matrix in weights]
        return trim(from_paths((path, arrays[s][r][c]) for path, (s, r, c) in self._places.items()))

    @property
    def mask(self) -> Weights:
        """1.0 where there is a link, in the shape of the weights."""
        return [jnp.asarray(stage.exists, jnp.result_type(float)) for stage in self.stages]

    def encode(self, streams: Streams, cycles: int) -> Arrays:
        """What arrives from the boundary in each cycle: arrays of (ports, keys, cycles).

        Raises :class:`LayoutError` for a key that was not in the stream that the machine was compiled for.
        """
        layout = self.layout
        arrays = {b: np.zeros((len(ports_of(self._boundary, b)), len(block), cycles)) for b, block in enumerate(layout.blocks)}
        places = {(port, b): i for b in arrays for i, port in enumerate(ports_of(self._boundary, b))}
        for t, values in enumerate(boundary_values(self.machine, layout.boundary, streams, cycles - 1)):
            for port, v in values.items():
                for path, leaf in paths(v):
                    if path not in layout.coordinate:
                        layout.pack(v)  # raises, and says which
                    block, row = layout.coordinate[path]
                    if (port, block) not in places:
                        raise LayoutError(
                            f"{port[0]}.{port[1]} carries a key here that it did not when the machine was compiled"
                        )
                    arrays[block][places[port, block], row, t + 1] = leaf
        return {b: jnp.asarray(array, jnp.result_type(float)) for b, array in arrays.items()}

    def run(self, weights: Weights, data: Arrays, carry: Arrays | None = None) -> Arrays:
        """What arrives at the machine's answers in each cycle: for each block, (answers, keys, cycles).

        Pure and differentiable; for use under ``jit``, ``grad`` and ``vmap``.
        """
        return self.run_on(weights, data, carry)[0]

    def run_on(self, weights: Weights, data: Arrays, carry: Arrays | None = None) -> tuple[Arrays, Arrays]:
        """As :meth:`run`, from the outputs ``carry`` of the cycle before; also returns those of the last cycle."""
        weights = [_with_hard_links(w, stage) for w, stage in zip(weights, self.stages, strict=True)]
        if self.schedule == "scan":
            return self._scan(weights, data, carry)
        return self._time_parallel(weights, data, carry)

    def run_in_chunks(self, weights: Weights, data: Arrays, chunk: int = 200, blocks: Sequence[int] | None = None) -> Arrays:
        """As :meth:`run`, a chunk of cycles after the other: what it works on stays in the cache, however long the stream.

        With ``blocks``, only those blocks of the answers; ``(0,)`` gives the scalar parts.
        """
        cycles = data[0].shape[-1]
        padded, chunks = -cycles % chunk, -(-cycles // chunk)

        def in_chunks(array: jax.Array) -> jax.Array:
            array = jnp.pad(array, ((0, 0), (0, 0), (0, padded)))
            return jnp.moveaxis(array.reshape(*array.shape[:2], chunks, chunk), 2, 0)

        def one(carry: Arrays, part: Arrays) -> tuple[Arrays, Arrays]:
            arrived, carry = self.run_on(weights, part, carry)
            return carry, {b: x for b, x in arrived.items() if blocks is None or b in blocks}

        _, arrived = jax.lax.scan(one, self._nothing(), {b: in_chunks(array) for b, array in data.items()})
        return {b: jnp.moveaxis(x, 0, 2).reshape(*x.shape[1:3], chunks * chunk)[..., :cycles] for b, x in arrived.items()}

    def numbers(self, weights: Weights, data: Arrays) -> jax.Array:
        """The scalar parts of the answers: (answers, cycles)."""
        return self.run(weights, data)[0][:, 0, :]

    def answers_of(self, streams: Streams, cycles: int, soft: VValue | None = None, neuron: str = "output") -> list[VValue]:
        """As :func:`dmmlab.engine.answers`: what arrives at a neuron without outputs, in each cycle, as V-values."""
        return self.decode(self.arrived(streams, cycles, soft), neuron)

    def arrived(self, streams: Streams, cycles: int, soft: VValue | None = None) -> Arrays:
        """As :meth:`run`, for a stream and soft links as they are; compiled once for each number of cycles."""
        return self._jitted(self.weights(soft), self.encode(streams, cycles))

    def decode(self, arrived: Arrays, neuron: str = "output") -> list[VValue]:
        """What :meth:`run` returned, as V-values: ``[{input: V-value}]``, one for each cycle, of one answering neuron."""
        rows = {i: field for i, (name, field) in enumerate(self.answers) if name == neuron}
        if not rows:
            raise LayoutError(one_of("answering neuron", neuron, {name for name, _ in self.answers}))
        arrays = {b: np.asarray(array) for b, array in arrived.items() if len(array)}
        return [
            trim({field: self.layout.unpack({b: a[i, :, t] for b, a in arrays.items()}) for i, field in rows.items()})
            for t in range(arrays[0].shape[-1])
        ]

    @cached_property
    def _jitted(self) -> Callable[[Weights, Arrays], Arrays]:
        return jax.jit(self.run)

    @cached_property
    def _places(self) -> dict[tuple[str, ...], tuple[int, int, int]]:
        """Where each soft link lies: stage, row, column."""
        places = {}
        for s, stage in enumerate(self.stages):
            rows, columns = _ports(stage.rows), _ports(stage.columns)
            for r, c in zip(*np.nonzero(stage.exists), strict=True):
                places[(*rows[r], *columns[c])] = (s, int(r), int(c))
        return {tuple(link[:4]): places[tuple(link[:4])] for link in self.machine.links() if not link.hard}

    @cached_property
    def _boundary(self) -> tuple[Unit, ...]:
        return _boundary_units(self.layout)

    @cached_property
    def _inner(self) -> tuple[Unit, ...]:
        """The units of the neurons that are computed, in the order of a carry."""
        return tuple(unit for stage in self.stages for group in stage.groups for unit in group.outputs)

    def _nothing(self) -> Arrays:
        """The carry before the first cycle."""
        return {b: jnp.zeros((len(positions(self._inner, b)), len(block))) for b, block in enumerate(self.layout.blocks)}

    def _part(self, matrix: jax.Array, stage: Stage, block: int) -> jax.Array:
        return _select(matrix, positions(stage.rows, block), positions(stage.columns, block))

    def _time_parallel(self, weights: Weights, data: Arrays, carry: Arrays | None) -> tuple[Arrays, Arrays]:
        cycles = data[0].shape[-1]
        before = {} if carry is None else _split(self._inner, carry)
        arriving = _split(self._boundary, data)
        last: dict[tuple[Unit, int], jax.Array] = {}
        for stage, matrix in zip(self.stages, weights, strict=True):
            arrived: Arrays = {}
            for b, block in enumerate(self.layout.blocks):
                source = _join(stage.columns, b, arriving, (len(block), cycles))
                product = self._part(matrix, stage, b) @ source.reshape(len(source), len(block) * cycles)
                arrived[b] = product.reshape(len(product), len(block), cycles)
            received = _split(stage.rows, arrived)
            for group in stage.groups:
                if group.accumulates:
                    cut, (unit,) = group.kind.function is add_cut, group.outputs
                    present = sorted(unit.blocks)
                    fields = group.inputs
                    summands = [[received[field, b] for field in fields if b in field.blocks] for b in present]
                    added = [reduce(jnp.add, xs) for xs in summands]
                    start = None if carry is None else [before[unit, b] for b in present]
                    for b, sums, end in zip(present, *_accumulate(added, start, cut), strict=True):
                        arriving[unit, b], last[unit, b] = sums, end
                elif group.outputs:
                    for key, x in self._activate(group, received, cycles).items():
                        arriving[key], last[key] = _delayed(x, before.get(key)), x[..., -1]
        return arrived, {b: _join(self._inner, b, last, (len(block),)) for b, block in enumerate(self.layout.blocks)}

    def _scan(self, weights: Weights, data: Arrays, carry: Arrays | None) -> tuple[Arrays, Arrays]:
        (stage,), (matrix,), blocks = self.stages, weights, self.layout.blocks
        parts = {b: self._part(matrix, stage, b) for b in range(len(blocks))}
        sinks = tuple(unit for group in stage.groups if not group.outputs for unit in group.inputs)
        if carry is None:
            carry = self._nothing()
        cycles = {b: jnp.moveaxis(array, -1, 0) for b, array in data.items()}

        def cycle(parts: Arrays, state: Arrays, now: tuple[Arrays, Arrays]) -> tuple[Arrays, tuple[Arrays, Arrays]]:
            boundary, nudge = now
            sources = {b: jnp.concatenate([boundary[b], state[b]]) for b in parts}  # the columns, in their order
            received = _split(stage.rows, {b: parts[b] @ sources[b] + nudge[b] for b in parts})
            outputs: dict[tuple[Unit, int], jax.Array] = {}
            for group in stage.groups:
                if group.outputs:
                    outputs |= self._activate(group, received)
            state = {b: _join(self._inner, b, outputs, (len(block),)) for b, block in enumerate(blocks)}
            answers = {b: _join(sinks, b, received, (len(block),)) for b, block in enumerate(blocks)}
            return state, (answers, sources)

        nudges = {b: jnp.zeros((len(cycles[0]), len(parts[b]), len(block))) for b, block in enumerate(blocks)}
        last, answers = _scan_with_late_products(cycle, parts, carry, cycles, nudges)
        return {b: jnp.moveaxis(array, 0, -1) for b, array in answers.items()}, last

    def _activate(
        self, group: Group, received: Mapping[tuple[Unit, int], jax.Array], cycles: int | None = None
    ) -> dict[tuple[Unit, int], jax.Array]:
        """The up movement of a group: its scalar function, mapped over its neurons and, if given, over so many cycles."""
        given = [{b: received[unit, b] for b in sorted(unit.blocks)} for unit in group.inputs]

        def activate(given: list[Arrays], whole: bool) -> list[Arrays]:
            values = [self._vvalue(arrays, whole) for arrays in given]
            results = group.kind.activate(dict(zip(group.kind.inputs, values, strict=True)))
            return [self._arrays(results[f], unit) for f, unit in zip(group.kind.outputs, group.outputs, strict=True)]

        neurons = len(group.outputs[0].ports)
        if group.kind.uniform:
            results = activate(given if cycles else jax.tree.map(lambda x: x[..., None], given), whole=True)
            shape = (neurons, cycles or 1)
            results = [{b: _filled(x, len(self.layout.blocks[b]), shape) for b, x in arrays.items()} for arrays in results]
            results = results if cycles else jax.tree.map(lambda x: x[..., 0], results)
        else:
            function = partial(activate, whole=False)
            if cycles:
                function = jax.vmap(function, in_axes=-1, out_axes=-1, axis_size=cycles)
            results = jax.vmap(function, axis_size=neurons)(given)
        return {(unit, b): x for unit, arrays in zip(group.outputs, results, strict=True) for b, x in arrays.items()}

    def _vvalue(self, arrays: Arrays, whole: bool) -> VValue:
        """What a neuron's function sees of one input: whole blocks, (neurons, keys, cycles), or scalars, key by key."""
        if whole:
            blocks = {f":block {b}": Block(x) for b, x in arrays.items() if b > 0}
            return add(blocks, arrays[0][:, 0]) if 0 in arrays else blocks
        return from_paths((path, x[row]) for b, x in arrays.items() for row, path in enumerate(self.layout.blocks[b]))

    def _arrays(self, v: VValue, unit: Unit) -> Arrays:
        """What a neuron's function returned for one output, as arrays of the unit's blocks."""
        leaves = dict(paths(trim(v)))
        arrays = {}
        for b in sorted(unit.blocks):
            block = leaves.get((f":block {b}",))
            if block is not None:
                arrays[b] = block.array
            else:
                rows = [jnp.asarray(leaves.get(path, 0.0), jnp.result_type(float)) for path in self.layout.blocks[b]]
                arrays[b] = jnp.stack(jnp.broadcast_arrays(*rows), axis=-2 if rows[0].ndim else 0)
        return arrays


def compile_machine(machine: Machine, streams: Streams, cycles: int | None = None, schedule: str | None = None) -> Compiled:
    """Compiles a machine for streams with the keys that this one has.

    Args:
        machine: what to compile. Its links, hard and soft, are all that there can be: a soft link's weight may become
            zero and come back, but a link that is not there has no place.
        streams: an example of what it is to read, as for :func:`dmmlab.engine.run`; only its keys matter.
        cycles: how many cycles of the example to look at (as many as it has events, if left out).
        schedule: ``"time-parallel"`` or ``"scan"``; chosen by the graph if left out.

    Raises:
        LayoutError: the machine cannot be laid out in arrays (its keys grow without end, or a function cannot be
            traced by JAX), or the time-parallel schedule was asked for and something other than accumulators recurs.
    """
    if schedule is not None and schedule not in SCHEDULES:
        raise LayoutError(one_of("schedule", schedule, SCHEDULES))
    layout = lay_out(machine, streams, cycles or _length(streams))
    accumulators = {name for name in layout.inner if _accumulates(machine, name)}
    order = _stages_of(layout, accumulators)
    if schedule == "time-parallel" and order is None:
        raise LayoutError("something other than accumulators recurs: this machine needs the scan schedule")
    if schedule is None:
        schedule = "scan" if order is None else "time-parallel"
    if schedule == "scan":
        order, accumulators = [list(layout.inner)], set()
    assert order is not None
    stages, columns = [], list(_boundary_units(layout))
    grouped = [_groups(layout, names, accumulators) for names in order]
    for groups in grouped:
        if schedule == "scan":
            columns += [unit for group in groups for unit in group.outputs]
        stages.append(_stage(layout, groups, columns if schedule == "scan" else _side_by_side(columns)))
        if schedule != "scan":
            columns += [unit for group in groups for unit in group.outputs]
    answers = tuple(port for group in grouped[-1] if not group.outputs for unit in group.inputs for port in unit.ports)
    return Compiled(layout, schedule, tuple(stages), answers)


def _length(streams: Streams) -> int:
    each = streams.values() if isinstance(streams, Mapping) else [streams]
    return max((max(stream.events, default=0) for stream in each), default=0) + 1


def _accumulates(machine: Machine, name: str) -> bool:
    """Whether a neuron adds what arrives to its own output: nothing else enters where that comes back, with weight 1."""
    kind = machine.neurons[name]
    if kind.function not in RUNNING_SUMS or len(kind.inputs) != 2:
        return False
    into = [link for link in machine.links() if link.to_neuron == name and link.to_field == kind.inputs[0]]
    itself = [link for link in machine.links() if link.to_neuron == name == link.from_neuron]
    return len(into) == len(itself) == 1 and into == itself and into[0].hard and into[0].weight == 1


def _stages_of(layout: Layout, accumulators: set[str]) -> list[list[str]] | None:
    """The inner neurons by stages, each fed by earlier ones alone; None if something other than accumulators recurs.

    The neurons without outputs stand in the last stage together.
    """
    graph = nx.DiGraph()
    graph.add_nodes_from(layout.inner)
    for link in layout.machine.links():
        if link.from_neuron in graph and link.to_neuron in graph and not link.from_neuron == link.to_neuron in accumulators:
            graph.add_edge(link.from_neuron, link.to_neuron)
    if not nx.is_directed_acyclic_graph(graph):
        return None
    sinks = [name for name in layout.inner if not layout.machine.neurons[name].outputs]
    graph.remove_nodes_from(sinks)
    return [[name for name in layout.inner if name in set(names)] for names in nx.topological_generations(graph)] + [sinks]


def _boundary_units(layout: Layout) -> tuple[Unit, ...]:
    by_blocks: dict[frozenset[int], list[Port]] = {}
    for port in layout.boundary:
        by_blocks.setdefault(layout.carried[port], []).append(port)
    return tuple(Unit(tuple(ports), blocks) for blocks, ports in by_blocks.items())


def _groups(layout: Layout, names: Sequence[str], accumulators: set[str]) -> list[Group]:
    members: dict[tuple[NeuronType, bool], list[str]] = {}
    for name in names:
        members.setdefault((layout.machine.neurons[name], name in accumulators), []).append(name)
    sinks = [(name, field) for name in names for field in _sink_inputs(layout.machine.neurons[name])]
    answered = frozenset({0}).union(*(layout.used[port] for port in sinks))
    groups = []
    for (kind, accumulates), group in members.items():
        fields = kind.inputs[1:] if accumulates else kind.inputs
        inputs = [_unit(group, field, layout.used) for field in fields]
        if not kind.outputs:  # answers have a row in every block that any of them has something in
            inputs = [Unit(unit.ports, answered) for unit in inputs]
        groups.append(
            Group(kind, tuple(inputs), tuple(_unit(group, field, layout.carried) for field in kind.outputs), accumulates)
        )
    return groups


def _sink_inputs(kind: NeuronType) -> tuple[str, ...]:
    return () if kind.outputs else kind.inputs


def _unit(names: Sequence[str], field: str, blocks: Mapping[Port, frozenset[int]]) -> Unit:
    ports = tuple((name, field) for name in names)
    return Unit(ports, frozenset().union(*(blocks[port] for port in ports)))


def _stage(layout: Layout, groups: Sequence[Group], columns: Sequence[Unit]) -> Stage:
    rows = _side_by_side([unit for group in groups for unit in group.inputs])
    row = {port: i for i, port in enumerate(_ports(rows))}
    column = {port: i for i, port in enumerate(_ports(columns))}
    matrices = {hard: np.zeros((len(row), len(column))) for hard in (False, True)}
    for link in layout.machine.links():
        to, source = (link.to_neuron, link.to_field), (link.from_neuron, link.from_field)
        if to in row and source in column:
            matrices[link.hard][row[to], column[source]] = link.weight if link.hard else 1.0
    return Stage(tuple(groups), rows, tuple(columns), exists=matrices[False], hard=matrices[True])


def _side_by_side(units: Sequence[Unit]) -> tuple[Unit, ...]:
    """Sorts units so that those of one block lie together: exactly so with two blocks, as well as it goes with more."""
    order: list[frozenset[int]] = []
    for b in sorted({b for unit in units for b in unit.blocks}, reverse=True):
        order = [blocks for blocks in order if b not in blocks] + [blocks for blocks in order if b in blocks]
        new = {unit.blocks for unit in units if b in unit.blocks} - set(order)
        order = (
            [*sorted(new, key=lambda blocks: (0 in blocks, sorted(blocks))), *order]
            if not order
            else order + sorted(new, key=sorted)
        )
    rank = {blocks: i for i, blocks in enumerate([*order, frozenset()])}
    return tuple(sorted(units, key=lambda unit: rank[unit.blocks]))


def _ports(units: Sequence[Unit]) -> list[Port]:
    return [port for unit in units for port in unit.ports]


def ports_of(units: Sequence[Unit], block: int) -> list[Port]:
    """The ports that a block concerns, in the order in which they lie in its arrays."""
    return [port for unit in units if block in unit.blocks for port in unit.ports]


def positions(units: Sequence[Unit], block: int) -> list[int]:
    """The positions, among the ports of all units, of those that a block concerns."""
    flags = [block in unit.blocks for unit in units for _ in unit.ports]
    return [i for i, flag in enumerate(flags) if flag]


def _select(matrix: jax.Array, rows: list[int], columns: list[int]) -> jax.Array:
    """``matrix[rows][:, columns]``, as slices or products: a gather's gradient is a scatter, which is slow on a CPU."""
    for axis, chosen in enumerate((rows, columns)):
        size = matrix.shape[axis]
        if chosen == list(range(chosen[0], chosen[-1] + 1)) if chosen else True:
            start = chosen[0] if chosen else 0
            matrix = jax.lax.slice_in_dim(matrix, start, start + len(chosen), axis=axis)
        else:
            picks = np.zeros((size, len(chosen)))
            picks[chosen, range(len(chosen))] = 1.0
            chooser = jnp.asarray(picks, matrix.dtype)
            matrix = matrix @ chooser if axis else chooser.T @ matrix
    return matrix


def _with_hard_links(matrix: jax.Array, stage: Stage) -> jax.Array:
    if not stage.exists.all():
        matrix = matrix * stage.exists.astype(matrix.dtype)
    return matrix + stage.hard.astype(matrix.dtype) if stage.hard.any() else matrix


def _split(units: Sequence[Unit], arrays: Arrays) -> dict[tuple[Unit, int], jax.Array]:
    """Arrays of all units' ports, one for each block -> an array for each unit and block."""
    parts = {}
    for b, array in arrays.items():
        start = 0
        for unit in units:
            if b in unit.blocks:
                parts[unit, b] = jax.lax.slice_in_dim(array, start, start + len(unit.ports), axis=0)
                start += len(unit.ports)
    return parts


def _join(units: Sequence[Unit], block: int, parts: Mapping[tuple[Unit, int], jax.Array], shape: tuple[int, ...]) -> jax.Array:
    """The inverse of :func:`_split`, for one block; ``shape`` is that of one port."""
    chosen = [parts[unit, block] for unit in units if block in unit.blocks]
    return jnp.concatenate(chosen) if chosen else jnp.zeros((0, *shape))


def _filled(x: jax.Array, keys: int, shape: tuple[int, int]) -> jax.Array:
    """A result of a uniform function with all its axes, (neurons, keys, cycles); a constant has none."""
    neurons, cycles = shape
    return jnp.broadcast_to(x.reshape(1, keys, 1) if x.ndim < 3 else x, (neurons, keys, cycles))


def _delayed(x: jax.Array, before: jax.Array | None) -> jax.Array:
    """One cycle later: ``before`` (nothing, if None), then all but the last of ``x``."""
    first = jnp.zeros_like(x[..., :1]) if before is None else before[..., None]
    return jnp.concatenate([first, x[..., :-1]], axis=-1)


def _accumulate(xs: list[jax.Array], before: list[jax.Array] | None, cut: bool) -> tuple[list[jax.Array], list[jax.Array]]:
    """An accumulator's outputs, one cycle late, and its outputs in the last cycle: one running sum for all its blocks."""
    if not xs:  # nothing ever arrives
        return [], []
    x = jnp.concatenate(xs, axis=1)
    sums = _exclusive_sum(x, cut)
    if before is not None:
        start = jnp.concatenate(before, axis=1)[..., None]
        sums = sums + (jax.lax.stop_gradient(start) if cut else start)
    end = (jax.lax.stop_gradient(sums[..., -1]) if cut else sums[..., -1]) + x[..., -1]
    ends = np.cumsum([part.shape[1] for part in xs])[:-1].tolist()
    return jnp.split(sums, ends, axis=1), jnp.split(end, ends, axis=1)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _exclusive_sum(x: jax.Array, cut: bool) -> jax.Array:
    """``y[..., t] = sum of x[..., s] over s < t``.

    A loop: on a CPU it takes a quarter of the time of ``jnp.cumsum``. With ``cut``, the gradient is that of a sum
    through which no derivative flows back in time, ``y[t] = constant + x[t - 1]``.
    """
    return _running(x, reverse=False)


def _exclusive_sum_forward(x: jax.Array, cut: bool) -> tuple[jax.Array, None]:
    return _running(x, reverse=False), None


def _exclusive_sum_backward(cut: bool, _: None, g: jax.Array) -> tuple[jax.Array]:
    if cut:
        return (jnp.concatenate([g[..., 1:], jnp.zeros_like(g[..., :1])], axis=-1),)
    return (_running(g, reverse=True),)


_exclusive_sum.defvjp(_exclusive_sum_forward, _exclusive_sum_backward)


def _running(x: jax.Array, reverse: bool) -> jax.Array:
    cycles = x.shape[-1]

    def body(i: jax.Array, state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        total, sums = state
        t = cycles - 1 - i if reverse else i
        sums = jax.lax.dynamic_update_slice_in_dim(sums, total, t, axis=-1)
        return total + jax.lax.dynamic_slice_in_dim(x, t, 1, axis=-1), sums

    return jax.lax.fori_loop(0, cycles, body, (jnp.zeros_like(x[..., :1]), jnp.zeros_like(x)))[1]


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _scan_with_late_products(
    cycle: Callable, parts: Arrays, carry: Arrays, data: Arrays, nudges: Arrays
) -> tuple[Arrays, Arrays]:
    """``lax.scan`` of ``cycle`` whose gradient with respect to the matrices is one product after the backward scan.

    ``nudges`` are zeros added to what arrives; the gradient with respect to them, times what was sent, is the gradient with
    respect to the matrix.
    """
    last, (answers, _) = jax.lax.scan(partial(cycle, parts), carry, (data, nudges))
    return last, answers


def _late_forward(cycle: Callable, parts: Arrays, carry: Arrays, data: Arrays, nudges: Arrays):
    def run(carry, data, nudges):
        last, (answers, sources) = jax.lax.scan(partial(cycle, parts), carry, (data, nudges))
        return (last, answers), sources

    results, pull_back, sources = jax.vjp(run, carry, data, nudges, has_aux=True)
    return results, (pull_back, sources)


def _late_backward(cycle: Callable, residuals: Any, g: Any):
    pull_back, sources = residuals
    carry, data, nudges = pull_back(g)
    parts = {b: jnp.einsum("trk,tck->rc", nudges[b], sources[b]) for b in nudges}
    return parts, carry, data, nudges


_scan_with_late_products.defvjp(_late_forward, _late_backward)
