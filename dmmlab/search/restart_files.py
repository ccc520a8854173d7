"""Restarts and their folder: each restart is saved after every phase, and can be resumed."""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..compiler.weights import Weights, count_links, flatten, is_finite, masked, unflatten
from ..core.errors import LabError
from ..core.summaries import Facts, summarised
from ..learning.array_files import Expected, load_arrays, save_arrays
from ..pruning.phases import PHASES
from ..pruning.rounding import Verdict
from ..pruning.tasks import Task
from ..pruning.trace import Event, Trace
from .folder_locks import begun
from .provenance import differences


@summarised
@dataclass
class Restart:
    """One restart of a synthesis, in its current state."""

    index: int
    weights: Weights
    done: int = 0  # number of finished phases
    trace: Trace = field(default_factory=Trace)
    verdict: Verdict | None = None

    def _summary(self) -> tuple[str, Facts]:
        facts: dict[str, object] = {"links": count_links(self.weights), "events": len(self.trace.events)}
        if self.verdict is not None:
            facts["verdict"] = self.verdict._summary()[0]
        return f"Restart {self.index}: {self.done} of {len(PHASES)} phases", facts.items()


MOST_EVENTS = range(1, 100_001)  # of a restart; 10 to 100 are usual


class RestartFolder:
    """The folder of a run: its settings, and a file for each restart.

    As a context manager it is locked: no other process or thread can work on it.

    Args:
        folder: the folder; with None, nothing is saved.
        description: the run in JSON values: ``question``, ``task``, ``seed``, ``settings``, and its
            :func:`~dmmlab.search.provenance.provenance`.
    """

    def __init__(self, folder: str | os.PathLike | None, description: Mapping[str, Any]):
        self.folder = None if folder is None else Path(folder)
        self.description = description
        self._held = contextlib.ExitStack()

    def __enter__(self) -> "RestartFolder":
        """Begins or resumes the run.

        Raises :class:`~dmmlab.core.errors.LabError` if the folder cannot be created, another
        process works on it, or it holds another run.
        """
        if self.folder is not None:
            self._held.enter_context(begun(self.folder, self.description, lambda *both: "; ".join(differences(*both))))
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def load(self, index: int, task: Task) -> Restart | None:
        """Loads a saved restart.

        Args:
            index: the index of the restart.
            task: the task of the run, which determines the shapes of the arrays.

        Returns:
            The restart, or None if it was not saved.

        Raises:
            LabError: the file is damaged, or belongs to another run.
        """
        if self.folder is None or not self._file(index).exists():
            return None
        path, size = self._file(index), sum(w.size for w in task.mask)
        kinds = {"phase": "U", "tried": "U", "links": "i", "error": "f", "accepted": "b", "seconds": "f"}
        arrays = load_arrays(
            path,
            {name: Expected((MOST_EVENTS,), kind) for name, kind in kinds.items()}
            | {
                "done": Expected((), "i"),
                "weights": Expected((size,), "f", task.mask[0].dtype, finite=True),
                "snapshots": Expected((MOST_EVENTS, size), "f", task.mask[0].dtype, finite=True),
            },
        )
        columns = [arrays[name].tolist() for name in Event._fields]
        weights, done = unflatten(arrays["weights"], task.mask), int(arrays["done"])
        for wrong, reason in (
            (len({*map(len, columns)}) > 1, "its columns are not of one length"),
            (len(arrays["snapshots"]) != sum(arrays["accepted"]), "there is not one snapshot for each accepted event"),
            (not 0 < done <= len(PHASES), f"{done} of {len(PHASES)} phases are done"),
            (count_links(weights) != count_links(masked(weights, task.mask)), "it has links that the network has not"),
            (not (np.isfinite(arrays["seconds"]) & (arrays["seconds"] >= 0)).all(), "its times are none"),
        ):
            if wrong:
                raise LabError(f"{path}: not a restart of this run: {reason}; delete it")
        return Restart(
            index, weights, done, Trace([Event(*row) for row in zip(*columns, strict=True)], list(arrays["snapshots"]))
        )

    def save(self, restart: Restart) -> None:
        """Saves a restart, unless it has diverged: it would diverge again.

        Args:
            restart: the restart in its current state.

        Raises:
            FileError: its file cannot be written.
        """
        if self.folder is None or not is_finite(restart.weights):
            return
        columns = zip(*restart.trace.events, strict=True)
        arrays = {name: np.asarray(column) for name, column in zip(Event._fields, columns, strict=True)}
        arrays |= {
            "weights": flatten(restart.weights),
            "done": np.asarray(restart.done),
            "snapshots": np.stack(restart.trace.snapshots),
        }
        save_arrays(self._file(restart.index), arrays)

    def _file(self, index: int) -> Path:
        assert self.folder is not None
        return self.folder / f"restart-{index:02}.npz"
