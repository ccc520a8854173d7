"""A problem of the reader's own, in a Python file that the command line names."""

import pytest

from dmmlab.core.errors import LabError
from dmmlab.problems.catalogue import PROBLEMS
from dmmlab.problems.problem_files import load_problem

FILE = """
import dmmlab as dm
import beside

def vowels(stream):
    count = 0
    for v in stream:
        count += sum(v.get(letter, 0) for letter in beside.LETTERS)
        yield count

vowel_problem = dm.Problem("How many vowels?", vowels)
number = 3
"""


@pytest.fixture
def file(tmp_path):
    folder = tmp_path / "with a space"
    folder.mkdir()
    (folder / "beside.py").write_text('LETTERS = "ae"')
    (folder / "mine.py").write_text(FILE)
    return folder / "mine.py"


def test_a_problem_of_ones_own(file):
    assert load_problem(f"{file}:vowel_problem").question == "How many vowels?"
    assert load_problem("sum") is PROBLEMS["sum"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("{}:vowel_problm", "unknown problem 'vowel_problm'; did you mean 'vowel_problem'"),
        ("{}:vowels", "vowels is a function, not a Problem"),
        ("{}:number", "number is a int, not a Problem"),
        ("{}", "add which problem of the file is meant"),
        ("{}x.py:a", "no such file"),
        ("summ", "unknown problem 'summ'; did you mean 'sum'.; one of your own is file.py:name"),
    ],
)
def test_problems_that_there_are_not(file, name, message):
    with pytest.raises(LabError, match=message):
        load_problem(name.format(file))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = 1\nb = (", r"mine\.py, line 2: '\(' was never closed"),
        ("a = 1\n\nraise RuntimeError('no\\nway')", r"mine\.py, line 3: RuntimeError: no way"),
        ("import nothing_of_that_name", r"mine\.py, line 1: ModuleNotFoundError"),
    ],
)
def test_files_that_do_not_run(file, text, message):
    file.write_text(text)
    with pytest.raises(LabError, match=message) as caught:
        load_problem(f"{file}:a")
    assert "\n" not in str(caught.value)
