"""Two schedules for the same function: all cycles of a stage at once, or cycle after cycle.

* *time-parallel*: for machines whose only recurrences are sums and linear recurrences within a
  neuron. Neurons are computed stage by stage, each for all cycles at once. The inputs of a stage
  are one matrix product for each block of coordinates, ports x (keys*cycles). A neuron's memory is
  a loop of one small operation per cycle.
* *scan*: for any other recurrence, ``lax.scan`` over the cycles. The gradient with respect to the
  weights is one product after the backward scan, not a sum of outer products inside it.

In both, a link delays by one cycle: the arrays hold *arriving* values, that is, outputs delayed by
one cycle. Time is the last axis.
"""

import math
from collections.abc import Mapping
from functools import reduce

import jax
import jax.numpy as jnp

from .array_operations import (
    EXACT,
    Answers,
    Blocks,
    Carry,
    Inputs,
    Matrices,
    accumulate,
    delayed,
    recur,
    scan_with_late_products,
    select,
)
from .layout import Layout
from .schedule import Memory, NeuronGroup, PortGroup, Stage, all_ports, boundary_groups, join, positions, split
from .up_movement import activate, activate_recurring
from .weights import Weights

Parts = Mapping[tuple[PortGroup, int], jax.Array]  # by port group and block


def inner_groups(stages: tuple[Stage, ...]) -> tuple[PortGroup, ...]:
    """The output ports of the neurons that are computed, in the order of a carry."""
    return tuple(ports for stage in stages for group in stage.groups for ports in group.outputs)


def time_parallel(
    layout: Layout, stages: tuple[Stage, ...], weights: Weights, inputs: Inputs, carry: Carry | None
) -> tuple[Carry, Answers]:
    """Runs stage after stage, each for all cycles at once.

    Args:
        layout: where the coordinates lie.
        stages: the machine's stages, in the order of computation.
        weights: a matrix for each stage, hard links included.
        inputs: the values that arrive from the boundary.
        carry: the previous cycle's outputs; zero if None.

    Returns:
        The carry (the last cycle's outputs), and the answers of each cycle.
    """
    axes, inner = inputs[0].shape[2:], inner_groups(stages)  # (cycles,), or (strings, cycles)
    before = {} if carry is None else split(inner, carry)
    arriving = split(boundary_groups(layout), inputs)
    last: dict[tuple[PortGroup, int], jax.Array] = {}
    for stage, matrix in zip(stages, weights, strict=True):
        arrived: Blocks = {}
        for b, block in enumerate(layout.blocks):
            source = join(stage.columns, b, arriving, (len(block), *axes))
            flat = source.reshape(len(source), len(block) * math.prod(axes))
            product = jnp.matmul(part_of(matrix, stage, b), flat, precision=EXACT)
            arrived[b] = product.reshape(len(product), len(block), *axes)
        received = split(stage.rows, arrived)
        for group in stage.groups:
            if group.outputs:
                for key, (late, end) in emitted(layout, stage, matrix, group, received, axes, before).items():
                    arriving[key], last[key] = late, end
    blocks = enumerate(layout.blocks)
    return {b: join(inner, b, last, (len(block), *axes[:-1])) for b, block in blocks}, arrived


def emitted(
    layout: Layout,
    stage: Stage,
    matrix: jax.Array,
    group: NeuronGroup,
    received: Parts,
    axes: tuple[int, ...],
    before: Parts,
) -> dict[tuple[PortGroup, int], tuple[jax.Array, jax.Array]]:
    """Computes the outputs of a neuron group in all cycles, according to its memory.

    Args:
        layout: where the coordinates lie.
        stage: the group's stage.
        matrix: the stage's matrix, hard links included.
        group: neurons with outputs.
        received: the values that arrived from other neurons, by port group and block.
        axes: the sizes of the axes after the keys'; cycles are the last.
        before: the previous cycle's outputs; empty if they are zero.

    Returns:
        For each port group and block, the outputs delayed by one cycle: (neurons, keys, *axes); and
        the outputs of the last cycle.
    """
    output = group.outputs[0]
    present = sorted(output.blocks)
    first = [before[output, b] for b in present] if before else None
    if group.memory is Memory.SUM:
        summands = [[received[ports, b] for ports in group.inputs if b in ports.blocks] for b in present]
        ends, late = accumulate([reduce(jnp.add, xs) for xs in summands], first, group.truncated)
        return {(output, b): (x, end) for b, x, end in zip(present, late, ends, strict=True)}
    if group.memory is Memory.RECURRENCE and present:
        made, factor = activate_recurring(layout, group, received, axes, gains_of(matrix, stage, group))
        ends, late = recur(factor, [made.pop((output, b)) for b in present], first)
        results = {(output, b): (x, end) for b, x, end in zip(present, late, ends, strict=True)}
    else:
        made, results = activate(layout, group, received, axes), {}
    return results | {key: (delayed(x, before.get(key)), x[..., -1]) for key, x in made.items()}


