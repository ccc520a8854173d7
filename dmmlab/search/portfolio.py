"""Portfolio: a synthesis tries what is cheap first, and keeps the best.

If the target is an automaton, and no delay is given, a machine is made of its transitions
(:mod:`dmmlab.transitions.transitions`). Else, or if that fails, networks are trained and pruned
(:mod:`dmmlab.search.search`), one start after the other (:mod:`dmmlab.search.starts`), until
a machine is exact. Of a function, if the problem has no hints, what it answers to tests is its
state (:mod:`dmmlab.transitions.predictions`); of a table, what its rows show
(:mod:`dmmlab.sources.table_machines`).
"""

import contextlib
import json
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax

from ..core.errors import LabError, told
from ..core.machine import Machine
from ..machines.networks import Network
from ..problems.automata import Automaton
from ..problems.letter_classes import USUAL_LETTERS, Named, is_slow, name_letters
from ..problems.problem_checks import ProblemWarning, check_everywhere, check_reading, nothing_to_learn
from ..problems.problem_files import load_problem
from ..problems.problems import Problem
from ..problems.swaps import with_swaps
from ..proofs.counterexamples import counterexample
from ..pruning.phases import PHASES
from ..pruning.rounding import rank, round_off, tested
from ..pruning.samples import Sample
from ..pruning.settings import Settings
from ..pruning.tasks import Task, random_key
from ..pruning.trace import Trace
from ..sources.examples import Examples
from ..sources.table_machines import machine_of_rows
from ..transitions.observed_transitions import TransitionError
from ..transitions.transitions import TESTING, transition_machine
from .progress import SearchState, View, kept_up, view_for
from .provenance import provenance
from .restart_files import Restart, RestartFolder
from .search import NothingToKeep, Search
from .starts import Start, starts, with_smaller_delays
from .synthesis_result import Synthesis

SLOWER = 6  # times as long the state of a black box is looked for, where runs are slow
FEW_LINKS = 8  # of a machine from tests; if it has no more, no network is trained for fewer
RESTARTS_ONCE_EXACT = 2  # that look for fewer links, or for answers that are due earlier
COUNTEREXAMPLES = 4  # of the eight strings to learn from, when they are learned from once more


