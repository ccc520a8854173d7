"""Search: several restarts go through the phases, unattended; the smallest exact machine wins.

A restart is one draw of random weights and what :mod:`dmmlab.synthesis.phases` make of it. Restarts
run side by side, and each is saved after every phase, so that a synthesis that was killed goes on
where it was. Validation strings choose the winner; test strings say how good it is.
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

from ..compiler.weights import Weights, count_links, flatten, is_finite, masked, unflatten
from ..core.errors import LabError
from ..core.files import load_arrays, read_json, save_arrays, write_json
from ..core.machine import Machine
from ..machines.detectors import handcrafted
from ..machines.isomorphism import same
from ..machines.networks import Network
from .phases import PHASES
from .problems import Problem
from .rounding import TOLERANCE, Verdict, round_off, tested
from .settings import Settings
from .tasks import Task, random_key
from .trace import Event, Trace

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Restart:
    """One restart of a synthesis, as far as it has come."""

    index: int
    weights: Weights
    done: int = 0  # phases finished
    trace: Trace = field(default_factory=Trace)
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Synthesis:
    """The result of a synthesis: the verdict on its best machine, and all its restarts."""

    problem: Problem
    task: Task
    best: Verdict
    restarts: Sequence[Restart]
    seconds: float

    @property
    def machine(self) -> Machine:
        """The best machine."""
        return self.best.machine

    @property
    def best_restart(self) -> Restart:
        """The restart that led to the best machine."""
        return next(restart for restart in self.restarts if restart.verdict is self.best)

    @property
    def verdict(self) -> str:
        """The verdict on the best machine, in words."""
        best, target = self.best, self.problem.target
        error = max(best.validation_max_abs_error, best.test_max_abs_error)
        if not best.exact:
            how = "within 0.001, not exact" if best.is_within_tolerance else "not exact"
            return f"{best.links} links, {how}: off by up to {error:.3g} on strings it has not seen"
        sizes = {abs(float(link.weight)) for link in best.machine.links() if not link.hard}
        kind = "all of weight 1 or -1, " if sizes == {1.0} else "weights small fractions, " if sizes else ""
        if isinstance(target, Machine) and same(best.machine, target):
            name = "handcrafted detector" if same(target, handcrafted()) else "machine to be imitated"
            return f"{best.links} links, {kind}exact: this is the {name}"
        return f"{best.links} links, {kind}exact on all strings it has not seen"

    def events(self) -> list[dict[str, Any]]:
        """The events of all restarts, one restart after the other."""
        return [{"restart": restart.index, **event._asdict()} for restart in self.restarts for event in restart.trace.events]

    def outcomes(self) -> list[dict[str, Any]]:
        """The verdict on each restart, without its machine."""
        rows = []
        for restart in self.restarts:
            if (verdict := restart.verdict) is not None:
                measures = {name: value for name, value in verdict._asdict().items() if name != "machine"}
                seconds = restart.trace.events[-1].seconds
                rows.append({"restart": restart.index, **measures, "exact": verdict.exact, "seconds": seconds})
        return rows

    def trace(self) -> "pd.DataFrame":
        """:meth:`events` as a table."""
        import pandas as pd

        return pd.DataFrame(self.events())

    def frame(self) -> "pd.DataFrame":
        """:meth:`outcomes` as a table, a row for each restart."""
        import pandas as pd

        return pd.DataFrame(self.outcomes()).set_index("restart")


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

    The restarts run side by side on as many cores as there are. If none of ``settings.restarts`` is
    exact on the validation strings there are as many more, up to ``settings.rounds`` times. No more
    are made once ``settings.agreeing`` of them have ended, each by itself, in an exact machine of
    the same number of links, and none in a smaller one. The
    best is the machine with the fewest links that is exact there; if there is none, the one with
    the fewest links that is within the tolerance; else the one with the smallest error. Test
    strings are run at the end, and choose nothing.

    Args:
        problem: what is asked.
        network: where to start; the problem's own network if left out.
        key: a seed, or a JAX key; the training and test strings and all random weights come from
            it.
        settings: the defaults if left out.
        task: a task of your own (other training strings), instead of the problem and the network.
        folder: where each restart is saved after each of its phases, and taken up again if it is
            there. The machine that comes of it is the same as that of an uninterrupted run, on the
            same computer.
        progress: a progress bar.

    Returns:
        The best machine, and all restarts. ``best.exact`` says whether it is exact.

    Raises:
        LabError: the folder holds a run of another problem, key or settings; or no restart ends in
            finite numbers.
    """
    began = time.monotonic()
    settings = settings or Settings()
    key = random_key(key)
    seed = int(jax.random.bits(key))
    task = task or Task(problem, network, seed=seed)
    description = {"question": task.problem.question, "task": task.fingerprint, "seed": seed}
    store = _Store(folder, description | {"settings": json.loads(json.dumps(asdict(settings)))})
    for penalty in {"proximal", settings.penalty}:  # what all restarts need is made before they go side by side
        task.error(task.descend(task.initial_weights(key, settings.scale), 0, (1.0, 1.0), (1.0, 1.0), penalty=penalty))
    stop = threading.Event()
    restarts: list[Restart] = []
    each = len(PHASES) + 1
    with _bar(settings.restarts * each, progress) as bar, ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for number in range(settings.rounds):
            indices = range(number * settings.restarts, (number + 1) * settings.restarts)
            futures = [pool.submit(_run_restart, task, i, key, settings, store, stop, bar.update) for i in indices]
            _ = task.evaluator  # made meanwhile
            try:
                for future in futures:  # in their order, so that those that count do not depend on which is done first
                    restarts.append(future.result())
                    if _agree(restarts, settings.agreeing):
                        break
            except BaseException:
                stop.set()
                raise
            if _agree(restarts, settings.agreeing):
                stop.set()
                pool.shutdown(cancel_futures=True)
            if any(restart.verdict is not None and restart.verdict.is_valid for restart in restarts):
                break
            bar.total += settings.restarts * each if number + 1 < settings.rounds else 0
    verdicts = {restart.index: restart.verdict for restart in restarts if restart.verdict is not None}
    if not verdicts:
        raise LabError("every restart left the finite numbers; a smaller learning rate may help")
    winner = min(verdicts, key=lambda index: _rank(verdicts[index]))
    for index, verdict in verdicts.items():
        if index == winner or verdict.is_valid:
            restarts[index].verdict = verdicts[index] = tested(task, verdict)
    return Synthesis(task.problem, task, verdicts[winner], restarts, time.monotonic() - began)


