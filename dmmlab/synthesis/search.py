"""Synthesis: several starts through the phases, unattended; the smallest exact machine wins.

A start is one draw of random weights and what :mod:`dmmlab.synthesis.phases` make of it. Starts run side by side, and each is
saved after every phase, so that a synthesis that was killed goes on where it was.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from ..compiler.compiled import Weights
from ..core.errors import LabError
from ..core.files import load_arrays, read_json, save_arrays, write_json
from ..core.machine import Machine
from ..machines.canonical import same
from ..machines.detectors import handcrafted
from ..machines.networks import Network
from .phases import PHASES, Event, Settings, Trace, Verdict, count, round_off
from .problems import Problem
from .tasks import Task, flat, random_key, unflat

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Start:
    """One start of a synthesis, as far as it has come."""

    index: int
    weights: Weights
    done: int = 0  # phases finished
    trace: Trace = field(default_factory=Trace)
    verdict: Verdict | None = None

    @property
    def finite(self) -> bool:
        return all(bool(np.isfinite(np.asarray(w)).all()) for w in self.weights)


@dataclass(frozen=True)
class Synthesis:
    """What came of a synthesis: its best machine, and all its starts."""

    problem: Problem
    task: Task
    best: Verdict
    starts: Sequence[Start]
    seconds: float

    @property
    def machine(self) -> Machine:
        return self.best.machine

    @property
    def best_start(self) -> Start:
        """The start that the best machine came of."""
        return next(start for start in self.starts if start.verdict is self.best)

    @property
    def verdict(self) -> str:
        """What the machine is, in words."""
        best, target = self.best, self.problem.target
        if not best.exact:
            return f"{best.links} links, not exact: off by up to {best.heldout_max_abs_error:.3g} on strings it has not seen"
        sizes = {abs(float(link.weight)) for link in best.machine.links() if not link.hard}
        kind = "all of weight 1 or -1, " if sizes == {1.0} else "weights small fractions, " if best.rounded and sizes else ""
        about = f"{best.links} links, {kind}"
        if isinstance(target, Machine) and same(best.machine, target):
            name = "handcrafted detector" if same(target, handcrafted()) else "machine to be imitated"
            return f"{about}exact: this is the {name}"
        return f"{about}exact on all strings it has not seen"

    def events(self) -> list[dict[str, Any]]:
        """What was tried in all starts, one after the other."""
        return [{"start": start.index, **event._asdict()} for start in self.starts for event in start.trace.events]

    def outcomes(self) -> list[dict[str, Any]]:
        """What came of each start, but for its machine."""
        rows = [(start, start.verdict._asdict()) for start in self.starts if start.verdict]
        spent = {start.index: start.trace.events[-1].seconds for start, _ in rows}
        return [
            {"start": s.index, **{k: v for k, v in row.items() if k != "machine"}, "seconds": spent[s.index]} for s, row in rows
        ]

    def trace(self) -> "pd.DataFrame":
        """:meth:`events` as a table."""
        import pandas as pd

        return pd.DataFrame(self.events())

    def frame(self) -> "pd.DataFrame":
        """:meth:`outcomes` as a table, a row for each start."""
        import pandas as pd

        return pd.DataFrame(self.outcomes()).set_index("start")


def synthesize(
    problem: Problem,
    network: Network | None = None,
    key: Any = 0,
    *,
    settings: Settings | None = None,
    task: Task | None = None,
    folder: str | os.PathLike | None = None,
    progress: bool = False,
) -> Synthesis:
    """Looks for the smallest exact machine that answers a problem.

    Args:
        problem: what is asked.
        network: where to start; the problem's own network if left out.
        key: a seed, or a JAX key; the strings to learn from and all random weights come from it.
        settings: the defaults if left out.
        task: a task of your own (other strings to learn from), instead of the problem and the network.
        folder: where each start is saved after each of its phases, and taken up again if it is there. The machine that
            comes of it is the same as that of an uninterrupted run, on the same computer.
        progress: a progress bar.

    The starts run side by side on as many cores as there are. If none of ``settings.starts`` is exact there are as many
    more, up to ``settings.rounds`` times. The best is the exact machine with the fewest links, rounded ones first; if
    none is exact, the one with the smallest error on held-out strings, and ``best.exact`` is False.

    Raises :class:`~dmmlab.core.errors.LabError` if the folder holds a run of another problem, key or settings.
    """
    began = time.monotonic()
    settings = settings or Settings()
    key = random_key(key)
    seed = int(jax.random.bits(key))
    task = task or Task(problem, network, seed=seed)
    about = {"question": task.problem.question, "task": task.fingerprint, "seed": seed}
    store = _Store(folder, about | {"settings": json.loads(json.dumps(asdict(settings)))})
    for penalty in {"proximal", settings.penalty}:  # what all starts need is made before they go side by side
        task.descend(task.start(key, settings.scale), 0, (1.0, 1.0), (1.0, 1.0), penalty=penalty)
    _ = task.heldout
    stop = threading.Event()
    starts: list[Start] = []
    each = len(PHASES) + 1
    with _bar(settings.starts * each, progress) as bar, ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for number in range(settings.rounds):
            indices = range(number * settings.starts, (number + 1) * settings.starts)
            futures = [pool.submit(_one_start, task, i, key, settings, store, stop, bar.update) for i in indices]
            try:
                starts += [future.result() for future in futures]
            except BaseException:
                stop.set()
                raise
            verdicts = [start.verdict for start in starts if start.verdict is not None]
            if any(verdict.exact for verdict in verdicts):
                break
            bar.total += settings.starts * each if number + 1 < settings.rounds else 0
    if not verdicts:
        raise LabError("every start left the finite numbers; a smaller learning rate may help")
    return Synthesis(task.problem, task, min(verdicts, key=_rank), starts, time.monotonic() - began)


def _one_start(task: Task, index: int, key: Any, settings: Settings, store: "_Store", stop: Any, tick: Callable) -> Start:
    mine = jax.random.fold_in(key, index)
    start = store.load(index, task) or Start(index, task.start(mine, settings.scale))
    tick(start.done)
    for number, phase in enumerate(PHASES.values()):
        if number < start.done:
            continue
        if stop.is_set() or not start.finite:
            return start
        start.weights = phase(task, start.weights, settings, start.trace, jax.random.fold_in(mine, number))
        start.done = number + 1
        store.save(start)
        tick(1)
    if start.finite:
        start.verdict = round_off(task, task.machine(start.weights))
    tick(1)
    return start


def _rank(verdict: Verdict) -> tuple:
    if verdict.exact:
        return (0, verdict.links, not verdict.rounded, verdict.heldout_max_abs_error)
    return (1, verdict.heldout_max_abs_error, verdict.links, 0)


class _Store:
    """The folder of a run: its settings, and a file for each start."""

    def __init__(self, folder: str | os.PathLike | None, about: dict):
        self.folder = None if folder is None else Path(folder)
        if self.folder is None:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LabError(f"{folder}: cannot be made: {error.strerror}") from None
        file = self.folder / "run.json"
        if file.exists() and read_json(file) != about:
            raise LabError(f"{folder}: holds a run with another problem, seed or settings; name another folder")
        write_json(file, about)

    def load(self, index: int, task: Task) -> Start | None:
        if self.folder is None or not self._file(index).exists():
            return None
        arrays = load_arrays(self._file(index))
        try:
            columns = [arrays[name].tolist() for name in Event._fields]
            events = [Event(*row) for row in zip(*columns, strict=True)]
            weights, done = unflat(arrays["weights"], task.mask), int(arrays["done"])
            links = count([w * m for w, m in zip(weights, task.mask, strict=True)])
            if not 0 < done <= len(PHASES) or not events or count(weights) != links or arrays["weights"].dtype.kind != "f":
                raise ValueError
            return Start(index, weights, done, Trace(events, list(arrays["snapshots"])))
        except (KeyError, ValueError, TypeError, IndexError, OverflowError):
            raise LabError(f"{self._file(index)}: not a start of this run; delete it") from None

    def save(self, start: Start) -> None:
        if self.folder is None:
            return
        columns = zip(*start.trace.events, strict=True)
        arrays = {name: np.asarray(column) for name, column in zip(Event._fields, columns, strict=True)}
        arrays |= {"weights": flat(start.weights), "done": np.asarray(start.done), "snapshots": np.stack(start.trace.snapshots)}
        save_arrays(self._file(start.index), arrays)

    def _file(self, index: int) -> Path:
        assert self.folder is not None
        return self.folder / f"start-{index:02}.npz"


def _bar(total: int, shown: bool) -> Any:
    from tqdm.auto import tqdm

    return tqdm(total=total, unit="phase", disable=not shown)
