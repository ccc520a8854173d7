"""Starts: what a problem says is obeyed, what it does not say is tried; the best is kept."""

import itertools
import threading
from dataclasses import replace

import pytest

import dmmlab as dm
from dmmlab.core.errors import LabError
from dmmlab.machines.networks import LAYER, RECURRENT
from dmmlab.problems.automata import Automaton
from dmmlab.problems.catalogue import PROBLEMS
from dmmlab.problems.problems import Problem
from dmmlab.problems.streaming_tasks import STREAMING_TASKS
from dmmlab.pruning.settings import Settings
from dmmlab.search import portfolio
from dmmlab.search.portfolio import synthesize
from dmmlab.search.search import NothingToKeep, Search
from dmmlab.search.starts import starts, with_smaller_delays
from dmmlab.transitions.observed_transitions import TransitionError

SHORT = Settings(restarts=2, rounds=2, fit_steps=20, ramp_steps=40, cool_steps=20, retrain_steps=10, finish_steps=20, trials=2)


def count(stream):
    total = 0
    for item in stream:
        total += sum(item.values()) if isinstance(item, dict) else item
        yield total


def hidden(stream):
    """The same, but that its source shows no state."""
    return count(stream)


def is_a(stream):
    for item in stream:
        yield item.get("a", 0.0)


@pytest.fixture
def by_gradients(monkeypatch):
    """No machine is made of transitions or tests, so that networks are trained."""

    def refuse(*_, **__):
        raise TransitionError("not of interest here")

    monkeypatch.setattr(portfolio, "transition_machine", refuse)


def names(problem):
    return [start.name for start in starts(problem)]


def test_without_hints_it_goes_from_cheap_to_rich():
    problem = Problem("How many?", count)
    tried = list(starts(problem))
    assert [start.name for start in tried] == [
        "feedforward",
        "recurrent, 2 of each type, delay 3",
        "recurrent, 2 of each type, delay 2",
        "recurrent, 3 of each type, delay 4",
        "recurrent, 5 of each type, delay 3",
        "feedforward, with products",
    ]
    assert [start.problem.delays for start in tried] == [(3,), (3,), (2,), (4,), (3,), (3,)]
    assert tried[0].network.links == problem.network.links
    links = [len(start.network.links) for start in tried[1:5]]
    assert links == sorted(links)


def test_smaller_delays():
    first, recurrent, *_ = starts(Problem("How many?", count))
    assert [(start.name, start.problem.delays) for start in with_smaller_delays(first)] == [
        ("feedforward, delay 2", (2,)),
        ("feedforward, delay 1", (1,)),
    ]
    assert next(with_smaller_delays(recurrent)).name == "recurrent, 2 of each type, delay 2"
    assert list(with_smaller_delays(first._replace(problem=first.problem.with_delay(1)))) == []


@pytest.mark.slow
def test_once_exact_smaller_delays_are_tried_as_long_as_a_machine_is_exact():
    """Whoever need not wait with the answer needs fewer links."""
    tried = []
    problem = Problem("Is this an a?", is_a, types=LAYER)  # types are given: it is not made of transitions
    few = Settings(restarts=2, fit_steps=200, ramp_steps=3000, cool_steps=600, trials=30, finish_steps=600)
    found = synthesize(problem, seed=1, settings=few, progress=lambda state: tried.append((state.start, state.outcome)))
    assert list(dict.fromkeys(start for start, _ in tried)) == ["feedforward", "feedforward, delay 2", "feedforward, delay 1"]
    assert tried[-1] == ("feedforward, delay 2", f"{found.verdict}; 2 restarts")  # what was found is shown in the end
    assert (found.start, found.delays, found.best.links, found.best.exact) == ("feedforward, delay 2", (2,), 3, True)
    hinted = synthesize(replace(problem, delay=3, recurrent=False), seed=1, settings=few)
    assert (hinted.start, hinted.delays, hinted.best.links, hinted.best.exact) == ("", (3,), 4, True)


