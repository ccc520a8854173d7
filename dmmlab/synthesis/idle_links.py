"""Idle links: soft links on which nothing can flow that their neuron looks at."""

from ..compiler.layout import lay_out
from ..core.engine import Streams
from ..core.machine import Machine
from ..machines.canonical_form import from_rows, soft_rows


def without_idle_links(machine: Machine, streams: Streams, cycles: int | None = None) -> Machine:
    """Without the soft links on which nothing can flow that their neuron looks at, given streams with these keys.

    Raises :class:`~dmmlab.compiler.layout.LayoutError` for a machine that cannot be laid out.
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
