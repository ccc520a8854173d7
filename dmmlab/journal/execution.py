"""Executes the journal: every numbered notebook, with papermill, two at a time where possible.

Notebooks are independent, so it does not matter which ends first; results come in notebook order.
One process executes one notebook at a time, because papermill changes the working folder of its
whole process. Processes are spawned, never forked, so that a parent in which JAX has run can start
them.

An executed notebook is written even when a cell fails, with the traceback in it. Its outputs hold
no data about the computer: time stamps, paths and widget state are removed, so that two executions
of a notebook differ only in their results. Each notebook gets an HTML page that needs no network
(:mod:`dmmlab.journal.pages`).
"""

import ast
import contextlib
import json
import math
import os
import re
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import LabError, Pickled, one_of
from ..core.files import write_text
from ..core.vvalues import describe
from . import pages

PROJECT = Path(__file__).resolve().parents[2]
KEPT = "dmmlab"  # the key of our data in a notebook's metadata


class JournalError(LabError):
    """The journal cannot be executed: no such notebook, no such parameter."""


class CellFailed(Pickled, Exception):
    """A cell of a notebook raised an error, or its kernel ended.

    The message shows the cell and the end of the traceback.
    """

    def __init__(self, notebook: str, message: str):
        self.notebook = notebook
        super().__init__(message)


@dataclass(frozen=True)
class Executed:
    """The results of one notebook's run."""

    name: str
    seconds: float
    notebook: Path
    page: Path


def folder() -> Path:
    """Returns the notebooks' folder: in the current folder, or in the checkout of ``dmmlab``.

    Returns:
        The folder.

    Raises:
        JournalError: there is no such folder.
    """
    for candidate in (Path("notebooks"), PROJECT / "notebooks"):
        if any(candidate.glob("[0-9]*.ipynb")):
            return candidate
    raise JournalError("no notebooks here: run this in a checkout of the project, or name the notebooks")


def notebooks(names: Iterable[str] = ()) -> list[Path]:
    """Returns the notebooks with these names, or all notebooks of the journal.

    Args:
        names: paths, or beginnings of the names of the journal's notebooks, such as ``03``.

    Returns:
        The notebooks in the order of ``names``, without duplicates; or all, sorted by name.

    Raises:
        JournalError: a name fits no notebook, or several.
    """
    names = list(names)
    if not names:
        return sorted(folder().glob("[0-9]*.ipynb"))
    found: list[Path] = []
    for name in names:
        path = Path(name)
        if path.suffix == ".ipynb" and path.is_file():
            found.append(path)
            continue
        matches = sorted(folder().glob("[0-9]*.ipynb"))
        near = [p for p in matches if p.name == name or p.stem == name] or [
            p for p in matches if name and p.name.startswith(name)
        ]
        if len(near) != 1:
            known = ", ".join(p.stem for p in near or matches)
            raise JournalError(f"notebook {name!r}: {'which of' if near else 'no such notebook; there are'} {known}")
        found += near
    return list(dict.fromkeys(found))


def execute(
    path: Path,
    out: Path,
    parameters: Mapping[str, Any] | None = None,
    on_cell: Callable[[], object] = lambda: None,
) -> Executed:
    """Executes one notebook and writes ``out/notebooks/NAME.ipynb`` and ``out/html/NAME.html``.

    Its ``figures`` parameter, the folder for exported files, is set to ``out/figures``.

    Args:
        path: the notebook. It runs in its own folder.
        out: the output folder.
        parameters: values for its ``parameters`` cell, from :func:`parse_parameters`; parameters
            that this notebook does not have are ignored.
        on_cell: called when the kernel has started, and after each code cell.

    Returns:
        The results of the run.

    Raises:
        CellFailed: a cell raised an error, or the kernel ended; the executed notebook and its page
            are written anyway.
        JournalError: the file is not a notebook, or results cannot be written.
    """
    pm = _papermill()
    target, page, scratch = out / "notebooks" / path.name, pages.page_of(out, path.stem), _scratch(out, path)
    prepare(out)
    known = _parameters_of(path)
    given = {"figures": os.path.relpath(out / "figures", path.parent), **(parameters or {})}
    started = time.monotonic()
    try:
        pm.execute_notebook(
            path,
            scratch,
            parameters={name: value for name, value in given.items() if name in known},
            kernel_name="python3",
            language="python",
            cwd=path.parent,
            progress_bar=False,
            iopub_timeout=300,  # seconds for the outputs of a cell that has ended: a busy computer needs more than 4
            extra_arguments=["--log-level=40"],  # errors only; warnings are about the computer, not about the journal
            on_notebook_start=lambda notebook: on_cell(),
            on_cell_executed=lambda cell, **_: None if "injected-parameters" in _tags(cell) else on_cell(),
        )
    except pm.PapermillExecutionError as error:
        raise CellFailed(path.stem, _shown(path, target, error)) from None
    except (RuntimeError, TimeoutError) as error:  # from nbclient
        raise CellFailed(path.stem, f"{path.name}: {str(error).splitlines()[0]}; what ran before is in {target}") from None
    except OSError as error:
        raise JournalError(f"{target}: cannot be written: {error.strerror or error}") from None
    finally:
        if scratch.exists():
            _finish(scratch, target, page, (out / "figures", path.parent.parent / "figures"))
            scratch.unlink()
    return Executed(path.stem, time.monotonic() - started, target, page)


