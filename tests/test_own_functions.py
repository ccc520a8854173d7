"""A function of the reader's own needs no hints: its letters and its state are found."""

import itertools
import random
import time

import pytest

import dmmlab as dm
from dmmlab.core.errors import LabError
from dmmlab.machines.isomorphism import same
from dmmlab.problems.catalogue import PROBLEMS
from dmmlab.problems.letter_classes import letter_classes, name_letters
from dmmlab.problems.problems import Problem
from dmmlab.proofs.proofs import verify
from dmmlab.transitions.observed_transitions import TransitionError
from dmmlab.transitions.transitions import transition_machine


def abc(rng, letters, size):
    return [{rng.choice("abc"): 1.0} for _ in range(size)]


def vowels(stream):
    count = 0
    for item in stream:
        count += sum(item.get(letter, 0) for letter in "aeiou")
        yield count


def pairs(stream):
    """How often has b come after a?"""
    before, count = None, 0
    for item in stream:
        for letter in item:
            count += (before, letter) == ("a", "b")
            before = letter
        yield count


def since(stream):
    """How long since the last a?"""
    gap = 0
    for item in stream:
        if item:
            gap = 0 if "a" in item else gap + 1
        yield gap


def early(stream):
    for item in stream:
        if not item:
            yield 0
            continue
        yield 1


def history(stream):
    seen = []
    for item in stream:
        seen.append(item)
        yield len(seen)


def renamed(one, other, items):
    return [{{one: other, other: one}.get(key, key): x for key, x in item.items()} for item in items]


def test_letters_are_told_apart_as_the_target_does():
    assert sorted(letter_classes(Problem("?", vowels))[0]) == list("aeiou")
    assert letter_classes(Problem("?", pairs, abc)) == [["a"], ["b"], ["c"]]
    assert sorted(letter_classes(Problem("?", pairs))[:-1]) == [["a"], ["b"]]  # a pair that hardly comes among 40 letters
    assert letter_classes(Problem("?", since, abc)) == [["a"], ["b", "c"]]
    assert len(letter_classes(Problem("?", history))) == 1


def test_a_slow_target_is_asked_less_often():
    asked = []

    def slow(stream):
        asked.append(1)
        time.sleep(0.012)
        return vowels(stream)

    assert sorted(letter_classes(Problem("?", slow))[0]) == list("aeiou")
    assert len(asked) < 1000


def test_letters_of_one_class_may_be_exchanged():
    problem = Problem("?", vowels)
    rng = random.Random(0)
    for letters in letter_classes(problem):
        items = problem.draw(rng, "".join(letters) + "abc", 50)
        exchanged = renamed(letters[0], letters[-1], items)
        assert list(vowels(items)) == list(vowels(exchanged))


def test_each_small_class_gets_a_constant_and_its_letters_are_drawn():
    named, letters = name_letters(Problem("?", vowels))
    assert list(named.constants) == ["letters-aeiou"]
    assert named.constants["letters-aeiou"] == dict.fromkeys("aeiou", 1.0)
    keys = {key for sample in named.training(0, letters=letters) for v in sample.streams["input"].events.values() for key in v}
    assert keys >= set("aeiou")
    assert len(keys) == 8
    given = PROBLEMS["words"]
    assert name_letters(given).problem is given


def test_marks_are_named_in_words():
    def stops(stream):
        return ("." in item for item in stream)

    def draw(rng, letters, size):
        return [{rng.choice("ab."): 1.0} for _ in range(size)]

    assert list(name_letters(Problem("?", stops, draw)).problem.constants) == ["letter-full-stop"]


@pytest.mark.slow
@pytest.mark.parametrize("target", [vowels, pairs, since])
def test_a_machine_is_made_of_answers_about_letters(target):
    problem = name_letters(Problem("?", target, abc)).problem
    machine, delays = transition_machine(problem, budget=60.0, black_box=True)
    proof = verify(problem.with_delay(delays), machine, seconds=5.0)
    assert delays == (3,)
    assert proof.grade == "exhaustive"
    assert "shows no state" in proof.how
    assert machine.count() <= 30


def test_a_reset_without_bound_is_a_product():
    problem = name_letters(Problem("?", since, abc)).problem
    machine, _ = transition_machine(problem, budget=60.0, black_box=True)
    assert [kind.name for kind in machine.neurons.values()].count("product") == 1


def test_how_a_function_is_written_changes_nothing():
    """By a helper, as a lambda over accumulate, as a bound method: what it answers alone counts."""

    class Counter:
        def count(self, stream):
            yield from vowels(stream)

    def over_accumulate(stream):
        return itertools.accumulate(sum(item.get(x, 0) for x in "aeiou") for item in stream)

    one, other, third = [
        transition_machine(name_letters(Problem("?", target, abc)).problem, budget=60.0, black_box=True)[0]
        for target in (vowels, Counter().count, over_accumulate)
    ]
    assert same(one, other)
    assert same(one, third)


@pytest.mark.slow
def test_no_argument_but_question_target_and_draw_is_needed():
    few = dm.Settings(fit_steps=100, ramp_steps=1000, cool_steps=200, trials=10)  # for fewer links, once it is exact
    found = dm.synthesize(Problem("How long since the last a?", since, abc), settings=few, progress=False)
    assert found.best.exact
    assert found.start == "tests"
    assert found.delays == (3,)


def test_a_letter_beyond_the_usual_three_can_be_previewed():
    def last_letter(stream):
        count = 0
        for item in stream:
            count += item.get("z", 0)
            yield count

    assert Problem("How many z?", last_letter).preview().question == "How many z?"


def test_numbers_that_are_too_large_are_no_transitions():
    large = dm.Automaton(0, lambda state, item: (state, 10**9 + item))
    with pytest.raises(TransitionError, match=r"all numbers are larger than 10,000,000"):
        transition_machine(Problem("?", large, alphabet=(0, 1), silence=False))


def never(stream):
    """A letter that is never drawn."""
    count = 0
    for item in stream:
        count += item.get("?", 0)
        yield count


def broken(stream):
    for _ in stream:
        yield float("nan")


def noise(stream, rng=random.Random(0)):  # noqa: B008
    for _ in stream:
        yield rng.random()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (never, r"is 0 in every cycle of the training strings and of all others \(the target asks for"),
        (noise, "the target gives other answers when it reads the same string again"),
        (broken, "the target is not finite in cycle 0: nan"),
    ],
)
def test_what_cannot_be_learned_is_no_triumph(target, message):
    with pytest.raises(LabError, match=message):
        dm.synthesize(Problem("?", target), progress=False)
