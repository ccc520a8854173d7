"""Progress: what a synthesis tells while it works, and the ways in which it ends early."""

import contextlib
import io
import re
import signal
import sys
import threading
import time

import pytest

from dmmlab.core.errors import LabError
from dmmlab.machines.detectors import handcrafted
from dmmlab.problems.catalogue import PROBLEMS
from dmmlab.pruning.rounding import Verdict
from dmmlab.pruning.settings import Settings
from dmmlab.pruning.tasks import Task
from dmmlab.pruning.trace import Event
from dmmlab.search.portfolio import synthesize
from dmmlab.search.progress import SearchState, TerminalView, as_html, kept_up, view_for

ENDLESS = Settings(restarts=2, fit_steps=20, ramp_steps=10**8)


@pytest.fixture
def state():
    state = SearchState("How many?", 8, budget=100.0)
    state.events = {
        0: [Event("fit", "", 1433, 0.1, True, 1.0), Event("finish", "", 8, 1e-9, True, 9.4)],
        1: [Event("sparsify", "ramp", 34, 2e-5, True, 4.0)],
    }
    state.verdicts = {0: Verdict(handcrafted(), 8, 0.0, 0.0, True)}
    return state


@pytest.fixture(scope="module")
def task():
    task = Task(PROBLEMS["sum"], seed=1)
    assert task.evaluator is not None
    return task


def test_rows(state):
    done, working = state.rows()
    assert done | {"seconds": 0} == {"restart": 0, "phase": "done", "links": 8, "error": 1e-9, "seconds": 0, "verdict": "exact"}
    assert (working["phase"], working["links"], working["verdict"]) == ("sparsify", 34, "")
    assert state.best.links == 8
    assert 99 < state.seconds_left <= 100
    assert SearchState("How many?", 8).seconds_left is None


def test_a_table_that_folds_when_all_is_done(state):
    page = as_html(state)
    assert "1 of up to 8 restarts done · best so far: 8 links, exact" in page
    assert "100 s left" in page
    assert "<td" in page
    assert "<details>" not in page
    state.outcome = "8 links & exact"
    assert re.match(r"<details><summary>How many\? 8 links &amp; exact, \d+ s</summary>", as_html(state))


def test_a_terminal_gets_a_line_for_each_restart_that_has_ended(state, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    view = TerminalView()
    view(state)
    view(state)
    state.outcome = "done"
    view(state)
    told = sys.stderr.getvalue()
    assert told.count("restart 0: 8 links, exact, 9 s\n") == 1
    assert "1: sparsify, 34 links, 2.0e-05 | best: 8 links, exact | " in told
    assert "s left |" in told


def test_a_terminal_is_told_once_though_a_start_is_shown_again(state, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    view = TerminalView()
    for each in (state, SearchState("How many?", 8), state):
        view(each)
    assert sys.stderr.getvalue().count("restart 0: 8 links, exact, 9 s\n") == 1


def test_a_view_is_kept_up_while_nothing_is_told(state, monkeypatch):
    monkeypatch.setattr("dmmlab.search.progress.REFRESH", 0.01)
    shown, enough = [], threading.Event()

    def view(state):
        shown.append(state.outcome)
        if len(shown) == 5:
            enough.set()

    with kept_up(view) as show:
        show(state)
        assert enough.wait(10)
        state.outcome = "done"
        show(state)
    assert shown[-1] == "done"


def test_a_view_that_fails_fails_where_it_is_called(state, monkeypatch):
    monkeypatch.setattr("dmmlab.search.progress.REFRESH", 0.01)
    calls = []

    def view(state):
        calls.append(state)
        if len(calls) > 1:
            raise LabError("no page")

    with kept_up(view) as show:
        show(state)
        while len(calls) < 2:  # it has failed in its own thread
            time.sleep(0.01)
        with pytest.raises(LabError, match="no page"):
            show(state)


def test_a_synthesis_tells_what_it_does_before_there_is_a_restart():
    starts = []
    found = synthesize("sum", seed=1, settings=Settings(restarts=1), progress=lambda state: starts.append(dict(state.events)))
    assert found.best.exact
    assert starts[0] == {}


def test_progress_is_shown_where_someone_looks(monkeypatch):
    def mine(state):
        pass

    assert view_for(mine) is mine
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert not isinstance(view_for(None), TerminalView)
    assert isinstance(view_for(True), TerminalView)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert isinstance(view_for(None), TerminalView)
    assert not isinstance(view_for(False), TerminalView)


@pytest.mark.slow
def test_a_budget_ends_a_synthesis_and_keeps_the_best(task):
    """The time is over as soon as both restarts have something to keep, however slow the computer."""

    def over_in_time(state):
        if len(state.events) == 2 and not state.outcome:
            state.budget = 1e-3

    began = time.monotonic()
    synthesis = synthesize(PROBLEMS["sum"], task=task, settings=ENDLESS, budget=1e4, progress=over_in_time)
    assert time.monotonic() - began < 1000
    assert synthesis.ended_early == "the budget of 0.001 s is spent"
    assert not synthesis.best.exact
    assert "(the budget of 0.001 s is spent)" in synthesis.verdict
    assert synthesis.advice[0] == "a larger budget"
    assert len(synthesis.restarts) == 2
    assert len(repr(synthesis)) < 3000


@pytest.mark.slow
def test_stopped_by_another_thread(task):
    stop = threading.Event()

    def watch(state):
        if state.events:
            stop.set()

    assert synthesize(PROBLEMS["sum"], task=task, settings=ENDLESS, progress=watch, stop=stop).ended_early == "stopped"


@pytest.mark.slow
def test_an_interrupt_keeps_the_best_if_there_is_one(task):
    def interrupted_at(events):
        def watch(state):
            if len(state.events) >= events and not state.outcome:
                raise KeyboardInterrupt

        return watch

    kept = synthesize(PROBLEMS["sum"], task=task, settings=ENDLESS, progress=interrupted_at(2))
    assert kept.ended_early == "interrupted"
    with pytest.raises(KeyboardInterrupt):
        synthesize(PROBLEMS["sum"], task=task, settings=ENDLESS, progress=interrupted_at(0))
    assert threading.active_count() < 20


@pytest.mark.slow
def test_an_interrupt_whose_exception_is_dropped(task):
    """As Python does in a callback of the garbage collector, of which JAX has one."""

    def watch(state):
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        synthesize(PROBLEMS["sum"], task=task, settings=ENDLESS, progress=watch)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.slow
@pytest.mark.parametrize("budget", [0, -1.0, True, "60", float("nan")])
def test_budgets_that_cannot_be(budget, task):
    with pytest.raises(LabError, match=r"budget .*: expected a number of seconds above 0"):
        synthesize(PROBLEMS["sum"], task=task, budget=budget)


@pytest.mark.slow
def test_a_budget_too_small_for_anything(task):
    with pytest.raises(LabError, match=r"the budget of 0\.001 s is spent, and there is no machine to keep yet"):
        synthesize(PROBLEMS["sum"], task=task, settings=Settings(fit_steps=10**8), budget=0.001)
