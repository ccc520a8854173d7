"""Synthesis: its phases, its settings, its folder. Searches that take long: test_searches.py."""

import csv
import json
import shutil
from dataclasses import replace

import jax
import numpy as np
import pytest

from dmmlab import Machine
from dmmlab.compiler.weights import count_links, flatten, unflatten
from dmmlab.core.errors import LabError
from dmmlab.machines.detectors import handcrafted
from dmmlab.machines.isomorphism import same
from dmmlab.problems.catalogue import PROBLEMS
from dmmlab.pruning.phases import finish, fit, sparsify
from dmmlab.pruning.pruning import prune
from dmmlab.pruning.rounding import round_off
from dmmlab.pruning.settings import Settings
from dmmlab.pruning.tasks import Task
from dmmlab.pruning.trace import Event, Trace
from dmmlab.runs.run_folder import run_into_folder, summary
from dmmlab.search.folder_locks import LOCK
from dmmlab.search.portfolio import synthesize
from dmmlab.search.repairs import DAMAGES, embed

QUICK = Settings(restarts=2, rounds=1, fit_steps=200, ramp_steps=1500, cool_steps=300, retrain_steps=100, finish_steps=800)


@pytest.fixture(scope="module")
def sum_run(tmp_path_factory):
    """A finished run in a folder, and its result."""
    folder = tmp_path_factory.mktemp("a run") / "run"
    return folder, summary(run_into_folder("sum", 5, folder, settings=QUICK), "sum", 5, folder)


@pytest.fixture
def folder(sum_run, tmp_path):
    """A copy of the folder, to do with as one likes."""
    return shutil.copytree(sum_run[0], tmp_path / "a")


@pytest.fixture(scope="module")
def synthesis(sum_run):
    """The run taken up again: all that its restarts have tried is read from the folder."""
    return synthesize(PROBLEMS["sum"], seed=5, settings=QUICK, folder=sum_run[0])


@pytest.fixture(scope="module")
def sum_task():
    """With what it compiles, for several syntheses."""
    return Task(PROBLEMS["sum"], seed=1)


@pytest.mark.slow
def test_the_sum_of_two_numbers_is_two_links(synthesis):
    assert synthesis.best.exact
    assert (synthesis.best.links, synthesis.best.validation_max_abs_error, synthesis.best.test_max_abs_error) == (2, 0.0, 0.0)
    assert synthesis.best.train_loss == 0.0
    links = {str(link): link.weight for link in synthesis.machine.links() if not link.hard}
    assert links == {"output.answer <- left.char": 1.0, "output.answer <- right.char": 1.0}
    assert synthesis.verdict == "2 links, all of weight 1 or -1, exact on all validation and test strings"


@pytest.mark.slow
def test_a_machine_that_does_not_read_its_input_is_written_all_the_same(tmp_path):
    """A threshold so high that no link is left."""
    hasty = Settings(
        restarts=1, rounds=1, fit_steps=3, ramp_steps=3, cool_steps=3, retrain_steps=3, finish_steps=3, threshold=1e6
    )
    result = summary(run_into_folder("sum", 0, tmp_path / "run", settings=hasty), "sum", 0, tmp_path / "run")
    assert (result["links"], result["exact"]) == (0, False)
    assert json.loads((tmp_path / "run" / "result.json").read_text()) == result
    assert set(Machine.from_json(result["machine"]).neurons) == {"timer", "left", "right", "output"}  # what reads stays


def test_traces_tell_every_cut(synthesis):
    table = synthesis.trace()
    assert list(table.columns) == ["restart", *Event._fields]
    assert set(table.phase) >= {"fit", "sparsify", "prune", "finish"}
    for restart in synthesis.restarts:
        events = restart.trace.events
        assert len(restart.trace.snapshots) == sum(event.accepted for event in events)
        assert [event.seconds for event in events] == sorted(event.seconds for event in events)
        accepted = [event for event in events if event.accepted]
        assert [event.links for event in accepted] == [np.count_nonzero(snapshot) for snapshot in restart.trace.snapshots]
    rejected = table[~table.accepted]
    assert len(rejected) > 0
    assert set(rejected.phase) <= {"prune", "shorten"}
    assert "output.answer <- left.char" in set(rejected.tried)
    assert len(synthesis.frame()) == 2


@pytest.mark.slow
def test_a_machine_that_is_not_exact_is_said_to_be_so(sum_task):
    hasty = Settings(restarts=1, rounds=2, fit_steps=5, ramp_steps=5, cool_steps=5, retrain_steps=5, finish_steps=5, trials=3)
    synthesis = synthesize(PROBLEMS["sum"], seed=0, settings=hasty, task=sum_task)
    assert len(synthesis.restarts) == 2  # it tried again
    assert not synthesis.best.exact
    assert "not exact: off by up to" in synthesis.verdict
    assert synthesis.best.validation_max_abs_error > 1e-3


@pytest.mark.slow
def test_restarts_that_agree_are_enough(sum_task):
    """Which ones count does not depend on how many cores there are: they are taken in their order."""
    many = replace(QUICK, restarts=5)
    two = synthesize(PROBLEMS["sum"], seed=5, settings=replace(many, agreeing=2), task=sum_task)
    assert [(restart.verdict.links, restart.verdict.exact) for restart in two.restarts] == [(2, True), (2, True)]
    every = synthesize(PROBLEMS["sum"], seed=5, settings=replace(many, agreeing=0), task=sum_task)
    assert len(every.restarts) == 5
    assert every.outcomes()[:2] == [row | {"seconds": every.outcomes()[i]["seconds"]} for i, row in enumerate(two.outcomes())]


