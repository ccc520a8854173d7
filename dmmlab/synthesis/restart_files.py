"""Restarts, and the folder that keeps them: each is saved after every phase, and taken up again."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..compiler.weights import Weights, count_links, flatten, masked, unflatten
from ..core.errors import LabError
from ..core.files import load_arrays, read_json, save_arrays, write_json
from ..core.summaries import Facts, summarised
from .phases import PHASES
from .rounding import Verdict
from .tasks import Task
from .trace import Event, Trace


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


class RestartFolder:
    """The folder of a run: its settings, and a file for each restart."""

    def __init__(self, folder: str | os.PathLike | None, description: Mapping[str, Any]):
        self.folder = None if folder is None else Path(folder)
        if self.folder is None:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LabError(f"{folder}: cannot be made: {error.strerror}") from None
        file = self.folder / "run.json"
        if file.exists() and read_json(file) != description:
            raise LabError(f"{folder}: holds a run with another problem, seed or settings; name another folder")
        write_json(file, description)

    def load(self, index: int, task: Task) -> Restart | None:
        if self.folder is None or not self._file(index).exists():
            return None
        arrays = load_arrays(self._file(index))
        try:
            columns = [arrays[name].tolist() for name in Event._fields]
            events = [Event(*row) for row in zip(*columns, strict=True)]
            weights, done = unflatten(arrays["weights"], task.mask), int(arrays["done"])
            links = count_links(masked(weights, task.mask))
            if (
                not 0 < done <= len(PHASES)
                or not events
                or count_links(weights) != links
                or arrays["weights"].dtype.kind != "f"
            ):
                raise ValueError
            return Restart(index, weights, done, Trace(events, list(arrays["snapshots"])))
        except (KeyError, ValueError, TypeError, IndexError, OverflowError):
            raise LabError(f"{self._file(index)}: not a restart of this run; delete it") from None

    def save(self, restart: Restart) -> None:
        if self.folder is None:
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
