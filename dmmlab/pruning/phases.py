"""The phases of a synthesis: from a large network to a small machine.

Each phase takes weights and returns weights, and can be used alone, on any task:

=========  =====================================================================================
fit        train all links, with a very small penalty
sparsify   train while the penalty grows, until most weights are zero; then lower the penalty
prune      cut the links that matter least and train again; undo a cut if the error stays high
           (:mod:`dmmlab.pruning.pruning`)
shorten    remove neurons that only pass a value on, if training recovers
finish     train the remaining links, without a penalty
=========  =====================================================================================

:mod:`dmmlab.search.search` runs the phases in order, and :mod:`dmmlab.pruning.rounding` rounds the
weights to fractions.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np

from ..compiler.layout import LayoutError
from ..compiler.weights import Weights, is_finite, support
from ..learning.batches import Batch
from ..machines.simplifications import shortcuts
from .pruning import is_acceptable, prune, prune_links, retrain, tidy
from .settings import Settings
from .smaller_machines import without_idle_links
from .tasks import Task
from .trace import Trace

BEGINNING_LENGTHS = (8, 16, 24)  # cycles
SHORT_STRING = 50  # cycles; training strings usually have 40
LAST_CUT = 1e-4  # canonical weights up to this are cut in the end

Phase = Callable[..., Weights]  # (task, weights, settings, trace, key) -> weights


def fit(task: Task, weights: Weights, settings: Settings, trace: Trace, key: Any = None) -> Weights:
    """Trains all links with the smallest penalty, on the task's short lessons if it has lessons.

    If the error is then not finite, because of loops, training starts again with the first cycles
    of each string.

    Args:
        task: has the strings and the compiled network.
        weights: a matrix for each stage.
        settings: steps, learning rate and penalties.
        trace: gets an event for each step of the phase.
        key: unused.

    Returns:
        The trained weights, in the same shapes.
    """
    l1, learning_rate = (settings.l1[0], settings.l1[0]), (settings.learning_rate, settings.learning_rate)
    short, _ = _lessons(task)
    for batch in short[:-1]:
        weights = task.on(batch).descend(weights, settings.fit_steps, learning_rate, l1)
    task = task.on(short[-1])
    trained = task.descend(weights, settings.fit_steps, learning_rate, l1)
    if not np.isfinite(task.error(trained)):
        trained = weights
        for cycles in (*BEGINNING_LENGTHS, None):
            lesson = task.on(task.batch.first_cycles(cycles))
            trained = lesson.descend(trained, settings.fit_steps, learning_rate, l1)
    trace.add(task, "fit", "", trained)
    return trained


def sparsify(task: Task, weights: Weights, settings: Settings, trace: Trace, key: Any = None) -> Weights:
    """Trains while the penalty grows, then while it falls with the learning rate; then tidies.

    ``settings.penalty`` selects how the penalty drives weights to zero (:meth:`Task.descent`). If
    the task has lessons, all this uses the last short lesson. The remaining links are then trained
    on the longer lessons, and on the task's own strings.

    Args:
        task: has the strings and the compiled network.
        weights: a matrix for each stage.
        settings: steps, learning rate and penalties.
        trace: gets an event for each step of the phase.
        key: a JAX key, for the penalty ``gates``.

    Returns:
        The weights, zero where a link is cut.
    """
    (*_, last), longer = _lessons(task)
    task = task.on(last)
    low, high = settings.l1
    learning_rate, penalty = settings.learning_rate, settings.penalty
    weights = task.descend(weights, settings.ramp_steps, (learning_rate, learning_rate), (low, high), penalty=penalty, key=key)
    trace.add(task, "sparsify", "ramp", weights)
    mask = support(weights) if penalty == "gates" else None
    after = "proximal" if penalty == "gates" else penalty
    fall = (high, max(low, high / 30))
    weights = task.descend(weights, settings.cool_steps, (learning_rate, learning_rate / 10), fall, mask, after)
    trace.add(task, "sparsify", "cool", weights)
    weights = tidy(task, weights, settings.threshold)
    trace.add(task, "sparsify", "tidy", weights)
    weights = retrain(task, weights, settings)
    trace.add(task, "sparsify", "retrain", weights)
    for batch in longer:
        task, slow = task.on(batch), learning_rate / 3
        weights = task.descend(weights, settings.fit_steps, (slow, slow), (settings.keep_l1,) * 2, support(weights))
        trace.add(task, "sparsify", f"{batch.cycles} cycles", weights)
    return weights


def _lessons(task: Task) -> tuple[list[Batch], list[Batch]]:
    """Returns the short lessons, at least one, and the longer ones, the task's own strings last."""
    every = [*task.lessons, task.batch]
    short = sum(batch.cycles <= SHORT_STRING for batch in every) or 1
    return every[:short], every[short:]


