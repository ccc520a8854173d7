"""A synthesis in a folder: the machine, its trace, files to resume from; tables of runs."""

import json
import math
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import LabError
from ..core.files import csv_text, read_json, write_json, write_text
from ..problems.problem_files import load_problem
from ..problems.problems import Problem
from ..pruning.settings import Settings
from ..search.folder_locks import LOCK
from ..search.portfolio import synthesize
from ..search.progress import View
from ..search.synthesis_result import Synthesis

if TYPE_CHECKING:
    import pandas as pd


def run_into_folder(
    name: str,
    seed: int,
    folder: str | os.PathLike,
    resume: bool = False,
    settings: Settings | None = None,
    progress: bool | View | None = False,
    budget: float | None = None,
    problem: Problem | None = None,
) -> Synthesis:
    """Synthesizes a machine for a problem, and writes the results into a folder.

    Writes ``machine.json``, ``restarts.csv``, ``trace.csv`` and ``result.json``. During the
    synthesis, it writes a file for each restart after each phase.

    Args:
        name: a name in the catalogue, or ``file.py:name``
            (:func:`~dmmlab.problems.problem_files.load_problem`).
        seed: the seed of the synthesis.
        folder: where to write.
        resume: whether to resume an interrupted run.
        settings: the defaults if left out.
        progress: as in :func:`~dmmlab.search.portfolio.synthesize`.
        budget: time limit in seconds.
        problem: the problem itself; looked up by ``name`` if left out.

    Returns:
        The synthesis; ``result.json`` has its :func:`summary`.

    Raises:
        LabError: an unknown problem; the folder holds a run, without ``resume``, or another run,
            with it.
    """
    problem = load_problem(name) if problem is None else problem
    folder = Path(folder)
    if resume and not (folder / "run.json").exists():
        raise LabError(f"{folder}: holds no run to go on with; leave out --resume")
    if (folder / "run.json").exists() and not resume:
        raise LabError(f"{folder}: holds a run already; --resume goes on with it, or name another folder")
    if folder.is_dir() and not resume and any(path.name != LOCK for path in folder.iterdir()):
        raise LabError(f"{folder}: is not empty; name another folder")
    settings = settings or Settings()
    synthesis = synthesize(problem, seed=seed, settings=settings, folder=folder, progress=progress, budget=budget)
    synthesis.machine.to_json(folder / "machine.json")
    write_text(folder / "restarts.csv", csv_text(synthesis.outcomes()))
    write_text(folder / "trace.csv", csv_text(synthesis.events()))
    write_json(folder / "result.json", summary(synthesis, name, seed, folder))
    return synthesis


def summary(synthesis: Synthesis, name: str, seed: int, folder: str | os.PathLike) -> dict[str, Any]:
    """Returns the result of a run as one flat table row, in JSON values.

    Args:
        synthesis: the finished synthesis.
        name: the name of the problem.
        seed: the seed of the synthesis.
        folder: the folder of the machine.

    Returns:
        The row; non-finite numbers are None.
    """
    best = synthesis.best
    return {
        "problem": name,
        "seed": seed,
        "links": best.links,
        "train_loss": _or_null(best.train_loss),
        "heldout_max_abs_error": _or_null(best.validation_max_abs_error),
        "test_max_abs_error": _or_null(best.test_max_abs_error),
        "exact": best.exact,
        "rounded": best.rounded,
        "verdict": synthesis.verdict,
        **({"grade": "tested", "rows": synthesis.problem.rows} if synthesis.problem.is_recorded else {}),
        "delays": list(synthesis.delays),
        "starts": len(synthesis.restarts),
        "exact_restarts": sum(row["exact"] for row in synthesis.outcomes()),
        "tried": list(synthesis.tried),
        "queries": synthesis.queries,
        "seconds": round(synthesis.seconds, 1),
        "machine": str(Path(folder) / "machine.json"),
    }


def compare_runs(folders: Iterable[str | os.PathLike]) -> "pd.DataFrame":
    """Compares runs: a row for each, with its result and the settings in which they differ.

    Args:
        folders: the folders of finished runs.

    Returns:
        The table; its index is the folders' names.

    Raises:
        LabError: a folder holds no finished run.
    """
    import pandas as pd

    rows, settings = {}, {}
    for folder in map(Path, folders):
        if not (folder / "result.json").is_file():
            raise LabError(f"{folder}: holds no finished run")
        rows[str(folder)] = read_json(folder / "result.json")
        settings[str(folder)] = read_json(folder / "run.json").get("settings", {})
    columns = ["problem", "seed", "links", "exact", "test_max_abs_error", "starts", "exact_restarts", "seconds"]
    table = pd.DataFrame.from_dict(rows, orient="index").reindex(columns=columns).rename(columns={"starts": "restarts"})
    for name in asdict(Settings()):
        values = [json.dumps(each.get(name)) for each in settings.values()]
        if len(set(values)) > 1:
            table[name] = values
    return table.rename_axis("run")


def _or_null(x: float) -> float | None:
    """Returns None for a non-finite number, since JSON has no infinity."""
    return x if math.isfinite(x) else None
