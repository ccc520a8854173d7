"""Clocks: timers that count the cycles, and the stream readers that they drive.

The input of a reader is a cycle number, and its output is its stream's value in that cycle. So the
neurons that feed the readers determine which data a machine reads. In most machines this is a
*clock*: a timer whose only incoming link is from itself, with weight 1. A reader then shows the
item of cycle ``t`` in cycle ``t``, and an engine need not run the clock. Clocks and readers are
recognized by the functions of their types and by all links to them, not by their names.
"""

from typing import NamedTuple

from .machine import Machine
from .neuron_type import NeuronType
from .neurons import INPUT, TIMER


class Clocked(NamedTuple):
    """The clocks of a machine, and the readers that show each item in its own cycle."""

    clocks: frozenset[str]
    readers: frozenset[str]


def clocked(machine: Machine) -> Clocked:
    """Finds the clocks of a machine and the readers that they drive, by name."""
    into: dict[str, list] = {}
    for link in machine.links():
        into.setdefault(link.to_neuron, []).append(link)
    only_source = {
        name: links[0].from_neuron for name, links in into.items() if len(links) == 1 and float(links[0].weight) == 1.0
    }
    clocks = frozenset(n for n, kind in machine.neurons.items() if _like(kind, TIMER) and only_source.get(n) == n)
    readers = frozenset(n for n, kind in machine.neurons.items() if _like(kind, INPUT) and only_source.get(n) in clocks)
    return Clocked(clocks, readers)


def _like(kind: NeuronType, other: NeuronType) -> bool:
    """Whether a type has the function of another type, one input and one output."""
    return kind.function is other.function and (len(kind.inputs), len(kind.outputs)) == (1, 1)
