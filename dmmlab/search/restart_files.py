"""Restarts, and the folder that keeps them: each is saved after every phase, and taken up again."""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..compiler.weights import Weights, count_links, flatten, is_finite, masked, unflatten
from ..core.errors import LabError
from ..core.files import read_json, write_json
from ..core.summaries import Facts, summarised
from ..learning.array_files import Expected, load_arrays, save_arrays
from ..pruning.phases import PHASES
from ..pruning.rounding import Verdict
from ..pruning.tasks import Task
from ..pruning.trace import Event, Trace
from .held_folder import held
from .provenance import differences


@summarised
@dataclass
class Restart:
    """One restart of a synthesis, as far as it has come."""

    index: int
    weights: Weights
    done: int = 0  # phases finished
    trace: Trace = field(default_factory=Trace)
    verdict: Verdict | None = None

    def _summary(self) -> tuple[str, Facts]:
        facts: dict[str, object] = {"links": count_links(self.weights), "events": len(self.trace.events)}
        if self.verdict is not None:
            facts["verdict"] = self.verdict._summary()[0]
        return f"Restart {self.index}: {self.done} of {len(PHASES)} phases", facts.items()


MOST_EVENTS = range(1, 100_001)  # of a restart; ten or a hundred are usual


class RestartFolder:
    """The folder of a run: its settings, and a file for each restart.

    As a context it is held: no other process or thread can work on it.

    Args:
        folder: the folder; nothing is kept if left out.
        description: of the run, as JSON has it: ``question``, ``task``, ``seed``, ``settings``, and
            its :func:`~dmmlab.search.provenance.provenance`.
    """

    def __init__(self, folder: str | os.PathLike | None, description: Mapping[str, Any]):
        self.folder = None if folder is None else Path(folder)
        self.description = description
        self._held = contextlib.ExitStack()

    def __enter__(self) -> "RestartFolder":
        """Begins the run, or goes on with it.

        Raises :class:`~dmmlab.core.errors.LabError` where the folder cannot be made, another
        process works on it, or it holds another run.
        """
        if self.folder is None:
            return self
        self._held.enter_context(held(self.folder))
        try:
            self._begin(self.folder)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def load(self, index: int, task: Task) -> Restart | None:
        """A restart as it was saved, or None.

        Args:
            index: of the restart.
            task: what it is to answer, which says what its arrays have to be.

        Returns:
            The restart.

        Raises:
            LabError: a file that is damaged, or not of this run.
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
        """Saves a restart, but one that has left the finite numbers: it would leave them again.

        Args:
            restart: as far as it has come.

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

    def _begin(self, folder: Path) -> None:
        file = folder / "run.json"
        if not file.exists():
            write_json(file, self.description)
            return
        there = read_json(file)
        if not isinstance(there, dict):
            raise LabError(f"{file}: not the description of a run")
        if found := differences(there, self.description):
            raise LabError(f"{folder}: holds another run, with {'; '.join(found)}: name another folder")

    def _file(self, index: int) -> Path:
        assert self.folder is not None
        return self.folder / f"restart-{index:02}.npz"