def test_hints_are_obeyed():
    assert all(start.problem.delays == (5,) for start in starts(Problem("?", count, delay=5)))
    assert names(Problem("?", count, recurrent=False, types=RECURRENT)) == ["feedforward"]
    assert names(Problem("?", count, recurrent=True, types=RECURRENT, delay=2)) == ["recurrent"]
    assert names(Problem("?", count, recurrent=True))[:2] == ["recurrent", "recurrent, 2 of each type, delay 2"]
    assert len(list(starts(PROBLEMS["longest-run"]))) == 1
    after = names(PROBLEMS["duplicates"])[1:]  # whose target is a machine: its answers come when they come
    assert after == [f"recurrent, {copies} of each type, delay 3" for copies in (2, 5)] + ["feedforward, with products"]


@pytest.mark.slow
def test_an_automaton_needs_no_training():
    found = synthesize(STREAMING_TASKS["Add_Mod_3"], seed=1)
    assert (found.start, found.best.exact, found.delays) == ("transitions", True, (2,))
    assert found.proof.grade == "proved"
    assert found.proof is found.proof
    assert len(found.restarts) == 1


@pytest.mark.slow
def test_what_is_no_sum_of_neurons_is_trained(monkeypatch):
    monkeypatch.setattr(portfolio, "starts", lambda *named: itertools.islice(starts(*named), 2))  # two will do
    power = Automaton(1, lambda s, x: ((s * s + x) % 10007, s % 2))
    found = synthesize(Problem("?", power, alphabet=(0, 1, 2), silence=False), settings=SHORT, budget=40.0)
    assert found.start.startswith(("feedforward", "recurrent"))
    assert not found.best.exact
    assert found.ended_early in ("the budget of 40 s is spent", "")  # or all starts have been tried by then


@pytest.mark.slow
def test_a_stop_ends_all_starts(by_gradients):
    stop = threading.Event()

    def watch(state):
        if state.start == "recurrent, 2 of each type, delay 3":
            stop.set()

    found = synthesize(Problem("How many?", hidden), settings=SHORT, progress=watch, stop=stop)
    assert found.ended_early == "stopped"
    assert found.start in ("feedforward", "recurrent, 2 of each type, delay 3")


def test_a_problem_that_is_no_name():
    with pytest.raises(LabError, match="unknown problem 'Add_Mod_33'; did you mean 'Add_Mod_3'"):
        dm.synthesize("Add_Mod_33")


@pytest.mark.slow
def test_a_start_that_explodes_is_not_the_end(by_gradients, monkeypatch):
    """The first start finds nothing finite; the second is tried, and in the end the first error is told if all fail."""
    tried = []

    def run(self):
        tried.append(self.state.start)
        raise NothingToKeep("every restart left the finite numbers")

    monkeypatch.setattr(Search, "run", run)
    with pytest.raises(LabError, match="every restart left the finite numbers"):
        synthesize(Problem("How many?", hidden), settings=SHORT)
    assert tried == [*names(Problem("How many?", hidden)), "feedforward, with counterexamples"]


@pytest.mark.slow
def test_what_machines_err_on_is_learned_from(by_gradients, monkeypatch):
    """If no start is exact, strings on which the best machines err take the place of the last training strings."""
    run, learned_from = Search.run, {}

    def first_and_last(self):
        learned_from[self.state.start] = self.task.samples
        if not self.state.start.startswith("feedforward") or "products" in self.state.start:
            raise NothingToKeep("not of interest here")
        return run(self)

    monkeypatch.setattr(Search, "run", first_and_last)
    found = synthesize(Problem("How many?", hidden), settings=SHORT)
    assert not found.best.exact  # after so few steps
    first, last = learned_from["feedforward"], learned_from["feedforward, with counterexamples"]
    erred = [sample for sample in last if sample.kind == "counterexample"]
    assert 1 <= len(erred) <= 2  # there were two restarts
    assert len(last) == len(first)
    assert [sample.kind for sample in last[: -len(erred)]] == [sample.kind for sample in first[: -len(erred)]]
