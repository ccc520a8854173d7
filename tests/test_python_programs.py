"""Stand-alone Python programs: they give the answers of the tree engine, with nothing imported."""

import json
import random
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st
from tree_machine_strategies import ITEMS_OF_TREES, layered_machines

import dmmlab as dm
from dmmlab.cli.commands import main
from dmmlab.core.engine import answers
from dmmlab.core.neuron_type import Formula, NeuronType
from dmmlab.core.streams import values
from dmmlab.core.vvalues import add, max_norm, number, paths, scale
from dmmlab.drawing.python_programs import PythonError, python_program
from dmmlab.problems.streaming_tasks import STREAMING_TASKS
from dmmlab.transitions.transitions import transition_machine

SOLVED = Path(__file__).resolve().parents[1] / "figures" / "streaming-tasks"


def executed(machine, items):
    """What the program answers, in a namespace of its own."""
    namespace = {}
    exec(compile(python_program(machine), "program", "exec"), namespace)
    return list(namespace["run"](items))


def agree(machine, items, streams):
    expected = answers(machine, streams, len(items))
    given = executed(machine, items)
    for mine, right in zip(given, expected, strict=True):
        for port in machine.neurons["output"].inputs:
            v = mine[port]
            scalar = v.get(":number", 0) if isinstance(v, dict) else v
            assert scalar == pytest.approx(number(right.get(port, {})), rel=1e-9, abs=1e-9)


@given(st.lists(st.sampled_from(["", "a", "b", ".", "c"]), max_size=30))
def test_the_detectors(string):
    items = [{letter: 1.0} if letter else {} for letter in string]
    for machine in (dm.handcrafted(), dm.published()):
        agree(machine, items, values(items))


@pytest.mark.slow
@pytest.mark.parametrize("name", [path.name for path in sorted(SOLVED.iterdir()) if (path / "machine.json").exists()])
def test_the_machines_of_all_streaming_tasks(name):
    """As they stand in the repository; the targets are met, too, after the delay."""
    machine, problem = dm.Machine.from_json(SOLVED / name / "machine.json"), STREAMING_TASKS[name]
    items = problem.draw(random.Random(7), "abc", problem.longest or 40)
    reads = {n: values([item if len(problem.inputs) == 1 else item[n] for item in items]) for n in problem.inputs}
    reads = {n: stream for n, stream in reads.items() if n in machine.neurons}  # one ignores its input
    agree(machine, items, reads)


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1))
def test_random_machines(seed):
    rng = random.Random(seed)
    network = dm.feedforward(2, 1, (*dm.machines.LAYER, dm.core.PRODUCT, dm.core.ID))
    machine = network.machine([rng.choice([0.0, 0.0, rng.gauss(0, 1)]) for _ in network.links])
    machine = machine.with_soft(machine.live().soft)
    items = [{rng.choice("ab."): 1.0} if rng.random() < 0.7 else {} for _ in range(6)]
    agree(machine, items, values(items))


def test_it_needs_nothing_but_python(tmp_path, capsys):
    machine, _ = transition_machine(STREAMING_TASKS["Add_Mod_3"])
    machine.to_json(tmp_path / "machine.json")
    assert main(["show", str(tmp_path / "machine.json"), "--python"]) == 0
    (tmp_path / "program.py").write_text(capsys.readouterr().out)
    command = "import program; print([answers['answer'] for answers in program.run([1, 2, 2, 2, 0, 0])])"
    done = subprocess.run([sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, '.'); {command}"],
                          cwd=tmp_path, capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout == "[0, 0, 1, 0, 2, 1]\n"
    assert "import" not in (tmp_path / "program.py").read_text().split('"""', 2)[2]


def test_names(capsys):
    machine = dm.Machine.build(
        {"def.dict-2": {"input.char": 1}, "2x.dict": {"def.dict": 2}, "output.answer": {"2x.norm": 1}},
        {
            "timer": dm.core.TIMER,
            "input": dm.core.INPUT,
            "def": dm.core.ACCUM,
            "2x": dm.core.NORM,
            "output": dm.core.answering(("answer",)),
        },
    )
    assert [each["answer"] for each in executed(machine, [{"a": 1.0}, {"a": 1.0}, {}, {}, {}])] == [0, 0, 0, 2, 4]
    assert main(["show", "handcrafted", "--python", "--json"]) == 0
    assert "def step(state, item):" in json.loads(capsys.readouterr().out)["text"]
    with pytest.raises(SystemExit, match="2"):
        main(["show", "handcrafted", "--python", "--latex"])
    assert "--latex" in capsys.readouterr().err


def test_a_machine_without_neurons_and_names_that_python_reads_alike():
    alone = dm.Machine({"output": dm.core.answering(("answer",))}, {})
    assert list(executed(alone, [{}, {}])) == [{"answer": 0}] * 2
    ligature, letters = "\N{LATIN SMALL LIGATURE FI}", "fi"
    assert unicodedata.normalize("NFKC", ligature) == letters
    kinds = {"timer": dm.core.TIMER, "input": dm.core.INPUT, "output": dm.core.answering(("x", "y"))}
    machine = dm.Machine.build(
        {
            f"{letters}.dict-2": {"input.char": 1},
            f"{ligature}.dict-2": {"input.char": 2},
            "output.x": {f"{letters}.dict": 1},
            "output.y": {f"{ligature}.dict": 1},
        },
        kinds | {letters: dm.core.ACCUM, ligature: dm.core.ACCUM},
    )
    whole_answers_agree(machine, [1.0, {}, 2.0, {}, {}])


def whole_answers_agree(machine, items):
    for given_, right in zip(executed(machine, items), answers(machine, values(items), len(items)), strict=True):
        for port in machine.neurons["output"].inputs:
            off = add(given_[port], scale(-1.0, right.get(port, {})))
            assert all(abs(x) < 1e-9 * max(1.0, max_norm(right)) for _, x in paths(off))


@given(st.lists(st.sampled_from(["a", "b", "to", ""]), max_size=20))
def test_the_induction_head(string):
    whole_answers_agree(dm.machines.induction_head(), [{word: 1.0} if word else {} for word in string])


@settings(max_examples=60)
@given(layered_machines(("nest", "pair", "lookup", "mask", "gate", "mix")))
def test_machines_on_trees(machine):
    whole_answers_agree(machine, [*ITEMS_OF_TREES, {}, {}, {}])


def test_what_cannot_be_written():
    mine = NeuronType("mine", ("x",), ("y",), lambda v: v)
    machine = dm.Machine.build(
        {"mine.x": {"input.char": 1}, "output.answer": {"mine.y": 1}},
        {"timer": dm.core.TIMER, "input": dm.core.INPUT, "mine": mine, "output": dm.core.answering(("answer",))},
    )
    with pytest.raises(PythonError, match="neuron type 'mine' has no formula"):
        python_program(machine)
    odd = NeuronType("odd", ("x",), ("y",), lambda v: v, formula=Formula("__import__('os')(%s)", "%s"))
    neurons = {**machine.neurons, "mine": odd}
    with pytest.raises(PythonError, match="its formula uses __import__, which Python does not know"):
        python_program(dm.Machine(neurons, machine.soft, machine.hard))
