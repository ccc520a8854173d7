"""Sweeps over problems, seeds and settings: one table, the same machines wherever they are found."""

import csv
import math
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from dmmlab import PROBLEMS, Machine
from dmmlab.cli.commands import main
from dmmlab.core import LabError
from dmmlab.core.files import write_json
from dmmlab.june2022.replay import recurrent_2022
from dmmlab.runs import sweeps
from dmmlab.runs.sweeps import success_rates, sweep
from dmmlab.search.provenance import provenance

QUICK = {
    "recurrent": [1],
    "restarts": [1],
    "rounds": [1],
    "fit_steps": [50],
    "ramp_steps": [400],
    "cool_steps": [50],
    "retrain_steps": [50],
    "finish_steps": [50],
    "trials": [10],
}


def row(exact, **settings):
    return {"problem": "sum", "exact": exact, "links": 2 if exact else None, "seconds": 1.0, **settings}


def test_success_rates_have_wilson_intervals():
    """The formula of E. B. Wilson, 1927."""
    n, successes, z = 20, 19, 1.959963984540054
    p = successes / n
    centre, spread = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    (rate,) = success_rates([row(i > 0) for i in range(n)])
    assert (rate["syntheses"], rate["exact"], rate["rate"], rate["links"]) == (20, 19, 0.95, 2)
    assert rate["low"] == pytest.approx((centre - spread) / (1 + z * z / n), abs=1e-4)
    assert rate["high"] == pytest.approx((centre + spread) / (1 + z * z / n), abs=1e-4)


def test_success_rates_by_what_differs():
    rows = [row(seed > 1, recurrent=copies, restarts=8) for copies in (2, 3) for seed in range(copies)]
    assert [(r["recurrent"], r["exact"], r["syntheses"]) for r in success_rates(rows)] == [(2, 0, 2), (3, 1, 3)]
    assert success_rates(rows)[0]["links"] is None
    assert "restarts" not in success_rates(rows)[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["summ"], [1], {}), "problem 'summ'"),
        ((["sum"], [1], {"ramp": [1]}), "setting 'ramp'"),
        ((["sum"], [1], {"ramp_steps": ["many"]}), "ramp_steps 'many': expected a value like 8000"),
        ((["sum"], [1], {"ramp_steps": [1.5]}), "ramp_steps 1.5: expected a value like 8000"),
        ((["sum"], [1], {"penalty": ["l7"]}), "penalty 'l7'"),
        ((["sum"], [1], {"recurrent": [-1]}), "recurrent -1: expected a whole number from 0"),
        ((["sum"], [1], {"all_fields": [1]}), "all_fields 1: expected 0, or 1 beside recurrent from 1 on"),
        ((["sum"], [1], {"all_fields": [2], "recurrent": [1]}), "all_fields 2: expected 0, or 1 beside recurrent"),
        ((["sum"], [], {}), "0 syntheses"),
        ((["sum"], [1, 1], {}), "stands twice"),
    ],
)
def test_sweeps_that_cannot_be(arguments, message, tmp_path):
    problems, seeds, values = arguments
    with pytest.raises(LabError, match=message):
        sweep(problems, seeds, tmp_path / "out", values)
    assert not (tmp_path / "out").exists()


def test_the_network_of_2022_is_a_start():
    task = sweeps._task(PROBLEMS["duplicates"], 1, {"recurrent": 5, "all_fields": 1, "every": 0})
    assert len(task.network.links) == 20306
    assert set(task.network.links) == set(recurrent_2022(5).links)
    again = sweeps._task(PROBLEMS["duplicates"], 2, {"recurrent": 5, "all_fields": 1, "every": 0})
    assert again.programs is task.programs  # what is compiled serves all seeds


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "3:3"], "expected A:B"),
        (["--seeds", "-1:3"], "expected A:B"),
        (["--seeds", "one"], "expected A:B"),
        (["--seeds", "1", "--set", "ramp_steps"], "expected name=value,value"),
        (["--seeds", "1", "--set", "ramp_steps=1", "--set", "ramp_steps=2"], "a setting stands twice"),
    ],
)
def test_arguments_that_cannot_be(arguments, message, tmp_path, capsys):
    out = ["--out", str(tmp_path / "out")]
    try:
        status = main(["sweep", "sum", f"{arguments[0]}={arguments[1]}", *arguments[2:], *out])
    except SystemExit as exit:
        status = exit.code
    assert status == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.slow
