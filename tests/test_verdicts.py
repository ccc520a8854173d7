"""What is called exact is exact: weights that are fractions, and no error on strings that nothing was learned from."""

import itertools
import random

import pytest

from dmmlab.core.neurons import CONST_1, INPUT, answering
from dmmlab.core.vvalues import number
from dmmlab.machines.networks import feedforward
from dmmlab.problems.problems import Problem
from dmmlab.pruning import rounding
from dmmlab.pruning.evaluation import Evaluator
from dmmlab.pruning.rounding import EXACT, TOLERANCE, Verdict, rank, round_off
from dmmlab.pruning.settings import Settings
from dmmlab.pruning.tasks import Task
from dmmlab.search import search
from dmmlab.search.portfolio import synthesize

LEAST = 9e-4  # the largest number at the input that hardly counts


def _draw(rng: random.Random, letters, size):
    """Numbers at the left, and at the right some that are hardly there."""
    return [{"left": rng.randint(-8, 8) / 8, "right": rng.choice([-LEAST, 0.0, LEAST / 3, LEAST])} for _ in range(size)]


def _sums(stream):
    return (number(v.get("left", {})) + number(v.get("right", {})) for v in stream)


PROBLEM = Problem("What is the sum?", _sums, _draw, delay=1, inputs=("left", "right"))


@pytest.fixture(scope="module")
def task():
    sources = {"left": INPUT, "right": INPUT, "const_1": CONST_1}
    task = Task(PROBLEM, feedforward(1, 1, outputs=answering(("answer",)), sources=sources))
    return with_short_strings(task)


def with_short_strings(task):
    """The task with other strings to be evaluated on, for speed."""
    problem = task.problem
    unseen = {"validation": problem.validation(lengths=(14, 40)), "test": problem.test(0, lengths=(60,))}
    task.__dict__["evaluator"] = Evaluator(task.compiled.machine, unseen)
    return task


@pytest.fixture(scope="module")
def machines(task):
    """Two links, exact; one link, which is off by up to 9e-4; and two that are off by half the left input."""
    nothing = task.compiled.machine.with_soft({})
    near = nothing.link("output.answer", "left.char", 1.0)
    return {
        "exact": near.link("output.answer", "right.char", 1.0),
        "near": near,
        "wrong": near.link("output.answer", "left.char", 0.5).link("output.answer", "right.char", 1.0),
    }


def verdict(links=8, validation=0.0, rounded=True, test=0.0):
    return Verdict(None, links, 0.0, validation, rounded, test)


def test_exact_are_fractions_without_an_error_on_both_sets_of_strings():
    for validation, rounded, test in itertools.product(
        (0.0, 1e-10, 1e-9, 9e-4, 0.5), (True, False), (0.0, 1e-10, 1e-9, float("inf"))
    ):
        this = verdict(8, validation, rounded, test)
        assert this.exact_on_validation == (rounded and validation < EXACT)
        assert this.exact == (this.exact_on_validation and test < EXACT)
        assert this.within_tolerance == (validation < TOLERANCE and test < TOLERANCE)
    assert (EXACT, TOLERANCE) == (1e-9, 1e-3)
    assert verdict().exact
    assert not verdict(test=float("inf")).exact  # as long as it is not tested


def test_an_exact_machine_is_better_than_a_smaller_one_that_is_nearly_so():
    exact, near = verdict(8), verdict(5, 9e-4, rounded=False, test=9e-4)
    assert not near.exact_on_validation
    assert not near.exact
    assert near.within_tolerance
    assert rank(exact) < rank(near)
    for worse in (verdict(5, 9e-4, rounded=True), verdict(1, 1e-12, rounded=False), verdict(0, 2e-3), verdict(9)):
        assert rank(exact) < rank(worse)


def test_within_the_tolerance_the_fewest_links_count_and_beyond_it_the_error():
    order = [
        verdict(5),
        verdict(6),
        verdict(3, 9e-4, False),
        verdict(4, 1e-6, False),
        verdict(7, 2e-3, False),
        verdict(2, 0.5, False),
    ]
    assert sorted(random.Random(1).sample(order, len(order)), key=rank) == order


@pytest.mark.parametrize("validation", [0.0, 9e-4, 0.5])
@pytest.mark.parametrize("rounded", [True, False])
def test_test_strings_choose_nothing(validation, rounded):
    ranks = {rank(verdict(8, validation, rounded, test)) for test in (0.0, 1e-10, 9e-4, 0.5, float("inf"))}
    assert len(ranks) == 1