def shorten(task: Task, weights: Weights, settings: Settings, trace: Trace, key: Any = None) -> Weights:
    """Removes neurons that only pass a value on, as long as training recovers.

    The value then arrives a cycle earlier (:func:`~dmmlab.machines.simplifications.shortcuts`).

    Args:
        task: has the strings and the compiled network.
        weights: a matrix for each stage.
        settings: steps, learning rate and penalties.
        trace: gets an event for each step of the phase.
        key: unused.

    Returns:
        The weights, zero where a link is cut.
    """
    improved = True
    while improved:
        improved = False
        for machine in shortcuts(task.machine(weights)):
            try:
                shorter = task.weights(machine)
            except LayoutError:  # the network has no such link
                continue
            shorter = tidy(task, retrain(task, shorter, settings, weights), settings.threshold)
            if task.error(shorter) <= task.error(weights) + 3 * settings.tolerance:
                shorter = prune_links(task, shorter, settings, Trace())
            mended = is_acceptable(task, weights, shorter, settings)
            left_out = sorted(set(task.machine(weights).live().neurons) - set(task.machine(shorter).live().neurons))
            trace.add(task, "shorten", " ".join(left_out), shorter, accepted=mended)
            if mended:
                weights, improved = shorter, True
                break
    return weights


def finish(task: Task, weights: Weights, settings: Settings, trace: Trace, key: Any = None) -> Weights:
    """Trains the remaining links without a penalty, then cuts dead and idle links.

    Args:
        task: has the strings and the compiled network.
        weights: a matrix for each stage.
        settings: steps, learning rate and penalties.
        trace: gets an event for each step of the phase.
        key: unused.

    Returns:
        The weights, zero where a link is cut.
    """
    weights = task.descend(weights, settings.finish_steps, (settings.learning_rate / 3, 1e-5), mask=support(weights))
    weights = tidy(task, weights, LAST_CUT)
    weights = task.weights(without_idle_links(task.machine(weights), task.keys, 1).live())
    trace.add(task, "finish", "", weights)
    return weights


PHASES: Mapping[str, Phase] = {phase.__name__: phase for phase in (fit, sparsify, prune, shorten, finish)}


def run_phases(
    task: Task, weights: Weights, settings: Settings, trace: Trace, key: Any, done: int = 0
) -> Iterator[tuple[int, Weights]]:
    """Runs the phases in order, as long as the weights are finite.

    Args:
        task: has the strings and the compiled network.
        weights: a matrix for each stage.
        settings: steps, learning rate and penalties.
        trace: gets an event for each step of a phase.
        key: a JAX key; each phase gets one of its own.
        done: the number of phases that are finished already.

    Yields:
        After each phase, the number of finished phases and the weights.
    """
    for number, phase in enumerate(PHASES.values()):
        if number >= done and is_finite(weights):
            weights = phase(task, weights, settings, trace, jax.random.fold_in(key, number))
            yield number + 1, weights