def parse_parameters(paths: Iterable[Path], texts: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Parses values of parameters; each gets the type of the notebook's own value.

    Args:
        paths: the notebooks.
        texts: pairs of a parameter's name and its value as text.

    Returns:
        The values by name.

    Raises:
        JournalError: no notebook has such a parameter, or the value has the wrong type.
    """
    defaults = {name: default for path in paths for name, default in _parameters_of(path).items()}
    values = {}
    for name, text in texts:
        if name not in defaults:
            raise JournalError(one_of("parameter", name, defaults))
        if not text.isprintable():
            raise JournalError(f"parameter {name!r}: {describe(text)} is not printable text")
        try:
            default = ast.literal_eval(defaults[name])
        except ValueError:
            raise JournalError(f"parameter {name!r}: computed as {defaults[name]!r}, so it cannot be given") from None
        values[name] = text if isinstance(default, str) else _value_like(default, text, f"parameter {name!r}")
    return values


def prepare(out: Path) -> None:
    """Creates the folders for the results.

    Args:
        out: their parent folder.

    Raises:
        JournalError: they cannot be created, or written to.
    """
    for path in (out / "notebooks", out / "html", out / "figures"):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalError(f"{path}: cannot be made: {error.strerror}") from None
        if not os.access(path, os.W_OK):
            raise JournalError(f"{path}: cannot be written to: Permission denied")


def update(executed: Executed, source: Path) -> None:
    """Stores a run's outputs in the notebook it came from, without the injected parameters.

    Args:
        executed: the run.
        source: the notebook.
    """
    import nbformat

    notebook = nbformat.read(executed.notebook, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if "injected-parameters" not in _tags(cell)]
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    for number, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), start=1):
        cell.execution_count = number
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = number
    notebook.metadata[KEPT] = {"seconds": 10 * math.ceil(executed.seconds / 10)}  # rounded to tens, so that it seldom changes
    write_text(source, nbformat.writes(notebook) + "\n")


def last_seconds(path: Path) -> float:
    """Returns how long a notebook took when its outputs were stored; infinite if unknown."""
    import nbformat

    kept = nbformat.read(path, as_version=4).metadata.get(KEPT)
    seconds = kept.get("seconds") if isinstance(kept, dict) else None
    return seconds if isinstance(seconds, int | float) else math.inf


def _scratch(out: Path, path: Path) -> Path:
    """Returns the file where papermill saves a notebook while it runs."""
    return out / "notebooks" / f".{path.name}"


def _shown(path: Path, target: Path, error: Any) -> str:
    """Returns the message for a papermill error."""
    source = "\n".join(f"    {line}" for line in error.source.splitlines())
    return (
        f"{path.name}: cell [{error.exec_count}] failed:\n\n{source}\n\n"
        f"{error.ename}: {error.evalue}\n\nThe whole traceback is in {target}"
    )


def _finish(scratch: Path, target: Path, page: Path, figures: Sequence[Path]) -> None:
    """Cleans an executed notebook, signs it as trusted on this computer, and writes its page."""
    import nbformat
    from nbformat.sign import NotebookNotary

    notebook = nbformat.read(scratch, as_version=4)
    notebook.metadata.pop("papermill", None)
    notebook.metadata.pop("widgets", None)
    notebook.cells = [cell for cell in notebook.cells if "papermill-error-cell-tag" not in _tags(cell)]
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata = {"tags": _tags(cell)} if _tags(cell) else {}
        _keep_stills(cell)
    write_text(target, nbformat.writes(notebook) + "\n")
    with contextlib.suppress(Exception):  # if the home is read-only, the notebook opens untrusted, with PNG pictures
        NotebookNotary().sign(nbformat.read(target, as_version=4))
    write_text(page, pages.page(notebook, target.stem, figures))


def _keep_stills(cell: Any) -> None:
    """Removes explorers, which need a running kernel; their still pictures stay."""
    view = "application/vnd.jupyter.widget-view+json"
    if cell.cell_type == "code":
        cell.outputs = [output for output in cell.outputs if view not in output.get("data", {})]
        for number, output in enumerate(cell.outputs):
            page = output.get("data", {}).get("text/html", "")
            name = re.match(r'(?:<style>[^<]*</style>)?<div id="(dmmlab-[0-9a-f]{32})"', page)  # a style for the explorer
            if name is not None:  # occurs twice: in the element, and in the script that looks for it
                output.data["text/html"] = page[page.index("<div") :].replace(name[1], f"dmmlab-{cell.id}-{number}")


def _parameters_of(path: Path) -> dict[str, str]:
    """Returns a notebook's parameters, each with its default as an expression."""
    import nbformat

    try:
        cells = nbformat.read(path, as_version=4).cells
        source = next((cell.source for cell in cells if "parameters" in _tags(cell)), "")
    except Exception as error:  # nbformat and jsonschema raise errors of various types
        raise JournalError(f"{path}: not a notebook that can be executed: {str(error).splitlines()[0]}") from None
    found: dict[str, str] = {}
    with contextlib.suppress(SyntaxError):  # shown when the cell is executed
        for node in ast.parse(re.sub(r"(?m)^[%!].*", "", source)).body:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                found |= {target.id: ast.unparse(node.value) for target in targets if isinstance(target, ast.Name)}
    return found


def _value_like(default: Any, text: str, name: str) -> Any:
    """Parses a JSON or Python value; it must have the type of the default."""
    value: Any = text
    for read in (ast.literal_eval, json.loads):
        with contextlib.suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            value = read(text.strip())
    if type(value) is int and isinstance(default, float):
        value = float(value)
    if default is not None and type(value) is not type(default):
        raise JournalError(f"{name}: expected a value like {default!r}, got {text!r}")
    return value


def _tags(cell: Any) -> list[str]:
    return cell.metadata.get("tags", [])


def _papermill() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations in its dependencies, on import
            import papermill
    except ImportError:
        raise JournalError("the journal needs more packages: pip install 'dmmlab[journal]'") from None
    return papermill
