"""The streaming tasks: each against a definition of its own, and machines made of their transitions."""

import json
import random

import pytest

from dmmlab.cli.commands import main
from dmmlab.core.engine import answers
from dmmlab.core.errors import LabError
from dmmlab.core.files import csv_text
from dmmlab.core.streams import values
from dmmlab.core.vvalues import number
from dmmlab.problems.automata import Automaton
from dmmlab.problems.problems import Problem
from dmmlab.problems.streaming_tasks import STREAMING_TASKS
from dmmlab.runs.streaming_benchmark import run_tasks
from dmmlab.transitions.exact_fits import Hinge, directions, fit_sum
from dmmlab.transitions.observed_transitions import TransitionError, observe
from dmmlab.transitions.transitions import transition_machine

# From the published table, on whole strings: what the answer to the last item is.
DEFINITIONS = {
    "Parity_Last3": lambda xs: sum(xs[-3:]) % 2,
    "Parity_All": lambda xs: sum(xs) % 2,
    "Parity_Zeros": lambda xs: xs.count(0) % 2,
    "Parity_Bits_Mod2": lambda xs: (len(xs) - 1) % 2,
    "Evens_Detector": lambda xs: int(xs[-1] % 2 == 0),
    "Evens_Counter": lambda xs: sum(x % 2 == 0 for x in xs),
    "Sum_All": sum,
    "Sum_Last7": lambda xs: sum(xs[-7:]),
    "Prev5": lambda xs: xs[-6] if len(xs) > 5 else 0,
    "Previous_Equals_Current": lambda xs: int(xs[-1] == (xs[-2] if len(xs) > 1 else 0)),
    "Diff_Last2": lambda xs: xs[-1] - (xs[-2] if len(xs) > 1 else 0),
    "Diff_Abs_Values": lambda xs: abs(xs[-1]) - (abs(xs[-2]) if len(xs) > 1 else 0),
    "Min_Seen": min,
    "Max_Seen": max,
    "Majority_0_3": lambda xs: max(range(4), key=lambda k: (xs.count(k), -k)),
    "Perfect_Square_Detector": lambda xs: int(xs[-1] in (0, 1, 4, 9, 16)),
    "Bit_Palindrome": lambda xs: int(xs == xs[::-1]),
    "Balanced_Parenthesis": lambda xs: int(
        sum(1 - 2 * x for x in xs) == 0 and all(sum(1 - 2 * x for x in xs[:n]) >= 0 for n in range(len(xs)))
    ),
    "Alternating_Last3": lambda xs: int([0, 0, *xs][-3] != [0, 0, *xs][-2] != xs[-1]),
    "Bit_Shift_Right": lambda xs: xs[-2] if len(xs) > 1 else 0,
    "Div_5": lambda xs: int("".join(map(str, xs)), 2) // 5 % 2,
    "Add_Mod_8": lambda xs: sum(xs) % 8,
    "Dithering": lambda xs: sum(xs) // 15 - sum(xs[:-1]) // 15,
}


def drawn(name, seed, size=10):
    problem = STREAMING_TASKS[name]
    return problem.draw(random.Random(seed), "abc", problem.longest or size)


def test_there_are_sixty_two():
    assert len(STREAMING_TASKS) == 62


@pytest.mark.parametrize("name", DEFINITIONS)
def test_targets_are_what_the_table_says(name):
    for seed in range(20):
        items = drawn(name, seed, 12)
        given = list(STREAMING_TASKS[name].target(items))
        assert given == [DEFINITIONS[name](items[: t + 1]) for t in range(len(items))]


def test_addition_and_physics():
    xs, ys = [1, 2, 2, 0], [2, 2, 1, 0]
    pairs = [{"first": x, "second": y} for x, y in zip(xs, ys, strict=True)]
    digits = list(STREAMING_TASKS["Base_3_Addition"].target(pairs))
    assert sum(d * 3**i for i, d in enumerate(digits)) == sum(
        (x + y) * 3**i for i, (x, y) in enumerate(zip(xs, ys, strict=True))
    )
    assert list(STREAMING_TASKS["Newton_Gravity"].target([1, 0, 3])) == [0, -1, 0]
    assert list(STREAMING_TASKS["Newton_Magnetic"].target([{"first": 1, "second": 2}] * 2)) == [(1, 2), (1, 7)]


