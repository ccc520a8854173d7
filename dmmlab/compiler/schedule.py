"""Stages: in which order a compiled machine computes, and how the ports lie side by side.

Neurons of one type that can be computed at once form a *group*, groups that are fed by earlier ones alone form a *stage*,
and a stage has one matrix: rows are the input ports of its groups, columns the output ports that may feed them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np

from .array_operations import Arrays
from .layout import Layout
from ..core.machine import Machine
from ..core.neurons import NeuronType, Port, add_cut
from ..core.vvalues import add

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


def accumulates(machine: Machine, name: str) -> bool:
    """Whether a neuron adds what arrives to its own output: nothing else enters where that comes back, with weight 1."""
    kind = machine.neurons[name]
    if kind.function not in RUNNING_SUMS or len(kind.inputs) != 2:
        return False
    into = [link for link in machine.links() if link.to_neuron == name and link.to_field == kind.inputs[0]]
    itself = [link for link in machine.links() if link.to_neuron == name == link.from_neuron]
    return len(into) == len(itself) == 1 and into == itself and into[0].hard and into[0].weight == 1


def stages_of(layout: Layout, accumulators: set[str]) -> list[list[str]] | None:
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


def boundary_units(layout: Layout) -> tuple[Unit, ...]:
    by_blocks: dict[frozenset[int], list[Port]] = {}
    for port in layout.boundary:
        by_blocks.setdefault(layout.carried[port], []).append(port)
    return tuple(Unit(tuple(ports), blocks) for blocks, ports in by_blocks.items())


def groups_of(layout: Layout, names: Sequence[str], accumulators: set[str]) -> list[Group]:
    """The neurons of one stage, by type."""
    members: dict[tuple[NeuronType, bool], list[str]] = {}
    for name in names:
        members.setdefault((layout.machine.neurons[name], name in accumulators), []).append(name)
    sinks = [
        (name, field) for (kind, _), group in members.items() if not kind.outputs for name in group for field in kind.inputs
    ]
    answered = frozenset({0}).union(*(layout.used[port] for port in sinks))
    groups = []
    for (kind, adds_up), group in members.items():
        fields = kind.inputs[1:] if adds_up else kind.inputs
        inputs = [_unit(group, field, layout.used) for field in fields]
        if not kind.outputs:  # answers have a row in every block that any of them has something in
            inputs = [Unit(unit.ports, answered) for unit in inputs]
        outputs = [_unit(group, field, layout.carried) for field in kind.outputs]
        groups.append(Group(kind, tuple(inputs), tuple(outputs), adds_up))
    return groups


def _unit(names: Sequence[str], field: str, blocks: Mapping[Port, frozenset[int]]) -> Unit:
    ports = tuple((name, field) for name in names)
    return Unit(ports, frozenset().union(*(blocks[port] for port in ports)))


def make_stage(layout: Layout, groups: Sequence[Group], columns: Sequence[Unit]) -> Stage:
    rows = side_by_side([unit for group in groups for unit in group.inputs])
    row = {port: i for i, port in enumerate(all_ports(rows))}
    column = {port: i for i, port in enumerate(all_ports(columns))}
    matrices = {hard: np.zeros((len(row), len(column))) for hard in (False, True)}
    for link in layout.machine.links():
        to, source = (link.to_neuron, link.to_field), (link.from_neuron, link.from_field)
        if to in row and source in column:
            matrices[link.hard][row[to], column[source]] = link.weight if link.hard else 1.0
    return Stage(tuple(groups), rows, tuple(columns), exists=matrices[False], hard=matrices[True])


def side_by_side(units: Sequence[Unit]) -> tuple[Unit, ...]:
    """Sorts units so that those that a block concerns lie together: with two blocks all do, with more those of block 0."""

    def order(unit: Unit) -> tuple[int, list[int]]:
        others = sorted(unit.blocks - {0})
        rank = 0 if 0 not in unit.blocks else 1 if others else 2
        return (rank if unit.blocks else 3), others

    return tuple(sorted(units, key=order))


def all_ports(units: Sequence[Unit]) -> list[Port]:
    return [port for unit in units for port in unit.ports]


def ports_of(units: Sequence[Unit], block: int) -> list[Port]:
    """The ports that a block concerns, in the order in which they lie in its arrays."""
    return [port for unit in units if block in unit.blocks for port in unit.ports]


def positions(units: Sequence[Unit], block: int) -> list[int]:
    """The positions, among the ports of all units, of those that a block concerns."""
    flags = [block in unit.blocks for unit in units for _ in unit.ports]
    return [i for i, flag in enumerate(flags) if flag]


def split(units: Sequence[Unit], arrays: Arrays) -> dict[tuple[Unit, int], jax.Array]:
    """Arrays of all units' ports, one for each block -> an array for each unit and block."""
    parts = {}
    for b, array in arrays.items():
        start = 0
        for unit in units:
            if b in unit.blocks:
                parts[unit, b] = jax.lax.slice_in_dim(array, start, start + len(unit.ports), axis=0)
                start += len(unit.ports)
    return parts


def join(units: Sequence[Unit], block: int, parts: Mapping[tuple[Unit, int], jax.Array], shape: tuple[int, ...]) -> jax.Array:
    """The inverse of :func:`_split`, for one block; ``shape`` is that of one port."""
    chosen = [parts[unit, block] for unit in units if block in unit.blocks]
    return jnp.concatenate(chosen) if chosen else jnp.zeros((0, *shape))
