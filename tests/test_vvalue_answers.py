"""Problems whose answers are V-values: their coordinates, errors, counterexamples, synthesis."""

from dataclasses import replace
from itertools import repeat

import numpy as np
import pytest
from hypothesis import given, strategies as st
from vvalue_strategies import vvalues

from dmmlab.core import ACCUM, INPUT, TIMER, LabError, Machine, answers, values
from dmmlab.core.neurons import answering
from dmmlab.core.vvalues import add, paths, scale
from dmmlab.learning.losses import squared_error
from dmmlab.machines.attention_machines import INDUCTION_DELAY, induction_head
from dmmlab.problems import PROBLEMS, TREE_PROBLEMS, Problem
from dmmlab.proofs import verify
from dmmlab.proofs.counterexamples import counterexample
from dmmlab.pruning import Task
from dmmlab.pruning.evaluation import max_abs_errors
from dmmlab.pruning.samples import as_rows
from dmmlab.pruning.settings import Settings
from dmmlab.search import synthesize

FOLLOWERS = TREE_PROBLEMS["followers"]


def counts(stream):
    total = {}
    for v in stream:
        total = add(total, v)
        yield total


COUNTS = Problem("How often has each letter come?", counts, types=(ACCUM,), delay=2, recurrent=False, letters=(4,))


@given(st.lists(st.tuples(vvalues, vvalues), max_size=4))
def test_rows_are_the_coordinates(given_answers):
    rows, array = as_rows(("x", "y"), given_answers)
    assert array.shape == (len(rows), len(given_answers))
    for t, each in enumerate(given_answers):
        for name, v in zip(("x", "y"), each, strict=True):
            column = {path: array[i, t] for i, (answer, path) in enumerate(rows) if answer == name and array[i, t]}
            assert column == {path: x for path, x in paths(v) if x}


def test_the_loss_is_the_squared_norm_of_the_difference():
    head = induction_head()
    task = Task(FOLLOWERS, head)
    assert float(squared_error(task.compiled, task.compiled.weights(), task.batch)) == 0.0
    other = head.link("lookup.dict-2", "nest.dict", 0.5)
    expected = 0.0
    for sample in task.samples:
        for given_, right in zip(
            answers(other, sample.streams, sample.cycles), answers(head, sample.streams, sample.cycles), strict=True
        ):
            off = add(given_.get("next", {}), scale(-1.0, right.get("next", {})))
            expected += sum(x * x for _, x in paths(off))
    assert expected > 0
    assert np.isclose(float(squared_error(task.compiled, task.weights(other), task.batch)), expected)
    assert task.answer_names[0].startswith("next")


def test_the_induction_head_is_right_on_all_drawn_strings():
    assert max_abs_errors(FOLLOWERS, induction_head()) == {"validation": 0.0, "test": 0.0}
    assert counterexample(FOLLOWERS, induction_head()) is None


def test_a_preview_writes_trees_as_text():
    rows = FOLLOWERS.preview(seed=1, items=5)
    assert len(rows.answers) == 5
    assert rows.answers[0] == ({},)
    assert "·" in repr(rows)


def test_where_it_errs_each_coordinate_has_a_name():
    wrong = counterexample(FOLLOWERS, induction_head().link("accum.dict-2", "nest.dict", 2.0))
    name, answer, right = wrong.worst
    assert name.startswith("next/")
    assert answer == 2 * right or answer == 2 * right - 1  # the newest pair comes by another link
    assert "right" in str(wrong)
    assert "<table" in wrong._repr_html_()


def test_a_proof_says_that_it_is_none():
    proof = verify(FOLLOWERS, induction_head())
    assert proof.grade == "tested"
    assert "V-values" in str(proof)


def test_answers_that_no_link_can_carry():
    def nested(stream):
        for v in stream:
            yield {"deep": v}

    with pytest.raises(LabError, match="the target has answer/deep/a, answer/deep/b, which no neuron of this network can emit"):
        Task(Problem("What is it?", nested, types=(ACCUM,), recurrent=False))


def test_answers_that_are_no_vvalues():
    def wrong(stream):
        for _ in stream:
            yield {"a": float("nan")}

    with pytest.raises(LabError, match="a: expected a finite number"):
        Problem("What is it?", wrong).preview()


A, B = {"a": 1.0}, {"b": 1.0}


