"""Progress of a synthesis: the phase of each restart, the best machine so far, the time left.

:class:`SearchState` holds the data; a *view* is any function that displays it. A terminal shows a
line for each finished restart, and a progress bar below them. A notebook shows a table that is
updated in place.
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

REFRESH = 0.5  # seconds between two updates of the display


@summarised
class SearchState:
    """The state of a running synthesis; its threads write it, a view reads it.

    ``events`` has the events of each restart that has begun. ``snapshots[i]()`` returns the current
    machine of restart ``i``. ``verdicts`` has the verdict on each finished restart.

    Args:
        question: the question of the problem.
        planned: the maximum number of restarts.
        budget: time limit in seconds, if there is one.
        start: the name of the current start, if there are several.
        before: the best verdict of earlier starts.
        began: when the synthesis began, by ``time.monotonic()``; now if left out.
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
        """Seconds since the synthesis began."""
        return time.monotonic() - self.began

    @property
    def seconds_left(self) -> float | None:
        """Remaining seconds of the budget; None without a budget."""
        return None if self.budget is None else max(0.0, self.budget - self.seconds)

    @property
    def best(self) -> Verdict | None:
        """The best verdict so far, on validation strings."""
        verdicts = (*self.verdicts.values(), self.before)
        return min((verdict for verdict in verdicts if verdict is not None), key=rank, default=None)

    def rows(self) -> list[dict[str, Any]]:
        """Returns a row for each restart that has begun: phase, links, error, seconds, verdict."""
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
    """Returns the verdict on validation strings, in a few words."""
    if verdict is None:
        return "left the finite numbers"
    if verdict.exact_on_validation:
        return "exact"
    return f"off by {verdict.validation_max_abs_error:.2g}"


def view_for(progress: bool | View | None) -> View:
    """Returns the requested view, or the default view of a notebook or terminal.

    Args:
        progress: a view; True or False for a view or none; None for a view in a notebook or a
            terminal only.

    Returns:
        A view; it shows nothing if none is wanted.
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
    """Wraps a view so that the latest state is redrawn regularly, and its clock keeps moving.

    Args:
        view: displays a state. Its exceptions reach the caller of the yielded view, or end the
            redrawing.

    Yields:
        The wrapped view, to be called with each new state.
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
                    except BaseException:  # the caller's next call raises it, too
                        return

    context = copy_context()  # a notebook's kernel stores there which cell an output belongs to
    thread = threading.Thread(target=lambda: context.run(repeat), daemon=True)
    thread.start()
    try:
        yield show
    finally:
        ended.set()
        thread.join()


class TerminalView:
    """A progress bar on standard error, below a line for each finished restart."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._shown: SearchState | None = None
        self._told: dict[SearchState, set[int]] = {}  # printed restarts, by start; one start may be shown again at the end

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
    """A table that is updated in place, and collapses at the end."""

    def __init__(self) -> None:
        self._page = LivePage()

    def __call__(self, state: SearchState) -> None:
        self._page.show(as_html(state))


def as_html(state: SearchState) -> str:
    """Returns the state as a table: a row for each restart, the best so far above it.

    Args:
        state: the state to show.

    Returns:
        HTML; collapsed to one line once there is an outcome.
    """
    table = table_of_restarts(state)
    if state.outcome:
        said = html.escape(f"{state.question} {state.outcome}")
        return f"<details><summary>{said}, {state.seconds:.0f} s</summary>{table}</details>"
    best, left = state.best, state.seconds_left
    parts = ["preparing" if not state.events else f"{len(state.verdicts)} of up to {state.planned} restarts done"]
    parts = [state.start] * bool(state.start) + parts
    parts += [f"best so far: {_links(best.links)}, {in_words(best)}"] if best is not None else []
    parts += [f"{state.seconds:.0f} s"] + ([f"{left:.0f} s left"] if left is not None else [])
    stop = "Interrupting the kernel (■) ends it and keeps the best."
    return f"<div><b>{html.escape(' · '.join(parts))}</b><br><small>{stop}</small>{table}</div>"


def table_of_restarts(state: SearchState) -> str:
    """Returns an HTML table with a row for each restart that has begun."""
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