@pytest.mark.slow
def test_each_phase_alone():
    task = Task(PROBLEMS["difference"], seed=1)
    trace, weights = Trace(), task.initial_weights(jax.random.key(0))
    for phase in (fit, sparsify, prune, finish):
        weights = phase(task, weights, QUICK, trace)
    assert count_links(weights) == 2
    verdict = round_off(task, task.machine(weights))
    assert verdict.exact_on_validation
    assert np.array_equal(flatten(unflatten(flatten(weights), weights)), flatten(weights))


@pytest.mark.slow
@pytest.mark.parametrize(
    "other",
    [
        {"penalty": "gates"},
        {"score": "ablation"},
        {"score": "saliency"},
        {"regrow": 1},
        {"neurons_first": True},
    ],
    ids=lambda other: "-".join(f"{name}-{value}" for name, value in other.items()),
)
def test_alternatives(sum_task, other):
    settings = replace(QUICK, restarts=1, **other)
    assert synthesize(PROBLEMS["sum"], seed=1, settings=settings, task=sum_task).best.exact


def test_unknown_settings():
    with pytest.raises(LabError, match="restarts 0: expected a whole number"):
        Settings(restarts=0)
    with pytest.raises(LabError, match="learning_rate 0"):
        Settings(learning_rate=0)
    for scale in ("a", True, 2.0):
        with pytest.raises(LabError, match=f"scale {scale!r}: expected a number from 0 to 1"):
            Settings(scale=scale)
    with pytest.raises(LabError, match="key -1: expected a JAX key, or a seed"):
        synthesize(PROBLEMS["sum"], seed=-1)
    with pytest.raises(LabError, match="unknown score 'magnitud'; did you mean 'magnitude'"):
        Settings(score="magnitud")


@pytest.mark.slow
def test_a_folder_of_another_run_is_refused(folder, tmp_path):
    with pytest.raises(LabError, match="holds another run, with another seed: name another folder"):
        synthesize(PROBLEMS["sum"], seed=6, settings=QUICK, folder=folder)
    with pytest.raises(
        LabError, match="holds another run, with the problem 'What do the two numbers add up to\\?': name another folder"
    ):
        synthesize(PROBLEMS["difference"], seed=5, settings=QUICK, folder=folder)
    with pytest.raises(LabError, match="holds a run already; --resume goes on with it"):
        run_into_folder("sum", 5, folder, settings=QUICK)
    with pytest.raises(LabError, match="unknown problem 'summ'; did you mean 'sum'"):
        run_into_folder("summ", 5, tmp_path / "b")
    with pytest.raises(LabError, match="holds no run to go on with"):
        run_into_folder("sum", 5, tmp_path / "b", resume=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "machine.json").write_text("mine")
    with pytest.raises(LabError, match="is not empty"):
        run_into_folder("sum", 5, tmp_path / "mine")
    (folder / "restart-00.npz").write_bytes((folder / "restart-00.npz").read_bytes()[:100])
    with pytest.raises(LabError, match=r"restart-00\.npz: not a file of arrays"):
        run_into_folder("sum", 5, folder, resume=True, settings=QUICK)


@pytest.mark.slow
def test_a_run_leaves_a_machine_that_can_be_read(sum_run, folder):
    _, result = sum_run
    machine = Machine.from_json(result["machine"])
    assert machine.count() == result["links"] == 2
    assert set(machine.neurons) == {"timer", "left", "right", "output"}
    names = {path.name for path in folder.iterdir() if path.name != LOCK}
    assert names == {"machine.json", "result.json", "trace.csv", "restarts.csv", "run.json", "restart-00.npz", "restart-01.npz"}
    assert json.loads((folder / "result.json").read_text()) == json.loads(json.dumps(result))
    rows = list(csv.DictReader((folder / "trace.csv").read_text().splitlines()))
    assert {row["accepted"] for row in rows} == {"True", "False"}
    again = summary(run_into_folder("sum", 5, folder, resume=True, settings=QUICK), "sum", 5, folder)
    assert {**again, "seconds": 0, "machine": ""} == {**result, "seconds": 0, "machine": ""}


def test_embedding_keeps_the_function_and_the_links():
    network = PROBLEMS["duplicates"].network
    machine = embed(handcrafted(), network)
    assert same(machine, handcrafted())
    assert set(machine.neurons) == set(network.neurons)
    with pytest.raises(LabError, match="neuron 'eos': the network has another one of that name"):
        embed(handcrafted("!"), network)
    with pytest.raises(LabError, match="hard links are not those that the network has there"):
        embed(handcrafted().unlink("accum.dict-1", "accum.dict"), network)
    loop = handcrafted().link("norm.dict", "compare.true", 1.0)
    with pytest.raises(LabError, match="loop"):
        embed(loop, network)
    two = handcrafted()
    for name in ("accum-b", "accum-c"):
        two = two.with_neuron(name, two.neurons["accum"])
        two = two.link(f"{name}.dict-2", "input.char", 1.0).link("norm.dict", f"{name}.dict", 1.0)
    with pytest.raises(LabError, match="no free accum in layer 1"):
        embed(two, network)


@pytest.mark.slow
def test_every_damage_breaks_the_machine():
    task = Task(PROBLEMS["duplicates"])
    assert len(DAMAGES) == 10
    assert task.error(task.weights(embed(handcrafted(), task.network))) < 1e-12
    for damage in DAMAGES.values():
        broken = embed(damage(handcrafted()), task.network)
        assert task.error(task.weights(broken)) > 1e-3
