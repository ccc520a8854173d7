"""Writes a small notebook with explorers of one machine: a shortcut to those of the journal."""

import os
from pathlib import Path

import nbformat

from ..core.errors import LabError
from ..core.machine import Machine
from ..explorers.stream_stepper import MOST_SLIDERS

HOW = "**Run › Run All Cells** makes this page live. What is exported is written beside it."


def exploring_notebook(
    machine: Machine, name: str, folder: str | os.PathLike, problem: str | None = None, text: str = "test string."
) -> Path:
    """Writes a notebook in which a machine is stepped through, edited and pruned.

    The machine is written beside it. An existing notebook of that name with other cells is kept,
    and the new one is numbered.

    Args:
        machine: the machine to explore.
        name: the name of the notebook.
        folder: where it is written.
        problem: the name of the problem that the machine answers
            (:func:`~dmmlab.problems.problem_files.load_problem`). Without it, there are no right
            answers to compare with, and no pruning explorer.
        text: the string that the machine reads.

    Returns:
        The notebook's path.

    Raises:
        LabError: the folder cannot be created, or written to.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        machine.to_json(folder / f"{name}-machine.json")
        notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
        for number, (kind, source) in enumerate(_cells(machine, name, problem, text)):
            cell = nbformat.v4.new_markdown_cell if kind == "markdown" else nbformat.v4.new_code_cell
            notebook.cells.append(cell(source, id=f"cell-{number:02}"))
        path = _free(folder, name, notebook)
        nbformat.write(notebook, path)
    except OSError as error:
        raise LabError(f"{folder}: cannot be written: {error.strerror}") from None
    return path


def _cells(machine: Machine, name: str, problem: str | None, text: str) -> list[tuple[str, str]]:
    given = ", problem=problem" if problem else ""
    begin = ["import dmmlab as dm\n", f"machine = dm.Machine.from_json({f'{name}-machine.json'!r})"]
    if problem:
        begin += [f"problem = dm.problems.load_problem({_absolute(problem)!r})"]
    cells = [("markdown", f"# {name}\n\n{HOW}"), ("code", "\n".join(begin))]
    cells += [("code", f'dm.StreamStepper(machine, {text!r}{given}, figures=".")')]
    if problem:
        cells += [("code", 'dm.PruningExplorer(dm.PruningSession(dm.Task(problem, machine)), figures=".")')]
    if 0 < machine.count() <= MOST_SLIDERS:
        cells += [("code", f'dm.MachineEditor(machine, {text!r}{given}, figures=".")')]
    return cells


def _absolute(problem: str) -> str:
    """Returns the problem's name; the path of a file is made absolute."""
    file, colon, name = problem.rpartition(":")
    return f"{Path(file).resolve()}{colon}{name}" if colon and file.endswith(".py") else problem


def _free(folder: Path, name: str, notebook: nbformat.NotebookNode) -> Path:
    """Returns the first path of ``name``, ``name-2``, ... that is free or has just these cells."""
    number, path = 1, folder / f"{name}.ipynb"
    while path.exists():
        there = nbformat.read(path, nbformat.NO_CONVERT)
        if [cell.source for cell in there.cells] == [cell.source for cell in notebook.cells]:
            break
        number += 1
        path = folder / f"{name}-{number}.ipynb"
    return path
