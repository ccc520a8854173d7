"""Compiles a machine for streams with given keys.

The machine is laid out in arrays (:mod:`dmmlab.compiler.layout`), its graph determines the
schedule, and its neurons are grouped into stages (:mod:`dmmlab.compiler.schedule`).
"""

from collections.abc import Mapping

from ..core.engine import Streams
from ..core.errors import one_of
from ..core.machine import Machine
from ..core.streams import Inbox, Stream
from ..core.vvalues import describe
from .compiled import Compiled
from .layout import LayoutError, lay_out
from .schedule import (
    answers_of,
    boundary_groups,
    groups_of,
    make_stage,
    memories_of,
    one_stage,
    side_by_side,
    stages_of,
)

SCHEDULES = ("time-parallel", "scan")


def compile_machine(
    machine: Machine, streams: Streams, cycles: int | None = None, schedule: str | None = None, whole: bool = False
) -> Compiled:
    """Compiles a machine for streams with the keys of an example.

    Args:
        machine: the machine to compile. Links cannot be added later: a soft link's weight may
            become zero and nonzero again, but a link that the machine lacks has no place.
        streams: an example of the streams to read, as for :func:`dmmlab.core.engine.run`; only the
            keys matter.
        cycles: how many cycles of the example to examine; up to its last event if left out.
        schedule: ``"time-parallel"`` or ``"scan"``; chosen from the graph if left out.
        whole: whether answers are compared with their targets as whole V-values, or only by their
            scalar parts.

    Returns:
        The compiled machine, with the machine's own weights.

    Raises:
        LayoutError: the machine cannot be laid out in arrays (its keys grow without limit, or JAX
            cannot trace a function); or the time-parallel schedule was requested, but the machine
            has a recurrence other than a neuron's own sum or linear recurrence.
        TypeMisbehaves: the function of a user-defined neuron type depends on how a V-value is
            written, or lacks a declared property (:mod:`dmmlab.compiler.type_checks`).
    """
    if schedule is not None and schedule not in SCHEDULES:
        raise LayoutError(one_of("schedule", schedule, SCHEDULES))
    if any(isinstance(stream, Inbox) for stream in (streams.values() if isinstance(streams, Mapping) else (streams,))):
        raise LayoutError("an Inbox shows what was sent once: compile for a Stream that has all keys that may come")
    layout = lay_out(machine, streams, cycles or _length(streams))
    memories = memories_of(layout)
    order = stages_of(layout, memories)
    if schedule == "time-parallel" and order is None:
        raise LayoutError("something recurs that is no neuron's own memory: this machine needs the scan schedule")
    if schedule == "scan" or order is None:
        stage = one_stage(layout)
        return Compiled(layout, "scan", (stage,), answers_of(stage), whole)
    stages, columns = [], list(boundary_groups(layout))
    for names_of_stage in order:
        groups = groups_of(layout, names_of_stage, memories)
        stages.append(make_stage(layout, groups, side_by_side(columns)))
        columns += [ports for group in groups for ports in group.outputs]
    return Compiled(layout, "time-parallel", tuple(stages), answers_of(stages[-1]), whole)


def _length(streams: Streams) -> int:
    given = list(streams.values()) if isinstance(streams, Mapping) else [streams]
    each = [stream for stream in given if isinstance(stream, Stream)]
    if len(each) < len(given):
        raise LayoutError(f"{describe(streams)}: expected a Stream, or one for each neuron that reads one")
    return max((max(stream.events, default=0) for stream in each), default=0) + 1
