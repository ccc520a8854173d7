"""The schedule of a compiled machine: the order of computation and the arrangement of ports.

Neurons of one type that can be computed at once form a *neuron group*. Groups that are fed only by
earlier ones form a *stage*. A stage has one matrix: its rows are the input ports of its groups, its
columns the output ports that may feed them. The ports of one field of a neuron group are adjacent
in the arrays and form a *port group*. :mod:`dmmlab.compiler.compilation` decides whether a machine
is computed stage by stage or cycle by cycle.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np

from ..core.machine import Link
from ..core.neuron_type import NeuronType, Port
from .array_operations import Blocks
from .layout import Layout


class Memory(Enum):
    """How a neuron depends on its own past, if that needs no scan."""

    NONE = "not at all"
    SUM = "its output is a running sum"
    RECURRENCE = "its first output, y, is a linear recurrence: y[t] = a[t] y[t - 1] + b[t]"


@dataclass(frozen=True)
class PortGroup:
    """The ports of one field of a neuron group, adjacent in the arrays, and their blocks."""

    ports: tuple[Port, ...]
    blocks: frozenset[int]


@dataclass(frozen=True)
class NeuronGroup:
    """Neurons of one type in one stage; a port group for each input and output."""

    kind: NeuronType
    inputs: tuple[PortGroup, ...]
    outputs: tuple[PortGroup, ...]
    memory: Memory

    @property
    def truncated(self) -> bool:
        """Whether no derivative flows through an accumulator's memory."""
        return self.kind.inputs[0] in self.kind.stop_gradient


@dataclass(frozen=True)
class Stage:
    """A part of the matrix: rows are inputs of some groups, columns outputs that may feed them.

    The last columns are the outputs that recurrences feed back to the neurons of this stage.
    """

    groups: tuple[NeuronGroup, ...]
    rows: tuple[PortGroup, ...]
    columns: tuple[PortGroup, ...]
    recurring: tuple[PortGroup, ...]
    exists: np.ndarray  # 1.0 where there is a soft link; (rows, columns and recurring)
    hard: np.ndarray

    @property
    def sources(self) -> list[Port]:
        """The output port of each column of the matrix."""
        return all_ports((*self.columns, *self.recurring))


def memories_of(layout: Layout) -> dict[str, Memory]:
    """The memory of each inner neuron that has one: a self-link that needs no scan."""
    machine = layout.machine
    into: dict[str, list[Link]] = {name: [] for name in layout.inner}
    for link in machine.links():
        if link.to_neuron in into:
            into[link.to_neuron].append(link)
    memories = {}
    for name, links in into.items():
        kind, itself = machine.neurons[name], [link for link in links if link.from_neuron == name]
        first = [link for link in links if link.to_field == kind.inputs[0]]
        once = itself == first and len(itself) == 1 and itself[0].hard and itself[0].weight == 1
        if once and kind.accumulates and set(kind.stop_gradient) <= {kind.inputs[0]}:
            memories[name] = Memory.SUM
        elif itself and not kind.stop_gradient and all(_is_affine(kind, link) for link in itself):
            memories[name] = Memory.RECURRENCE
    return memories


def _is_affine(kind: NeuronType, itself: Link) -> bool:
    return itself.from_field == kind.outputs[0] and itself.to_field in kind.affine_in


def stages_of(layout: Layout, memories: Mapping[str, Memory]) -> list[list[str]] | None:
    """Sorts the inner neurons into stages, each fed only by earlier stages.

    Returns None if there is a recurrence other than a neuron's memory. The neurons without outputs
    are the last stage.
    """
    graph = nx.DiGraph()
    graph.add_nodes_from(layout.inner)
    for link in layout.machine.links():
        if link.from_neuron in graph and link.to_neuron in graph and not link.from_neuron == link.to_neuron in memories:
            graph.add_edge(link.from_neuron, link.to_neuron)
    if not nx.is_directed_acyclic_graph(graph):
        return None
    sinks = [name for name in layout.inner if not layout.machine.neurons[name].outputs]
    graph.remove_nodes_from(sinks)
    return [[name for name in layout.inner if name in set(names)] for names in nx.topological_generations(graph)] + [sinks]


def boundary_groups(layout: Layout) -> tuple[PortGroup, ...]:
    """Groups the boundary's ports by the blocks that they carry."""
    by_blocks: dict[frozenset[int], list[Port]] = {}
    for port in layout.boundary:
        by_blocks.setdefault(layout.carried[port], []).append(port)
    return tuple(PortGroup(tuple(ports), blocks) for blocks, ports in by_blocks.items())


