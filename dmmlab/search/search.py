"""Search: several restarts go through the phases, unattended; the smallest exact machine wins.

A restart is one draw of random weights and what :mod:`dmmlab.pruning.phases` make of it. Restarts
run side by side in threads, and each is saved after every phase, so that a
synthesis that was killed goes on where it was. Validation strings choose the winner; test strings
say how good it is. Whatever ends a synthesis early, a budget or an interrupt, the best so far is
kept.
"""

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

import jax

from ..compiler.weights import is_finite, unflatten
from ..core.errors import LabError
from ..problems.problem_checks import check_problem, nothing_to_learn
from ..pruning.phases import PHASES
from ..pruning.rounding import rank, round_off, tested
from ..pruning.settings import Settings
from ..pruning.smaller_machines import with_fewer_links
from ..pruning.tasks import Stopped, Task
from ..pruning.trace import Event
from .progress import SearchState, View
from .restart_files import Restart, RestartFolder
from .synthesis_result import Synthesis

REFRESH = 0.25  # seconds between two looks at the progress


class NothingToKeep(LabError):
    """A search that ended without a machine; ``why`` it ended early, if it did."""

    def __init__(self, problem: str, why: str = ""):
        super().__init__(problem)
        self.why = why


class Search:
    """The restarts of one task, side by side on as many cores as there are.

    Args:
        task: what is asked, and the network.
        key: a JAX key, for the random weights.
        settings: how to go about it.
        store: where restarts are saved.
        state: for the view.
        view: shows the progress.
        stop: set it, from another thread, to end the search.
        rounds: of so many restarts each; ``range(settings.rounds)`` if left out.
        threads: restarts at a time; as many as there are cores, if left out.
    """

    def __init__(
        self,
        task: Task,
        key: Any,
        settings: Settings,
        store: RestartFolder,
        state: SearchState,
        view: View,
        stop: threading.Event | None = None,
        rounds: range | None = None,
        threads: int | None = None,
    ):
        self.task, self.key, self.settings, self.store, self.state = task, key, settings, store, state
        self.view, self.asked_to_stop, self.stop = view, stop, threading.Event()
        self.rounds, self.threads = rounds or range(settings.rounds), threads or os.cpu_count() or 1
        self.interrupted = threading.Event()
        self.restarts: list[Restart] = []
        self.why = ""  # it ended early

    def run(self) -> Synthesis:
        """Makes the restarts.

        Returns:
            The best machine, and all restarts.

        Raises:
            NothingToKeep: no restart ends in finite numbers; or the search was ended before there
                was anything to keep.
            LabError: a problem in which there is nothing to learn.
            KeyboardInterrupt: an interrupt before there was anything to keep.
        """
        with self._stopping(), noted_interrupts(self.interrupted), jax.debug_nans(False):  # restarts may end so
            self._prepare()
            self._run_rounds()
        return self._result()

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        """Ends the threads; an interrupt is no error if there is something to keep."""
        self.task.stop = self.stop
        try:
            yield
        except KeyboardInterrupt:
            if not any(restart.trace.snapshots for restart in self.restarts):
                raise
            self.why = "interrupted"
        finally:
            self.stop.set()
            self.task.stop = None

    def _prepare(self) -> None:
        """Compiles what all restarts need, and looks at the problem meanwhile."""
        self.view(self.state)
        problem, samples = self.task.problem, self.task.samples
        if nothing_to_learn(problem, samples):
            check_problem(problem, samples, self.task.unseen["validation"])
        with ThreadPoolExecutor(1) as pool:
            unseen = pool.submit(lambda: self.task.unseen)
            weights = self.task.initial_weights(self.key, self.settings.scale)
            for penalty in {"proximal", self.settings.penalty}:
                self.task.error(self.task.descend(weights, 1, (1.0, 1.0), (1.0, 1.0), penalty=penalty))
                self._look()
            check_problem(problem, samples, unseen.result()["validation"])

    def _run_rounds(self) -> None:
        """Round after round of restarts, until one is exact."""
        each = self.settings.restarts
        with ThreadPoolExecutor(self.threads) as pool:
            for number in self.rounds:
                self.state.planned = (number + 1 - self.rounds.start) * each
                new = [Restart(i, []) for i in range(number * each, (number + 1) * each)]
                self.restarts += new
                futures = [pool.submit(self._run_restart, restart) for restart in new]
                if number == self.rounds.start:
                    pool.submit(lambda: self.task.evaluator)  # made meanwhile
                try:
                    self._wait(futures, new)
                except BaseException:
                    self.stop.set()
                    raise
                finally:
                    if self.stop.is_set():
                        pool.shutdown(cancel_futures=True)
                if self.stop.is_set() or any(r.verdict is not None and r.verdict.exact_on_validation for r in self.restarts):
                    return

    def _wait(self, futures: Sequence[Future], restarts: Sequence[Restart]) -> None:
        """Waits for restarts in their order: which ones count does not depend on who is first."""
        for future, restart in zip(futures, restarts, strict=True):
            while not future.done():
                wait([future], timeout=REFRESH, return_when=FIRST_COMPLETED)
                self._look()
                self.view(self.state)
                if self.state.seconds_left == 0.0:
                    self._end(f"the budget of {self.state.budget:g} s is spent")
                elif self.asked_to_stop is not None and self.asked_to_stop.is_set():
                    self._end("stopped")
            future.result()
            if self.stop.is_set():
                continue
            if _agree(self.restarts[: restart.index + 1], self.settings.agreeing):
                self.stop.set()
                wait(futures[: restart.index + 1])
                self.restarts = self.restarts[: restart.index + 1]
                return

    def _look(self) -> None:
        if self.interrupted.is_set():
            raise KeyboardInterrupt

    def _end(self, why: str) -> None:
        self.why = self.why or why
        self.stop.set()

    def _run_restart(self, restart: Restart) -> None:
        """All phases of a restart, from where its file left it; the search deals with NaN."""
        with jax.debug_nans(False):
            self._run_phases(restart)

    def _run_phases(self, restart: Restart) -> None:
        if self.stop.is_set():  # while it waited for its turn
            return
        restart_key = jax.random.fold_in(self.key, restart.index)
        saved = self.store.load(restart.index, self.task)
        restart.weights = self.task.initial_weights(restart_key, self.settings.scale)
        if saved is not None:
            restart.weights, restart.done, restart.trace = saved.weights, saved.done, saved.trace

        def tell(event: Event) -> None:
            latest = restart.trace.snapshots[-1]
            with self.state.lock:
                self.state.events.setdefault(restart.index, []).append(event)
                self.state.snapshots[restart.index] = lambda: self.task.machine(unflatten(latest, self.task.mask))

        for event in restart.trace.events:
            tell(event)
        restart.trace.listener = tell
        try:
            for number, phase in enumerate(PHASES.values()):
                if number < restart.done:
                    continue
                if self.stop.is_set() or not is_finite(restart.weights):
                    break
                mine = jax.random.fold_in(restart_key, number)
                restart.weights = phase(self.task, restart.weights, self.settings, restart.trace, mine)
                restart.done = number + 1
                self.store.save(restart)
        except Stopped:
            return
        finally:
            restart.trace.listener = None
        if restart.done == len(PHASES):
            if is_finite(restart.weights):
                restart.verdict = with_fewer_links(self.task, round_off(self.task, self.task.machine(restart.weights)))
            with self.state.lock:
                self.state.verdicts[restart.index] = restart.verdict

    def _result(self) -> Synthesis:
        """The verdicts, the winner tested."""
        task, restarts = self.task, [restart for restart in self.restarts if restart.weights]
        if not any(restart.verdict is not None and restart.verdict.exact_on_validation for restart in restarts):
            for restart in restarts:
                if restart.verdict is None and restart.done < len(PHASES) and restart.trace.snapshots:
                    weights = unflatten(restart.trace.snapshots[-1], task.mask)
                    restart.verdict = round_off(task, task.machine(weights)) if is_finite(weights) else None
        verdicts = {i: restart.verdict for i, restart in enumerate(restarts) if restart.verdict is not None}
        if not verdicts and self.why:
            said = f"{self.why}, and there is no machine to keep yet; {self.state.seconds:.0f} s went by"
            raise NothingToKeep(said, self.why)
        if not verdicts:
            raise NothingToKeep("every restart left the finite numbers; a smaller learning rate may help")
        winner = min(verdicts, key=lambda i: rank(verdicts[i]))
        for i, verdict in verdicts.items():
            if i == winner or verdict.exact_on_validation:
                restarts[i].verdict = verdicts[i] = tested(task, verdict)
        synthesis = Synthesis(task.problem, task, verdicts[winner], restarts, self.state.seconds, self.why)
        self.state.outcome = f"{synthesis.verdict}; {len(restarts)} restarts"
        self.view(self.state)
        return synthesis


@contextmanager
def noted_interrupts(interrupted: threading.Event) -> Iterator[None]:
    """Sets an event on an interrupt, beside what happens anyway.

    Python drops the exception of one that comes while a callback of the garbage collector runs, and
    JAX has such a callback.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return

    def note(number: int, frame: Any) -> None:
        interrupted.set()
        before(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _agree(restarts: Sequence[Restart], count: int) -> bool:
    """Whether ``count`` restarts came to the fewest links of those exact on validation strings."""
    links = [
        restart.verdict.links for restart in restarts if restart.verdict is not None and restart.verdict.exact_on_validation
    ]
    return count > 0 and bool(links) and links.count(min(links)) >= count
