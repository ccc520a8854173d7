"""Smaller machines: removes links without training.

An *idle* link carries nothing that its target uses, so it can go at once.

From an exact machine, a smaller exact one is searched. Training gives different machines if sums
are rounded in another order. Some have a detour: for example, one part takes a value a cycle early,
and another delays it by a cycle. Neither a shortcut nor a cut alone removes the detour, but both at
once do. So each shortcut is tried together with every cut of up to two links on the training
strings. The machines that fit are then judged on the validation strings.
"""

import itertools
import math

import numpy as np

from ..compiler.layout import LayoutError, lay_out
from ..compiler.weights import flatten, unflatten
from ..core.engine import Streams
from ..core.machine import Machine
from ..machines.canonical_form import from_rows, soft_rows
from ..machines.simplifications import shortcuts
from .rounding import Verdict, round_off
from .tasks import Task

CUTS = 2  # largest number of links that are cut at once
MOST_CUTS = 2000  # largest number of cuts of one size that are tried on a machine
FITS = 1e-9  # largest relative squared error on training strings, in single precision, of a candidate


def without_idle_links(machine: Machine, streams: Streams, cycles: int | None = None) -> Machine:
    """Removes idle soft links: their V-values have no keys that the target neuron uses.

    Args:
        machine: any machine.
        streams: an example of its input; only its keys matter.
        cycles: how many cycles of the example to look at; 1 if left out.

    Returns:
        A new machine with the same neurons.

    Raises:
        LayoutError: a machine that cannot be laid out.
    """
    layout = lay_out(machine, streams, cycles or 1)
    rows = {
        port: {
            source: w
            for source, w in row.items()
            if layout.used.get(port, layout.carried.get(source, frozenset())) & layout.carried.get(source, frozenset())
        }
        for port, row in soft_rows(machine).items()
    }
    return machine.with_soft(from_rows(rows))


def with_fewer_links(task: Task, verdict: Verdict) -> Verdict:
    """Removes links from an exact machine by shortcuts and cuts, as long as it stays exact.

    Args:
        task: has the strings.
        verdict: the verdict on a machine of the task's network.

    Returns:
        The verdict on a machine with fewer links, exact on validation strings and not yet tested.
        The same verdict if there is none, or if its machine is not exact.
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
    """Returns the machines with up to two links cut that are right on the training strings."""
    try:
        weights = flatten(task.weights(machine))
    except LayoutError:  # the network has no such link
        return []
    links, fitting = np.nonzero(weights)[0], []
    for count in range(CUTS + 1):
        if math.comb(len(links), count) > MOST_CUTS:
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