def _run_restart(
    task: Task, index: int, key: Any, settings: Settings, store: "_Store", stop: threading.Event, tick: Callable
) -> Restart:
    restart_key = jax.random.fold_in(key, index)
    restart = store.load(index, task) or Restart(index, task.initial_weights(restart_key, settings.scale))
    tick(restart.done)
    for number, phase in enumerate(PHASES.values()):
        if number < restart.done:
            continue
        if stop.is_set() or not is_finite(restart.weights):
            return restart
        restart.weights = phase(task, restart.weights, settings, restart.trace, jax.random.fold_in(restart_key, number))
        restart.done = number + 1
        store.save(restart)
        tick(1)
    if is_finite(restart.weights):
        restart.verdict = round_off(task, task.machine(restart.weights))
    tick(1)
    return restart


def _agree(restarts: Sequence[Restart], count: int) -> bool:
    """Whether the fewest links of a machine that is exact on validation strings came ``count`` times."""
    links = [restart.verdict.links for restart in restarts if restart.verdict is not None and restart.verdict.is_valid]
    return count > 0 and bool(links) and links.count(min(links)) >= count


def _rank(verdict: Verdict) -> tuple:
    """Better verdicts first; validation strings alone count."""
    error = verdict.validation_max_abs_error
    if verdict.is_valid or error < TOLERANCE:
        return (not verdict.is_valid, verdict.links, error)
    return (2, error, verdict.links)


class _Store:
    """The folder of a run: its settings, and a file for each restart."""

    def __init__(self, folder: str | os.PathLike | None, description: dict):
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


def _bar(total: int, shown: bool) -> Any:
    from tqdm.auto import tqdm

    return tqdm(total=total, unit="phase", disable=not shown)
