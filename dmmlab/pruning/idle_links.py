"""Idle links: soft links whose V-values have no keys that the target neuron uses."""

from ..compiler.layout import lay_out
from ..core.engine import Streams
from ..core.machine import Machine
from ..machines.canonical_form import from_rows, soft_rows


def without_idle_links(machine: Machine, streams: Streams, cycles: int | None = None) -> Machine:
    """Removes idle soft links: their V-values have no keys that the target neuron uses.

    Args:
        machine: any machine.
        streams: an example of its input; only its keys matter.
        cycles: how many cycles of the example to look at; 1 if left out.

    Returns:
        A new machine with the same neurons.

    Raises:
        LayoutError: a machine that cannot be laid out.
    """
    layout = lay_out(machine, streams, cycles or 1)
    rows = {
        port: {
            source: w
            for source, w in row.items()
            if layout.used.get(port, layout.carried.get(source, frozenset())) & layout.carried.get(source, frozenset())
        }
        for port, row in soft_rows(machine).items()
    }
    return machine.with_soft(from_rows(rows))
