"""The phases of a synthesis: from a large network to a small machine.

Each takes weights and returns weights, and can be used alone, on any task:

=========  =======================================================================================================
fit        train all links, with hardly any penalty
sparsify   train on while the penalty on weights grows, until most links are at zero; then let it fall
prune      cut the links that matter least, several at a time, and train again; take a cut back if that does not
           mend it, and try others (a link that could not be cut is *tabu* until another cut succeeds)
shorten    leave out neurons that only pass a value on, where training mends that
finish     train what is left, without a penalty
round_off  replace weights by fractions, if the machine is then right on strings that it has not seen
=========  =======================================================================================================

After a phase that cuts, weights are made canonical (:mod:`dmmlab.machines.canonical`), which changes no answer and takes links
away. :mod:`dmmlab.synthesis.search` composes them.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ..compiler.compiled import Weights
from ..compiler.layout import LayoutError
from ..core.errors import LabError, one_of
from ..core.machine import Machine
from ..machines.canonical import above, canonical, merged, rounded, shortcuts, without_idle_links
from .tasks import PENALTIES, Span, Task, flat, unflat

if TYPE_CHECKING:
    import pandas as pd

EXACT = 1e-3  # the largest absolute error of a machine that is exact before its weights are rounded
FINISHED = 1e-4  # canonical weights up to this are cut in the end
MANY = 50  # links
BEGINNINGS = (8, 16, 24)  # cycles
SCORES = ("magnitude", "saliency", "removal")


@dataclass(frozen=True)
class Settings:
    """How a synthesis goes about it. The defaults are the same for every problem.

    Penalties are relative to the sum of squares of the right answers, as errors are.
    """

    starts: int = 8
    rounds: int = 2  # more starts, as many again, as long as none is exact
    scale: float = 0.01  # of initial weights
    rate: float = 1e-2  # learning rate
    fit_steps: int = 500
    ramp_steps: int = 8000
    cool_steps: int = 1500
    l1: Span = (4e-7, 1.25e-3)  # the penalty's coefficient, as it grows
    penalty: str = "proximal"
    score: str = "magnitude"
    neurons_first: bool = False
    regrow: int = 0  # links that are offered again after pruning, and how often
    threshold: float = 5e-3  # canonical weights up to this are cut
    retrain_steps: int = 300
    keep_l1: float = 4e-5  # while pruning
    tolerance: float = 2e-4  # that error + keep_l1 * sum |w| may rise by, for each link that a cut saves
    fraction: float = 0.34  # of the links in the first cut
    trials: int = 100  # cuts that are tried in all
    finish_steps: int = 1500

    def __post_init__(self):
        for what, given, known in (("penalty", self.penalty, PENALTIES), ("score", self.score, SCORES)):
            if given not in known:
                raise LabError(one_of(what, given, known))
        for what in ("starts", "rounds", "fit_steps", "ramp_steps", "cool_steps", "retrain_steps", "finish_steps", "trials"):
            if not isinstance(getattr(self, what), int) or getattr(self, what) < 1:
                raise LabError(f"{what} {getattr(self, what)!r}: expected a whole number from 1 on")
        for what in ("scale", "rate", "fraction"):
            if not 0 < getattr(self, what) <= 1:
                raise LabError(f"{what} {getattr(self, what)!r}: expected a number above 0, and at most 1")


class Event(NamedTuple):
    """One entry of a trace."""

    phase: str
    tried: str  # what was cut: a link, so many links, or the neurons that were left out
    links: int  # soft links of the machine that came of it
    error: float  # of that machine, on the strings to learn from
    accepted: bool
    seconds: float  # since the start began


class Trace:
    """What happened in a start: its events, and the weights after each that was accepted."""

    def __init__(self, events: Iterable[Event] = (), snapshots: Iterable[np.ndarray] = ()):
        self.events, self.snapshots = list(events), list(snapshots)
        spent = self.events[-1].seconds if self.events else 0.0
        self._began = time.monotonic() - spent

    def add(self, task: Task, phase: str, tried: str, weights: Weights, accepted: bool = True, error: float | None = None):
        error = task.error(weights) if error is None else error
        self.events.append(Event(phase, tried, count(weights), error, accepted, time.monotonic() - self._began))
        if accepted:
            self.snapshots.append(flat(weights))

    def frame(self) -> "pd.DataFrame":
        """The events as a table."""
        import pandas as pd

        return pd.DataFrame(self.events, columns=Event._fields)


def count(weights: Weights) -> int:
    """The number of links, that is, of weights that are not zero."""
    return int(sum(np.count_nonzero(np.asarray(w)) for w in weights))


def present(weights: Weights) -> Weights:
    """A mask that keeps links cut: 1.0 where a weight is not zero."""
    return [jnp.asarray(np.asarray(w) != 0, w.dtype) for w in weights]


def tidy(task: Task, weights: Weights, threshold: float) -> Weights:
    """Canonical, without neurons that are there twice, links up to the threshold, and what is then dead.

    Where the network has no place for the links of the canonical form, links are only cut.
    """
    machine = task.machine(weights)
    try:
        return task.weights(above(merged(canonical(machine)), threshold))
    except LayoutError:
        return task.weights(above(machine, threshold))


def fit(task: Task, weights: Weights, settings: Settings, trace: Trace, key: Any = None) -> Weights:
    """Trains all links. Where loops make that explode: once more, on the beginnings of the strings first."""
    few, rate = (settings.l1[0], settings.l1[0]), (settings.rate, settings.rate)
    trained = task.descend(weights, settings.fit_steps, rate, few)
    if not np.isfinite(task.error(trained)):
        trained = weights
        for cycles in (*BEGINNINGS, None):
            trained = task.descend(trained, settings.fit_steps, rate, few, cycles=cycles)
    trace.add(task, "fit", "", trained)
    return trained


def sparsify(task: Task, weights: Weights, settings: Settings, trace: Trace, key: Any = None) -> Weights:
    """Trains on while the penalty grows, and then falls with the learning rate; then cuts what is small."""
    low, high = settings.l1
    rate, penalty = settings.rate, settings.penalty
    weights = task.descend(weights, settings.ramp_steps, (rate, rate), (low, high), penalty=penalty, key=key)
    trace.add(task, "sparsify", "ramp", weights)
    mask = present(weights) if penalty == "gates" else None
    after = "proximal" if penalty == "gates" else penalty
    fall = (high, max(low, high / 30))
    weights = task.descend(weights, settings.cool_steps, (rate, rate / 10), fall, mask, after)
    trace.add(task, "sparsify", "cool", weights)
    weights = tidy(task, weights, settings.threshold)
    trace.add(task, "sparsify", "tidy", weights)
    weights = _retrain(task, weights, settings)
    trace.add(task, "sparsify", "retrain", weights)
    return weights


def prune(task: Task, weights: Weights, settings: Settings, trace: Trace, key: Any = None) -> Weights:
    """Cuts links as long as training mends it."""
    if settings.neurons_first:
        weights = _prune_neurons(task, weights, settings, trace)
    weights = _prune_links(task, weights, settings, trace)
    for _ in range(settings.regrow):
        grown = task.descend(weights, settings.retrain_steps, (settings.rate, settings.rate), (settings.l1[1] / 10,) * 2)
        grown = _retrain(task, tidy(task, grown, settings.threshold), settings)
        trace.add(task, "prune", "regrow", grown, accepted=False)
        grown = _prune_links(task, grown, settings, Trace())
        better = (_objective(task, grown, settings), count(grown)) < (_objective(task, weights, settings), count(weights))
        trace.add(task, "prune", "regrown", grown, accepted=better)
        weights = grown if better else weights
    return weights


def shorten(task: Task, weights: Weights, settings: Settings, trace: Trace, key: Any = None) -> Weights:
    """Leaves out neurons that only pass a value on, and lets training make up for the cycle that is then missing."""
    improved = True
    while improved:
        improved = False
        for machine in shortcuts(task.machine(weights)):
            try:
                shorter = task.weights(machine)
            except LayoutError:  # the network has no such link
                continue
            shorter = tidy(task, _retrain(task, shorter, settings), settings.threshold)
            if task.error(shorter) <= task.error(weights) + 3 * settings.tolerance:
                shorter = _prune_links(task, shorter, settings, Trace())
            mended = _acceptable(task, weights, shorter, settings)
            left_out = sorted(set(task.machine(weights).live().neurons) - set(task.machine(shorter).live().neurons))
            trace.add(task, "shorten", " ".join(left_out), shorter, accepted=mended)
            if mended:
                weights, improved = shorter, True
                break
    return weights


def finish(task: Task, weights: Weights, settings: Settings, trace: Trace, key: Any = None) -> Weights:
    """Trains what is left, without a penalty."""
    weights = task.descend(weights, settings.finish_steps, (settings.rate / 3, 1e-5), mask=present(weights))
    weights = tidy(task, weights, FINISHED)
    weights = task.weights(without_idle_links(task.machine(weights), task.keys, 1).live())
    trace.add(task, "finish", "", weights)
    return weights


PHASES: Mapping[str, Callable[..., Weights]] = {phase.__name__: phase for phase in (fit, sparsify, prune, shorten, finish)}


class Verdict(NamedTuple):
    """A machine and how good it is."""

    machine: Machine
    links: int
    train_loss: float  # mean over strings and cycles, summed over answers, of the squared error
    heldout_max_abs_error: float
    exact: bool
    rounded: bool


def round_off(task: Task, machine: Machine) -> Verdict:
    """The machine with weights rounded to small fractions if that is right on held-out strings, else as it is.

    Exact means: no error at all after rounding (but for that of double precision), or up to ``EXACT`` before.
    """
    for candidate in _roundings(machine):
        error = task.heldout.worst(candidate)
        if error <= 1e-9:
            return _verdict(task, candidate, error, exact=True, is_rounded=True)
    error = task.heldout.worst(machine)
    return _verdict(task, machine, error, exact=error < EXACT, is_rounded=False)


def _retrain(task: Task, weights: Weights, settings: Settings) -> Weights:
    span = (settings.rate / 3, settings.rate / 10)
    return task.descend(weights, settings.retrain_steps, span, (settings.keep_l1,) * 2, present(weights))


def _objective(task: Task, weights: Weights, settings: Settings) -> float:
    return task.error(weights) + settings.keep_l1 * float(np.abs(flat(weights)).sum())


def _acceptable(task: Task, before: Weights, after: Weights, settings: Settings) -> bool:
    saved = count(before) - count(after)
    rise = _objective(task, after, settings) - _objective(task, before, settings)
    return saved > 0 and bool(np.isfinite(rise)) and rise <= settings.tolerance * saved


def _prune_links(task: Task, weights: Weights, settings: Settings, trace: Trace) -> Weights:
    fraction, tabu = settings.fraction, set[int]()
    for _ in range(settings.trials):
        scores = _scores(task, weights, settings.score)
        candidates = [i for i in np.argsort(scores, kind="stable") if np.isfinite(scores[i]) and i not in tabu]
        if not candidates:
            break
        cut = candidates[: max(1, int(fraction * count(weights)))]
        shorter, accepted = _try_cut(task, weights, cut, settings, trace)
        if accepted:
            weights, tabu = shorter, set()
            if count(weights) > MANY:  # far from the end: be bold again
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
        without = flat(task.weights(machine.without_neuron(name)))
        cut = np.nonzero(flat(weights) * (without == 0))[0].tolist()
        shorter, accepted = _try_cut(task, weights, cut, settings, trace, name)
        if accepted:
            weights = shorter
        tabu = set() if accepted else tabu | {name}


def _try_cut(
    task: Task, weights: Weights, cut: Sequence[int], settings: Settings, trace: Trace, name: str = ""
) -> tuple[Weights, bool]:
    array = flat(weights)
    array[list(cut)] = 0.0
    shorter = tidy(task, _retrain(task, unflat(array, weights), settings), settings.threshold)
    accepted = _acceptable(task, weights, shorter, settings)
    trace.add(task, "prune", name or (task.links[int(cut[0])] if len(cut) == 1 else f"{len(cut)} links"), shorter, accepted)
    return shorter, accepted


def _scores(task: Task, weights: Weights, score: str) -> np.ndarray:
    """What each link is worth; infinite where there is none."""
    array = flat(weights)
    if score == "removal":
        return flat(task.removal_errors(weights))
    worth = np.abs(array) if score == "magnitude" else flat(task.saliency(weights))
    return np.where(array != 0, worth, np.inf)


def _roundings(machine: Machine) -> list[Machine]:
    """Canonical forms with weights rounded; the scale of a dot may be its inputs' or, if it is not clipped, its output's."""
    forms = [rounded(canonical(machine, pinned)) for pinned in (True, False)]
    return [form for i, form in enumerate(forms) if form not in forms[:i]]


def _verdict(task: Task, machine: Machine, error: float, exact: bool, is_rounded: bool) -> Verdict:
    machine = machine.live()
    return Verdict(machine, machine.count(), task.mean_squared_error(task.weights(machine)), error, exact, is_rounded)
