"""Portfolio: a synthesis tries what is cheap first, and keeps the best.

If the target shows its states, a machine is made of its transitions
(:mod:`dmmlab.synthesis.transitions`). Else, or if that fails, networks are trained and pruned
(:mod:`dmmlab.synthesis.search`), one start after the other (:mod:`dmmlab.synthesis.starts`), until
a machine is exact.
"""

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax

from ..core.errors import LabError
from ..core.machine import Machine
from ..core.network_matrix import matrix_of
from ..core.neuron_type import Scaling
from ..machines.networks import Network
from .automata import Automaton
from .phases import PHASES
from .problem_files import load_problem
from .problems import Problem
from .progress import SearchState, View, rank, view_for
from .provenance import provenance
from .restart_files import Restart, RestartFolder
from .rounding import round_off, tested
from .search import NothingToKeep, Search
from .settings import Settings
from .starts import starts
from .synthesis_result import Synthesis
from .tasks import Task, random_key
from .trace import Trace
from .transitions import TransitionError, transition_machine


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
) -> Synthesis:
    """Looks for the smallest exact machine that answers a problem.

    Where the target is an automaton, and no network is given, a machine is made of its transitions
    if they are a sum of few neurons. Else one start after the other is tried until a machine is
    exact; there is only one if the problem says all of ``delay``, ``recurrent`` and ``types``, or
    if a network is given.

    The restarts of a start run side by side on as many cores as there are. If none of
    ``settings.restarts`` is exact on the validation strings there are as many more in the end, up
    to ``settings.rounds`` times. No more are made once ``settings.agreeing`` of them have ended,
    each by itself, in an exact machine of the same number of links, and none in a smaller one. The
    best is the machine with the fewest links that is exact there; if there is none, the one with
    the fewest links that is within the tolerance; else the one with the smallest error. Test
    strings are run at the end, and choose nothing.

    It ends early, and keeps the best so far, when its budget is spent, when ``stop`` is set, and on
    an interrupt (Ctrl-C, or the notebook's stop button).

    Args:
        problem: what is asked; or its name
            (:func:`~dmmlab.synthesis.problem_files.load_problem`).
        network: where to start; the problem's own network if left out.
        key: a JAX key, instead of a seed.
        seed: the training and test strings and all random weights come from it.
        settings: the defaults if left out.
        task: a task of your own (other training strings), instead of the problem and the network.
        folder: where each restart is saved after each of its phases, and taken up again if it is
            there. The machine that comes of it is the same as that of an uninterrupted run, on the
            same computer.
        budget: seconds that it may take; no limit if left out. What is under way when they are over
            ends within a second or two, and is judged.
        progress: whether to show each restart as it works; in a notebook or a terminal, if left
            out. Or a view of your own (:class:`~dmmlab.synthesis.progress.SearchState`).
        stop: set it, from another thread, to end the synthesis.

    Returns:
        The best machine, and all restarts. ``best.exact`` says whether it is exact.

    Raises:
        LabError: a problem whose answers are all the same
            (:func:`~dmmlab.synthesis.problem_checks.check_problem`); the folder holds another run
            (:mod:`dmmlab.synthesis.provenance`), or another process works on it; no restart ends in
            finite numbers; or the time was over before there was anything to keep.
        KeyboardInterrupt: an interrupt before there was anything to keep.
    """
    began = time.monotonic()
    settings = settings or Settings()
    key = random_key(seed if key is None else key)
    _check_budget(budget)
    view = view_for(progress)
    if task is None:
        problem = load_problem(problem) if isinstance(problem, str) else problem
        tries = _tries(problem, network, int(jax.random.bits(key)), settings, budget)
    else:
        tries = iter([Try("", task)])
    best: Synthesis | None = None
    failed: NothingToKeep | None = None
    ended = ""
    with contextlib.ExitStack() as held:  # the first folder is that of the run: it is held to the end
        try:
            for number, each in enumerate(tries):
                before = None if best is None else best.best
                state = SearchState(each.task.problem.question, settings.restarts, budget, each.name, before, began)
                if best is not None and state.seconds_left == 0.0:
                    ended = f"the budget of {budget:g} s is spent"
                    break
                place = folder if folder is None or number == 0 else Path(folder) / f"start-{number}"
                store = held.enter_context(RestartFolder(place, _description(each.task, key, settings)))
                try:
                    if each.made is not None:
                        found = _of_transitions(each.task, each.made, state, view)
                    else:
                        found = Search(each.task, key, settings, store, state, view, stop, each.rounds).run()
                except NothingToKeep as error:
                    failed, ended = error, error.why
                else:
                    ended = found.ended_early
                    if best is None or rank(found.best) < rank(best.best):
                        best = replace(found, start=each.name)
                if ended or (best is not None and best.best.is_valid):
                    break
        except KeyboardInterrupt:
            if best is None:
                raise
            ended = "interrupted"
    if best is None:
        raise failed or LabError("there is nothing to try")
    return replace(best, seconds=time.monotonic() - began, ended_early=ended)


class Try(NamedTuple):
    """What is tried: its name in words, the task, the rounds of restarts; or a machine."""

    name: str
    task: Task
    rounds: range | None = None
    made: Machine | None = None


def _tries(
    problem: Problem, network: Network | Machine | None, seed: int, settings: Settings, budget: float | None
) -> Iterator[Try]:
    """What is tried, in this order."""
    if network is not None:
        yield Try("", Task(problem, network, seed=seed))
        return
    if isinstance(problem.target, Automaton) and problem.delay is None:
        with contextlib.suppress(TransitionError):
            machine, delays = transition_machine(problem, seed, budget)
            yield Try("transitions", Task(problem.with_delay(delays), _with_swaps(machine), seed=seed), made=machine)
    first, *others = starts(problem)
    task = Task(first.problem, first.network, seed=seed)
    yield Try(first.name if others else "", task, range(1) if others else None)
    for start in others:
        yield Try(start.name, Task(start.problem, start.network, seed=seed), range(1))
    if others and settings.rounds > 1:
        yield Try(f"{first.name}, once more", task, range(1, settings.rounds))


def _with_swaps(machine: Machine) -> Machine:
    """The machine with all links that exchanging inputs, or sides of comparisons, may give it."""
    links = set()
    for to, into, source, output, *_ in machine.links():
        intos = machine.neurons[to].inputs if machine.neurons[to].scaling is not None else (into,)
        outputs = machine.neurons[source].outputs if machine.neurons[source].scaling is Scaling.DIFFERENCE else (output,)
        links |= {(to, i, source, o) for i in intos for o in outputs}
    hard = {link[:4] for link in machine.links() if link.hard}
    return machine.with_soft(matrix_of((*link, 1.0) for link in sorted(links - hard)))


def _of_transitions(task: Task, machine: Machine, state: SearchState, view: View) -> Synthesis:
    """The verdict on the machine that was made of transitions."""
    weights, trace = task.weights(machine), Trace()
    trace.add(task, "transitions", "", weights)
    state.events[0] = trace.events
    view(state)
    verdict = tested(task, round_off(task, machine))
    state.verdicts[0] = verdict
    synthesis = Synthesis(task.problem, task, verdict, [Restart(0, weights, len(PHASES), trace, verdict)], state.seconds)
    state.outcome = f"{synthesis.verdict}; made of transitions, {synthesis.seconds:.0f} s"
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
