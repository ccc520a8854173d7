"""Compiled machines: the two-stroke cycle on arrays.

A compiled machine computes the same function as the tree engine, for a matrix that is fixed while
the machine runs. The layout (:mod:`dmmlab.compiler.layout`) gives the place of each coordinate. One
of two schedules (:mod:`dmmlab.compiler.two_schedules`) gives the order of computation. Many strings
of one length may be run at once, along an additional axis before time; this is the fastest way for
short strings. Weights are a list of matrices, one for each stage, with masks of the same shapes, so
pruning a link never recompiles.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core.engine import RunError, Streams
from ..core.errors import one_of
from ..core.machine import Machine
from ..core.neuron_type import Port
from ..core.summaries import Facts, names, plural, summarised
from ..core.vvalues import Path, VValue, from_paths, paths, trim
from .array_operations import Answers, Carry, Inputs
from .chunks import CHUNK, Chunks, Summary, cut_up, join_up
from .layout import Layout, LayoutError
from .schedule import PortGroup, Stage, all_ports, boundary_groups, ports_of, positions
from .two_schedules import inner_groups, scan, time_parallel
from .weights import Weights


@summarised
@dataclass(frozen=True, eq=False)
class Compiled:
    """A machine on arrays, made by :func:`~dmmlab.compiler.compilation.compile_machine`.

    ``answer_ports`` are the inputs of the neurons without outputs, where the answers arrive. Only
    the scalar parts of the answers count, or all coordinates if ``whole``.
    """

    layout: Layout
    schedule: str
    stages: tuple[Stage, ...]
    answer_ports: tuple[Port, ...]
    whole: bool = False

    @property
    def machine(self) -> Machine:
        """The machine that was compiled."""
        return self.layout.machine

    def weights(self, soft: VValue | None = None) -> Weights:
        """Converts soft links (default: the machine's own) to matrices, one for each stage.

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
        """Converts matrices to soft links, a V-value; drops zero weights."""
        arrays = [np.asarray(matrix).tolist() for matrix in weights]
        return from_paths((path, weight) for path, (s, r, c) in self.places.items() if (weight := arrays[s][r][c]))

    @property
    def mask(self) -> Weights:
        """1.0 where there is a link, in the shape of the weights."""
        return [jnp.asarray(stage.exists, jnp.result_type(float)) for stage in self.stages]

    def encode(self, streams: Streams, cycles: int) -> Inputs:
        """Returns the values that arrive from the boundary in each cycle.

        Args:
            streams: as for :func:`dmmlab.core.engine.run`.
            cycles: the number of cycles.

        Returns:
            For each block, (boundary ports, keys, cycles).

        Raises:
            LayoutError: less than one cycle, or a key that no stream had when the machine was
                compiled.
        """
        if not isinstance(cycles, int | np.integer) or cycles < 1:
            raise LayoutError(f"{cycles!r} cycles: expected a whole number from 1 on")
        layout = self.layout
        arrays = {b: np.zeros((len(ports_of(self._boundary, b)), len(block), cycles)) for b, block in enumerate(layout.blocks)}
        places = {(port, b): i for b in arrays for i, port in enumerate(ports_of(self._boundary, b))}
        for port, t, v in layout.emitters.emissions(streams, cycles - 1):
            for path, leaf in paths(v):
                if path not in layout.coordinate:
                    layout.pack(v)  # raises, and names the path
                block, row = layout.coordinate[path]
                if (port, block) not in places:
                    raise LayoutError(f"{port[0]}.{port[1]} carries a key here that it did not when the machine was compiled")
                arrays[block][places[port, block], row, 1:][t] = leaf
        return {b: _in_working_precision(array) for b, array in arrays.items()}

    def run(self, weights: Weights, inputs: Inputs) -> Answers:
        """Returns the answers of each cycle. Pure; for ``jit``, ``grad`` and ``vmap``.

        Args:
            weights: a matrix for each stage.
            inputs: for each block, (boundary ports, keys, cycles) or (boundary ports, keys,
                strings, cycles).

        Returns:
            For each block, (answer ports, keys, cycles), with an axis of strings where the inputs
            have one.
        """
        return self.run_from(weights, inputs, None)[1]

    def run_from(self, weights: Weights, inputs: Inputs, carry: Carry | None) -> tuple[Carry, Answers]:
        """As :meth:`run`, but starts from given outputs of the previous cycle.

        Args:
            weights: a matrix for each stage.
            inputs: as for :meth:`run`.
            carry: the previous cycle's outputs, as in :meth:`initial_carry`; zero if None.

        Returns:
            The carry (the last cycle's outputs), and the answers as of :meth:`run`.
        """
        weights = [_with_hard_links(w, stage) for w, stage in zip(weights, self.stages, strict=True)]
        if self.schedule == "scan":
            return scan(self.layout, self.stages, weights, inputs, self.initial_carry(inputs) if carry is None else carry)
        return time_parallel(self.layout, self.stages, weights, inputs, carry)

    def scan_chunks(self, summary: Summary, weights: Weights, chunks: Chunks, carry: Carry | None = None) -> tuple[Carry, Any]:
        """Runs chunk after chunk; pure and differentiable, for use under ``jit`` and ``grad``.

        Args:
            summary: ``(answers, more) -> summary`` of a chunk, a pytree of arrays.
            weights: a matrix for each stage.
            chunks: the streams.
            carry: the outputs before the first chunk; zero if left out.

        Returns:
            The carry (the last cycle's outputs), and the summaries: arrays (chunks, ...).
        """
        carry = self.initial_carry({b: x[0] for b, x in chunks.inputs.items()}) if carry is None else carry

        def run(carry: Carry, chunk: Chunks) -> tuple[Carry, Any]:
            fresh = jax.tree.map(lambda x: jnp.where(chunk.begins, 0.0, x), carry)
            carry, answers = self.run_from(weights, dict(chunk.inputs), fresh)
            return carry, summary(answers, chunk.more)

        return jax.lax.scan(run, carry, chunks)

    def run_in_chunks(
        self, weights: Weights, inputs: Inputs, chunk: int = CHUNK, blocks: Sequence[int] | None = None
    ) -> Answers:
        """As :meth:`run`, but runs one chunk of cycles at a time (:mod:`dmmlab.compiler.chunks`).

        Args:
            weights: a matrix for each stage.
            inputs: for each block, (boundary ports, keys, cycles).
            chunk: the number of cycles in a chunk.
            blocks: the blocks of the answers to return; all if left out. Block 0 holds the scalar
                parts.

        Returns:
            As :meth:`run`.
        """
        cycles = inputs[0].shape[-1]
        parts = {b: cut_up(array, chunk) for b, array in inputs.items()}
        chunks = Chunks(parts, jnp.arange(len(parts[0])) == 0)

        def chosen(answers: Answers, _: None) -> Answers:
            return {b: x for b, x in answers.items() if blocks is None or b in blocks}

        return {b: join_up(x, cycles) for b, x in self.scan_chunks(chosen, weights, chunks)[1].items()}

    def scalar_answers(self, weights: Weights, inputs: Inputs) -> jax.Array:
        """The scalar parts of the answers.

        Args:
            weights: a matrix for each stage.
            inputs: as for :meth:`run`.

        Returns:
            (answer ports, cycles), or (answer ports, strings, cycles).
        """
        return self.run(weights, inputs)[0][:, 0]

    @cached_property
    def answer_coordinates(self) -> tuple[tuple[Port, Path], ...]:
        """The answer coordinates that count: scalar parts, or all that can occur if ``whole``."""
        if not self.whole:
            return tuple((port, ()) for port in self.answer_ports)
        return tuple((port, path) for _, port, b in self._counting for path in self.layout.blocks[b])

    def coordinates(self, answers: Answers) -> jax.Array:
        """Selects the :attr:`answer_coordinates` of answers.

        Args:
            answers: the result of :meth:`run`.

        Returns:
            (coordinates, cycles), or (coordinates, strings, cycles).
        """
        if not self.whole:
            return answers[0][:, 0]
        return jnp.concatenate([answers[b][i] for i, _, b in self._counting])

    @cached_property
    def _counting(self) -> list[tuple[int, Port, int]]:
        """Triples (index, answer port, block) for block 0 and all blocks that can reach a port."""
        return [(i, port, b) for i, port in enumerate(self.answer_ports) for b in sorted({0} | self.layout.used[port])]

    def answers(self, streams: Streams, cycles: int, soft: VValue | None = None, neuron: str = "output") -> list[VValue]:
        """As :func:`dmmlab.core.engine.answers`, compiled once for each number of cycles.

        Args:
            streams: as for :func:`dmmlab.core.engine.run`.
            cycles: the number of cycles.
            soft: the soft links; the machine's own if left out.
            neuron: the neuron whose inputs to collect; it has no outputs.

        Returns:
            For each cycle, ``{input: V-value}``.

        Raises:
            LayoutError: a key or a link that the machine was not compiled with, or no such neuron.
            RunError: an answer that is not finite.
        """
        return self.decode(self.run_streams(streams, cycles, soft), neuron)

    def run_streams(self, streams: Streams, cycles: int, soft: VValue | None = None) -> Answers:
        """As :meth:`run`, for streams and soft links; compiled once for each number of cycles.

        Args:
            streams: as for :func:`dmmlab.core.engine.run`.
            cycles: the number of cycles.
            soft: the soft links; the machine's own if left out.

        Returns:
            As :meth:`run`.

        Raises:
            LayoutError: a key or a link that the machine was not compiled with.
        """
        return self._jitted(self.weights(soft), self.encode(streams, cycles))

    def decode(self, answers: Answers, neuron: str = "output") -> list[VValue]:
        """Converts the answers of :meth:`run` to V-values.

        Args:
            answers: for each block, (answer ports, keys, cycles).
            neuron: the neuron whose inputs to decode.

        Returns:
            For each cycle, ``{input: V-value}``.

        Raises:
            LayoutError: no neuron without outputs has this name, or answers to several strings.
            RunError: an answer that is not finite.
        """
        rows = {i: field for i, (name, field) in enumerate(self.answer_ports) if name == neuron}
        if not rows:
            raise LayoutError(one_of("answering neuron", neuron, {name for name, _ in self.answer_ports}))
        arrays = {b: np.asarray(array) for b, array in answers.items() if len(array)}
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
    def _jitted(self) -> Callable[[Weights, Inputs], Answers]:
        return jax.jit(self.run)

    @cached_property
    def places(self) -> dict[tuple[str, ...], tuple[int, int, int]]:
        """Path of a soft link in the network matrix -> its place (stage, row, column)."""
        places = {}
        for s, stage in enumerate(self.stages):
            rows, columns = all_ports(stage.rows), stage.sources
            for r, c in zip(*np.nonzero(stage.exists), strict=True):
                places[(*rows[r], *columns[c])] = (s, int(r), int(c))
        return {tuple(link[:4]): places[tuple(link[:4])] for link in self.machine.links() if not link.hard}

    def initial_carry(self, inputs: Inputs) -> Carry:
        """The outputs before the first cycle: zeros.

        Args:
            inputs: as for :meth:`run`.

        Returns:
            For each block, (inner ports, keys), with an axis of strings where the inputs have one.
        """
        strings, inner = inputs[0].shape[2:-1], inner_groups(self.stages)
        blocks = enumerate(self.layout.blocks)
        return {b: jnp.zeros((len(positions(inner, b)), len(block), *strings)) for b, block in blocks}

    @cached_property
    def _boundary(self) -> tuple[PortGroup, ...]:
        return boundary_groups(self.layout)

    def _summary(self) -> tuple[str, Facts]:
        machine = self.machine
        facts = {
            "machine": f"{plural(len(machine.neurons), 'neuron')}, {plural(machine.count(), 'soft link')}",
            "stages": names(" x ".join(map(str, stage.exists.shape)) for stage in self.stages),
            "answers": names(f"{neuron}.{field}" for neuron, field in self.answer_ports),
            "blocks of keys": names(len(block) for block in self.layout.blocks),
        }
        return f"Compiled machine, {self.schedule}", facts.items()


def _in_working_precision(array: np.ndarray) -> jax.Array:
    with np.errstate(over="ignore"):  # an infinite answer is reported later
        return jnp.asarray(array, jnp.result_type(float))


def _with_hard_links(matrix: jax.Array, stage: Stage) -> jax.Array:
    if not stage.exists.all():
        matrix = matrix * stage.exists.astype(matrix.dtype)
    return matrix + stage.hard.astype(matrix.dtype) if stage.hard.any() else matrix