def synthesize(
    problem: Problem | str,
    network: Network | None = None,
    key: Any = None,
    *,
    seed: int = 0,
    settings: Settings | None = None,
    task: Task | None = None,
    folder: str | os.PathLike | None = None,
    budget: float | None = None,
    progress: bool | View | None = None,
    stop: threading.Event | None = None,
    threads: int | None = None,
    networks_only: bool = False,
) -> Synthesis:
    """Looks for the smallest exact machine that answers a problem.

    Where the target is an automaton, and neither a network nor a delay is given, a machine is made
    of its transitions if they are a sum of few neurons. Else one start after the other is tried
    until a machine is exact; there is only one if the problem says all of ``delay``, ``recurrent``
    and ``types``, or if a network is given. If a problem says none of them and no constants, and
    its target is a function, what that answers to tests is tried as its state first.

    Where the problem gives no delay, the start that was exact is tried with smaller ones, as long
    as a machine is exact. Of machines with as few links, the one that answers first is kept.

    The restarts of a start run side by side on as many cores as there are. If none of
    ``settings.restarts`` is exact on the validation strings, the first start is repeated with
    other weights, up to ``settings.rounds`` rounds in all; if there were other starts, strings on
    which machines erred are then among those that are learned from. No more are made once
    ``settings.agreeing`` of them have ended, each by itself, in an exact machine of the same
    number of links, and none in a smaller one. The best is the machine with the fewest links that
    is exact there; if there is none, the one with the fewest links that is within the tolerance;
    else the one with the smallest error. Test strings are run at the end, and choose nothing.

    It ends early, and keeps the best so far, when its budget is spent, when ``stop`` is set, and on
    an interrupt (Ctrl-C, or the notebook's stop button).

    Args:
        problem: what is asked; or its name
            (:func:`~dmmlab.problems.problem_files.load_problem`).
        network: where to start; the problem's own network if left out.
        key: a JAX key, instead of a seed.
        seed: the training and test strings and all random weights come from it.
        settings: the defaults if left out.
        task: a task of your own (other training strings), instead of the problem and the network.
        folder: where each restart is saved after each of its phases, and taken up again if it is
            there. The machine that comes of it is the same as that of an uninterrupted run, on the
            same computer.
        budget: seconds that it may take; no limit if left out. What is under way when they are over
            ends and is judged, which takes seconds, or some more where it is still being compiled.
        progress: whether to show each restart as it works; in a notebook or a terminal, if left
            out. Or a view of your own (:class:`~dmmlab.search.progress.SearchState`).
        stop: set it, from another thread, to end the synthesis.
        threads: restarts at a time, which changes no result; as many as there are cores, if left
            out.
        networks_only: whether networks are trained at once, and no machine is made from the
            target's states, tests or rows before. So one measures what gradients do by themselves.

    Returns:
        The best machine, and all restarts. ``best.exact`` says whether it is exact.

    Raises:
        LabError: a problem whose answers are all the same
            (:func:`~dmmlab.problems.problem_checks.check_problem`); the folder holds another run
            (:mod:`dmmlab.search.provenance`), or another process works on it; no restart ends in
            finite numbers; or the time was over before there was anything to keep.
        KeyboardInterrupt: an interrupt before there was anything to keep.
    """
    began = time.monotonic()
    settings = settings or Settings()
    key = random_key(seed if key is None else key)
    _check_budget(budget)
    with contextlib.ExitStack() as held:  # the first folder is that of the run: it is held to the end
        view = held.enter_context(kept_up(view_for(progress)))
        attempts = Attempts(key, settings, folder, budget, view, stop, threads, held, began)
        if task is not None:
            given, question = task, task.problem.question
            tries = iter([Try("", lambda: (given, None))])
        else:
            problem = load_problem(problem) if isinstance(problem, str) else problem
            question = problem.question
            tries = _tries(problem, network, int(jax.random.bits(key)), settings, budget, networks_only, attempts)
        try:
            for each in tries:
                attempts.make(each, question)
                if attempts.ended:
                    break
        except KeyboardInterrupt:
            if attempts.best is None:
                raise
            attempts.ended = "interrupted"
        except Exception as error:  # of a later try: the best machine so far is kept
            if attempts.best is None:
                raise
            warnings.warn(
                f"a later try failed, and the best machine so far is kept: {told(error)}", ProblemWarning, stacklevel=2
            )
        return attempts.result()


class Try(NamedTuple):
    """What is tried: its name in words, what makes the task, the rounds of restarts.

    ``prepare`` may return a machine with the task, which is then only judged; or raise
    :class:`~dmmlab.transitions.observed_transitions.TransitionError`, if there is nothing to try.
    ``settings`` are those of the synthesis if left out.
    """

    name: str
    prepare: Callable[[], tuple[Task, Machine | None]]
    rounds: range | None = None
    settings: Settings | None = None


