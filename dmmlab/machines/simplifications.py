"""Simpler machines: fewer neurons, fewer links, weights that are small fractions.

:func:`merged` keeps the function; what the others do changes it a little, or by a cycle, so that
their results are to be tried.
"""

from fractions import Fraction
from typing import Any

from ..core.machine import Machine
from ..core.network_matrix import MachineError
from ..core.neuron_type import NeuronType, Scaling
from .canonical_form import Rows, from_rows, soft_rows

LARGEST_DENOMINATOR = 4


def merged(machine: Machine) -> Machine:
    """The machine in which neurons of one type and with the same links into them are one neuron.

    The function is the same.
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
    """Two neurons of one type with the same links into them, loops to themselves included.

    None with hard links to others.
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
    """The machine without small weights, and without what is then dead.

    Args:
        machine: any.
        threshold: soft links of an absolute weight up to this are left out.

    Returns:
        A new machine, of live neurons alone.
    """
    rows = {port: {source: w for source, w in row.items() if abs(w) > threshold} for port, row in soft_rows(machine).items()}
    return machine.with_soft(from_rows(rows)).live()


def rounded(machine: Machine, denominator: int = LARGEST_DENOMINATOR) -> Machine:
    """The machine with every soft weight replaced by the nearest small fraction.

    Args:
        machine: any.
        denominator: the largest one.

    Returns:
        A new machine; weights that are rounded to 0 are no links.
    """
    rows = {
        port: {source: float(Fraction(w).limit_denominator(denominator)) for source, w in row.items()}
        for port, row in soft_rows(machine).items()
    }
    return machine.with_soft(from_rows(rows))


def shortcuts(machine: Machine) -> list[Machine]:
    """Machines in each of which one neuron is left out that only passes a value on.

    What it was fed goes where its output went. Such a neuron has one link into it that does not
    come from a constant. What comes on that link then arrives a cycle earlier, so each of these
    machines is to be tried.
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
        except MachineError:  # where it would go there is a hard link
            continue
    return shorter_machines


def _gain(kind: NeuronType, field: str, output: str, weight: float) -> float:
    """What a neuron that passes a value on multiplies it by.

    For an even one and for a difference that holds as long as the value is positive.
    """
    if kind.scaling is Scaling.EVEN:
        return abs(weight)
    if kind.scaling is Scaling.DIFFERENCE:
        return weight if (field == kind.inputs[0]) == (output == kind.outputs[0]) else -weight
    return weight
