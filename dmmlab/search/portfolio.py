"""Portfolio: a synthesis tries cheap methods first, and keeps the best machine.

If the target is an automaton, and no delay is given, a machine is built from its transitions
(:mod:`dmmlab.transitions.transitions`). If the target is a function, a *black box*, and the problem
has no hints, its answers to tests serve as its state (:mod:`dmmlab.transitions.predictions`). For a
table, a machine is built from its rows (:mod:`dmmlab.sources.table_machines`), then from a
recurrent network that has learned them (:mod:`dmmlab.sources.table_networks`). Otherwise, or if
that fails, networks of neurons are trained and pruned (:mod:`dmmlab.search.search`), one start
after the other (:mod:`dmmlab.search.starts`), until a machine is exact.
"""

import contextlib
import os
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from typing import Any

import jax

from ..core.errors import LabError, told
from ..core.machine import Machine
from ..machines.canonical_form import with_swaps
from ..machines.networks import Network
from ..problems.letter_classes import USUAL_LETTERS, LetteredProblem, is_slow, name_letters
from ..problems.problem_checks import ProblemWarning, check_everywhere, check_reading, nothing_to_learn
from ..problems.problem_files import load_problem
from ..problems.problems import Problem
from ..proofs.counterexamples import counterexample
from ..pruning.samples import Sample
from ..pruning.settings import Settings
from ..pruning.tasks import Task, random_key
from ..sources.examples import Examples
from ..sources.table_machines import machine_of_rows
from ..sources.table_networks import machine_of_network
from ..transitions.observed_transitions import TransitionError
from ..transitions.transitions import TESTING, transition_machine
from .attempts import Attempts, Strategy
from .progress import View, kept_up, view_for
from .starts import Start, starts, with_smaller_delays
from .synthesis_result import Synthesis

SLOWER = 6  # factor on the time limit of the tests, if runs of the target are slow
FEW_LINKS = 8  # if a machine from tests has more links, networks are trained to find fewer
RESTARTS_ONCE_EXACT = 2  # restarts that look for fewer links or smaller delays
COUNTEREXAMPLES = 4  # replace up to this many of the eight training strings in the last rounds


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
    """Searches for the smallest exact machine that answers a problem.

    If the target is an automaton, and neither a network nor a delay is given, a machine is built
    from its transitions, provided that they are a sum of few neurons. Otherwise starts are tried
    in turn until a machine is exact. There is only one start if the problem specifies all of
    ``delay``, ``recurrent`` and ``types``, or if a network is given. If a problem specifies none of
    them and no constants, and its target is a function, its answers to tests are tried as its
    state first.

    If the problem gives no delay, the exact start is repeated with smaller delays, as long as
    machines are exact. Among exact machines with equally many links, the one that answers earliest
    is kept.

    The restarts of a start run in parallel on all cores. If none of ``settings.restarts`` is exact
    on the validation strings, the first start is repeated with new random weights, up to
    ``settings.rounds`` rounds in all. If there were other starts, strings on which machines erred
    are then among the training strings. Restarts stop once ``settings.agreeing`` of them have ended
    independently in exact machines with the same number of links, and none in a smaller one.

    The best machine is the one with the fewest links that is exact on the validation strings. If
    none is exact, it is the one with the fewest links within the tolerance; otherwise, the one with
    the smallest error. Test strings are run at the end, and select nothing.

    The search ends early, and keeps the best machine so far, when the budget is spent, when
    ``stop`` is set, or on an interrupt (Ctrl-C, or the notebook's stop button).

    Args:
        problem: the problem, or its name
            (:func:`~dmmlab.problems.problem_files.load_problem`).
        network: the network to train; the problem's own network if left out.
        key: a JAX key, used instead of ``seed``.
        seed: determines the training strings, the test strings and all random weights.
        settings: the defaults if left out.
        task: a custom task (other training strings), instead of the problem and the network.
        folder: where each restart is saved after each phase, and resumed from if it was saved. A
            resumed run gives the same machine as an uninterrupted one, on the same computer.
        budget: time limit in seconds; none if left out. At the limit, running work is stopped and
            evaluated, which takes seconds, or longer if a program is still compiling.
        progress: whether to show the progress of restarts; by default, only in a notebook or a
            terminal. Or a custom view (:class:`~dmmlab.search.progress.SearchState`).
        stop: an event; another thread sets it to end the synthesis.
        threads: number of parallel restarts; the number of cores if left out. It changes no result.
        networks_only: whether to train networks at once, without first building a machine from the
            target's states, tests or rows. This measures gradient descent alone.

    Returns:
        The best machine, and all restarts. ``best.exact`` says whether it is exact.

    Raises:
        LabError: the answers of the problem are all the same
            (:func:`~dmmlab.problems.problem_checks.check_problem`); the folder holds another run
            (:mod:`dmmlab.search.provenance`), or another process works on it; every restart
            diverges to non-finite numbers; or the time ran out before there was a machine to keep.
        KeyboardInterrupt: an interrupt before there was a machine to keep.
    """
    began = time.monotonic()
    settings = settings or Settings()
    key = random_key(seed if key is None else key)
    _check_budget(budget)
    with contextlib.ExitStack() as held:  # the run's folder, the first, is locked to the end
        view = held.enter_context(kept_up(view_for(progress)))
        attempts = Attempts(key, settings, folder, budget, view, stop, threads, held, began)
        if task is not None:
            given, question = task, task.problem.question
            tries = iter([Strategy("", lambda: (given, None))])
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
        except Exception as error:  # a later try failed: keep the best machine so far
            if attempts.best is None:
                raise
            warnings.warn(
                f"a later try failed, and the best machine so far is kept: {told(error)}", ProblemWarning, stacklevel=2
            )
        return attempts.result()