class Attempts:
    """What was tried so far, and the best of it."""

    def __init__(
        self,
        key: Any,
        settings: Settings,
        folder: str | os.PathLike | None,
        budget: float | None,
        view: View,
        stop: threading.Event | None,
        threads: int | None,
        held: contextlib.ExitStack,
        began: float,
    ):
        self.key, self.settings, self.folder, self.budget = key, settings, folder, budget
        self.view, self.stop, self.threads, self.held, self.began = view, stop, threads, held, began
        self.best: Synthesis | None = None
        self.latest: Synthesis | None = None
        self.ended = ""  # why no more is tried
        self._shown: SearchState | None = None  # that of the best
        self._failed: NothingToKeep | None = None
        self._texts: list[str] = []
        self._count = 0

    def is_solved(self) -> bool:
        """Whether the best machine so far is exact."""
        return self.best is not None and self.best.best.exact_on_validation

    def make(self, each: Try, question: str) -> None:
        """Tries something, in a folder of its own if it is not the first."""
        before = None if self.best is None else self.best.best
        state = SearchState(question, self.settings.restarts, self.budget, each.name, before, self.began)
        if self.best is not None and state.seconds_left == 0.0:
            self.ended = f"the budget of {self.budget:g} s is spent"
            return
        self.view(state)
        try:
            task, made = each.prepare()
        except TransitionError as error:
            self._texts.append(f"{each.name}: {error}")
            return
        place = self.folder if self.folder is None or self._count == 0 else Path(self.folder) / f"start-{self._count}"
        self._count += 1
        settings, self.latest = each.settings or self.settings, None
        store = self.held.enter_context(RestartFolder(place, _description(task, self.key, settings)))
        try:
            if made is not None:
                found = _of_transitions(task, made, state, self.view)
            else:
                found = Search(task, self.key, settings, store, state, self.view, self.stop, each.rounds, self.threads).run()
        except NothingToKeep as error:
            self._failed, self.ended = error, error.why
            self._texts.append(f"{each.name}: {error}")
            return
        self.latest, self.ended = found, found.ended_early
        self._texts.append(f"{each.name}: {found.verdict}")
        if self.best is None or _rank(found) < _rank(self.best):
            self.best, self._shown = replace(found, start=each.name), state

    def result(self) -> Synthesis:
        """The best, with what was tried."""
        if self._shown is not None:  # what was tried after it found nothing better
            self.view(self._shown)
        if self.best is None:
            raise self._failed or LabError("there is nothing to try")
        tried = [text.removeprefix(": ") for text in (*self._texts, self.ended) if text]
        return replace(self.best, seconds=time.monotonic() - self.began, ended_early=self.ended, tried=tried)


def _tries(
    problem: Problem,
    network: Network | Machine | None,
    seed: int,
    settings: Settings,
    budget: float | None,
    networks_only: bool,
    attempts: Attempts,
) -> Iterator[Try]:
    """What is tried, in this order, until a machine is exact.

    Where a machine of a plain function was made of transitions, a few restarts may still find one
    with fewer links; where a start was exact, one whose answers are due earlier. Where nothing was
    exact, the strings on which the best machines err join those that are learned from, and the
    first start is repeated.
    """
    if network is not None:
        yield Try("", lambda: (Task(problem, network, seed=seed), None))
        return
    if isinstance(problem, Examples) and not networks_only:
        yield Try("rows", lambda: _of_rows(problem, seed, min(budget or TESTING, TESTING)))
        if attempts.is_solved() or (attempts.best is not None and problem.explains(attempts.best.machine)):
            return
    no_hints = (problem.delay, problem.recurrent, problem.types) == (None, None, None)
    if isinstance(problem.target, Automaton) and problem.delay is None and not networks_only:
        yield Try("transitions", lambda: _made(problem, seed, budget))
        if attempts.is_solved():
            return
    few = replace(settings, restarts=min(RESTARTS_ONCE_EXACT, settings.restarts))
    named = Named(problem, USUAL_LETTERS) if problem.is_recorded else name_letters(problem)
    first, *others = starts(*named)
    task = cache(lambda: _task(first, seed))
    of_numbers = not (isinstance(problem.target, Automaton | Machine) or problem.answers_are_vvalues or problem.is_recorded)
    if not problem.constants and no_hints and of_numbers and not networks_only:
        testing = TESTING * (SLOWER if is_slow(problem) else 1)
        yield Try("tests", lambda: _made(named.problem, seed, min(budget or testing, testing), black_box=True))
        if attempts.is_solved():
            if attempts.best is not None and attempts.best.best.links > FEW_LINKS:
                yield Try(f"{first.name}, for fewer links", task, range(1), few)
            return
    tried = first
    yield Try(first.name if others else "", task, range(1) if others else None)
    for start in others:
        if attempts.is_solved():
            break
        tried = start
        yield Try(start.name, partial(_task, start, seed), range(1))
    if attempts.is_solved() and problem.delay is None and not isinstance(problem.target, Machine):
        for earlier in with_smaller_delays(tried):
            yield Try(earlier.name, partial(_task, earlier, seed), range(1), few)
            if attempts.latest is None or not attempts.latest.best.exact_on_validation:
                return
    elif others and settings.rounds > 1 and not attempts.is_solved():
        yield Try(f"{first.name}, with counterexamples", lambda: _harder(first, seed, attempts.best), range(1, settings.rounds))


