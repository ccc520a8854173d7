"""No false triumph: problems in which there is nothing to learn are refused, doubts are said, strings are shown."""

import warnings

import numpy as np
import pytest

from dmmlab.core.errors import LabError
from dmmlab.problems.catalogue import PROBLEMS
from dmmlab.problems.previews import item_text
from dmmlab.problems.problem_checks import ProblemWarning, check_problem
from dmmlab.problems.problems import Problem
from dmmlab.search.portfolio import synthesize


def counting(amount):
    """A target that adds up what ``amount`` says of each item."""

    def target(stream):
        total = 0
        for v in stream:
            total += amount(v)
            yield total

    return target


@pytest.mark.slow
@pytest.mark.parametrize("do", [Problem.preview, synthesize], ids=["preview", "synthesize"])
def test_a_letter_that_comes_only_later_needs_other_strings(do):
    """Where constants are given, letters are drawn as they are."""
    problem = Problem("?", counting(lambda v: v.get("h", 0)), constants={"it": {"h": 1.0}})
    with pytest.raises(LabError, match="though not in longer ones"):
        do(problem)


REFUSED = {
    "takes items for characters": (lambda v: v == "a", "compares an item with the text 'a'"),
    "or as unlike one": (lambda v: v != "a", "compares an item with the text 'a'"),
    "a letter never drawn": (lambda v: v.get("A", 0), "'answer' is 0 .*the target asks for 'A', which no string has"),
    "always the same": (lambda v: 0, "'answer' is 0 in every cycle of the training strings and of all others"),
    "no number": (lambda v: float("nan"), "not finite in cycle 0"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("way", ["preview", "synthesize"])
def test_what_cannot_be_learned_is_refused(name, way):
    amount, message = REFUSED[name]
    problem = Problem("?", counting(amount))
    with pytest.raises(LabError, match=message):
        problem.preview() if way == "preview" else synthesize(problem)


DOUBTFUL = {
    "one of two letters": (
        Problem("?", counting(lambda v: v.get("a", 0) + v.get("A", 0))),
        "asks for 'A', which no string has",
    ),
    "a constant": (
        Problem("?", counting(lambda v: v.get("a", 0)), constants={"big": {"A": 1.0, "B": 1.0}}),
        "constant 'big' has 'A', 'B', which no string has; the items drawn have 'a', 'b'",
    ),
    "large answers": (Problem("?", counting(lambda v: 1e9 * v.get("a", 0))), r"answers as large as .*e\+1[01]"),
}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_doubts_are_said(name):
    problem, message = DOUBTFUL[name]
    with pytest.warns(ProblemWarning, match=message):
        problem.preview()


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_catalogue_is_beyond_doubt(name):
    problem = PROBLEMS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_problem(problem, problem.training(1), problem.validation(lengths=(14,)))


def test_a_preview_has_each_answer_beside_its_item():
    preview = PROBLEMS["characters"].preview(seed=2, items=9)
    assert sum(v != {} for v in preview.items) == 9
    counts = np.array(preview.answers)[:, 0]
    assert [bool(v) for v in preview.items] == [bool(step) for step in [counts[0], *(counts[1:] - counts[:-1])]]
    text = repr(preview)
    assert text.startswith("How many characters so far?\n  item  ")
    assert "3 cycles later" in text
    assert "<td" in preview._repr_html_()
    tall = repr(PROBLEMS["sum"].preview())  # its items are long
    assert max(map(len, tall.splitlines())) <= 100
    with pytest.raises(LabError, match="0 items"):
        PROBLEMS["characters"].preview(items=0)


def test_items_as_text():
    assert [item_text(v) for v in ({}, {"a": 1.0}, {" ": 1.0}, {"a": 2.0}, 3.0)] == ["·", "a", "␣", "{'a': 2.0}", "3"]
