"""Black boxes: a target that can only be run, and the machine that is made of what it answers."""

import itertools
import random
import time
from fractions import Fraction
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from readers_functions import FUNCTIONS

import dmmlab as dm
from dmmlab.core.errors import LabError
from dmmlab.problems.problems import Problem
from dmmlab.proofs.proofs import verify
from dmmlab.pruning.evaluation import max_abs_errors
from dmmlab.search import portfolio
from dmmlab.transitions.closed_sets import independent
from dmmlab.transitions.exact_fits import DIRECTIONS, NUMBERS, directions
from dmmlab.transitions.observed_transitions import TransitionError
from dmmlab.transitions.predictions import BlackBox, OutOfTime, prefixes, states
from dmmlab.transitions.transitions import transition_machine


def box(step, items, start=0, seconds=60.0):
    """A black box of one answer, of a step that is given and returns (state, item) and (state, answer)."""

    def run(string):
        state = start
        for i in string:
            state, answer = step(state, i)
            yield (answer,)

    return BlackBox(run, items, 1, time.monotonic() + seconds)


def transitions(target):
    rng = random.Random(0)
    return [(s, i) for s in prefixes(target, rng, [], 8) for i in target.some_items(rng)]


def test_the_state_of_a_parity_is_one_bit():
    target = box(lambda s, i: ((s + i) % 2,) * 2, 2)
    pairs = transitions(target)
    assert pairs[0][0] == ()
    before, after = next(states(target, pairs))
    assert set(before.ravel()) == {0, 1}
    assert [x ^ i for x, (_, i) in zip(before.ravel(), pairs, strict=True)] == after.ravel().tolist()


@given(st.integers(2, 5), st.integers(2, 3), st.randoms(use_true_random=False))
@settings(max_examples=20)
def test_closed_sets_are_states(count, items, rng):
    """Of a random automaton, each closed set says what follows, in all that was seen."""
    table = {(s, i): (rng.randrange(count), rng.randrange(2)) for s in range(count) for i in range(items)}
    target = box(lambda s, i: table[s, i], items)
    pairs = transitions(target)
    for before, after in itertools.islice(states(target, pairs), 3):
        seen = {}
        for (string, i), x, y in zip(pairs, before.tolist(), after.tolist(), strict=True):
            assert seen.setdefault((tuple(x), i), (y, target.answers((*string, i)))) == (y, target.answers((*string, i)))
        assert not before[pairs.index(((), 0))].any()


def test_columns_that_are_independent():
    rng = np.random.default_rng(0)
    a, b = rng.integers(-9, 9, (2, 50))
    assert independent(np.stack([a, 2 * a + 3, b, a - b, 0 * a, b**2], axis=1).astype(object)) == [0, 2, 5]


def test_what_was_asked_is_not_asked_again():
    target = box(lambda s, i: (s + i, s + i), 3)
    assert [target.answers(s) for s in [(2, 1, 0), (2, 1), (2,), (), (2, 1, 0)]] == [(3,), (3,), (2,), (0,), (3,)]
    assert target.queries == 1


def test_a_target_that_is_no_function_of_the_string():
    count = itertools.count()
    with pytest.raises(LabError, match="the target is no function of the string: it answers one string in two ways"):
        list(states(t := box(lambda s, i: (s, next(count)), 2), transitions(t)))
    counts = itertools.count()
    problem = Problem("?", lambda items: (next(counts) for _ in items), alphabet=(0, 1), silence=False)
    with pytest.raises(LabError, match="no function of the string"):
        transition_machine(problem, black_box=True)


def test_time_is_kept():
    with pytest.raises(OutOfTime):
        list(states(t := box(lambda s, i: (s, s), 2, seconds=-1), transitions(t)))


FOUND = {"thermostat": 60, "debounced_button": 60, "sum_modulo_3": 60, "rising_edge": 12, "run_length": 12}


@pytest.mark.slow
@pytest.mark.parametrize("name", FOUND)
def test_functions_of_readers(name):
    target, alphabet = FUNCTIONS[name]
    problem = Problem(name, target, alphabet=alphabet, silence=False)
    machine, delays = transition_machine(problem, budget=60.0, black_box=True)
    assert max(max_abs_errors(problem.with_delay(delays), machine, 0).values()) < 1e-9
    assert machine.count() <= FOUND[name]


class Meter:
    def __init__(self):
        self.alarms = 0

    def alarm(self, levels):
        before = 0
        for level in levels:
            self.alarms += 1  # what it counts is not what it answers
            before, answer = level, int(level > 2 and before > 2)
            yield answer


HARDLY_TRAINED = dm.Settings(  # once a machine is exact, networks are tried for fewer links
    restarts=1, rounds=1, fit_steps=20, ramp_steps=40, cool_steps=20, retrain_steps=10, finish_steps=20, trials=2
)
TARGETS = {
    "a function without source": eval("lambda items: (n % 2 for n in accumulate(items))", {"accumulate": accumulate}),
    "accumulate": lambda items: accumulate(items, max),
    "a bound method": Meter().alarm,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_any_callable_serves(name):
    problem = Problem(name, TARGETS[name], alphabet=(0, 1, 2, 3), silence=False)
    found = dm.synthesize(problem, settings=HARDLY_TRAINED, progress=False, budget=120)
    assert found.best.exact
    assert found.start == "tests"
    assert found.proof.grade in ("exhaustive", "tested")


def alternating(items):
    before = 0
    for item in items:
        if item == before:
            raise ValueError("two alike")
        before = item
        yield item


def means_of_two():
    before = 0

    def step(x):
        nonlocal before
        before, mean = x, (before + x) / 2
        return mean

    return step


def slow_decay():
    peak = Fraction(0)

    def step(x):
        nonlocal peak
        peak = max(Fraction(x), peak - Fraction(1, 3))
        return peak

    return step


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_directions_come_by_the_sum_of_their_absolute_values(size):
    every = itertools.product(range(-3, 4), repeat=size)
    signed = [d for d in every if next((x for x in d if x), 0) > 0]
    wanted = {d for d in signed for most, entries in NUMBERS if max(map(abs, d)) <= most and sum(map(bool, d)) <= entries}
    assert directions(size) == sorted(wanted, key=lambda d: (sum(map(abs, d)), d))[:DIRECTIONS]


def test_directions_of_many_numbers_are_few():
    assert len(directions(60)) == DIRECTIONS  # there are a hundred million with up to four small numbers


@pytest.mark.parametrize(("step", "links"), [(means_of_two, 4), (slow_decay, 7)])
def test_answers_may_be_fractions(step, links):
    problem = Problem("?", lambda items: map(step(), items), alphabet=tuple(range(5)), silence=False)
    machine, delays = transition_machine(problem, budget=20.0, black_box=True)
    assert machine.count() <= links
    assert verify(problem.with_delay(delays), machine, 2.0).grade == "exhaustive"


def test_answers_that_are_no_small_fractions_are_told():
    problem = Problem("?", lambda items: (x / 10 for x in items), alphabet=tuple(range(5)), silence=False)
    with pytest.raises(TransitionError, match="denominators"):
        transition_machine(problem, black_box=True)


def test_a_target_that_refuses_strings_that_are_not_drawn_is_left_to_training():
    """Strings are drawn as it wants them; tests are not."""
    problem = Problem(
        "?", alternating, alphabet=(1, 2), silence=False, draw=lambda rng, letters, n: [1 + i % 2 for i in range(n)]
    )
    with pytest.raises(TransitionError, match="two alike"):
        portfolio._made(problem, 0, 5.0, black_box=True)