def scan(layout: Layout, stages: tuple[Stage, ...], weights: Weights, inputs: Inputs, carry: Carry) -> tuple[Carry, Answers]:
    """Runs cycle after cycle, in one stage; arguments and results as for :func:`time_parallel`."""
    (stage,), (matrix,) = stages, weights
    matrices = {b: part_of(matrix, stage, b) for b in range(len(layout.blocks))}
    strings = inputs[0].shape[2:-1]
    cycles = {b: jnp.moveaxis(array, -1, 0) for b, array in inputs.items()}
    # For the backward scan, only the arriving values of a cycle are kept: recomputing the up
    # movement takes less time than writing and reading everything that its derivative needs.
    up = jax.checkpoint(lambda arrived: respond(layout, stage, arrived, strings), prevent_cse=False)

    def cycle(matrices: Matrices, carry: Carry, now: tuple[Blocks, Blocks]) -> tuple[Carry, tuple[Blocks, Blocks]]:
        boundary, zeros = now
        sources = {b: jnp.concatenate([boundary[b], carry[b]]) for b in matrices}  # in the order of the columns
        arrived = {b: jnp.tensordot(matrices[b], x, axes=1, precision=EXACT) for b, x in sources.items()}
        carry, answers = up({b: x + zeros[b] for b, x in arrived.items()})
        return carry, (answers, sources)

    shapes = {b: (len(cycles[0]), len(matrices[b]), len(block), *strings) for b, block in enumerate(layout.blocks)}
    last, answers = scan_with_late_products(cycle, matrices, carry, cycles, {b: jnp.zeros(s) for b, s in shapes.items()})
    return last, {b: jnp.moveaxis(array, 0, -1) for b, array in answers.items()}


def respond(layout: Layout, stage: Stage, arrived: Blocks, axes: tuple[int, ...]) -> tuple[Carry, Answers]:
    """Applies the up movement of one cycle, where one stage has all neurons.

    Args:
        layout: where the coordinates lie.
        stage: the neurons.
        arrived: the result of the down movement: for each block, (input ports, keys, *axes).
        axes: the sizes of the axes after the keys': strings, or none.

    Returns:
        The neurons' outputs, and the answers: for each block, (ports, keys, *axes).
    """
    received, inner = split(stage.rows, arrived), inner_groups((stage,))
    sinks = tuple(ports for group in stage.groups if not group.outputs for ports in group.inputs)
    outputs: dict[tuple[PortGroup, int], jax.Array] = {}
    for group in stage.groups:
        if group.outputs:
            outputs |= activate(layout, group, received, axes)
    shapes = {b: (len(block), *axes) for b, block in enumerate(layout.blocks)}
    carry = {b: join(inner, b, outputs, shape) for b, shape in shapes.items()}
    return carry, {b: join(sinks, b, received, shape) for b, shape in shapes.items()}


def part_of(matrix: jax.Array, stage: Stage, block: int) -> jax.Array:
    """The part of a stage's matrix with the rows and columns whose ports have a block."""
    return select(matrix, positions(stage.rows, block), positions(stage.columns, block))


def gains_of(matrix: jax.Array, stage: Stage, group: NeuronGroup) -> dict[PortGroup, jax.Array]:
    """The weights of a group's self-links, from its first output to each input that has any.

    Args:
        matrix: the stage's matrix, hard links included.
        stage: a stage with a recurrence.
        group: the group with the recurrence.

    Returns:
        For each such input, (neurons,).
    """
    rows, columns = all_ports(stage.rows), stage.sources
    size, start = len(group.outputs[0].ports), columns.index(group.outputs[0].ports[0])
    gains = {}
    for ports in group.inputs:
        at = rows.index(ports.ports[0])
        part = slice(at, at + size), slice(start, start + size)
        if (stage.exists[part] + abs(stage.hard[part])).any():
            gains[ports] = (matrix[part] * jnp.eye(size)).sum(axis=1)  # all others in this part are zero
    return gains