def test_a_sweep_on_the_command_line(tmp_path, capsys):
    sets = [text for name, values in QUICK.items() for text in ("--set", f"{name}={values[0]}")]
    arguments = ["sweep", "sum", "--seeds", "4:6", *sets, "--set", "every=0,3", "--out", str(tmp_path / "out"), "--jobs", "1"]
    assert main(arguments) == 0
    told = capsys.readouterr().out
    assert told.count("sum, seed") == 4
    with (tmp_path / "out" / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(each["seed"], each["every"]) for each in rows] == [("4", "0"), ("5", "0"), ("4", "3"), ("5", "3")]
    assert {each["ramp_steps"] for each in rows} == {"400"}
    for folder in (tmp_path / "out").glob("*/"):
        assert Machine.from_json(folder / "machine.json").count() > 0
    assert main([*arguments, "--resume", "--json"]) == 0
    assert '"syntheses": 4' in capsys.readouterr().out


def test_a_sweep_of_other_code_is_another(tmp_path):
    folder = tmp_path / "sum-1"
    folder.mkdir()
    write_json(folder / "row.json", row(True))
    described = {"problems": ["sum"], "seeds": [1], "values": {"l1": [[1e-6, 1e-3]]}, "budget": None}
    made_by = {key: provenance(())[key] for key in ("versions", "code")}
    write_json(tmp_path / "run.json", described | made_by | {"code": "older"})
    with pytest.raises(LabError, match="holds another run, with other code: name another folder"):
        sweep(["sum"], [1], tmp_path, {"l1": [(1e-6, 1e-3)]}, resume=True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # what Dask says when a worker is killed
def test_a_worker_that_is_killed(tmp_path, monkeypatch):
    """All rows come; the machines are those of a single process, byte for byte."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    address = f"tcp://127.0.0.1:{_free_port()}"
    common = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    dask = [sys.executable, "-m", "dask"]
    scheduler = subprocess.Popen([*dask, "scheduler", "--host", address, "--no-dashboard"], **common)
    worker = [*dask, "worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory"]
    workers = [subprocess.Popen([*worker, str(tmp_path / f"worker-{i}")], **common) for i in range(2)]
    rows = []

    def kill_one(row):
        rows.append(row)
        if len(rows) == 3:
            os.kill(workers[0].pid, signal.SIGKILL)

    try:
        _wait_for(address, 2)
        seeds = list(range(8))
        done = sweep(["sum"], seeds, tmp_path / "cluster", QUICK, scheduler=address, tell=kill_one)
        assert workers[0].wait(60) == -signal.SIGKILL
        assert [row["seed"] for row in done] == seeds
        again = []
        assert sweep(["sum"], seeds, tmp_path / "cluster", QUICK, scheduler=address, resume=True, tell=again.append) == done
        assert not again
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()
    alone = sweep(["sum"], seeds, tmp_path / "alone", QUICK, jobs=1)
    differing = {"seconds"}
    assert [_without(row, differing) for row in alone] == [_without(row, differing) for row in done]
    for path in (tmp_path / "alone").glob("*/machine.json"):
        assert path.read_bytes() == (tmp_path / "cluster" / path.parent.name / "machine.json").read_bytes()


def _without(row, keys):
    return {key: value for key, value in row.items() if key not in keys}


def _free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def _wait_for(address, workers, seconds=120):
    from distributed import Client

    end = time.monotonic() + seconds
    while True:
        try:
            with Client(address, timeout=5, set_as_default=False) as client:
                client.wait_for_workers(workers, timeout=seconds)
            return
        except OSError:
            assert time.monotonic() < end, "no scheduler"
            time.sleep(0.5)