@pytest.mark.parametrize("name", [name for name in STREAMING_TASKS if not name.startswith("Majority")])
@pytest.mark.slow
def test_a_machine_is_made_of_the_transitions(name):
    """The tree engine's answers on a string that was not looked at, beside the target's."""
    problem = STREAMING_TASKS[name]
    machine, delays = transition_machine(problem)
    items = drawn(name, 99, 60)
    right = [answer if isinstance(answer, tuple) else (answer,) for answer in problem.target(items)]
    reads = {
        neuron: values([item if len(problem.inputs) == 1 else item[neuron] for item in items]) for neuron in problem.inputs
    }
    given = answers(machine, reads, len(items) + max(delays))
    for i, (port, delay) in enumerate(zip(problem.answers, delays, strict=True)):
        late = [number(v.get(port, {})) for v in given]
        assert late[:delay] == [0.0] * delay
        assert late[delay : delay + len(items)] == pytest.approx([answer[i] for answer in right], abs=1e-9)


def test_a_sum_of_few_neurons_is_found():
    """max(x, y) - 2 y + 3 is a hinge at x = y, and a linear part."""
    rows = observe(STREAMING_TASKS["Base_3_Addition"]).items
    found = fit_sum(rows, rows.max(axis=1) - 2 * rows[:, 1] + 3)
    assert found.hinges == {Hinge((1, -1), 0): 1}
    assert (found.linear, found.constant) == ((0, -1), 3)


def test_directions_come_in_order_and_once():
    found = directions(3)
    assert found[:3] == [(0, 0, 1), (0, 1, 0), (1, 0, 0)]
    assert len(set(found)) == len(found)
    assert not any(tuple(-x for x in d) in set(found) for d in found)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (lambda items: iter([0.0]), "the target shows no state: write it as an Automaton"),
        (Automaton("", lambda s, x: ((s + "ab"[int(x) % 2])[-5:], x)), "values that are no numbers: 8 at most"),
        (Automaton(0, lambda s, x: (x / 2, x)), "a state 0.5: expected a whole number"),
        (Automaton(0, lambda s, x: s.nothing), "the target's step: AttributeError"),
        (Automaton(0, lambda s, x: ((s * s + 7 * x + x * s) % 101, s)), "number 1 of the next state is no sum of few neurons"),
    ],
    ids=["function", "words", "fraction", "broken", "random"],
)
def test_what_cannot_be_made_of_transitions(target, message):
    with pytest.raises(TransitionError, match=message.replace("(", r"\(")):
        transition_machine(Problem("?", target, alphabet=(0, 1, 2), silence=False))


@pytest.mark.slow
def test_the_benchmark_is_resumed(tmp_path):
    told = []
    rows = run_tasks(["Bitwise_Not", "Sum_All"], tmp_path / "run", jobs=1, tell=told.append)
    assert [row["task"] for row in rows] == ["Bitwise_Not", "Sum_All"]
    assert all(row["exact"] and row["proof"] == "proved" for row in rows)
    assert sorted(told, key=lambda row: row["task"]) == rows
    assert (tmp_path / "run" / "table.csv").read_text() == csv_text(rows)
    assert {path.name for path in (tmp_path / "run" / "Sum_All").iterdir()} == {
        "certificate.json", "circuit.svg", "machine.json", "program.txt", "row.json",
    }  # fmt: skip
    (tmp_path / "run" / "table.csv").unlink()
    again = run_tasks(["Bitwise_Not", "Sum_All"], tmp_path / "run", jobs=1, resume=True, tell=told.append)
    assert again == rows
    assert len(told) == 2
    with pytest.raises(LabError, match="holds a run already"):
        run_tasks([], tmp_path / "run")
    with pytest.raises(LabError, match="other seed"):
        run_tasks([], tmp_path / "run", seed=1, resume=True)
    with pytest.raises(LabError, match="unknown task 'Sum_Al'; did you mean 'Sum_All'"):
        run_tasks(["Sum_Al"], tmp_path / "other")


@pytest.mark.slow
def test_a_synthesis_of_a_streaming_task_into_a_folder(tmp_path, capsys):
    out = tmp_path / "runs" / "modulo"
    assert main(["synthesize", "Add_Mod_3", "--out", str(out), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["exact"], result["links"]) == (True, 17)
    assert {path.name for path in out.iterdir()} >= {"run.json", "machine.json", "result.json", "circuit.svg", "trace.csv"}
    assert main(["synthesize", "Add_Mod_3", "--out", str(out), "--json"]) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert main(["synthesize", "Add_Mod_3", "--out", str(out), "--resume", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["links"] == 17
    assert main(["verify", str(out), "Add_Mod_3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["grade"] == "proved"
    assert main(["verify", str(out), "Add_Mod_4", "--json"]) == 1
    refuted = json.loads(capsys.readouterr().out)
    assert refuted["grade"] == "wrong"
    assert "is right" in refuted["counterexample"]