def _rank(synthesis: Synthesis) -> tuple:
    """As :func:`rank`; of exact machines with as many links, the one that answers first."""
    verdict = synthesis.best
    if verdict.exact_on_validation:
        return (False, verdict.links, sum(synthesis.delays))
    return rank(verdict)


def _made(problem: Problem, seed: int, budget: float | None, black_box: bool = False) -> tuple[Task, Machine]:
    """The machine that is made of transitions, and its task."""
    training = problem.training(seed)
    if nothing_to_learn(problem, training):  # before a machine without links is right about it
        check_everywhere(problem, training)
    if not isinstance(problem.target, Automaton):
        check_reading(problem, training)
    try:
        known: dict[tuple[int, ...], tuple[int, ...]] = {}
        machine, delays = transition_machine(problem, seed, budget, black_box, known)
    except (LabError, ArithmeticError) as error:
        if black_box:  # a target may refuse strings that are not drawn; networks are trained on those that are
            raise TransitionError(told(error)) from error
        raise
    task = Task(problem.with_delay(delays), with_swaps(machine), seed=seed)
    task.queries = len(known) if black_box else None
    return task, machine


def _of_rows(problem: Examples, seed: int, seconds: float) -> tuple[Task, Machine]:
    """The machine that a table itself suggests, and its task."""
    made = machine_of_rows(problem, seconds)
    if made is None:
        raise TransitionError("the rows are no sum of few neurons")
    machine, delays = made
    return Task(problem.with_delay(delays), with_swaps(machine), seed=seed), machine


def _task(start: Start, seed: int) -> tuple[Task, None]:
    return Task(start.problem, start.network, start.problem.training(seed, letters=start.letters), seed), None


def _harder(start: Start, seed: int, best: Synthesis | None) -> tuple[Task, None]:
    """The task of a start, some of its strings replaced by those on which machines have erred."""
    samples = start.problem.training(seed, letters=start.letters)
    erred: dict[str, Sample] = {}
    for restart in best.restarts if best else []:
        if best and restart.verdict is not None and not restart.verdict.exact_on_validation and len(erred) < COUNTEREXAMPLES:
            found = counterexample(best.problem, restart.verdict.machine, best.task.unseen["validation"])
            if found is not None:
                erred[str(found.items)] = start.problem.sample(list(found.items), "counterexample")
    return Task(start.problem, start.network, samples[: len(samples) - len(erred)] + list(erred.values()), seed), None


def _of_transitions(task: Task, machine: Machine, state: SearchState, view: View) -> Synthesis:
    """The verdict on the machine that was made of transitions."""
    weights, trace = task.weights(machine), Trace()
    trace.add(task, "transitions", "", weights)
    state.events[0] = trace.events
    view(state)
    verdict = tested(task, round_off(task, machine))
    state.verdicts[0] = verdict
    restart = Restart(0, weights, len(PHASES), trace, verdict)
    synthesis = Synthesis(task.problem, task, verdict, [restart], state.seconds, queries=task.queries)
    state.outcome = f"{synthesis.verdict}; made of transitions"
    view(state)
    return synthesis


def _description(task: Task, key: Any, settings: Settings) -> dict[str, Any]:
    """What tells one run from another."""
    description = {"question": task.problem.question, "task": task.fingerprint, "seed": int(jax.random.bits(key))}
    description |= {"settings": json.loads(json.dumps(asdict(settings)))}
    return description | provenance(task.compiled.machine.neurons.values())


def _check_budget(budget: Any) -> None:
    if budget is not None and (isinstance(budget, bool) or not isinstance(budget, int | float) or not budget > 0):
        raise LabError(f"budget {budget!r}: expected a number of seconds above 0")
