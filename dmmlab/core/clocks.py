"""Clocks: timers that count the cycles, and the stream readers that they drive.

The input of a reader is a cycle number, and its output is its stream's value in that cycle. So the
neurons that feed the readers determine which data a machine reads. In most machines this is a
*clock*: a timer whose only incoming link is from itself, with weight 1. A reader then shows the
item of cycle ``t`` in cycle ``t``, and an engine need not run the clock. Clocks and readers are
recognized by what their types emit and by all links to them, not by their names. A user-defined
type may describe itself wrongly, so only built-in types are recognized.
"""

from typing import NamedTuple

from .machine import Machine
from .neuron_type import Emits
from .neurons import is_built_in


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
    emits = {name: kind.emits for name, kind in machine.neurons.items() if is_built_in(kind)}
    clocks = frozenset(name for name in emits if emits[name] is Emits.COUNT and only_source.get(name) == name)
    readers = frozenset(name for name in emits if emits[name] is Emits.STREAM and only_source.get(name) in clocks)
    return Clocked(clocks, readers)
