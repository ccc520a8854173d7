"""Searches that take long: exact machines from random weights, repairs, and a run that is the same after being killed."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from dmmlab.machines.detectors import handcrafted
from dmmlab.machines.isomorphism import same
from dmmlab.problems.catalogue import PROBLEMS
from dmmlab.pruning.phases import PHASES
from dmmlab.pruning.settings import Settings
from dmmlab.pruning.tasks import Task
from dmmlab.search.portfolio import synthesize
from dmmlab.search.repairs import DAMAGES, repair

pytestmark = pytest.mark.slow


def test_repair():
    task = Task(PROBLEMS["duplicates"], seed=5)
    verdict, trace, attempts = repair(task, DAMAGES["the inputs of compare exchanged"](handcrafted()), seed=0)
    assert verdict.exact
    assert verdict.links <= 20  # it depends on how sums are rounded
    assert 1 <= attempts <= 3
    assert trace.events[-1].phase == "finish"


def test_a_duplicate_detector_is_found():
    synthesis = synthesize(PROBLEMS["duplicates"], seed=11, settings=Settings(restarts=3))
    assert synthesis.best.exact
    assert synthesis.best.links <= 20
    if same(synthesis.machine, handcrafted()):  # as on most processors
        assert synthesis.verdict == "8 links, all of weight 1 or -1, exact: this is the handcrafted detector"


@pytest.mark.parametrize(("name", "key"), [("running-maximum", 3), ("repetition", 8)])
def test_harder_problems(name, key):
    """One restart is enough with these seeds; there are up to twenty, for computers that round otherwise."""
    synthesis = synthesize(PROBLEMS[name], seed=key, settings=Settings(restarts=1, rounds=20))
    assert synthesis.best.exact
    assert synthesis.best.links <= 11


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted") / "run"
    assert subprocess.run(command(folder), capture_output=True, timeout=300).returncode == 0
    return folder


PROGRAM = """
import itertools
import sys
from dmmlab.machines.networks import LAYER, feedforward
from dmmlab.search import portfolio
from dmmlab.problems.catalogue import PROBLEMS
from dmmlab.runs.run_folder import run_into_folder
from dmmlab.pruning.settings import Settings

problem, folder, resume = PROBLEMS["words"], sys.argv[1], "resume" in sys.argv
neurons = problem.network.neurons
sources = {name: kind for name, kind in neurons.items() if kind.reads_stream or not kind.inputs}
small = feedforward(2, 1, outputs=neurons["output"], sources=sources)
if "several" in sys.argv:
    every = portfolio.starts
    portfolio.starts = lambda *named: [start._replace(network=small) for start in itertools.islice(every(*named), 2)]
else:
    problem.__dict__.update(delay=3, recurrent=False, types=LAYER, network=small)  # so that there is one start
steps = {f"{phase}_steps": 200 for phase in ("fit", "ramp", "cool", "retrain", "finish")}
run_into_folder("words", 2, folder, resume, Settings(restarts=2, rounds=1, trials=10, **steps))
"""


def load_arrays(path):
    with np.load(path) as file:
        return dict(file)


def command(*arguments):
    """A process that makes a machine that counts words, or goes on with it."""
    return [sys.executable, "-c", PROGRAM, *map(str, arguments)]


def killed(folder, is_time, *arguments):
    environment = os.environ | {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "1e9"}  # it is to leave no half an entry
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command(folder, *arguments), env=environment, **quiet)
    while process.poll() is None and not is_time():
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() in (0, -signal.SIGKILL)


def without_times(path):
    return json.loads((path / "result.json").read_text()) | {"seconds": 0, "machine": ""}


def test_killed_at_the_second_start_and_resumed(tmp_path):
    whole, folder = tmp_path / "whole", tmp_path / "run"
    assert subprocess.run(command(whole, "several"), capture_output=True, timeout=300).returncode == 0
    killed(folder, (folder / "start-1" / "restart-00.npz").exists, "several")
    resumed = subprocess.run(command(folder, "resume", "several"), capture_output=True, text=True, timeout=300)
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert without_times(folder) == without_times(whole)
    assert (folder / "machine.json").read_bytes() == (whole / "machine.json").read_bytes()


@pytest.mark.parametrize("phases_done", range(len(PHASES) + 1))
def test_killed_and_resumed(tmp_path, uninterrupted, phases_done):
    """Killed while the phase after ``phases_done`` is at work."""
    folder = tmp_path / "run"
    file = folder / "restart-00.npz"

    def is_time():
        if phases_done == 0:
            return (folder / "run.json").exists()
        return file.exists() and int(load_arrays(file)["done"]) >= phases_done

    killed(folder, is_time)
    finished = {path.name: load_arrays(path) for path in folder.glob("restart-*.npz")}
    resumed = subprocess.run(command(folder, "resume"), capture_output=True, text=True, timeout=300)
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert without_times(folder) == without_times(uninterrupted)
    assert (folder / "machine.json").read_bytes() == (uninterrupted / "machine.json").read_bytes()
    for name in ("restart-00.npz", "restart-01.npz"):
        now, then = load_arrays(folder / name), load_arrays(uninterrupted / name)
        assert now.keys() == then.keys()
        for key in now.keys() - {"seconds"}:
            assert np.array_equal(now[key], then[key]), key
        if name in finished:  # nothing that was finished is done again
            events = len(finished[name]["seconds"])
            assert np.array_equal(finished[name]["seconds"], now["seconds"][:events])
