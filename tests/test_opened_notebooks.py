"""lab.py: a reader who plays with the notebooks finds the checkout as it was."""

import importlib.util
import inspect
import subprocess
from pathlib import Path

import pytest

from dmmlab.explorers import MachineEditor, PruningExplorer, StreamStepper, TrainingExplorer

PROJECT = Path(__file__).resolve().parents[1]


@pytest.fixture
def lab():
    spec = importlib.util.spec_from_file_location("lab", PROJECT / "lab.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folders(tmp_path):
    source, playground = tmp_path / "notebooks", tmp_path / "build" / "lab"
    source.mkdir()
    for name in ("01_a", "02_b"):
        (source / f"{name}.ipynb").write_text(name)
    (source / "notes.ipynb").write_text("not of the journal")
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "10-table.csv").write_text("measured")
    return source, playground


def copies(playground):
    return {path.name: path.read_text() for path in (playground / "notebooks").iterdir()}


def test_notebooks_are_copied(lab, folders):
    source, playground = folders
    lab.copy_notebooks(source, playground)
    assert copies(playground) == {"01_a.ipynb": "01_a", "02_b.ipynb": "02_b"}
    assert (playground / "figures" / "10-table.csv").read_text() == "measured"  # where "../figures" leads from there


def test_what_a_reader_changed_stays(lab, folders, capsys):
    source, playground = folders
    lab.copy_notebooks(source, playground)
    (playground / "notebooks" / "01_a.ipynb").write_text("mine")
    (playground / "notebooks" / "mine.ipynb").write_text("mine too")
    lab.copy_notebooks(source, playground)
    assert copies(playground) == {"01_a.ipynb": "mine", "02_b.ipynb": "02_b", "mine.ipynb": "mine too"}
    assert capsys.readouterr().err == ""  # there is no newer one, so there is nothing to say
    assert (source / "01_a.ipynb").read_text() == "01_a"


def test_what_a_reader_did_not_change_follows_the_checkout(lab, folders, capsys):
    source, playground = folders
    lab.copy_notebooks(source, playground)
    (playground / "notebooks" / "01_a.ipynb").write_text("mine")
    for path in source.iterdir():
        path.write_text("newer")
    for _ in range(2):
        lab.copy_notebooks(source, playground)
        assert copies(playground) == {"01_a.ipynb": "mine", "02_b.ipynb": "newer"}
        assert "01_a.ipynb has your changes and stays; to get the newer one, delete it" in capsys.readouterr().err
    (playground / "notebooks" / "01_a.ipynb").unlink()
    lab.copy_notebooks(source, playground)
    assert copies(playground) == {"01_a.ipynb": "newer", "02_b.ipynb": "newer"}


@pytest.mark.parametrize("record", ["{", "[1]", "3", ""])
def test_a_record_that_is_damaged_loses_nothing(lab, folders, record):
    source, playground = folders
    lab.copy_notebooks(source, playground)
    (playground / "notebooks" / "01_a.ipynb").write_text("mine")
    (playground / "copied.json").write_text(record)
    lab.copy_notebooks(source, playground)
    assert copies(playground) == {"01_a.ipynb": "mine", "02_b.ipynb": "02_b"}


def test_jupyterlab_is_opened_on_the_copies(lab, folders, monkeypatch):
    source, playground = folders
    called = []
    monkeypatch.setattr(lab, "PROJECT", source.parent)
    monkeypatch.setattr(lab, "PLAYGROUND", playground)
    monkeypatch.setattr(lab, "_is_conda_environment", lambda: True)
    monkeypatch.setattr(lab, "_run", lambda command, folder: called.append(command) or 0)
    assert lab.main(["edit"]) == 0
    assert not playground.exists()
    assert lab.main(["open", "--allow-root"]) == 0
    assert copies(playground)
    (_, _, _, notebooks), (_, _, module, root, preferred, first, option) = called
    assert notebooks == str(PROJECT / "notebooks")
    assert (module, option) == ("jupyterlab", "--allow-root")
    assert root == f"--ServerApp.root_dir={PROJECT / 'build' / 'lab'}"
    assert preferred == f"--ServerApp.preferred_dir={PROJECT / 'build' / 'lab' / 'notebooks'}"
    assert first == "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb"
    assert (PROJECT / "notebooks" / "00_start_here.ipynb").is_file()


@pytest.mark.parametrize("explorer", [MachineEditor, PruningExplorer, StreamStepper, TrainingExplorer])
def test_what_is_exported_goes_where_git_does_not_look(tmp_path, explorer):
    """Beside the notebook, be it a copy or one of the checkout; runs of the README's examples, too."""
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text((PROJECT / ".gitignore").read_text())
    default = inspect.signature(explorer).parameters["figures"].default
    names = [f"build/lab/notebooks/{default}/x.svg", f"notebooks/{default}/x.svg", "runs/duplicates-1/machine.json"]
    ignored = subprocess.run(["git", "check-ignore", *names], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ignored.stdout.split() == names


def test_notebooks_let_their_explorers_export_there():
    for path in (PROJECT / "notebooks").glob("[0-9]*.ipynb"):
        assert "figures=figures" not in path.read_text(encoding="utf-8")
