"""Ctrl-C: one line, exit status 130, and nothing left behind. Of the journal: test_journal.py; of lab.py: test_lab.py."""

import functools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dmmlab.cli import commands
from dmmlab.learning import training

PROJECT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("arguments", "again"),
    [
        (["run", "handcrafted", "--string", "a"], "the same command begins again"),
        (["bench", "step"], "the same command begins again"),
        (["replay", "recurrent"], "the same command begins again"),
        (["synthesize", "sum", "--out", "new"], "the same command begins again"),
        (["synthesize", "sum", "--out", "begun"], "to go on: dmmlab synthesize sum --out begun --resume"),
        (["tasks", "--out", "begun"], "to go on: dmmlab tasks --out begun --resume"),
        (["synthesize", "sum", "--resume", "--out", "begun"], "to go on: dmmlab synthesize sum --out begun --resume"),
    ],
)
def test_an_interrupt_is_one_line(arguments, again, tmp_path, monkeypatch, capsys):
    @functools.wraps(commands.COMMANDS[arguments[0]])  # the arguments are read from its signature
    def interrupted(**options):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "run.json").write_text("{}")
    monkeypatch.setitem(commands.COMMANDS, arguments[0], interrupted)
    assert commands.main(arguments) == 130
    assert capsys.readouterr() == ("", f"dmmlab {arguments[0]}: interrupted; {again}\n")


def interrupted(command, ready, **options):
    """The status and the standard error of a process that is interrupted when ``ready(process)`` has returned."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, **options
    ) as process:
        ready(process)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        said = process.communicate(timeout=60)[1]
    return process.returncode, said


def test_a_run_that_is_under_way():
    command = [sys.executable, "-m", "dmmlab", "run", "handcrafted", "--string", "ab", "--cycles", "100000", "--every-cycle"]
    status, said = interrupted(command, lambda process: [process.stdout.readline() for _ in range(100)])
    assert (status, said) == (130, "dmmlab run: interrupted; the same command begins again\n")


def test_while_modules_are_imported(tmp_path):
    """Before there is a command: here platformdirs takes long."""
    (tmp_path / "platformdirs.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(600)\n")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{PROJECT}"}
    command = [sys.executable, "-m", "dmmlab", "show", "handcrafted"]
    status, said = interrupted(command, lambda process: process.stdout.readline(), env=environment)
    assert (status, said) == (130, "dmmlab: interrupted\n")


@pytest.mark.slow
def test_a_replay_prints_the_steps_that_were_done(monkeypatch, capsys):
    def interrupted(compiled, batch, steps, **options):
        return train(compiled, batch, steps, stop=raising, **options)

    def raising(result):
        raise KeyboardInterrupt

    train = training.train
    monkeypatch.setattr(training, "train", interrupted)
    assert commands.main(["replay", "feedforward-run-2", "--steps", "200", "--json"]) == 130
    printed, said = capsys.readouterr()
    assert len(json.loads(printed)["loss"]) == 100
    assert said == "dmmlab replay: interrupted; the same command begins again\n"


@pytest.mark.slow
def test_a_synthesis_with_nothing_to_keep_yet(tmp_path):
    command = [sys.executable, "-m", "dmmlab", "synthesize", "words", "--out", str(tmp_path / "run")]

    def begun(process):
        wait_for(lambda: (tmp_path / "run" / "run.json").exists() or process.poll() is not None)

    status, said = interrupted(command, begun)
    assert status == 130
    assert said.endswith(f"to go on: dmmlab synthesize words --out {tmp_path / 'run'} --resume\n")
    assert "Traceback" not in said


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
