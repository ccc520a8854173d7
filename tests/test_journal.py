"""The journal: what is committed, and how it is executed."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from dmmlab.cli.commands import main
from dmmlab.journal import execution as journal

PROJECT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((PROJECT / "notebooks").glob("[0-9]*.ipynb"))


def cells(path, kind="code"):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def test_notebooks_are_numbered_without_gaps():
    assert [int(path.name[:2]) for path in NOTEBOOKS] == list(range(1, len(NOTEBOOKS) + 1))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_committed_notebook_comes_from_one_clean_run(path):
    code = cells(path)
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not any(output.output_type == "error" for cell in code for output in cell.outputs)
    for cell in code:
        for output in cell.outputs:
            if "image/svg+xml" in output.get("data", {}):
                assert "image/png" in output.data  # for viewers that do not trust the notebook
    text = path.read_text()
    for private in (str(PROJECT), str(Path.home()) + "/", "/tmp/", "papermill", "injected-parameters"):
        assert private not in text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_shape_of_a_notebook(path):
    first, *_, last = cells(path, "markdown")
    assert "**Question.**" in first.source
    assert "## What was learned" in last.source
    code = cells(path)
    assert code[0].metadata.tags == ["parameters"]
    assert sum("assert " in cell.source for cell in code) >= 5
    assert max(len(cell.source.splitlines()) for cell in code) <= 25


def small_notebook(folder, *sources):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.cells[0].metadata["tags"] = ["parameters"]
    path = folder / "07 small one.ipynb"
    nbformat.write(notebook, path)
    return path


def execute(*arguments, cwd=None):
    """``dmmlab journal`` in a process of its own: it starts kernels, and a process in which JAX has run must not fork."""
    command = [sys.executable, "-m", "dmmlab", "journal", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120)


@pytest.mark.slow
def test_parameters_reach_the_notebook_with_their_types(tmp_path):
    path = small_notebook(tmp_path, 'cycles = 3\nname = "x"', "print(cycles + 1, name * 2)")
    done = execute(path, "-p", "cycles", 41, "-p", "name", 7, "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["failed"] is None
    executed = nbformat.read(result["executed"][0]["notebook"], as_version=4)
    assert executed.cells[-1].outputs[0].text == "42 77\n"
    assert "papermill" not in executed.metadata
    page = Path(result["executed"][0]["page"]).read_text()
    assert "42 77" in page
    assert not re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=[\"']?(?:https?:)?//", page)
    for text in ("many", "1.5", "true", "1e400"):
        with pytest.raises(journal.JournalError, match=f"parameter 'cycles': expected a value like 3, got '{text}'"):
            journal.parse_parameters([path], [("cycles", text)])


@pytest.mark.slow
def test_a_failing_cell_is_shown_and_nothing_is_lost(tmp_path):
    path = small_notebook(tmp_path, "a = 1", "print('before')", "a / 0", "print('never')")
    before = path.read_bytes()
    done = execute(path, "--out", tmp_path / "out", "--json")
    assert done.returncode == 1
    index = tmp_path / "out" / "html" / "index.html"
    assert json.loads(done.stdout) == {"executed": [], "failed": "07 small one", "site": str(index)}
    assert "07%20small%20one.html" in index.read_text()
    assert "cell [3] failed:\n\n    a / 0\n\nZeroDivisionError: division by zero" in done.stderr
    executed = nbformat.read(tmp_path / "out" / "notebooks" / path.name, as_version=4)
    assert executed.cells[1].outputs[0].text == "before\n"
    assert executed.cells[2].outputs[0].ename == "ZeroDivisionError"
    assert len(executed.cells) == 4
    assert path.read_bytes() == before
    assert not list((tmp_path / "out" / "notebooks").glob(".*"))


def test_files_that_are_no_notebooks(tmp_path, capsys):
    for name, text in [("empty", ""), ("number", "3"), ("object", "{}")]:
        path = tmp_path / f"{name}.ipynb"
        path.write_text(text)
        assert main(["journal", str(path), "--out", str(tmp_path / "out")]) == 2
        error = capsys.readouterr().err.splitlines()
        assert len(error) == 1, error
        assert "not a notebook that can be executed" in error[0]


@pytest.mark.slow
def test_update_stores_outputs_without_the_injected_cell(tmp_path):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    path = small_notebook(folder, 'figures = "../elsewhere"', "print(figures)")
    shutil.move(path, folder / "01_small.ipynb")
    assert execute("--update", cwd=tmp_path).returncode == 0
    code = cells(folder / "01_small.ipynb")
    assert [cell.execution_count for cell in code] == [1, 2]
    assert code[1].outputs[0].text == "../figures\n"
