"""``dmmlab explore``: a notebook of explorers of one machine, which runs as it is."""

import json

import nbformat
import pytest
from nbclient import NotebookClient

from dmmlab import Machine
from dmmlab.cli import commands
from dmmlab.cli.commands import main
from dmmlab.machines.detectors import handcrafted, published
from dmmlab.machines.networks import feedforward

OWN = """
import dmmlab as dm
ready = dm.PROBLEMS["sum"]
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def sources(path):
    return [cell.source for cell in nbformat.read(path, 4).cells]


def test_what_the_notebook_has(capsys):
    assert main(["explore", "published", "--no-open", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"notebook": "build/explore/published.ipynb", "problem": "duplicates", "links": 19}
    first, *cells = sources(told["notebook"])
    assert "Run All Cells" in first
    assert [cell.partition("(")[0] for cell in cells[1:]] == ["dm.StreamStepper", "dm.PruningExplorer", "dm.MachineEditor"]
    assert Machine.from_json("build/explore/published-machine.json") == published()


@pytest.mark.slow
def test_the_notebook_runs():
    assert main(["explore", "handcrafted", "--no-open", "--string", "noon", "--out", "here"]) == 0
    notebook = nbformat.read("here/handcrafted.ipynb", 4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": "here"}}).execute()
    shown = [output for cell in notebook.cells[2:] for output in cell.outputs if "data" in output]
    assert sum("application/vnd.jupyter.widget-view+json" in output["data"] for output in shown) == 3


def test_a_synthesis_is_explored_with_its_problem(tmp_path, capsys):
    run = tmp_path / "run 1"
    run.mkdir()
    assert main(["explore", str(run), "--no-open"]) == 2
    assert "a folder without machine.json" in capsys.readouterr().err
    handcrafted().to_json(run / "machine.json")
    (run / "result.json").write_text('{"problem": "sum"}')
    assert main(["explore", str(run), "--no-open"]) == 0
    assert capsys.readouterr().out == "build/explore/run 1.ipynb\n"
    assert "load_problem('sum')" in sources("build/explore/run 1.ipynb")[1]


def test_a_problem_of_the_readers_own_is_found_from_anywhere(tmp_path):
    (tmp_path / "mine.py").write_text(OWN)
    handcrafted().to_json("machine.json")
    assert main(["explore", "machine.json", "--no-open", "--problem", "mine.py:ready"]) == 0
    assert f"load_problem('{tmp_path / 'mine.py'}:ready')" in sources("build/explore/machine.ipynb")[1]


def test_a_large_machine_has_no_editor_and_one_without_problem_is_not_pruned():
    import jax

    feedforward(2, 2).random(jax.random.key(0)).to_json("large.json")
    assert main(["explore", "large.json", "--no-open"]) == 0
    assert [cell.partition("(")[0] for cell in sources("build/explore/large.ipynb")[2:]] == ["dm.StreamStepper"]


def test_a_notebook_that_was_changed_is_left_alone(capsys):
    for _ in range(2):
        main(["explore", "published", "--no-open"])
    assert capsys.readouterr().out.split() == ["build/explore/published.ipynb"] * 2
    notebook = nbformat.read("build/explore/published.ipynb", 4)
    notebook.cells.append(nbformat.v4.new_code_cell("mine"))
    nbformat.write(notebook, "build/explore/published.ipynb")
    main(["explore", "published", "--no-open"])
    assert capsys.readouterr().out.split() == ["build/explore/published-2.ipynb"]
    assert sources("build/explore/published.ipynb")[-1] == "mine"


@pytest.mark.parametrize("arguments", [["nobody"], ["published", "--problem", "nobody"], ["published", "--string", ""]])
def test_what_cannot_be_explored_is_told_in_one_line(arguments, capsys):
    assert main(["explore", *arguments, "--no-open"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("dmmlab explore: ")
    assert said.err.count("\n") == 1


def test_jupyterlab_is_opened(monkeypatch):
    called = []
    monkeypatch.setattr(commands.subprocess, "call", lambda command, **_: called.append(command) or 0)
    assert main(["explore", "published"]) == 0
    assert called[0][1:] == ["-m", "jupyterlab", "build/explore/published.ipynb"]
