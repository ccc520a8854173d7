"""lab.py as a reader meets it, in a folder of its own with nothing to install."""

import hashlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]


@pytest.fixture
def home(tmp_path):
    """A folder with lab.py, beside a pyproject.toml of nothing that pip could install."""
    folder = tmp_path / "my lab"
    folder.mkdir()
    shutil.copy(PROJECT / "lab.py", folder)
    (folder / "pyproject.toml").write_text("nothing")
    return folder


def lab(home, *arguments):
    """The process of a command; what it prints is read as text."""
    environment = {name: value for name, value in os.environ.items() if name != "CONDA_DEFAULT_ENV"}
    return subprocess.Popen(
        [sys.executable, str(home / "lab.py"), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, env=environment, cwd=home,
    )  # fmt: skip


def installed(home, program):
    """A .venv that lab.py has made and finished, whose python is a program of ours."""
    python = home / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    (python.parent / "program.py").write_text(program)
    command = shlex.join([sys.executable, str(python.parent / "program.py")])  # a path after #! could have no space
    python.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    python.chmod(0o755)
    wanted = hashlib.sha256((home / "pyproject.toml").read_bytes() + str(home.resolve()).encode()).hexdigest()
    (home / ".venv" / "installed.txt").write_text(wanted)


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_that_it_did_not_make_stays_as_it_is(home):
    mine = home / ".venv"
    (mine / "bin").mkdir(parents=True)
    (mine / "bin" / "python").write_text("mine")
    (mine / "pyvenv.cfg").write_text("home = elsewhere")
    before = contents(mine)
    with lab(home, "journal") as process:
        printed = process.communicate(timeout=60)
    assert process.returncode == 2
    assert printed[0] == ""
    assert printed[1].startswith(
        f"lab.py: {mine} is there already, and lab.py did not make it: it stays as it is. Move it away"
    )
    assert printed[1].count("\n") == 1
    assert contents(mine) == before


def test_a_link_to_a_folder_stays_as_it_is(home, tmp_path):
    installed(home, "")
    (home / ".venv").rename(tmp_path / "elsewhere")
    (home / ".venv").symlink_to(tmp_path / "elsewhere")
    (home / "pyproject.toml").write_text("something new")
    before = contents(tmp_path / "elsewhere")
    with lab(home, "test") as process:
        assert process.communicate(timeout=60)[1].count("lab.py did not make it") == 1
    assert process.returncode == 2
    assert contents(tmp_path / "elsewhere") == before


def test_what_it_made_is_used(home):
    installed(home, "import sys; print(sys.argv[1:]); sys.exit(7)")
    with lab(home, "journal", "01", "--jobs", "1") as process:
        printed = process.communicate(timeout=60)
    assert printed == ("['-m', 'dmmlab', 'journal', '01', '--jobs', '1']\n", "")
    assert process.returncode == 7


@pytest.mark.slow
def test_what_it_made_is_made_anew(home):
    """Here pip fails; what is then there is lab.py's all the same, and the next call begins again."""
    installed(home, "")
    (home / "pyproject.toml").write_text("something new")
    for _ in range(2):
        with lab(home, "journal") as process:
            printed = process.communicate(timeout=120)[1]
        assert process.returncode == 1
        assert "lab.py: installing what the journal needs into .venv" in printed
        assert "lab.py: the set-up failed: " in printed
        assert (home / ".venv" / "installed.txt").read_text() == "unfinished"
        assert (home / ".venv" / "pyvenv.cfg").exists()


INTERRUPTED = """
import sys, time
try:
    print("at work", flush=True)
    time.sleep(600)
except KeyboardInterrupt:
    time.sleep(1.5)  # it shuts its kernels down, say: longer than subprocess waits before it kills
    print("interrupted; to go on: ...", file=sys.stderr)
    sys.exit(130)
"""


@pytest.mark.slow
def test_an_interrupt_is_left_to_the_command(home):
    installed(home, INTERRUPTED)
    with lab(home, "journal") as process:
        assert process.stdout.readline() == "at work\n"
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        assert process.stderr.read() == "interrupted; to go on: ...\n"
        assert process.wait(timeout=60) == 130


def test_an_interrupt_of_the_set_up_is_one_line(home):
    with lab(home, "journal") as process:
        assert process.stderr.readline().startswith("lab.py: installing")
        deadline = time.monotonic() + 60
        while not (home / ".venv" / "installed.txt").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        assert process.stderr.read().splitlines()[-1] == "lab.py: interrupted; the same command begins again"
        assert process.wait(timeout=60) == 130


def test_an_instruction_set_is_passed_on(home, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--first")
    installed(home, "import os, sys; print(os.environ['XLA_FLAGS'], sys.argv[1:])")
    with lab(home, "journal", "--isa", "SSE4_2", "07") as process:
        printed = process.communicate(timeout=60)
    assert printed == ("--first --xla_cpu_max_isa=SSE4_2 ['-m', 'dmmlab', 'journal', '07']\n", "")
