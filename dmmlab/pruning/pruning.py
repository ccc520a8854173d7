"""Pruning: cut the links that matter least, train again, undo a cut if the error stays high.

Several links are cut at a time, and fewer after a failure. A link that could not be cut is *tabu*
until another cut succeeds. After each cut the weights are made canonical
(:mod:`dmmlab.machines.canonical_form`). This changes no answer and removes links.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..compiler.layout import LayoutError
from ..compiler.weights import Weights, count_links, flatten, support, unflatten
from ..machines.canonical_form import canonical
from ..machines.simplifications import merged, without_small_links
from .settings import Settings
from .tasks import Task
from .trace import Trace

MANY_LINKS = 50  # with more links, a machine is far from the end of its pruning
CHECKED_STEPS = (25, 50, 100)  # steps of training after a cut at which the error is checked, each twice the one before
FURTHER_FALLS = 6  # the error may fall this many more times by the factor between the last two checks,
RECOVERY_SLACK = 2.5  # and end at up to this many times the tolerated rise


def prune(task: Task, weights: Weights, settings: Settings, trace: Trace, key: Any = None) -> Weights:
    """Cuts links, those of the lowest score first, as long as training recovers.

    With ``settings.regrow``, cut links may grow again in further training, and are pruned again.

    Args:
        task: has the strings and the compiled network.
        weights: a matrix for each stage.
        settings: steps, learning rate and penalties.
        trace: gets an event for each step of the phase.
        key: unused.

    Returns:
        The weights, zero where a link is cut.
    """
    if settings.neurons_first:
        weights = _prune_neurons(task, weights, settings, trace)
    weights = prune_links(task, weights, settings, trace)
    for _ in range(settings.regrow):
        grown = task.descend(
            weights, settings.retrain_steps, (settings.learning_rate, settings.learning_rate), (settings.l1[1] / 10,) * 2
        )
        grown = retrain(task, tidy(task, grown, settings.threshold), settings)
        trace.add(task, "prune", "regrow", grown, accepted=False)
        grown = prune_links(task, grown, settings, Trace())
        better = (_objective(task, grown, settings), count_links(grown)) < (
            _objective(task, weights, settings),
            count_links(weights),
        )
        trace.add(task, "prune", "regrown", grown, accepted=better)
        weights = grown if better else weights
    return weights


def tidy(task: Task, weights: Weights, threshold: float) -> Weights:
    """Returns the canonical form, without duplicate neurons, small weights and dead neurons.

    If the network lacks a link of the canonical form, only the small weights and the dead neurons
    are removed.

    Args:
        task: has the network.
        weights: a matrix for each stage.
        threshold: canonical weights of an absolute value up to this are cut.

    Returns:
        The weights, in the same shapes.
    """
    machine = task.machine(weights)
    try:
        return task.weights(without_small_links(merged(canonical(machine).live()), threshold))
    except LayoutError:
        return task.weights(without_small_links(machine, threshold))


def retrain(task: Task, weights: Weights, settings: Settings, before: Weights | None = None) -> Weights:
    """Trains the remaining links with a small penalty; stops early when recovery is hopeless.

    Suppose that the error is above its old value by e at one check, and by f * e after twice as
    many steps. Recovery is hopeless if f^6 * (f * e) is more than 2.5 times the tolerated rise
    (history.md, 2026-11-27, explains the choice).

    Args:
        task: has the strings and the compiled network.
        weights: a matrix for each stage.
        settings: steps, learning rate and penalties.
        before: the weights before the cut; if left out, training never stops early.

    Returns:
        The weights, zero where they were zero.
    """
    span, l1 = (settings.learning_rate / 3, settings.learning_rate / 10), (settings.keep_l1,) * 2
    mask = support(weights)
    if before is None:
        return task.descend(weights, settings.retrain_steps, span, l1, mask)
    tolerated = settings.tolerance * max(1, count_links(before) - count_links(weights))
    error = task.error(before)

    def is_hopeless(errors: Sequence[float]) -> bool:
        if not np.isfinite(errors[-1]):
            return True
        rises = [after - error for after in errors[-2:]]
        if len(rises) < 2 or min(rises) <= 0:
            return False
        fall = min(1.0, rises[1] / rises[0])
        return rises[1] * fall**FURTHER_FALLS > RECOVERY_SLACK * tolerated

    return task.descend(weights, settings.retrain_steps, span, l1, mask, looks=CHECKED_STEPS, is_hopeless=is_hopeless)


def is_acceptable(task: Task, before: Weights, after: Weights, settings: Settings) -> bool:
    """Whether the objective rose by no more than the tolerance for the number of removed links."""
    saved = count_links(before) - count_links(after)
    rise = _objective(task, after, settings) - _objective(task, before, settings)
    return saved > 0 and bool(np.isfinite(rise)) and rise <= settings.tolerance * saved


def prune_links(task: Task, weights: Weights, settings: Settings, trace: Trace) -> Weights:
    """Cuts links, those of the lowest score first, until all remaining links are tabu."""
    fraction, tabu = settings.fraction, set[int]()
    for _ in range(settings.trials):
        scores = _scores(task, weights, settings.score)
        candidates = [i for i in np.argsort(scores, kind="stable") if np.isfinite(scores[i]) and i not in tabu]
        if not candidates:
            break
        cut = candidates[: max(1, int(fraction * count_links(weights)))]
        shorter, accepted = cut_links(task, weights, cut, settings, trace)
        if accepted:
            weights, tabu = shorter, set()
            if count_links(weights) > MANY_LINKS:  # far from the end: cut more links at a time again
                fraction = min(settings.fraction, 2 * fraction)
        elif len(cut) == 1:
            tabu.add(int(cut[0]))
        else:
            fraction /= 2
    return weights


def _prune_neurons(task: Task, weights: Weights, settings: Settings, trace: Trace) -> Weights:
    """Cuts all links of one neuron at a time, those with the smallest weights first."""
    tabu: set[str] = set()
    while True:
        machine = task.machine(weights)
        sizes: dict[str, float] = {}
        for link in machine.links():
            for name in {link.from_neuron, link.to_neuron} - tabu:
                if not link.hard and machine.neurons[name].inputs and machine.neurons[name].outputs:
                    sizes[name] = sizes.get(name, 0.0) + abs(float(link.weight))
        sizes = {name: size for name, size in sizes.items() if not machine.neurons[name].reads_stream}
        if not sizes:
            return weights
        name = min(sizes, key=sizes.__getitem__)
        without = flatten(task.weights(machine.without_neuron(name)))
        cut = np.nonzero(flatten(weights) * (without == 0))[0].tolist()
        shorter, accepted = cut_links(task, weights, cut, settings, trace, name)
        if accepted:
            weights = shorter
        tabu = set() if accepted else tabu | {name}


def cut_links(
    task: Task, weights: Weights, cut: Sequence[int], settings: Settings, trace: Trace, name: str = ""
) -> tuple[Weights, bool]:
    """Cuts links and trains again; returns the weights, and whether training recovered."""
    array = flatten(weights)
    array[list(cut)] = 0.0
    shorter = tidy(task, retrain(task, unflatten(array, weights), settings, weights), settings.threshold)
    accepted = is_acceptable(task, weights, shorter, settings)
    trace.add(task, "prune", name or (task.links[int(cut[0])] if len(cut) == 1 else f"{len(cut)} links"), shorter, accepted)
    return shorter, accepted


def _objective(task: Task, weights: Weights, settings: Settings) -> float:
    return task.error(weights) + settings.keep_l1 * float(np.abs(flatten(weights)).sum())


def _scores(task: Task, weights: Weights, score: str) -> np.ndarray:
    """Returns the score of each link, (weights,); infinite where there is no link."""
    array = flatten(weights)
    if score == "ablation":
        return flatten(task.ablation_errors(weights))
    worth = np.abs(array) if score == "magnitude" else flatten(task.saliency(weights))
    return np.where(array != 0, worth, np.inf)