def groups_of(layout: Layout, names: Sequence[str], memories: Mapping[str, Memory]) -> list[NeuronGroup]:
    """Groups the neurons of one stage by type and memory."""
    members: dict[tuple[NeuronType, Memory], list[str]] = {}
    for name in names:
        members.setdefault((layout.machine.neurons[name], memories.get(name, Memory.NONE)), []).append(name)
    sinks = [
        (name, field) for (kind, _), group in members.items() if not kind.outputs for name in group for field in kind.inputs
    ]
    answered = frozenset({0}).union(*(layout.used[port] for port in sinks))
    groups = []
    for (kind, memory), group in members.items():
        fields = kind.inputs[1:] if memory is Memory.SUM else kind.inputs
        inputs = [_port_group(group, field, layout.used) for field in fields]
        if not kind.outputs:  # each answer has a row in every block that any answer uses
            inputs = [PortGroup(port_group.ports, answered) for port_group in inputs]
        outputs = [_port_group(group, field, layout.carried) for field in kind.outputs]
        groups.append(NeuronGroup(kind, tuple(inputs), tuple(outputs), memory))
    return groups


def _port_group(names: Sequence[str], field: str, blocks: Mapping[Port, frozenset[int]]) -> PortGroup:
    ports = tuple((name, field) for name in names)
    return PortGroup(ports, frozenset().union(*(blocks[port] for port in ports)))


def make_stage(layout: Layout, groups: Sequence[NeuronGroup], columns: Sequence[PortGroup]) -> Stage:
    """Makes the stage of these groups, with the machine's links from these columns."""
    rows = side_by_side([port_group for group in groups for port_group in group.inputs])
    recurring = tuple(group.outputs[0] for group in groups if group.memory is Memory.RECURRENCE)
    row = {port: i for i, port in enumerate(all_ports(rows))}
    column = {port: i for i, port in enumerate(all_ports((*columns, *recurring)))}
    matrices = {hard: np.zeros((len(row), len(column))) for hard in (False, True)}
    for link in layout.machine.links():
        to, source = (link.to_neuron, link.to_field), (link.from_neuron, link.from_field)
        if to in row and source in column:
            matrices[link.hard][row[to], column[source]] = link.weight if link.hard else 1.0
    return Stage(tuple(groups), rows, tuple(columns), recurring, exists=matrices[False], hard=matrices[True])


def one_stage(layout: Layout) -> Stage:
    """Puts all neurons in one stage, fed by the boundary and all previous neuron outputs."""
    groups = groups_of(layout, list(layout.inner), {})
    return make_stage(layout, groups, [*boundary_groups(layout), *(ports for group in groups for ports in group.outputs)])


def answers_of(stage: Stage) -> tuple[Port, ...]:
    """The inputs of a stage's neurons that have no outputs."""
    return tuple(port for group in stage.groups if not group.outputs for ports in group.inputs for port in ports.ports)


def side_by_side(port_groups: Sequence[PortGroup]) -> tuple[PortGroup, ...]:
    """Sorts port groups so that those with a common block are adjacent.

    With two blocks this holds for both; with more, only for block 0.
    """

    def order(port_group: PortGroup) -> tuple[int, list[int]]:
        others = sorted(port_group.blocks - {0})
        rank = 0 if 0 not in port_group.blocks else 1 if others else 2
        return (rank if port_group.blocks else 3), others

    return tuple(sorted(port_groups, key=order))


def all_ports(port_groups: Sequence[PortGroup]) -> list[Port]:
    """The ports of all groups, in their order."""
    return [port for port_group in port_groups for port in port_group.ports]


def ports_of(port_groups: Sequence[PortGroup], block: int) -> list[Port]:
    """The ports that have a block, in the order of the block's arrays."""
    return [port for port_group in port_groups if block in port_group.blocks for port in port_group.ports]


def positions(port_groups: Sequence[PortGroup], block: int) -> list[int]:
    """The positions of the ports that have a block, among the ports of all port groups."""
    flags = [block in port_group.blocks for port_group in port_groups for _ in port_group.ports]
    return [i for i, flag in enumerate(flags) if flag]


def split(port_groups: Sequence[PortGroup], arrays: Blocks) -> dict[tuple[PortGroup, int], jax.Array]:
    """Splits each block's array of all ports into one array for each port group."""
    parts: dict[tuple[PortGroup, int], jax.Array] = {}
    for b, array in arrays.items():
        present = [port_group for port_group in port_groups if b in port_group.blocks]
        if present:  # the gradient of a split is a join; that of slices is a sum of padded arrays
            pieces = jax.lax.split(array, [len(port_group.ports) for port_group in present])
            parts |= {(port_group, b): piece for port_group, piece in zip(present, pieces, strict=True)}
    return parts


def join(
    port_groups: Sequence[PortGroup], block: int, parts: Mapping[tuple[PortGroup, int], jax.Array], shape: tuple[int, ...]
) -> jax.Array:
    """The inverse of :func:`split`, for one block; ``shape`` is that of one port."""
    chosen = [parts[port_group, block] for port_group in port_groups if block in port_group.blocks]
    return jnp.concatenate(chosen) if chosen else jnp.zeros((0, *shape))
