"""Simpler machines: fewer neurons, fewer links, weights that are small fractions.

:func:`merged` keeps the function. The others may change it a little, or shorten its delay by a
cycle, so test their results.
"""

from fractions import Fraction
from typing import Any

from ..core.machine import Machine
from ..core.network_matrix import MachineError
from ..core.neuron_type import NeuronType, Scaling
from .canonical_form import Rows, from_rows, soft_rows

LARGEST_DENOMINATOR = 4


def merged(machine: Machine) -> Machine:
    """Merges neurons that have the same type and the same links into them.

    The function stays the same.
    """
    while True:
        pair = _twins(machine)
        if pair is None:
            return machine
        name, twin = pair
        rows = {port: row for port, row in soft_rows(machine).items() if port[0] != name}
        for row in rows.values():
            for source in [source for source in row if source[0] == name]:
                row[twin, source[1]] = row.get((twin, source[1]), 0.0) + row.pop(source)
        machine = machine.with_soft(from_rows(rows)).without_neuron(name)


def _twins(machine: Machine) -> tuple[str, str] | None:
    """Returns two neurons of one type with the same links into them, including self-loops.

    Neurons with hard links to or from others are excluded. Returns None if there is no such pair.
    """
    into: dict[str, set] = {}
    fixed = set()
    for link in machine.links():
        itself = link.from_neuron == link.to_neuron
        source = (None, link.from_field) if itself else link[2:4]
        into.setdefault(link.to_neuron, set()).add((link.to_field, *source, float(link.weight), link.hard))
        if link.hard and not itself:
            fixed |= {link.from_neuron, link.to_neuron}
    seen: dict[Any, str] = {}
    for name, kind in machine.neurons.items():  # in their order, so that the twin that stays is in the earlier layer
        if name in into and kind.outputs and not kind.reads_stream and name not in fixed:
            key = (kind, frozenset(into[name]))
            if key in seen:
                return name, seen[key]
            seen[key] = name
    return None


def without_small_links(machine: Machine, threshold: float) -> Machine:
    """Removes soft links with small weights, and then the dead neurons.

    Args:
        machine: any machine.
        threshold: soft links of an absolute weight up to this are removed.

    Returns:
        A new machine that has only live neurons.
    """
    rows = {port: {source: w for source, w in row.items() if abs(w) > threshold} for port, row in soft_rows(machine).items()}
    return machine.with_soft(from_rows(rows)).live()


def rounded(machine: Machine, denominator: int = LARGEST_DENOMINATOR) -> Machine:
    """Replaces every soft weight by the nearest small fraction.

    Args:
        machine: any machine.
        denominator: the largest denominator.

    Returns:
        A new machine. Links whose weight is rounded to 0 are removed.
    """
    rows = {
        port: {source: float(Fraction(w).limit_denominator(denominator)) for source, w in row.items()}
        for port, row in soft_rows(machine).items()
    }
    return machine.with_soft(from_rows(rows))


def shortcuts(machine: Machine) -> list[Machine]:
    """Returns machines that each lack one neuron that only passes a value on.

    Such a neuron has exactly one incoming link that is not from a constant. In the new machine the
    source of this link feeds the neuron's targets directly. The value then arrives a cycle earlier,
    so test each of these machines.
    """
    rows, shorter_machines = soft_rows(machine), []
    fixed = {n for link in machine.links() if link.hard and link.from_neuron != link.to_neuron for n in (link[0], link[2])}
    for name, kind in machine.neurons.items():
        into = [(port, source, w) for port, row in rows.items() if port[0] == name for source, w in row.items()]
        into = [(port, source, w) for port, source, w in into if machine.neurons[source[0]].inputs]
        if len(into) != 1 or kind.scaling in (None, Scaling.MULTILINEAR) or into[0][1][0] == name or name in fixed:
            continue
        ((to, source, weight),) = into
        shorter: Rows = {port: {s: w for s, w in row.items() if s[0] != name} for port, row in rows.items() if port[0] != name}
        for port, row in rows.items():
            through = sum(w * _gain(kind, to[1], output, weight) for (n, output), w in row.items() if n == name)
            if port[0] != name and through:
                shorter[port][source] = shorter[port].get(source, 0.0) + through
        try:
            shorter_machines.append(machine.with_soft(from_rows(shorter)).without_neuron(name))
        except MachineError:  # the new link would be in the place of a hard link
            continue
    return shorter_machines


def _gain(kind: NeuronType, field: str, output: str, weight: float) -> float:
    """Returns the factor by which a neuron multiplies a value that it passes on.

    For the scalings ``EVEN`` and ``DIFFERENCE`` this is right only while the value is positive.
    """
    if kind.scaling is Scaling.EVEN:
        return abs(weight)
    if kind.scaling is Scaling.DIFFERENCE:
        return weight if (field == kind.inputs[0]) == (output == kind.outputs[0]) else -weight
    return weight
