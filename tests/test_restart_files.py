"""The folder of a run: what it refuses, who may work on it, and what else must be the same to go on with it."""

import importlib.util
import json
import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from dmmlab.compiler.weights import flatten
from dmmlab.core.array_neurons import array_type
from dmmlab.core.errors import LabError
from dmmlab.core.neuron_type import NeuronType
from dmmlab.core.neurons import ACCUM, constant
from dmmlab.core.vvalues import number
from dmmlab.problems.catalogue import PROBLEMS
from dmmlab.pruning.tasks import Task
from dmmlab.pruning.trace import Event, Trace
from dmmlab.search.portfolio import synthesize
from dmmlab.search.provenance import differences, provenance
from dmmlab.search.restart_files import Restart, RestartFolder

DESCRIPTION = {
    "question": "What?",
    "task": "1f",
    "seed": 5,
    "settings": {"restarts": 8, "l1": [1.0, 2.0]},
    **provenance([ACCUM]),
}


@pytest.fixture(scope="module")
def task():
    return Task(PROBLEMS["sum"], samples=PROBLEMS["sum"].training(0)[:2])


@pytest.fixture
def restart(task):
    weights = task.initial_weights(jax.random.key(0))
    events = [Event("fit", "", 3, 0.5, True, 1.0), Event("prune", "a.b <- c.d", 2, np.inf, False, 2.0)]
    return Restart(0, weights, 2, Trace(events, [flatten(weights)]))


@pytest.fixture
def folder(tmp_path, restart):
    with RestartFolder(tmp_path / "run", DESCRIPTION) as store:
        store.save(restart)
    return tmp_path / "run"


def test_what_is_saved_is_loaded(folder, restart, task):
    with RestartFolder(folder, DESCRIPTION) as store:
        again = store.load(0, task)
        assert store.load(1, task) is None
    assert (again.done, again.trace.events) == (2, restart.trace.events)
    np.testing.assert_array_equal(flatten(again.weights), flatten(restart.weights))
    np.testing.assert_array_equal(again.trace.snapshots, restart.trace.snapshots)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("weights", lambda w: w * np.float32(np.nan), "array 'weights' holds numbers that are not finite"),
        ("weights", lambda w: w / np.float32(0), "array 'weights' holds numbers that are not finite"),
        ("weights", lambda w: w[1:], r"array 'weights' has the shape \(\d+,\), expected \(\d+\)"),
        ("weights", lambda w: w.reshape(1, -1), r"array 'weights' has the shape \(1, \d+\)"),
        ("weights", lambda w: w.astype(float), "array 'weights' holds float64, expected float32"),
        ("snapshots", lambda s: s * np.float32(np.inf), "array 'snapshots' holds numbers that are not finite"),
        ("snapshots", lambda s: s[:, 1:], "array 'snapshots' has the shape"),
        ("snapshots", lambda s: np.concatenate([s, s]), "not a restart of this run: there is not one snapshot for each accepted event"),
        ("done", lambda done: done + 90, "not a restart of this run: 92 of 5 phases are done"),
        ("seconds", lambda s: s * np.nan, "not a restart of this run: its times are none"),
        ("seconds", lambda s: s[1:], "not a restart of this run: its columns are not of one length"),
        ("links", lambda s: s * 1.5, "array 'links' holds float64"),
        ("extra", lambda nothing: np.zeros(1), "holds an array 'extra'"),
    ],
)  # fmt: skip
def test_arrays_that_cannot_be_are_refused_by_name(folder, task, name, change, message):
    with np.load(folder / "restart-00.npz") as file:
        arrays = dict(file)
    with np.errstate(invalid="ignore", divide="ignore"):
        np.savez(folder / "restart-00.npz", **{**arrays, name: change(arrays.get(name))})
    with RestartFolder(folder, DESCRIPTION) as store, pytest.raises(LabError, match=rf"restart-00\.npz: {message}"):
        store.load(0, task)


def test_links_that_the_network_has_not_are_refused(folder, task):
    fewer = SimpleNamespace(mask=[mask.at[0, 0].set(0.0) for mask in task.mask])
    with (
        RestartFolder(folder, DESCRIPTION) as store,
        pytest.raises(LabError, match="it has links that the network has not; delete it"),
    ):
        store.load(0, fewer)


def test_a_restart_that_left_the_finite_numbers_is_not_saved(tmp_path, restart, task):
    restart.weights = [w * np.inf for w in restart.weights]
    with RestartFolder(tmp_path, DESCRIPTION) as store:
        store.save(restart)
        assert store.load(0, task) is None


@pytest.mark.slow
def test_one_process_at_a_time(folder):
    program = (
        "import sys, json\n"
        "from dmmlab.core.errors import LabError\n"
        "from dmmlab.search.restart_files import RestartFolder\n"
        "try:\n"
        "    with RestartFolder(sys.argv[1], json.loads(sys.argv[2])): print('mine')\n"
        "except LabError as error: print(error)\n"
    )
    command = [sys.executable, "-c", program, str(folder), json.dumps(DESCRIPTION)]
    refusal = f"{folder}: another process is at work on this run; wait until it has ended, or name another folder"
    with RestartFolder(folder, DESCRIPTION):
        assert subprocess.run(command, capture_output=True, text=True).stdout.strip() == refusal
        with pytest.raises(LabError, match="another process is at work on this run"), RestartFolder(folder, DESCRIPTION):
            pass
    assert subprocess.run(command, capture_output=True, text=True).stdout.strip() == "mine"


