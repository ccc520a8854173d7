"""Clocks: timers that count the cycles, and the readers that show each item in its own cycle.

A reader emits what its stream has in the cycle that arrives at its input, so what a machine reads
depends on what feeds its readers. Most machines feed them by a *clock*: a timer whose only link is
its own, of weight 1. Then a reader shows in cycle ``t`` the item of cycle ``t``, and the clock may
be left out of whatever runs the machine. Neither is known by its name: what counts is the function
of its type, and all links to it.
"""

from typing import NamedTuple

from .machine import Machine
from .neuron_type import NeuronType
from .neurons import INPUT, TIMER


class Clocked(NamedTuple):
    """The clocks of a machine, and the readers that show in each cycle the item of that cycle."""

    clocks: frozenset[str]
    readers: frozenset[str]


def clocked(machine: Machine) -> Clocked:
    """The clocks and the readers that they drive, by name."""
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
    """Whether a type is another in all but its names."""
    return kind.function is other.function and (len(kind.inputs), len(kind.outputs)) == (1, 1)