def test_a_target_may_go_on_with_what_it_yielded():
    def growing(stream):
        total = {}
        for v in stream:
            for key in v:
                total[key] = total.get(key, 0.0) + 1
            yield total

    def counting(stream):
        row = [0.0, 0.0]
        for _ in stream:
            row[1] += 1
            yield row

    assert Problem("?", counting, answers=("x", "y")).answers_to([A, B]).tolist() == [[0, 0], [1, 2]]
    assert Problem("?", growing).vvalues_answered([A, B, A]) == [(A,), ({**A, **B},), ({"a": 2.0, **B},)]


def sometimes(stream):
    seen = False
    for v in stream:
        seen = seen or "c" in v
        yield {"c": 1.0} if seen else 0.0


def test_strings_without_trees_are_compared_as_trees():
    problem = Problem("Was there a c?", sometimes, delay=1, answers=("next",), silence=False, letters=(2, 2))
    neurons = {"timer": TIMER, "input": INPUT, "output": answering(("next",))}
    echo = Machine.build({"output.next": {"input.char": 1.0}}, neurons)
    assert all(("next", ()) in sample.rows for sample in problem.validation())
    assert verify(problem, echo).grade == "wrong"
    assert max_abs_errors(problem, echo)["validation"] == 1.0
    Task(
        replace(problem, types=(ACCUM,), recurrent=False),
        samples=[problem.sample([A, A, B]), problem.sample([A, {"c": 1.0}, A])],
    )


def test_a_machine_that_can_carry_no_such_answer_is_wrong_there():
    number = induction_head().unlink("output.next", "lookup.dict").link("output.next", "timer.timer", 0.5)
    assert max_abs_errors(FOLLOWERS, number)["validation"] > 1
    assert verify(FOLLOWERS, number).grade == "wrong"


def test_followers_of_items_with_several_keys():
    items = [A, {"c": 1.0}, B, {"c": 1.0}, {**A, **B}]
    assert FOLLOWERS.vvalues_answered(items)[-1] == ({"c": 2.0},)


def yields(*given_):
    def target(stream):
        for _, v in zip(stream, given_, strict=False):
            yield v

    return target


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        (yields(A, B), "the target gives 2 answers: expected 3, one for each item"),
        (lambda stream: repeat(A), "the target gives more answers than items: expected 3"),
        (yields(A, {"a": float("nan")}, A), "the target in cycle 1: answer/a: expected a finite number, got nan"),
        (yields({1: 1.0}, A, A), "the target in cycle 0: answer: a key must be a string, got 1"),
        (yields((A, 1.0), A, A), "the target gives 2 answers in cycle 0: expected 1"),
    ],
)
def test_targets_that_are_none(target, problem):
    with pytest.raises(LabError, match=problem):
        Problem("?", target).answers_to([A, B, A])


def test_trees_that_come_late_are_told():
    def late(stream):
        for t, _ in enumerate(stream):
            yield A if t > 50 else float(t % 3)

    with pytest.raises(LabError, match="a V-value in cycle 51, and numbers alone in strings such as those to learn from"):
        Problem("?", late).validation()


def test_a_tree_that_is_always_the_same_is_refused():
    with pytest.raises(LabError, match="'answer' is a: 1 in every cycle of the training strings and of all others"):
        Problem("?", lambda stream: (A for _ in stream)).preview()


@pytest.mark.parametrize("letters", [(), 4, None, "ab", (4.5,), (41,)])
def test_alphabets_that_cannot_be(letters):
    with pytest.raises(LabError, match="expected how many there are in each alphabet, from 1 to 40"):
        Problem("?", counts, letters=letters)


def test_numbers_have_no_rows():
    assert not PROBLEMS["characters"].answers_are_vvalues
    assert PROBLEMS["characters"].training(0)[0].rows == ()
    assert COUNTS.answers_are_vvalues


def test_counts_of_letters_are_found():
    found = synthesize(COUNTS, settings=Settings(restarts=1, fit_steps=300, ramp_steps=1500, cool_steps=300), progress=False)
    assert found.best.exact
    assert found.best.links == 2
    last = answers(found.machine, values([{"a": 1.0}, {"b": 1.0}, {"a": 1.0}]), 5)[-1]
    assert last == {"answer": {"a": 2.0, "b": 1.0}}


@pytest.mark.slow
def test_an_induction_head_is_found():
    found = synthesize(FOLLOWERS, seed=1, settings=Settings(restarts=1), progress=False)
    assert found.best.links <= 12
    assert found.best.exact
    sentence = ["the", "cat", "saw", "the", "dog", "and", "the", "cat", "saw", "the"]
    last = answers(found.machine, values([{word: 1.0} for word in sentence]), len(sentence) + INDUCTION_DELAY)[-1]
    assert last == {"next": {"cat": 2.0, "dog": 1.0}}
