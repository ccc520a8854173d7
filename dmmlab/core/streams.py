"""Input streams: the V-values that a machine's input neuron emits in each cycle.

A stream is a function from a cycle (0, 1, 2, ...) to a V-value. :func:`characters` makes the stream
of 2022: it shows a string one character every ten cycles, each as the V-value ``{character: 1.0}``,
and nothing in between. The last character repeats indefinitely. :func:`symbols` does the same with
words or other items. A :class:`Stream` shows any V-values in any cycles.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from queue import Empty, SimpleQueue

from .errors import LabError
from .summaries import Facts, plural, summarised
from .vvalues import NUMBER, Number, VValue, check, describe, is_traced


class StreamError(LabError):
    """Invalid stream."""


@summarised
@dataclass(frozen=True)
class Stream:
    """A stream that shows ``events[t]`` in cycle ``t``, and zero in all other cycles.

    Args:
        events: V-values by cycle, from 0 on.
        repeat_every: if set, the last event repeats with this period, in cycles.

    Raises :class:`StreamError` for a cycle that is not a whole number from 0 on, or a period below
    1.
    """

    events: Mapping[int, VValue]
    repeat_every: int | None = None

    def __post_init__(self):
        for t in self.events:
            if not isinstance(t, int) or isinstance(t, bool) or t < 0:
                raise StreamError(f"cycle {describe(t)}: a cycle is a whole number from 0 on")
        object.__setattr__(self, "events", {t: check(self.events[t], (f"cycle {t}",)) for t in sorted(self.events)})
        if self.repeat_every is not None:
            _check_period(self.repeat_every)

    def __call__(self, t: Number) -> VValue:
        """The V-value of cycle ``t``; ``{}`` if there is none, as at a fractional ``t``.

        Raises :class:`StreamError` if JAX is tracing ``t``: a machine's input cannot depend on its
        weights.
        """
        if is_traced(t):
            raise StreamError(
                "the cycle that a stream is asked for is being traced by JAX; keep soft links away from the timer"
            )
        t = float(t)
        if t in self.events:
            return self.events[t]
        last = max(self.events, default=0)
        if self.repeat_every is not None and t > last and (t - last) % self.repeat_every == 0:
            return self.events.get(last, {})
        return {}

    def shown(self, cycles: int) -> Iterator[tuple[int, VValue]]:
        """Yields the events of the first ``cycles`` cycles, with repeats: (cycle, V-value)."""
        yield from ((t, v) for t, v in self.events.items() if t < cycles)
        last = max(self.events, default=cycles)
        if self.repeat_every is not None:
            yield from ((t, self.events[last]) for t in range(last + self.repeat_every, cycles, self.repeat_every))

    def take(self, cycles: int) -> Iterator[VValue]:
        """The V-values of the first ``cycles`` cycles, one per cycle."""
        return (self(t) for t in range(cycles))

    def _summary(self) -> tuple[str, Facts]:
        again = f", the last again every {plural(self.repeat_every, 'cycle')}" if self.repeat_every else ""
        return f"Stream: {plural(len(self.events), 'event')}{again}", ((f"cycle {t:,}", v) for t, v in self.events.items())


class Inbox:
    """A stream that can be written to while a machine runs, from any thread.

    Each cycle shows the oldest V-value that was sent and not yet shown, or ``default`` if there is
    none. The stream never blocks.

    Args:
        default: the V-value to show when nothing is waiting.
    """

    def __init__(self, default: VValue = {}):  # noqa: B006
        self.default = check(default)
        self._sent: SimpleQueue[VValue] = SimpleQueue()

    def send(self, v: VValue) -> None:
        """Queues a V-value to be shown once. Raises :class:`VValueError` for anything else."""
        self._sent.put(check(v))

    def __call__(self, t: Number) -> VValue:
        """Removes and returns the oldest V-value sent, or returns the default; ignores ``t``."""
        try:
            return self._sent.get_nowait()
        except Empty:
            return self.default

    def __repr__(self) -> str:
        return f"<Inbox: {self._sent.qsize():,} waiting>"


def characters(string: str, period: int = 10, repeat_last: bool = True) -> Stream:
    """Returns a stream of a string's characters, each as the V-value ``{character: 1.0}``.

    Every character is a separate symbol: case and white space matter.

    Args:
        string: the string to show.
        period: cycles from one character to the next; the first comes in cycle 0.
        repeat_last: whether the last character repeats every ``period`` cycles indefinitely.

    Returns:
        The stream.

    Raises:
        StreamError: not a string, an empty string, or a period below 1.
    """
    if not isinstance(string, str):
        raise StreamError(f"expected a string, got {describe(string)}")
    return symbols(string, period, repeat_last)


def symbols(items: Iterable[str], period: int = 10, repeat_last: bool = True) -> Stream:
    """Returns a stream of any items, as in ``symbols("to be or not to be .".split())``.

    Args:
        items: texts; each is one symbol.
        period: cycles from one item to the next; the first comes in cycle 0.
        repeat_last: whether the last item repeats every ``period`` cycles indefinitely.

    Returns:
        The stream.

    Raises:
        StreamError: no items, an item that is not text, or a period below 1.
    """
    _check_period(period)
    items = list(items)
    return _one_hot(items, [period * i for i in range(len(items))], period if repeat_last else None)


def spaced(items: Iterable[str], gaps: Iterable[int]) -> Stream:
    """Returns a stream of items with individual gaps and without repetition.

    Args:
        items: texts; each is one symbol.
        gaps: for each item, the number of silent cycles before it.

    Returns:
        The stream.

    Raises:
        StreamError: not one gap for each item, a negative gap, no items, or an item that is not
            text.
    """
    items, gaps = list(items), list(gaps)
    if len(items) != len(gaps):
        raise StreamError(f"{len(items)} items and {len(gaps)} gaps: there must be one gap before every item")
    for gap in gaps:
        if not isinstance(gap, int) or gap < 0:
            raise StreamError(f"gap {describe(gap)}: expected a whole number of cycles from 0 on")
    return _one_hot(items, [t - 1 for t in accumulate(gap + 1 for gap in gaps)], None)


def values(vvalues: Iterable[VValue]) -> Stream:
    """Returns a stream of one V-value per cycle, from cycle 0 on; silent after the last one.

    ``{}`` is a silent cycle.
    """
    return Stream({t: v for t, v in enumerate(vvalues) if v != {}})


def _one_hot(items: list[str], times: list[int], repeat_every: int | None) -> Stream:
    if not items:
        raise StreamError("an empty stream: give at least one character or item")
    for item in items:
        if not isinstance(item, str) or item == NUMBER or any("\ud800" <= c <= "\udfff" for c in item):
            raise StreamError(f"item {describe(item)}: expected text other than {NUMBER!r}, which is reserved")
    return Stream({t: {item: 1.0} for t, item in zip(times, items, strict=True)}, repeat_every)


def _check_period(period: int) -> None:
    if not isinstance(period, int) or isinstance(period, bool) or period < 1:
        raise StreamError(f"period {describe(period)}: expected a whole number of cycles from 1 on")
