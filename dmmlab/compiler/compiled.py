"""Compiled machines: the two-stroke cycle on arrays.

The same function as the tree engine's, for a machine whose matrix is fixed while it runs. The layout
(:mod:`dmmlab.compiler.layout`) says where each coordinate lies; two schedules say in which order things are computed.

* *time-parallel*: where only accumulators recur, neurons are computed stage by stage, each for all cycles at
  once. What arrives at a stage is one matrix product for each block of coordinates, ports x (keys*cycles); an accumulator
  is a running sum. Depth is sequential, length is not.
* *scan*: for any other recurrence, ``lax.scan`` over the cycles. The gradient with respect to the weights is one product
  after the backward scan, not a sum of outer products inside it.

In both, a link costs one cycle: the arrays hold what *arrives*, that is, outputs one cycle late. Time is the last axis.
Many strings of one length may be run at once, as one axis more before time: for short strings that is the fastest way.
Weights are a list of matrices, one for a stage, with a mask of the same shape, so that pruning a link never recompiles.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial, reduce

import jax
import jax.numpy as jnp
import numpy as np

from ..core.array_leaves import Block
from ..core.engine import RunError, Streams
from ..core.errors import one_of
from .array_operations import Arrays, accumulate, delayed, filled, scan_with_late_products, select
from .layout import Layout, LayoutError, boundary_values, lay_out
from ..core.machine import Machine
from ..core.neurons import Port, add_cut
from .schedule import (
    Group,
    Stage,
    Unit,
    accumulates,
    all_ports,
    boundary_units,
    groups_of,
    join,
    make_stage,
    ports_of,
    positions,
    side_by_side,
    split,
    stages_of,
)
from ..core.streams import Stream
from ..core.vvalues import VValue, add, describe, from_paths, paths, trim

Weights = list[jax.Array]  # one matrix for each stage: input ports x output ports
SCHEDULES = ("time-parallel", "scan")


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
            if path not in self.places:
                raise LayoutError(f"{'/'.join(path)}: the compiled machine has no such link; compile one that has it")
            s, r, c = self.places[path]
            matrices[s][r, c] = weight
        return [_in_working_precision(matrix) for matrix in matrices]

    def soft(self, weights: Weights) -> VValue:
        """Matrices as soft links; weights that are zero are no links."""
        arrays = [np.asarray(matrix).tolist() for matrix in weights]
        return from_paths((path, weight) for path, (s, r, c) in self.places.items() if (weight := arrays[s][r][c]))

    @property
    def mask(self) -> Weights:
        """1.0 where there is a link, in the shape of the weights."""
        return [jnp.asarray(stage.exists, jnp.result_type(float)) for stage in self.stages]

    def encode(self, streams: Streams, cycles: int) -> Arrays:
        """What arrives from the boundary in each cycle: arrays of (ports, keys, cycles).

        Raises :class:`LayoutError` for a key that was not in the stream that the machine was compiled for.
        """
        if not isinstance(cycles, int | np.integer) or cycles < 1:
            raise LayoutError(f"{cycles!r} cycles: expected a whole number from 1 on")
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
        return {b: _in_working_precision(array) for b, array in arrays.items()}

    def run(self, weights: Weights, data: Arrays, carry: Arrays | None = None) -> Arrays:
        """What arrives at the machine's answers in each cycle: for each block, (answers, keys, cycles).

        Where the data are of shape (ports, keys, strings, cycles), so are the answers.
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
        if chunk < 1:
            raise LayoutError(f"chunks of {chunk} cycles: expected a whole number from 1 on")
        cycles = data[0].shape[-1]
        padded, chunks = -cycles % chunk, -(-cycles // chunk)

        def in_chunks(array: jax.Array) -> jax.Array:
            array = jnp.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, padded)])
            return jnp.moveaxis(array.reshape(*array.shape[:-1], chunks, chunk), -2, 0)

        def one(carry: Arrays, part: Arrays) -> tuple[Arrays, Arrays]:
            arrived, carry = self.run_on(weights, part, carry)
            return carry, {b: x for b, x in arrived.items() if blocks is None or b in blocks}

        _, arrived = jax.lax.scan(one, self.nothing(data), {b: in_chunks(array) for b, array in data.items()})
        return {b: jnp.moveaxis(x, 0, -2).reshape(*x.shape[1:-1], chunks * chunk)[..., :cycles] for b, x in arrived.items()}

    def numbers(self, weights: Weights, data: Arrays) -> jax.Array:
        """The scalar parts of the answers: (answers, cycles), or (answers, strings, cycles)."""
        return self.run(weights, data)[0][:, 0]

    def answers_of(self, streams: Streams, cycles: int, soft: VValue | None = None, neuron: str = "output") -> list[VValue]:
        """As :func:`dmmlab.core.engine.answers`: what arrives at a neuron without outputs, in each cycle, as V-values."""
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
        if any(array.ndim != 3 for array in arrays.values()):
            raise LayoutError("answers to several strings: take one of them, [:, :, i], to decode it")
        finite = np.all([np.isfinite(array).all(axis=(0, 1)) for array in arrays.values()], axis=0)
        if not finite.all():
            raise RunError(f"cycle {int(np.argmin(finite))}: what arrives at {neuron!r} is not finite in this precision")
        return [
            trim({field: self.layout.unpack({b: a[i, :, t] for b, a in arrays.items()}) for i, field in rows.items()})
            for t in range(arrays[0].shape[-1])
        ]

    @cached_property
    def _jitted(self) -> Callable[[Weights, Arrays], Arrays]:
        return jax.jit(self.run)

    @cached_property
    def places(self) -> dict[tuple[str, ...], tuple[int, int, int]]:
        """Where each soft link, a path in the network matrix, lies: stage, row, column."""
        places = {}
        for s, stage in enumerate(self.stages):
            rows, columns = all_ports(stage.rows), all_ports(stage.columns)
            for r, c in zip(*np.nonzero(stage.exists), strict=True):
                places[(*rows[r], *columns[c])] = (s, int(r), int(c))
        return {tuple(link[:4]): places[tuple(link[:4])] for link in self.machine.links() if not link.hard}

    @cached_property
    def _boundary(self) -> tuple[Unit, ...]:
        return boundary_units(self.layout)

    @cached_property
    def _inner(self) -> tuple[Unit, ...]:
        """The units of the neurons that are computed, in the order of a carry."""
        return tuple(unit for stage in self.stages for group in stage.groups for unit in group.outputs)

    def nothing(self, data: Arrays) -> Arrays:
        """The carry before the first cycle: (ports, keys), or (ports, keys, strings) as the data are."""
        strings = data[0].shape[2:-1]
        blocks = enumerate(self.layout.blocks)
        return {b: jnp.zeros((len(positions(self._inner, b)), len(block), *strings)) for b, block in blocks}

    def _part(self, matrix: jax.Array, stage: Stage, block: int) -> jax.Array:
        return select(matrix, positions(stage.rows, block), positions(stage.columns, block))

    def _time_parallel(self, weights: Weights, data: Arrays, carry: Arrays | None) -> tuple[Arrays, Arrays]:
        axes = data[0].shape[2:]  # (cycles,), or (strings, cycles)
        before = {} if carry is None else split(self._inner, carry)
        arriving = split(self._boundary, data)
        last: dict[tuple[Unit, int], jax.Array] = {}
        for stage, matrix in zip(self.stages, weights, strict=True):
            arrived: Arrays = {}
            for b, block in enumerate(self.layout.blocks):
                source = join(stage.columns, b, arriving, (len(block), *axes))
                product = self._part(matrix, stage, b) @ source.reshape(len(source), len(block) * math.prod(axes))
                arrived[b] = product.reshape(len(product), len(block), *axes)
            received = split(stage.rows, arrived)
            for group in stage.groups:
                if group.accumulates:
                    cut, (unit,) = group.kind.function is add_cut, group.outputs
                    present = sorted(unit.blocks)
                    fields = group.inputs
                    summands = [[received[field, b] for field in fields if b in field.blocks] for b in present]
                    added = [reduce(jnp.add, xs) for xs in summands]
                    start = None if carry is None else [before[unit, b] for b in present]
                    for b, sums, end in zip(present, *accumulate(added, start, cut), strict=True):
                        arriving[unit, b], last[unit, b] = sums, end
                elif group.outputs:
                    for key, x in self._activate(group, received, axes).items():
                        arriving[key], last[key] = delayed(x, before.get(key)), x[..., -1]
        blocks = enumerate(self.layout.blocks)
        return arrived, {b: join(self._inner, b, last, (len(block), *axes[:-1])) for b, block in blocks}

    def _scan(self, weights: Weights, data: Arrays, carry: Arrays | None) -> tuple[Arrays, Arrays]:
        (stage,), (matrix,), blocks = self.stages, weights, self.layout.blocks
        parts = {b: self._part(matrix, stage, b) for b in range(len(blocks))}
        sinks = tuple(unit for group in stage.groups if not group.outputs for unit in group.inputs)
        strings = data[0].shape[2:-1]
        if carry is None:
            carry = self.nothing(data)
        cycles = {b: jnp.moveaxis(array, -1, 0) for b, array in data.items()}

        def cycle(parts: Arrays, state: Arrays, now: tuple[Arrays, Arrays]) -> tuple[Arrays, tuple[Arrays, Arrays]]:
            boundary, nudge = now
            sources = {b: jnp.concatenate([boundary[b], state[b]]) for b in parts}  # the columns, in their order
            arrived = {b: jnp.tensordot(parts[b], x, axes=1) for b, x in sources.items()}
            received = split(stage.rows, {b: x + nudge[b] for b, x in arrived.items()})
            outputs: dict[tuple[Unit, int], jax.Array] = {}
            for group in stage.groups:
                if group.outputs:
                    outputs |= self._activate(group, received, strings)
            state = {b: join(self._inner, b, outputs, (len(block), *strings)) for b, block in enumerate(blocks)}
            answers = {b: join(sinks, b, received, (len(block), *strings)) for b, block in enumerate(blocks)}
            return state, (answers, sources)

        nudges = {b: jnp.zeros((len(cycles[0]), len(parts[b]), len(block), *strings)) for b, block in enumerate(blocks)}
        last, answers = scan_with_late_products(cycle, parts, carry, cycles, nudges)
        return {b: jnp.moveaxis(array, 0, -1) for b, array in answers.items()}, last

    def _activate(
        self, group: Group, received: Mapping[tuple[Unit, int], jax.Array], axes: tuple[int, ...]
    ) -> dict[tuple[Unit, int], jax.Array]:
        """The up movement of a group: its scalar function, mapped over its neurons and over the axes after the keys'."""
        points = math.prod(axes)  # strings and cycles are one axis here
        given = [
            {b: x.reshape(*x.shape[:2], points) for b in sorted(unit.blocks) for x in [received[unit, b]]}
            for unit in group.inputs
        ]

        def activate(given: list[Arrays], whole: bool) -> list[Arrays]:
            values = [self._vvalue(arrays, whole) for arrays in given]
            results = group.kind.activate(dict(zip(group.kind.inputs, values, strict=True)))
            return [self._arrays(results[f], unit) for f, unit in zip(group.kind.outputs, group.outputs, strict=True)]

        neurons = len(group.outputs[0].ports)
        if group.kind.uniform:
            results = activate(given, whole=True)
            shape = (neurons, points)
            results = [{b: filled(x, len(self.layout.blocks[b]), shape) for b, x in arrays.items()} for arrays in results]
        else:
            function = jax.vmap(partial(activate, whole=False), in_axes=-1, out_axes=-1, axis_size=points)
            results = jax.vmap(function, axis_size=neurons)(given)
        return {
            (unit, b): x.reshape(*x.shape[:2], *axes)
            for unit, arrays in zip(group.outputs, results, strict=True)
            for b, x in arrays.items()
        }

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
        streams: an example of what it is to read, as for :func:`dmmlab.core.engine.run`; only its keys matter.
        cycles: how many cycles of the example to look at (up to its last event, if left out).
        schedule: ``"time-parallel"`` or ``"scan"``; chosen by the graph if left out.

    Raises:
        LayoutError: the machine cannot be laid out in arrays (its keys grow without end, or a function cannot be
            traced by JAX), or the time-parallel schedule was asked for and something other than accumulators recurs.
    """
    if schedule is not None and schedule not in SCHEDULES:
        raise LayoutError(one_of("schedule", schedule, SCHEDULES))
    layout = lay_out(machine, streams, cycles or _length(streams))
    accumulators = {name for name in layout.inner if accumulates(machine, name)}
    order = stages_of(layout, accumulators)
    if schedule == "time-parallel" and order is None:
        raise LayoutError("something other than accumulators recurs: this machine needs the scan schedule")
    if schedule is None:
        schedule = "scan" if order is None else "time-parallel"
    if schedule == "scan":
        order, accumulators = [list(layout.inner)], set()
    assert order is not None
    stages, columns = [], list(boundary_units(layout))
    grouped = [groups_of(layout, names, accumulators) for names in order]
    for groups in grouped:
        if schedule == "scan":
            columns += [unit for group in groups for unit in group.outputs]
        stages.append(make_stage(layout, groups, columns if schedule == "scan" else side_by_side(columns)))
        if schedule != "scan":
            columns += [unit for group in groups for unit in group.outputs]
    answers = tuple(port for group in grouped[-1] if not group.outputs for unit in group.inputs for port in unit.ports)
    return Compiled(layout, schedule, tuple(stages), answers)


def _length(streams: Streams) -> int:
    each = list(streams.values()) if isinstance(streams, Mapping) else [streams]
    if not all(isinstance(stream, Stream) for stream in each):
        raise LayoutError(f"{describe(streams)}: expected a Stream, or one for each neuron that reads one")
    return max((max(stream.events, default=0) for stream in each), default=0) + 1


def _in_working_precision(array: np.ndarray) -> jax.Array:
    with np.errstate(over="ignore"):  # an infinite answer is told of as such
        return jnp.asarray(array, jnp.result_type(float))


def _with_hard_links(matrix: jax.Array, stage: Stage) -> jax.Array:
    if not stage.exists.all():
        matrix = matrix * stage.exists.astype(matrix.dtype)
    return matrix + stage.hard.astype(matrix.dtype) if stage.hard.any() else matrix
