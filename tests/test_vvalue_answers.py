"""Problems whose answers are V-values: their coordinates, errors, counterexamples, synthesis."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from vvalue_strategies import vvalues

from dmmlab.core import ACCUM, LabError, answers, values
from dmmlab.core.vvalues import add, paths, scale
from dmmlab.learning.losses import squared_error
from dmmlab.machines.attention_machines import INDUCTION_DELAY, induction_head
from dmmlab.synthesis import PROBLEMS, TREE_PROBLEMS, Problem, Task, synthesize, verify
from dmmlab.synthesis.counterexamples import counterexample
from dmmlab.synthesis.evaluation import max_abs_errors
from dmmlab.synthesis.samples import as_rows
from dmmlab.synthesis.settings import Settings

FOLLOWERS = TREE_PROBLEMS["followers"]


def counts(stream):
    total = {}
    for v in stream:
        total = add(total, v)
        yield total


COUNTS = Problem("How often has each letter come?", counts, types=(ACCUM,), delay=2, recurrent=False, alphabets=(4,))


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

    with pytest.raises(LabError, match="the right answers have answer/deep/a, which no link of the network can carry"):
        Task(Problem("What is it?", nested, types=(ACCUM,), recurrent=False))


def test_answers_that_are_no_vvalues():
    def wrong(stream):
        for _ in stream:
            yield {"a": float("nan")}

    with pytest.raises(LabError, match="a: expected a finite number"):
        Problem("What is it?", wrong).preview()


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