def test_what_can_be_rounded_is_and_what_cannot_be_is_not(task, machines):
    rough = machines["exact"].link("output.answer", "left.char", 1.0 + 1e-5)
    rounded = rounding.tested(task, round_off(task, rough))
    assert rounded.machine.soft == machines["exact"].soft
    assert (rounded.links, rounded.rounded, rounded.exact) == (2, True, True)
    assert (rounded.validation_max_abs_error, rounded.test_max_abs_error) == (0.0, 0.0)
    near = rounding.tested(task, round_off(task, machines["near"]))
    assert (near.links, near.rounded, near.exact) == (1, False, False)
    assert (near.exact_on_validation, near.within_tolerance) == (False, True)
    assert near.validation_max_abs_error == pytest.approx(LEAST, rel=1e-6)
    assert near.test_max_abs_error == pytest.approx(LEAST, rel=1e-6)
    wrong = rounding.tested(task, round_off(task, machines["wrong"]))
    assert not wrong.within_tolerance
    assert wrong.validation_max_abs_error == pytest.approx(0.5)


def test_weights_that_are_no_fractions_are_not_exact_however_small_the_error(task):
    """The sum of the inputs times a number that no small fraction is."""
    odd = Problem("?", lambda stream: (0.3137 * x for x in _sums(stream)), _draw, delay=1, inputs=("left", "right"))
    mine = with_short_strings(Task(odd, task.network))
    machine = task.compiled.machine.with_soft({"output": {"answer": {name: {"char": 0.3137} for name in ("left", "right")}}})
    this = rounding.tested(mine, round_off(mine, machine))
    assert max(this.validation_max_abs_error, this.test_max_abs_error) < 1e-12
    assert (this.rounded, this.exact, this.within_tolerance) == (False, False, True)


@pytest.mark.slow
def test_of_two_exact_forms_the_simpler_one_counts():
    """A product whose clip is never reached may have any scale: 1 and 1 is said, not 3/2 and 2/3."""
    problem = Problem(
        "How many a and b?",
        lambda stream: itertools.accumulate(v.get("a", 0) + v.get("b", 0) for v in stream),
        constants={"ab": {"a": 1.0, "b": 1.0}},
    )
    mine = with_short_strings(Task(problem))
    scaled = mine.compiled.machine.with_soft({})
    for to, source, weight in (
        ("dot-1-1.dict-1", "ab.char", 1.0),
        ("dot-1-1.dict-2", "input.char", 1.5),
        ("accum-2-1.dict-2", "dot-1-1.dot", 1.0),
        ("output.answer", "accum-2-1.dict", 2 / 3),
    ):
        scaled = scaled.link(to, source, weight)
    this = round_off(mine, scaled)
    assert this.exact_on_validation
    assert [link.weight for link in this.machine.links() if not link.hard] == [1.0] * 4


def canned(monkeypatch, task, *soft, verdicts=None):
    """A synthesis whose restarts have come to these machines."""

    def run_restart(self, restart):
        machine = soft[restart.index]
        restart.weights, restart.done = task.weights(machine), 5
        restart.trace.add(task, "finish", "", restart.weights)
        restart.verdict = (verdicts or {}).get(restart.index) or round_off(task, machine)

    monkeypatch.setattr(search.Search, "_run_restart", run_restart)
    return synthesize(PROBLEM, task=task, settings=Settings(restarts=len(soft), rounds=1))


@pytest.mark.slow
def test_a_synthesis_prefers_the_exact_machine(monkeypatch, task, machines):
    synthesis = canned(monkeypatch, task, machines["near"], machines["exact"], machines["wrong"])
    assert synthesis.best.exact
    assert synthesis.best_restart.index == 1
    assert synthesis.verdict == "2 links, all of weight 1 or -1, exact on all validation and test strings"
    table = synthesis.frame()
    assert table["exact"].tolist() == [False, True, False]
    assert table["links"].tolist() == [1, 2, 2]
    assert table["rounded"].tolist() == [False, True, False]


def test_a_machine_within_the_tolerance_is_called_so(monkeypatch, task, machines):
    synthesis = canned(monkeypatch, task, machines["near"], machines["wrong"])
    assert not synthesis.best.exact
    assert synthesis.best.within_tolerance
    assert synthesis.verdict == "1 link, within 0.001, not exact: off by up to 0.0009 on validation or test strings"


def test_a_machine_that_is_wrong_is_called_so(monkeypatch, task, machines):
    synthesis = canned(monkeypatch, task, machines["wrong"])
    assert synthesis.verdict == "2 links, not exact: off by up to 0.5 on validation or test strings"


def test_a_machine_that_only_the_test_strings_find_wanting_is_not_exact(monkeypatch, task, machines):
    """Validation strings say that it is exact, so it is chosen; then it is told what it is."""
    lucky = Verdict(machines["near"].live(), 1, 0.0, 0.0, True)
    synthesis = canned(monkeypatch, task, machines["near"], machines["exact"], verdicts={0: lucky})
    assert synthesis.best_restart.index == 0
    assert synthesis.best.exact_on_validation
    assert not synthesis.best.exact
    assert synthesis.best.test_max_abs_error == pytest.approx(LEAST, rel=1e-6)
    assert synthesis.verdict == "1 link, within 0.001, not exact: off by up to 0.0009 on validation or test strings"
    assert synthesis.frame()["exact"].tolist() == [False, True]  # the other one is tested, too