def _tries(
    problem: Problem,
    network: Network | Machine | None,
    seed: int,
    settings: Settings,
    budget: float | None,
    networks_only: bool,
    attempts: Attempts,
) -> Iterator[Strategy]:
    """Yields the attempts in order, until a machine is exact.

    If a machine was built from a plain function's transitions, a few restarts look for one with
    fewer links. If a start was exact, it is repeated with smaller delays. If nothing was exact, the
    first start is repeated; strings on which the best machines err join its training strings.
    """
    if network is not None:
        yield Strategy("", lambda: (Task(problem, network, seed=seed), None))
        return
    if isinstance(problem, Examples) and not networks_only:
        seconds = min(budget or TESTING, TESTING)
        yield Strategy("rows", lambda: _of_rows(problem, seed, seconds))
        if attempts.is_solved() or (attempts.best is not None and problem.explains(attempts.best.machine)):
            return
        before, left = attempts.latest, 4 * TESTING
        if budget is not None:
            left = min(left, budget - (time.monotonic() - attempts.began))
        yield Strategy("a recurrent network", lambda: _of_network(problem, seed, left / 2))
        if attempts.latest is not before:
            return
    no_hints = (problem.delay, problem.recurrent, problem.types) == (None, None, None)
    if problem.reference.automaton is not None and problem.delay is None and not networks_only:
        yield Strategy("transitions", lambda: _made(problem, seed, budget))
        if attempts.is_solved():
            return
    few = replace(settings, restarts=min(RESTARTS_ONCE_EXACT, settings.restarts))
    named = LetteredProblem(problem, USUAL_LETTERS) if problem.is_recorded else name_letters(problem)
    first, *others = starts(*named)
    task = cache(lambda: _task(first, seed))
    of_numbers = not (problem.reference.shows_state or problem.answers_are_vvalues or problem.is_recorded)
    if not problem.constants and no_hints and of_numbers and not networks_only:
        testing = TESTING * (SLOWER if is_slow(problem) else 1)
        yield Strategy("tests", lambda: _made(named.problem, seed, min(budget or testing, testing), black_box=True))
        if attempts.is_solved():
            if attempts.best is not None and attempts.best.best.links > FEW_LINKS:
                yield Strategy(f"{first.name}, for fewer links", task, range(1), few)
            return
    tried = first
    yield Strategy(first.name if others else "", task, range(1) if others else None)
    for start in others:
        if attempts.is_solved():
            break
        tried = start
        yield Strategy(start.name, partial(_task, start, seed), range(1))
    if attempts.is_solved() and problem.delay_is_open:
        for earlier in with_smaller_delays(tried):
            yield Strategy(earlier.name, partial(_task, earlier, seed), range(1), few)
            if attempts.latest is None or not attempts.latest.best.exact_on_validation:
                return
    elif others and settings.rounds > 1 and not attempts.is_solved():
        yield Strategy(
            f"{first.name}, with counterexamples", lambda: _harder(first, seed, attempts.best), range(1, settings.rounds)
        )


def _made(problem: Problem, seed: int, budget: float | None, black_box: bool = False) -> tuple[Task, Machine]:
    """Builds a machine from transitions; returns its task and the machine."""
    training = problem.training(seed)
    if nothing_to_learn(problem, training):  # check now: a machine without links would be exact
        check_everywhere(problem, training)
    if not problem.reference.shows_state:
        check_reading(problem, training)
    try:
        known: dict[tuple[int, ...], tuple[int, ...]] = {}
        machine, delays = transition_machine(problem, seed, budget, black_box, known)
    except (LabError, ArithmeticError) as error:
        if black_box:  # the target may reject test strings; networks are trained on drawn strings only
            raise TransitionError(told(error)) from error
        raise
    task = Task(problem.with_delay(delays), with_swaps(machine), seed=seed)
    task.queries = len(known) if black_box else None
    return task, machine


def _of_rows(problem: Examples, seed: int, seconds: float) -> tuple[Task, Machine]:
    """Builds a machine from the rows of a table; returns its task and the machine."""
    made = machine_of_rows(problem, seconds)
    if made is None:
        raise TransitionError("the rows are no sum of few neurons")
    machine, delays = made
    return Task(problem.with_delay(delays), with_swaps(machine), seed=seed), machine


def _of_network(problem: Examples, seed: int, seconds: float) -> tuple[Task, Machine]:
    """Builds a machine from a network that learned the rows; returns its task and the machine."""
    machine, delays = machine_of_network(problem, seconds, seed)
    return Task(problem.with_delay(delays), with_swaps(machine), seed=seed), machine


def _task(start: Start, seed: int) -> tuple[Task, None]:
    return Task(start.problem, start.network, start.problem.training(seed, letters=start.letters), seed), None


def _harder(start: Start, seed: int, best: Synthesis | None) -> tuple[Task, None]:
    """Returns the task of a start, with counterexamples in place of some training strings."""
    samples = start.problem.training(seed, letters=start.letters)
    erred: dict[str, Sample] = {}
    for restart in best.restarts if best else []:
        if best and restart.verdict is not None and not restart.verdict.exact_on_validation and len(erred) < COUNTEREXAMPLES:
            found = counterexample(best.problem, restart.verdict.machine, best.task.unseen["validation"])
            if found is not None:
                erred[str(found.items)] = start.problem.sample(list(found.items), "counterexample")
    return Task(start.problem, start.network, samples[: len(samples) - len(erred)] + list(erred.values()), seed), None


def _check_budget(budget: Any) -> None:
    if budget is not None and (isinstance(budget, bool) or not isinstance(budget, int | float) or not budget > 0):
        raise LabError(f"budget {budget!r}: expected a number of seconds above 0")
