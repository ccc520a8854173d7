"""The journal: what is committed, and how it is executed."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from dmmlab.cli.commands import main
from dmmlab.journal import execution as journal, several_at_once
from dmmlab.journal.execution import last_seconds
from dmmlab.journal.several_at_once import execute_all, longest_first

PROJECT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((PROJECT / "notebooks").glob("[0-9]*.ipynb"))


def cells(path, kind="code"):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def test_notebooks_are_numbered_without_gaps():
    assert [int(path.name[:2]) for path in NOTEBOOKS] == list(range(len(NOTEBOOKS)))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_committed_notebook_comes_from_one_clean_run(path):
    code = cells(path)
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not any(output.output_type == "error" for cell in code for output in cell.outputs)
    for cell in code:
        for output in cell.outputs:
            if "image/svg+xml" in output.get("data", {}):
                assert "image/png" in output.data  # for viewers that do not trust the notebook
            page = "".join(output.get("data", {}).get("text/html", ""))
            for name in re.findall(r'playHere\("([^"]*)"\)', page):
                assert page.startswith(f'<div id="{name}"')  # else the script does not find what it is to make live
    text = path.read_text()
    for private in (str(PROJECT), str(Path.home()) + "/", "/tmp/", "papermill", "injected-parameters"):
        assert private not in text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_shape_of_a_notebook(path):
    first, *_, last = cells(path, "markdown")
    assert "**Question.**" in first.source
    assert ("## Limits" if path.stem == "00_start_here" else "## What was learned") in last.source
    code = cells(path)
    assert code[0].metadata.tags == ["parameters"]
    assert sum("assert " in cell.source for cell in code) >= 5
    assert max(len(cell.source.splitlines()) for cell in code) <= 25


def small_notebook(folder, *sources, name="07 small one"):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.cells[0].metadata["tags"] = ["parameters"]
    path = folder / f"{name}.ipynb"
    nbformat.write(notebook, path)
    return path


WAIT = """import os, time
end = time.monotonic() + 30
while not os.path.exists({name!r}):
    assert time.monotonic() < end
    time.sleep(0.02)"""


def execute(*arguments, cwd=None):
    """``dmmlab journal`` in a process of its own, as from a shell."""
    command = [sys.executable, "-m", "dmmlab", "journal", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120)


@pytest.mark.slow
def test_parameters_reach_the_notebook_with_their_types(tmp_path):
    path = small_notebook(tmp_path, 'cycles = 3\nname = "x"', "print(cycles + 1, name * 2)")
    done = execute(path, "-p", "cycles", 41, "-p", "name", 7, "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["failed"] == []
    executed = nbformat.read(result["executed"][0]["notebook"], as_version=4)
    assert executed.cells[-1].outputs[0].text == "42 77\n"
    assert "papermill" not in executed.metadata
    page = Path(result["executed"][0]["page"]).read_text()
    assert "42 77" in page
    assert not re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=[\"']?(?:https?:)?//", page)
    for text in ("many", "1.5", "true", "1e400"):
        with pytest.raises(journal.JournalError, match=f"parameter 'cycles': expected a value like 3, got '{text}'"):
            journal.parse_parameters([path], [("cycles", text)])


ODD = [
    ('a = "a=b"', "a", "c=d", "c=d"),
    ("a = '#17375e'  # a colour = a text", "a", "#fff", "#fff"),
    ("a, b = 1, 2\nc = 3; d = (4,)", "d", "(5, 6)", (5, 6)),
    ("a: bool = False", "a", "True", True),
    ("a: bool = False", "a", "true", True),
    ("a = None", "a", "None", None),
    ("a = None", "a", "a word", "a word"),
    ("%matplotlib inline\na = [\n  'x',  # = one\n]", "a", "['b']", ["b"]),
    ("a = ['x']", "a", '["b"]', ["b"]),
    ("a = 0.5", "a", "2", 2.0),
]


@pytest.mark.parametrize(("source", "name", "text", "value"), ODD)
def test_odd_parameters(tmp_path, source, name, text, value):
    path = small_notebook(tmp_path, source)
    assert journal.parse_parameters([path], [(name, text)]) == {name: value}


@pytest.mark.slow
def test_a_notebook_without_a_kernel_and_with_odd_parameters(tmp_path):
    path = small_notebook(tmp_path, 'a = "a=b"; b = True  # = both', "print(a, b)")
    notebook = nbformat.read(path, as_version=4)
    del notebook.metadata["kernelspec"]
    nbformat.write(notebook, path)
    done = journal.execute(path, tmp_path / "out", journal.parse_parameters([path], [("a", "x=y"), ("b", "False")]))
    assert nbformat.read(done.notebook, as_version=4).cells[-1].outputs[0].text == "x=y False\n"


@pytest.mark.slow
def test_a_failing_cell_is_shown_and_nothing_is_lost(tmp_path):
    path = small_notebook(tmp_path, "a = 1", "print('before')", "a / 0", "print('never')")
    before = path.read_bytes()
    done = execute(path, "--out", tmp_path / "out", "--json")
    assert done.returncode == 1
    index = tmp_path / "out" / "html" / "index.html"
    assert json.loads(done.stdout) == {"executed": [], "failed": ["07 small one"], "site": str(index)}
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
    assert last_seconds(folder / "01_small.ipynb") == 10


def test_notebooks_that_took_longest_start_first(tmp_path):
    for name, seconds in (("01_a", 20), ("02_b", 350), ("03_c", None), ("04_d", "long")):
        path = small_notebook(tmp_path, "1", name=name)
        notebook = nbformat.read(path, as_version=4)
        notebook.metadata |= {} if seconds is None else {"dmmlab": {"seconds": seconds}}
        nbformat.write(notebook, path)
    assert [path.stem for path in longest_first(tmp_path.glob("*.ipynb"))] == ["04_d", "03_c", "02_b", "01_a"]


@pytest.mark.slow
def test_two_at_a_time_and_results_in_order(tmp_path, capsys):
    paths = [
        small_notebook(tmp_path, "open('first', 'w').close()", name="01_first"),
        small_notebook(tmp_path, "print('second')", name="02_second"),
        small_notebook(tmp_path, WAIT.format(name="first"), name="03_third"),  # starts first, ends last
    ]
    assert main(["journal", *map(str, paths), "--out", str(tmp_path / "out"), "--jobs", "2", "--json"]) == 0
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert [Path(each["notebook"]).name for each in result["executed"]] == [path.name for path in paths]
    assert result["failed"] == []
    lines = printed.err.splitlines()
    assert all(re.fullmatch(r"0\d_\w+ +[\d.]+ s", line) for line in lines)
    assert lines[0].startswith("02_second")  # the third started before it, and waited for the first
    assert len(lines) == 3
    assert re.findall('href="(0[^"]+)"', Path(result["site"]).read_text()) == [f"{path.stem}.html" for path in paths]


@pytest.mark.slow
def test_after_a_failure_the_others_are_executed_and_all_that_failed_is_told(tmp_path, capsys):
    paths = [
        small_notebook(tmp_path, "a / 0", name="01_first"),
        small_notebook(tmp_path, "print('second')", name="02_second"),
        small_notebook(tmp_path, "1 / 0", name="03_third"),
    ]
    out = tmp_path / "out"
    executed, failures = execute_all(paths, out, jobs=1, quiet=True)
    assert [each.name for each in executed] == ["02_second"]
    assert [failure.notebook for failure in failures] == ["01_first", "03_third"]
    assert "01_first.ipynb: cell [1] failed:\n\n    a / 0\n\nNameError" in str(failures[0])
    assert re.fullmatch(r"03_third +failed\n02_second +[\d.]+ s\n01_first +failed\n", capsys.readouterr().err)
    assert {path.name for path in (out / "notebooks").iterdir()} == {path.name for path in paths}


@pytest.mark.slow
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL])
def test_no_end_leaves_kernels_behind(kind, tmp_path):
    source = "import os, time\nopen(f'kernel {os.getpid()}', 'w').close()\ntime.sleep(600)"
    paths = [small_notebook(tmp_path, source, name=name) for name in ("01_first", "02_second")]
    command = [sys.executable, "-m", "dmmlab", "journal", *map(str, paths), "--out", str(tmp_path / "out"), "--jobs", "2"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        wait_for(lambda: len(list(tmp_path.glob("kernel *"))) == 2 or process.poll() is not None)
        os.killpg(process.pid, kind)  # as a terminal does, or a system that stops
        printed = process.communicate(timeout=60)
    if kind == signal.SIGINT:
        assert process.returncode == 130
        assert printed[0] == ""
        again = shlex.join(["journal", *map(str, paths), "--out", str(tmp_path / "out"), "--jobs", "2"])
        assert printed[1] == f"dmmlab journal: interrupted; to go on: dmmlab {again}\n"
    kernels = [int(path.name.split()[1]) for path in tmp_path.glob("kernel *")]
    assert len(kernels) == 2
    wait_for(lambda: not any(Path(f"/proc/{kernel}").exists() for kernel in kernels))
    wait_for(lambda: not list((tmp_path / "out" / "notebooks").glob(".*")))


@pytest.mark.slow
def test_a_kernel_that_ends_is_a_failure(tmp_path):
    path = small_notebook(tmp_path, "import os", "os._exit(3)")
    executed, [failure] = execute_all([path], tmp_path / "out", quiet=True)
    assert executed == []
    assert str(failure).startswith("07 small one.ipynb: Kernel died; what ran before is in ")
    assert (tmp_path / "out" / "html" / "07 small one.html").is_file()


@pytest.mark.parametrize(("cores", "memory", "jobs"), [(1, 64e9, 1), (2, 64e9, 2), (64, 64e9, 2), (8, 3e9, 1), (8, 0, 1)])
def test_how_many_at_a_time(monkeypatch, cores, memory, jobs):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)), raising=False)
    monkeypatch.setattr(several_at_once, "_available_bytes", lambda: memory)
    assert several_at_once.automatic_jobs() == jobs


def test_the_memory_that_is_available():
    assert 1e7 < several_at_once._available_bytes() < 1e15


def test_notebooks_of_the_same_name_are_not_executed_together(tmp_path):
    paths = [tmp_path / "a" / "01.ipynb", tmp_path / "b" / "01.ipynb"]
    with pytest.raises(journal.JournalError, match="both would be written to the same file"):
        execute_all(paths, tmp_path / "out")


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