def test_a_refused_run_does_not_hold_the_folder(folder):
    with pytest.raises(LabError, match="another seed"), RestartFolder(folder, {**DESCRIPTION, "seed": 6}):
        pass
    with RestartFolder(folder, DESCRIPTION):
        pass


def test_a_synthesis_refuses_a_folder_that_another_one_holds(folder, task):
    with RestartFolder(folder, DESCRIPTION), pytest.raises(LabError, match="another process is at work"):
        synthesize(PROBLEMS["sum"], task=task, folder=folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 6}, "another seed"),
        ({"question": "Why?"}, "the problem 'What?'"),
        ({"task": "2a"}, "other links, strings or answers"),
        ({"settings": {"restarts": 9, "l1": [1.0, 2.0]}}, "restarts 8, here 9"),
        ({"code": "0"}, "other code of dmmlab"),
        ({"versions": {**DESCRIPTION["versions"], "jax": "9.9"}}, f"jax {jax.__version__}, here 9.9"),
        ({"format": "dmmlab run 2"}, "format dmmlab run 1, here dmmlab run 2"),
        ({"types": provenance([replace(ACCUM, function=lambda u, v: u)])["types"]}, "another function of the neuron type 'accum'"),
        ({"types": {}}, "another function of the neuron type 'accum'"),
    ],
)  # fmt: skip
def test_a_run_that_something_else_began_is_refused_with_what_differs(folder, change, message):
    with pytest.raises(LabError) as caught, RestartFolder(folder, {**DESCRIPTION, **change}):
        pass
    assert str(caught.value) == f"{folder}: holds another run, with {message}: name another folder"
    assert json.loads((folder / "run.json").read_text()) == DESCRIPTION


@pytest.mark.parametrize("there", [{}, {"settings": 3, "versions": [], "types": None, "seed": {}}])
def test_runs_of_before_are_refused(there):
    found = differences(there, DESCRIPTION)
    assert len(found) == 6
    assert found[-1] == "more"


def test_a_description_that_is_none(folder):
    (folder / "run.json").write_text("[1]")
    with pytest.raises(LabError, match=r"run\.json: not the description of a run"), RestartFolder(folder, DESCRIPTION):
        pass


MODULE = """
    from dmmlab.core.neuron_type import NeuronType
    from dmmlab.core.vvalues import number

    LIMIT = 2.0
    VOWELS = {"a", "e", "i", "o", "u"}

    def helper(x):
        return x + 1.0

    def above(limit):
        def function(v, more=0.5):
            return helper(limit * number(v)) + more if "a" in VOWELS else LIMIT
        return function

    KIND = NeuronType("mine", ("in",), ("out",), above(3.0))
"""


PROGRAM = """
import importlib.util, sys
from dmmlab.search.provenance import provenance
spec = importlib.util.spec_from_file_location("mine", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print(provenance([module.KIND])["types"])
"""


def digest_of(path, source):
    """The digest of a type in a module of the reader's own."""
    path.write_text(textwrap.dedent(source))
    spec = importlib.util.spec_from_file_location("mine", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return provenance([module.KIND])["types"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("+ more if", "- more if"),
        ("x + 1.0", "x + 1.5"),
        ("LIMIT = 2.0", "LIMIT = 2.5"),
        ('"a", "e",', '"a",'),
        ("more=0.5", "more=0.25"),
        ("above(3.0)", "above(4.0)"),
        ('("in",), ("out",), above(3.0)', '("in",), ("out",), above(3.0), stop_gradient=("in",)'),
    ],
)  # fmt: skip
def test_all_that_a_function_depends_on_counts(tmp_path, old, new):
    assert MODULE.count(old) == 1
    first = digest_of(tmp_path / "a.py", MODULE)
    assert digest_of(tmp_path / "b.py", "\n\n" + MODULE) == first  # at other lines
    assert digest_of(tmp_path / "c.py", MODULE.replace(old, new)) != first


@pytest.mark.slow
def test_digests_are_the_same_in_every_process(tmp_path):
    here = digest_of(tmp_path / "mine.py", MODULE)
    for seed in ("1", "2"):  # of the order of sets
        command = [sys.executable, "-c", PROGRAM, str(tmp_path / "mine.py")]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": seed})
        assert (done.stdout, done.stderr) == (f"{here}\n", "")


def test_what_a_constant_emits_counts():
    digests = {str(provenance([constant("one", "out", v)])["types"]) for v in (1.0, 1.5, {"a": 1.0}, {"a": np.ones(())})}
    assert len(digests) == 4


def test_functions_of_arrays_count():
    def of_arrays(factor, size=2):
        return provenance([array_type("mine", {"in": (size,)}, {"out": (size,)}, lambda x: factor * x)])

    assert of_arrays(1.0) == of_arrays(1.0)
    assert len({str(of_arrays(*each)["types"]) for each in ((1.0,), (2.0,), (1.0, 3))}) == 3


def test_functions_without_a_source():
    made = [{}, {}, {}]
    for scope, text in zip(made, ("number(v) + 1.0", "number(v) + 1.0", "number(v) + 2.0"), strict=True):
        exec(f"function = lambda v: {text}", {"number": number, "__name__": "mine"}, scope)
    first, same, other = (provenance([NeuronType("mine", ("in",), ("out",), each["function"])]) for each in made)
    assert first == same
    assert first != other


def test_functions_that_name_each_other_and_themselves():
    def ping(v):
        return pong(v) if v else ping(v)

    def pong(v):
        return ping(v)

    kind = NeuronType("mine", ("in",), ("out",), ping)
    assert provenance([kind]) == provenance([kind])
