"""Smaller machines: of an exact machine, a smaller one that is exact, too, without training.

Training ends in different machines where sums are rounded in another order: one with a detour, say,
of which one half looks a cycle ahead and the other waits a cycle. A shortcut, or a cut, undoes
neither half; both at once undo the detour. So each shortcut is tried together with every cut of up
to two links, on the training strings, and what fits there is judged on the validation strings.
"""

import itertools
import math

import numpy as np

from ..compiler.layout import LayoutError
from ..compiler.weights import flatten, unflatten
from ..core.machine import Machine
from ..machines.simplifications import shortcuts
from .rounding import Verdict, round_off
from .tasks import Task

CUTS = 2  # links, at most, that are cut at once
MOST = 2000  # cuts of one machine that are tried
FITS = 1e-9  # relative squared error on training strings, in single precision, of what may be exact


def with_fewer_links(task: Task, verdict: Verdict) -> Verdict:
    """The verdict on the smallest exact machine that shortcuts and cuts make of an exact one.

    Args:
        task: has the strings.
        verdict: on a machine of the task's network.

    Returns:
        The verdict on a machine with fewer links, exact on validation strings and not yet tested;
        the same verdict if there is none, or if its machine is not exact.
    """
    while verdict.exact_on_validation:
        fitting = [m for start in [verdict.machine, *shortcuts(verdict.machine)] for m in _with_cuts(task, start)]
        smaller = sorted((m for m in fitting if m.count() < verdict.links), key=Machine.count)
        better = next((v for m in smaller if (v := round_off(task, m)).exact_on_validation), None)
        if better is None:
            break
        verdict = better
    return verdict


def _with_cuts(task: Task, machine: Machine) -> list[Machine]:
    """The machines without up to two links that are right on the training strings."""
    try:
        weights = flatten(task.weights(machine))
    except LayoutError:  # the network has no such link
        return []
    links, fitting = np.nonzero(weights)[0], []
    for count in range(CUTS + 1):
        if math.comb(len(links), count) > MOST:
            break
        for cut in itertools.combinations(links, count):
            if task.stop is not None and task.stop.is_set():
                return []
            array = weights.copy()
            array[list(cut)] = 0.0
            shorter = unflatten(array, task.mask)
            if task.error(shorter) < FITS:
                fitting.append(task.machine(shorter).live(task.problem.inputs))
    return fitting
