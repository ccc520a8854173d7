"""Search: trains and prunes several restarts unattended; the smallest exact machine wins.

A restart draws random weights, and takes them through :mod:`dmmlab.pruning.phases`. Restarts run in
parallel threads. Each is saved after every phase, so that a killed synthesis can be resumed.
Validation strings select the winner; test strings measure its quality. If a budget or an interrupt
ends a synthesis early, the best machine so far is kept.
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
from ..pruning.phases import PHASES, run_phases
from ..pruning.rounding import rank, round_off, tested
from ..pruning.settings import Settings
from ..pruning.smaller_machines import with_fewer_links
from ..pruning.tasks import Stopped, Task
from ..pruning.trace import Event, Trace
from .progress import SearchState, View
from .restart_files import Restart, RestartFolder
from .synthesis_result import Synthesis

REFRESH = 0.25  # seconds between two checks of the progress


class NothingToKeep(LabError):
    """A search ended without a machine; ``why`` says why it ended early, if it did."""

    def __init__(self, problem: str, why: str = ""):
        super().__init__(problem)
        self.why = why


class Search:
    """Runs the restarts of one task in parallel.

    Args:
        task: the problem and the network.
        key: a JAX key for the random weights.
        settings: the settings of the synthesis.
        store: where restarts are saved.
        state: the state for the progress display.
        view: displays the progress.
        stop: an event; another thread sets it to end the search.
        rounds: the numbers of the rounds, of ``settings.restarts`` restarts each;
            ``range(settings.rounds)`` if left out.
        threads: number of parallel restarts; the number of cores if left out.
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
        self.why = ""  # the search ended early

    def run(self) -> Synthesis:
        """Runs the restarts.

        Returns:
            The best machine, and all restarts.

        Raises:
            NothingToKeep: every restart diverges to non-finite numbers; or the search ended before
                there was a machine to keep.
            LabError: there is nothing to learn in the problem.
            KeyboardInterrupt: an interrupt before there was a machine to keep.
        """
        with self._stopping(), noted_interrupts(self.interrupted), jax.debug_nans(False):  # restarts may diverge
            self._prepare()
            self._run_rounds()
        return self._result()

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        """Ends the threads; an interrupt is no error if there is a machine to keep."""
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
        """Compiles the programs that all restarts need, and checks the problem meanwhile."""
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
        """Runs rounds of restarts, until a restart is exact."""
        each = self.settings.restarts
        with ThreadPoolExecutor(self.threads) as pool:
            for number in self.rounds:
                self.state.planned = (number + 1 - self.rounds.start) * each
                new = [Restart(i, []) for i in range(number * each, (number + 1) * each)]
                self.restarts += new
                futures = [pool.submit(self._run_restart, restart) for restart in new]
                if number == self.rounds.start:
                    pool.submit(lambda: self.task.evaluator)  # built in the meantime
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
        """Waits for restarts in index order, so that their speed does not change the result."""
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
        """Runs the remaining phases of a restart; the search itself handles NaN."""
        with jax.debug_nans(False):
            self._run_phases(restart)

    def _run_phases(self, restart: Restart) -> None:
        if self.stop.is_set():  # before this restart began
            return
        restart_key = jax.random.fold_in(self.key, restart.index)
        saved = self.store.load(restart.index, self.task)
        restart.weights = self.task.initial_weights(restart_key, self.settings.scale)
        restart.trace = Trace()  # its clock starts here, not when the restart was planned
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
            left = run_phases(self.task, restart.weights, self.settings, restart.trace, restart_key, restart.done)
            for restart.done, restart.weights in left:
                self.store.save(restart)
                if self.stop.is_set():
                    break
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
        """Returns the verdicts; the winner and exact machines also have test errors."""
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
    """Sets an event on an interrupt, in addition to the usual handling.

    Python drops the KeyboardInterrupt if a callback of the garbage collector is running, and JAX
    has such a callback.
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
    """Returns whether ``count`` restarts, exact on validation strings, have the fewest links."""
    links = [
        restart.verdict.links for restart in restarts if restart.verdict is not None and restart.verdict.exact_on_validation
    ]
    return count > 0 and bool(links) and links.count(min(links)) >= count
