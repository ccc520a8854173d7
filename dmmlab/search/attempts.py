"""Attempts: the strategies that a synthesis has tried so far, and the best machine of them."""

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax

from ..core.errors import LabError
from ..core.machine import Machine
from ..pruning.phases import PHASES
from ..pruning.rounding import rank, round_off, tested
from ..pruning.settings import Settings
from ..pruning.tasks import Task
from ..pruning.trace import Trace
from ..transitions.observed_transitions import TransitionError
from .progress import SearchState, View
from .provenance import provenance
from .restart_files import Restart, RestartFolder
from .search import NothingToKeep, Search
from .synthesis_result import Synthesis


class Strategy(NamedTuple):
    """An attempt: its name, a function that prepares its task, and its rounds of restarts.

    If ``prepare`` returns a machine with the task, the machine is evaluated, and nothing trained.
    ``prepare`` raises :class:`~dmmlab.transitions.observed_transitions.TransitionError` if there is
    nothing to try. ``settings`` default to those of the synthesis.
    """

    name: str
    prepare: Callable[[], tuple[Task, Machine | None]]
    rounds: range | None = None
    settings: Settings | None = None


class Attempts:
    """The attempts so far, and the best result."""

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
        self.ended = ""  # why no more attempts are made
        self._shown: SearchState | None = None  # the state of the best attempt
        self._failed: NothingToKeep | None = None
        self._texts: list[str] = []
        self._count = 0

    def is_solved(self) -> bool:
        """Returns whether the best machine so far is exact."""
        return self.best is not None and self.best.best.exact_on_validation

    def make(self, each: Strategy, question: str) -> None:
        """Makes an attempt; each except the first has its own subfolder."""
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
        """Returns the best synthesis, with the list of attempts."""
        if self._shown is not None:  # later attempts found nothing better
            self.view(self._shown)
        if self.best is None:
            raise self._failed or LabError("there is nothing to try")
        tried = [text.removeprefix(": ") for text in (*self._texts, self.ended) if text]
        return replace(self.best, seconds=time.monotonic() - self.began, ended_early=self.ended, tried=tried)


def _rank(synthesis: Synthesis) -> tuple:
    """As :func:`rank`; of exact machines of equal size, the one that answers earliest is best."""
    verdict = synthesis.best
    if verdict.exact_on_validation:
        return (False, verdict.links, sum(synthesis.delays))
    return rank(verdict)


def _of_transitions(task: Task, machine: Machine, state: SearchState, view: View) -> Synthesis:
    """Evaluates a machine that was built from transitions."""
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
    """Returns the data that distinguish one run from another."""
    description = {"question": task.problem.question, "task": task.fingerprint, "seed": int(jax.random.bits(key))}
    description |= {"settings": json.loads(json.dumps(asdict(settings)))}
    return description | provenance(task.compiled.machine.neurons.values())
