"""Counterexamples: the shortest string that is found, what is wrong on it, and what to try."""

import random

import numpy as np
import pytest

from dmmlab.core.engine import answers
from dmmlab.core.machine import Machine
from dmmlab.core.neurons import answering
from dmmlab.core.vvalues import number
from dmmlab.machines.detectors import handcrafted, published
from dmmlab.machines.networks import feedforward
from dmmlab.problems.catalogue import PROBLEMS
from dmmlab.problems.problems import Problem
from dmmlab.proofs.counterexamples import counterexample
from dmmlab.pruning.settings import Settings
from dmmlab.search.portfolio import synthesize
from dmmlab.search.repairs import DAMAGES

DUPLICATES = PROBLEMS["duplicates"]


@pytest.mark.slow
def test_a_machine_that_is_right_has_none():
    assert counterexample(DUPLICATES, handcrafted()) is None


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_is_found_on_a_short_string(damage):
    machine = DAMAGES[damage](handcrafted())
    found = counterexample(DUPLICATES, machine)
    assert sum(v != {} for v in found.items[: found.cycle + 1]) <= 4
    told = answers(machine, found.streams, len(found.items))
    again = [[number(v.get(name, {})) for v in told] for name in found.names]
    assert np.array_equal(again, found.answers)
    wrong = np.abs(found.answers - found.targets).max(axis=0) > 1e-9
    assert wrong[found.cycle]
    assert not wrong[: found.cycle].any()
    name, answer, right = found.worst
    assert abs(answer - right) > 1e-9
    assert f"it answers {answer:.4g} for {name} in cycle {found.cycle}, where {right:.4g} is right" in repr(found)
    assert found._repr_html_().count("background") == 2 + 2 * len(found.names)  # the row of that cycle


@pytest.mark.slow
def test_what_goes_wrong_late_is_found_in_the_strings_that_are_given():
    """The machine of 2022 is right on short strings of few letters, within its roundings."""
    machine = published()
    found = counterexample(DUPLICATES, machine, DUPLICATES.validation(lengths=(14,)))
    assert found is not None


@pytest.mark.slow
def test_noise_is_not_learned_and_that_is_said_in_words():
    """The right answers are random: nothing that is found can be right, and the result says so, with what to try."""

    def noise(stream):
        items = list(stream)
        rng = random.Random(str(items))
        return (rng.choice([0.0, 1.0]) for _ in items)

    problem = Problem("Heads or tails?", noise, delay=1)
    settings = Settings(restarts=2, rounds=1, fit_steps=50, ramp_steps=300, cool_steps=50, retrain_steps=20, finish_steps=50)
    synthesis = synthesize(problem, feedforward(1, 1, outputs=answering(("answer",))), settings=settings, budget=600)
    assert not synthesis.best.exact
    assert "not exact: off by up to" in synthesis.verdict
    assert synthesis.counterexample is not None
    assert "no restart learned the training strings" in synthesis.advice[0]
    text = repr(synthesis)
    assert "Heads or tails?" in text
    assert "for example, on “" in text
    assert "to try: " in text
    assert len(text) < 3000
    page = synthesis._repr_html_()
    assert "<svg" in page
    assert "To try: " in page


def test_a_machine_that_reads_nothing_answers_nothing():
    """Not something infinite: its input neuron is gone, and so is what it would have read."""

    def count(stream):
        return (float(t + 1) for t, _ in enumerate(stream))

    machine = Machine({"output": answering(("answer",))})
    found = counterexample(Problem("How many?", count), machine)
    assert found.worst == ("answer", 0.0, 1.0)


def test_answers_that_are_nearly_right_are_told_with_enough_digits():
    machine = handcrafted().link("output.dict-1", "const_1.const_1", 1e-7)
    found = counterexample(Problem("?", handcrafted()), machine)
    answer, right = str(found).split("answers ")[1].split(" for ")[0], str(found).rsplit("where ", 1)[1].split(" is")[0]
    assert answer != right
