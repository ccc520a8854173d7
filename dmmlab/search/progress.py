"""Progress of a synthesis: what each restart is at, the best so far, the time that is left.

:class:`SearchState` is what there is to show; a *view* is any function that shows it. A terminal
gets a line for each restart that has ended and a bar below them, a notebook a table that changes in
its place.
"""

import html
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any

from ..core.machine import Machine
from ..core.summaries import Facts, summarised
from ..drawing.live_page import LivePage, in_notebook
from ..pruning.rounding import Verdict, rank
from ..pruning.trace import Event

REFRESH = 0.5  # seconds between two looks


@summarised
class SearchState:
    """What a synthesis has come to so far; its threads write, a view reads.

    ``events`` has the events of each restart that has begun, ``snapshots[i]()`` makes the machine
    that restart ``i`` is at, ``verdicts`` has the verdict on each that has ended.

    Args:
        question: of the problem.
        planned: how many restarts there may be.
        budget: seconds, if there is a limit.
        start: what is tried, in words, if there are several starts.
        before: the best verdict of the starts before.
        began: when the synthesis began, as of ``time.monotonic()``; now if left out.
    """

    def __init__(
        self,
        question: str,
        planned: int,
        budget: float | None = None,
        start: str = "",
        before: Verdict | None = None,
        began: float | None = None,
    ):
        self.question, self.planned, self.budget = question, planned, budget
        self.start, self.before = start, before
        self.events: dict[int, list[Event]] = {}
        self.snapshots: dict[int, Callable[[], Machine]] = {}
        self.verdicts: dict[int, Verdict | None] = {}
        self.outcome = ""  # the result in words, at the end
        self.began = time.monotonic() if began is None else began
        self.lock = threading.Lock()

    @property
    def seconds(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.began

    @property
    def seconds_left(self) -> float | None:
        """Seconds of the budget that are left; None without one."""
        return None if self.budget is None else max(0.0, self.budget - self.seconds)

    @property
    def best(self) -> Verdict | None:
        """The best verdict so far, on validation strings."""
        verdicts = (*self.verdicts.values(), self.before)
        return min((verdict for verdict in verdicts if verdict is not None), key=rank, default=None)

    def rows(self) -> list[dict[str, Any]]:
        """A row for each restart that has begun: what it is at, links, error, seconds, verdict."""
        with self.lock:
            begun, verdicts = {i: events[-1] for i, events in self.events.items() if events}, dict(self.verdicts)
        return [
            {
                "restart": i,
                "phase": "done" if i in verdicts else event.phase,
                "links": event.links if verdicts.get(i) is None else verdicts[i].links,  # type: ignore[union-attr]
                "error": event.error,
                "seconds": event.seconds,
                "verdict": in_words(verdicts[i]) if i in verdicts else "",
            }
            for i, event in sorted(begun.items())
        ]

    def _summary(self) -> tuple[str, Facts]:
        rows = [(f"restart {row['restart']}", f"{row['phase']}, {row['links']} links {row['verdict']}") for row in self.rows()]
        return f"SearchState: {self.question} {self.outcome}".rstrip(), [("planned", self.planned), *rows]


View = Callable[[SearchState], None]


def in_words(verdict: Verdict | None) -> str:
    """The verdict on validation strings, in a few words."""
    if verdict is None:
        return "left the finite numbers"
    if verdict.exact_on_validation:
        return "exact"
    return f"off by {verdict.validation_max_abs_error:.2g}"


def view_for(progress: bool | View | None) -> View:
    """The view that is asked for, or that fits.

    Args:
        progress: a view; whether there is to be one; None for one in a notebook or a terminal only.

    Returns:
        A view; one that shows nothing, if none is wanted.
    """
    if callable(progress):
        return progress
    if progress is False:
        return lambda state: None
    if in_notebook():
        return NotebookView()
    return TerminalView() if progress or sys.stderr.isatty() else lambda state: None


@contextmanager
def kept_up(view: View) -> Iterator[View]:
    """A view that shows the latest state again and again, so that its clock never stands still.

    Args:
        view: what shows a state. An exception of its own reaches the caller of what is yielded, or
            ends the repetition.

    Yields:
        The same view, to be called with each new state.
    """
    latest: list[SearchState] = []
    showing, ended = threading.Lock(), threading.Event()

    def show(state: SearchState) -> None:
        with showing:
            latest[:] = [state]
            view(state)

    def repeat() -> None:
        while not ended.wait(REFRESH):
            with showing:
                if latest and not latest[0].outcome:
                    try:
                        view(latest[0])
                    except BaseException:  # the caller's next look ends in the same way
                        return

    context = copy_context()  # a notebook's kernel keeps there which cell an output belongs to
    thread = threading.Thread(target=lambda: context.run(repeat), daemon=True)
    thread.start()
    try:
        yield show
    finally:
        ended.set()
        thread.join()


class TerminalView:
    """A bar on standard error, and above it a line for each restart that has ended."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._shown: SearchState | None = None
        self._told: dict[SearchState, set[int]] = {}  # of each start; one may be shown again in the end

    def __call__(self, state: SearchState) -> None:
        from tqdm import tqdm

        if self._bar is not None and self._shown is not state:  # another start
            self._bar.close()
            self._bar = None
        self._shown, told = state, self._told.setdefault(state, set())
        if self._bar is None:
            form = "{desc} |{bar:10}| {n_fmt}/{total_fmt} restarts, {elapsed}"
            self._bar = tqdm(total=state.planned, bar_format=form, file=sys.stderr, dynamic_ncols=True, leave=False)
        rows = state.rows()
        for row in rows:
            if row["verdict"] and row["restart"] not in told:
                told.add(row["restart"])
                self._bar.write(
                    f"restart {row['restart']}: {_links(row['links'])}, {row['verdict']}, {row['seconds']:.0f} s",
                    file=sys.stderr,
                )
        self._bar.total, self._bar.n = state.planned, len(told)
        working = [f"{r['restart']}: {r['phase']}, {_links(r['links'])}, {r['error']:.1e}" for r in rows if not r["verdict"]]
        parts = [state.start] * bool(state.start) + ["; ".join(working[:4]) or "preparing"]
        if state.best is not None:
            parts.append(f"best: {_links(state.best.links)}, {in_words(state.best)}")
        if state.seconds_left is not None:
            parts.append(f"{state.seconds_left:.0f} s left")
        self._bar.set_description_str(" | ".join(parts))
        if state.outcome:
            self._bar.close()


class NotebookView:
    """A table that changes in its place, and folds when all is done."""

    def __init__(self) -> None:
        self._page = LivePage()

    def __call__(self, state: SearchState) -> None:
        self._page.show(as_html(state))


def as_html(state: SearchState) -> str:
    """The state as a table: a row for each restart, the best so far above it.

    Args:
        state: what to show.

    Returns:
        HTML; folded to one line once there is an outcome.
    """
    table = table_of_restarts(state)
    if state.outcome:
        return f"<details><summary>{html.escape(state.outcome)}, {state.seconds:.0f} s</summary>{table}</details>"
    best, left = state.best, state.seconds_left
    parts = ["preparing" if not state.events else f"{len(state.verdicts)} of up to {state.planned} restarts done"]
    parts = [state.start] * bool(state.start) + parts
    parts += [f"best so far: {_links(best.links)}, {in_words(best)}"] if best is not None else []
    parts += [f"{state.seconds:.0f} s"] + ([f"{left:.0f} s left"] if left is not None else [])
    stop = "Interrupting the kernel (■) ends it and keeps the best."
    return f"<div><b>{html.escape(' · '.join(parts))}</b><br><small>{stop}</small>{table}</div>"


def table_of_restarts(state: SearchState) -> str:
    """The restarts as an HTML table, a row for each that has begun."""
    cell = "padding:1px 10px 1px 0;text-align:left"
    body = "".join(
        f"<tr>{''.join(f'<td style={chr(34)}{cell}{chr(34)}>{html.escape(text)}</td>' for text in _texts(row))}</tr>"
        for row in state.rows()
    )
    head = "".join(f'<th style="{cell}">{name}</th>' for name in ("restart", "phase", "links", "error", "seconds", "verdict"))
    return f'<table style="margin:4px 0">{"<tr>" + head + "</tr>" if body else ""}{body}</table>'


def _texts(row: dict[str, Any]) -> list[str]:
    shown = row | {"error": f"{row['error']:.1e}", "seconds": f"{row['seconds']:.0f}"}
    return [str(shown[name]) for name in ("restart", "phase", "links", "error", "seconds", "verdict")]


def _links(count: int) -> str:
    return f"{count} link{'' if count == 1 else 's'}"
