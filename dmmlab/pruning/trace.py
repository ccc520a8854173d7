"""The trace of a restart: each cut that was tried, and the weights after each accepted cut."""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..compiler.weights import Weights, count_links, flatten
from ..core.summaries import Facts, plural, summarised
from .tasks import Task

if TYPE_CHECKING:
    import pandas as pd


class Event(NamedTuple):
    """One entry of a trace."""

    phase: str
    tried: str  # what was cut: a link, a number of links, or the removed neurons
    links: int  # number of soft links of the resulting machine
    error: float  # of that machine, on the training strings
    accepted: bool
    seconds: float  # since the restart began


@summarised
class Trace:
    """The events of a restart; ``snapshots`` has the flat weights after each accepted event."""

    def __init__(self, events: Iterable[Event] = (), snapshots: Iterable[np.ndarray] = ()):
        self.events, self.snapshots = list(events), list(snapshots)
        self.listener: Callable[[Event], None] | None = None  # called with each event that is added
        spent = self.events[-1].seconds if self.events else 0.0
        self._began = time.monotonic() - spent

    def add(self, task: Task, phase: str, tried: str, weights: Weights, accepted: bool = True) -> None:
        """Adds an event.

        Args:
            task: measures the error.
            phase: the phase of the event.
            tried: the change that the phase tried.
            weights: the resulting weights, a matrix for each stage.
            accepted: whether the phase continues with these weights.
        """
        error = task.error(weights)  # blocks until the weights are computed; JAX runs asynchronously
        seconds = time.monotonic() - self._began
        self.events.append(Event(phase, tried, count_links(weights), error, accepted, seconds))
        if accepted:
            self.snapshots.append(flatten(weights))
        if self.listener is not None:
            self.listener(self.events[-1])

    def frame(self) -> "pd.DataFrame":
        """Returns the events as a table."""
        import pandas as pd

        return pd.DataFrame(self.events, columns=Event._fields)

    def _summary(self) -> tuple[str, Facts]:
        phases = dict.fromkeys(event.phase for event in self.events)
        facts = []
        for phase in phases:
            events = [event for event in self.events if event.phase == phase]
            last = events[-1]
            facts.append(
                (phase, f"{plural(len(events), 'event')}, {plural(last.links, 'link')}, error {last.error:.3g} at last")
            )
        return f"Trace: {plural(len(self.events), 'event')}; frame() is the table", facts
