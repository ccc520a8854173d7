"""Compiled machines that rewrite themselves: a scan that carries its matrix.

The links that may change are declared in advance, so the matrix that a neuron emits has a known set
of coordinates. A cycle gathers the weights from that neuron's output, multiplies, and applies the
activation functions. The run is one ``lax.scan`` whose carry includes the matrix. So gradients flow
through all changes that a machine makes to itself, back to its initial matrix.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np

from ..core.engine import Streams, with_output
from ..core.machine import Machine
from ..core.network_matrix import Links, matrix_of, matrix_of_links, port_of, weight_at
from ..core.neuron_type import Port
from ..core.summaries import Facts, plural, summarised
from ..core.vvalues import VValue, check, paths, show_path
from .array_operations import EXACT, Answers, Blocks, Carry, Inputs
from .compiled import Compiled
from .layout import LayoutError, lay_out
from .schedule import PortGroup, all_ports, answers_of, boundary_groups, one_stage, ports_of
from .two_schedules import inner_groups, part_of, respond


@summarised
@dataclass(frozen=True, eq=False)
class CompiledRewriting:
    """A machine whose matrix in each cycle is the previous value of one of its outputs.

    Make one with :func:`compile_rewriting`. ``compiled`` has its layout and its one stage;
    ``matrix_port`` is the output that emits the matrix.
    """

    compiled: Compiled
    matrix_port: Port
    initial_outputs: VValue

    def initial_carry(self, outputs: VValue | None = None) -> Carry:
        """The outputs before cycle 0 as arrays: for each block, (inner ports, keys).

        Args:
            outputs: ``neuron -> output -> V-value``; if left out, the initial outputs given at
                compilation.

        Raises:
            LayoutError: a key or an output that the machine was not compiled with.
        """
        layout, tree = self.compiled.layout, self.initial_outputs if outputs is None else outputs
        arrays = {b: np.zeros((len(ports_of(self._inner, b)), len(block))) for b, block in enumerate(layout.blocks)}
        for name, fields in tree.items():
            for field, v in fields.items():
                for b, array in layout.pack(v).items():
                    if (name, field) in self._rows[b]:
                        arrays[b][self._rows[b][name, field]] = array
                    elif array.any():
                        raise LayoutError(f"{name}.{field}: it was not compiled with such an output")
        return {b: jnp.asarray(array, jnp.result_type(float)) for b, array in arrays.items()}

    def run(self, carry: Carry, inputs: Inputs) -> tuple[Carry, Answers]:
        """Runs from given outputs. Pure; for ``jit``, ``grad`` and ``vmap``.

        Args:
            carry: the previous cycle's outputs, as from :meth:`initial_carry`.
            inputs: from :meth:`encode`; for each block, (boundary ports, keys, cycles).

        Returns:
            The last cycle's outputs; and the answers, for each block, (answer ports, keys, cycles).
        """
        cycles = {b: jnp.moveaxis(array, -1, 0) for b, array in inputs.items()}
        everyone = {b: jnp.ones(len(ports), bool) for b, ports in self._boundary.items()}
        (last, _), answers = jax.lax.scan(self._cycle, (carry, everyone), cycles)
        return last, {b: jnp.moveaxis(array, 0, -1) for b, array in answers.items()}

    def encode(self, streams: Streams, cycles: int) -> Inputs:
        """As :meth:`~dmmlab.compiler.compiled.Compiled.encode`."""
        return self.compiled.encode(streams, cycles)

    def answers(
        self, streams: Streams, cycles: int, initial_outputs: VValue | None = None, neuron: str = "output"
    ) -> list[VValue]:
        """As :func:`dmmlab.core.engine.answers`, for a machine that rewrites itself.

        Args:
            streams: as for :func:`~dmmlab.core.engine.run`.
            cycles: the number of cycles.
            initial_outputs: if left out, those given at compilation.
            neuron: the neuron whose inputs to collect; it has no outputs.

        Returns:
            For each cycle, ``{input: V-value}``.

        Raises:
            LayoutError: a key that the machine was not compiled with, or no such neuron.
            RunError: an answer that is not finite.
        """
        carry, inputs = self.initial_carry(initial_outputs), self.encode(streams, cycles)
        return self.compiled.decode(self._jitted(carry, inputs)[1], neuron)

    def outputs(self, carry: Carry) -> VValue:
        """Converts a carry to outputs of inner neurons, ``neuron -> output -> V-value``."""
        tree: dict[str, dict[str, VValue]] = {}
        for port in all_ports(self._inner):
            mine = {b: carry[b][rows[port]] for b, rows in self._rows.items() if port in rows}
            tree.setdefault(port[0], {})[port[1]] = self.compiled.layout.unpack(mine)
        return check(tree)

    def matrix(self, carry: Carry) -> VValue:
        """The network matrix of the cycle that follows these outputs."""
        neuron, field = self.matrix_port
        return self.outputs(carry).get(neuron, {}).get(field, {})

    def _cycle(self, before: tuple[Carry, Blocks], boundary: Blocks) -> tuple[tuple[Carry, Blocks], Blocks]:
        carry, present = before  # present: boundary ports whose neuron the previous matrix named
        layout, stage, matrix = self.compiled.layout, self.compiled.stages[0], self._matrix_of_arrays(carry)
        sources = {b: jnp.concatenate([boundary[b] * present[b][:, None].astype(x.dtype), x]) for b, x in carry.items()}
        arrived = {b: jnp.tensordot(part_of(matrix, stage, b), x, axes=1, precision=EXACT) for b, x in sources.items()}
        carry, answers = respond(layout, stage, arrived, ())
        there = self._are_named(matrix)
        inner, outside = (
            {b: jnp.stack([there[name] for name, _ in ports]) if ports else jnp.zeros(0, bool) for b, ports in each.items()}
            for each in (self._rows, self._boundary)
        )
        return ({b: x * inner[b][:, None].astype(x.dtype) for b, x in carry.items()}, outside), answers

    def _matrix_of_arrays(self, carry: Carry) -> jax.Array:
        stage = self.compiled.stages[0]
        matrix = jnp.asarray(stage.hard, carry[0].dtype)
        for b, (keys, rows, columns) in self._gathered.items():
            weights = carry[b][self._rows[b][self.matrix_port]][keys]
            matrix = matrix.at[rows, columns].set(weights)
        return matrix

    def _are_named(self, matrix: jax.Array) -> dict[str, jax.Array]:
        """For each neuron, whether the matrix names it at either end of a link."""
        stage, linked = self.compiled.stages[0], jax.lax.stop_gradient(matrix) != 0
        machine = self.compiled.machine
        named = dict.fromkeys(machine.neurons, jnp.asarray(False))
        named |= {end: jnp.asarray(True) for link in machine.links() if link.hard for end in (link.to_neuron, link.from_neuron)}
        for side, ends in ((stage.rows, linked.any(axis=1)), (stage.columns, linked.any(axis=0))):
            for i, (name, _) in enumerate(all_ports(side)):
                if name in named:
                    named[name] = named[name] | ends[i]
        return named

    @cached_property
    def _inner(self) -> tuple[PortGroup, ...]:
        return inner_groups(self.compiled.stages)

    @cached_property
    def _rows(self) -> dict[int, dict[Port, int]]:
        """For each block, the place of each port in a carry."""
        blocks = range(len(self.compiled.layout.blocks))
        return {b: {port: i for i, port in enumerate(ports_of(self._inner, b))} for b in blocks}

    @cached_property
    def _boundary(self) -> dict[int, list[Port]]:
        """For each block, the ports of the boundary."""
        groups = boundary_groups(self.compiled.layout)
        return {b: ports_of(groups, b) for b in range(len(self.compiled.layout.blocks))}

    @cached_property
    def _gathered(self) -> dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """For each block, the keys that are weights, and the rows and columns of these weights."""
        layout, places = self.compiled.layout, dict[int, list[tuple[int, int, int]]]()
        for path, (_, row, column) in self.compiled.places.items():
            if path in layout.coordinate:
                b, key = layout.coordinate[path]
                if self.matrix_port in self._rows[b]:
                    places.setdefault(b, []).append((key, row, column))
        return {b: tuple(np.array(each).T) for b, each in places.items()}  # type: ignore[misc]

    @cached_property
    def _jitted(self) -> Callable[[Carry, Inputs], tuple[Carry, Answers]]:
        return jax.jit(self.run)

    def _summary(self) -> tuple[str, Facts]:
        facts = {
            "matrix from": ".".join(self.matrix_port),
            "links that may change": len(self.compiled.places),
            "neurons": plural(len(self.compiled.machine.neurons), "neuron"),
        }
        return "Compiled machine that rewrites itself", facts.items()


def compile_rewriting(
    machine: Machine,
    links: Links,
    streams: Streams,
    cycles: int = 1,
    initial_outputs: VValue | None = None,
    matrix_from: str = "self.single",
) -> CompiledRewriting:
    """Compiles a machine that rewrites itself, within declared links.

    Args:
        machine: as for :func:`dmmlab.core.engine.run`.
        links: the links that may change, ``{"norm.dict": {"accum.dict": 1.0}}``; their weights are
            ignored. All other links of the machine stay fixed.
        streams: an example of the streams to read; only the keys matter.
        cycles: how many cycles of the example to examine.
        initial_outputs: the outputs before cycle 0; only their keys affect the compilation. If the
            output ``matrix_from`` is missing, its value is the machine's own matrix.
        matrix_from: the output that emits the matrix, ``neuron.field``.

    Returns:
        The compiled machine.

    Raises:
        LayoutError: the machine cannot be laid out in arrays; or it may write to an undeclared
            link.
    """
    port, declared = port_of(matrix_from), matrix_of_links(links)
    initial = with_output(check({} if initial_outputs is None else initial_outputs), port, machine.matrix)
    is_fixed = {
        path: path[0] not in initial and weight_at(declared, path) is None  # initial outputs: not on the boundary
        for path, _ in [*paths(declared), *paths(machine.matrix)]
    }
    soft = matrix_of((*path, 1.0) for path, fixed in is_fixed.items() if not fixed)
    hard = matrix_of((*path, w) for path, w in paths(machine.matrix) if is_fixed[path])
    whole = Machine(machine.neurons, soft, hard)
    emitted = {(name, field): v for name, fields in initial.items() for field, v in fields.items()}
    keys = {each: frozenset(path for path, _ in paths(v)) for each, v in emitted.items()}
    layout = lay_out(whole, streams, cycles, keys)
    for path in (path for b in layout.carried[port] for path in layout.blocks[b]):
        if path not in is_fixed:
            raise LayoutError(f"{show_path(path)}: {matrix_from} may carry this, which is no link that may change")
    stage = one_stage(layout)
    return CompiledRewriting(Compiled(layout, "scan", (stage,), answers_of(stage)), port, initial)
