"""A synthesis in a folder: the machine, its trace, and what is needed to take it up again."""

import csv
import io
import math
import os
from pathlib import Path
from typing import Any

from ..core.errors import LabError, one_of
from ..core.files import write_json, write_text
from .catalogue import PROBLEMS
from .search import Synthesis, synthesize
from .settings import Settings


def run_into_folder(
    name: str,
    seed: int,
    folder: str | os.PathLike,
    resume: bool = False,
    settings: Settings | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """Synthesizes a machine for a problem of the catalogue.

    Writes ``machine.json``, ``restarts.csv``, ``trace.csv`` and ``result.json``; while it works, a
    file for each restart after each phase.

    Args:
        name: of :data:`~dmmlab.synthesis.catalogue.PROBLEMS`.
        seed: of the synthesis.
        folder: where to write.
        resume: whether to go on with a run that was interrupted.
        settings: the defaults if left out.
        progress: a progress bar.

    Returns:
        The verdict, as ``result.json`` has it.

    Raises:
        LabError: an unknown problem; a folder that holds a run, without ``resume``; one of another
            run, with it.
    """
    if name not in PROBLEMS:
        raise LabError(one_of("problem", name, PROBLEMS))
    folder = Path(folder)
    if resume and not (folder / "run.json").exists():
        raise LabError(f"{folder}: holds no run to go on with; leave out --resume")
    if (folder / "run.json").exists() and not resume:
        raise LabError(f"{folder}: holds a run already; --resume goes on with it, or name another folder")
    if folder.is_dir() and not resume and any(folder.iterdir()):
        raise LabError(f"{folder}: is not empty; name another folder")
    synthesis = synthesize(PROBLEMS[name], key=seed, settings=settings, folder=folder, progress=progress)
    return _write(synthesis, name, seed, folder)


def _write(synthesis: Synthesis, name: str, seed: int, folder: Path) -> dict[str, Any]:
    best, file = synthesis.best, folder / "machine.json"
    best.machine.to_json(file)
    write_text(folder / "restarts.csv", _csv(synthesis.outcomes()))
    write_text(folder / "trace.csv", _csv(synthesis.events()))
    result = {
        "problem": name,
        "seed": seed,
        "links": best.links,
        "train_loss": _or_null(best.train_loss),
        "heldout_max_abs_error": _or_null(best.validation_max_abs_error),
        "test_max_abs_error": _or_null(best.test_max_abs_error),
        "exact": best.exact,
        "rounded": best.rounded,
        "verdict": synthesis.verdict,
        "starts": len(synthesis.restarts),
        "seconds": round(synthesis.seconds, 1),
        "machine": str(file),
    }
    write_json(folder / "result.json", result)
    return result


def _csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _or_null(x: float) -> float | None:
    """JSON has no infinity."""
    return x if math.isfinite(x) else None
