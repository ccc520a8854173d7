"""Attended training: descend, look, turn a knob, go on; and a record of all that was done.

In 2022 the author sat beside his machine for weeks: so many steps, a larger L1, a cut, back to yesterday's weights. Here
each such act is written down as it is done. The acts are the schedule of an unattended run: done again from the same
weights, on the same computer, they give the same weights, bit for bit::

    training = Attended(task, weights)
    training.advance(500)
    training.set_l1(1e-4)
    training.advance(1000)
    training.cut(20)
    again = replay(task, weights, training.schedule)
"""

import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..compiler.compiled import Weights
from ..core.errors import LabError
from ..core.files import read_json, write_json
from ..core.machine import Machine
from ..synthesis.phases import count
from ..synthesis.tasks import Task, flat, unflat
from ..core.vvalues import describe

EVERY = 10  # steps between two measurements of the loss
MOST = 10_000_000  # steps of one act
LARGEST = 1e30  # rate or penalty: what single precision holds

Act = dict[str, float | int]  # one key: what was done; its value: how much of it


class Attended:
    """A training that a person attends to.

    Args:
        task: the links, and the strings to learn from.
        weights: where to begin.
        rate: the learning rate of Adam.
        l1: the coefficient of the (proximal) penalty on ``sum of |w|``, as in :meth:`~dmmlab.synthesis.tasks.Task.descend`.
    """

    def __init__(self, task: Task, weights: Weights, rate: float = 1e-2, l1: float = 0.0):
        self.task, self.weights = task, weights
        self.mask = task.mask
        self.state = optax.scale_by_adam().init(weights)
        self.steps = 0
        self.rate, self.l1 = rate, l1
        self.losses: list[tuple[int, float]] = [(0, task.error(weights))]
        self.cuts: list[int] = []  # the steps at which links were cut
        self.schedule: list[Act] = [{"rate": rate}, {"l1": l1}]
        self._checkpoints: list[tuple[Weights, Weights, Any]] = []

    @property
    def links(self) -> int:
        return count(self.weights)

    @property
    def machine(self) -> Machine:
        return self.task.machine(self.weights)

    @property
    def checkpoints(self) -> int:
        """How many there are; they are numbered from 1."""
        return len(self._checkpoints)

    def advance(self, steps: int) -> None:
        """So many steps of descent. Raises :class:`~dmmlab.core.errors.LabError`, and keeps the weights before, if they leave the
        finite numbers."""
        left = _whole("steps", steps)
        while left:
            now = min(left, EVERY - self.steps % EVERY)
            weights, state = self._jitted(self.weights, self.state, self.mask, now, self.rate, self.l1)
            loss = self.task.error(weights)
            if not np.isfinite(loss) or not np.isfinite(flat(weights)).all():
                raise LabError(f"step {self.steps + now}: the loss is no longer finite; a smaller rate may help")
            self.weights, self.state, self.steps, left = weights, state, self.steps + now, left - now
            self.losses.append((self.steps, loss))
            if "steps" in self.schedule[-1]:
                self.schedule[-1]["steps"] += now
            else:
                self.schedule.append({"steps": now})

    def set_rate(self, rate: float) -> None:
        """From now on another learning rate."""
        self.rate = _size("rate", rate)
        self.schedule.append({"rate": self.rate})

    def set_l1(self, l1: float) -> None:
        """From now on another penalty."""
        self.l1 = _size("l1", l1)
        self.schedule.append({"l1": self.l1})

    def cut(self, links: int) -> None:
        """Cuts the links with the smallest weights, for good."""
        array, mask = flat(self.weights).copy(), flat(self.mask).copy()
        there = [i for i in np.argsort(np.abs(array), kind="stable") if array[i] != 0][: _whole("cut", links)]
        array[there] = 0.0
        mask[array == 0] = 0.0  # what the penalty has driven to zero is cut, too
        self.weights, self.mask = unflat(array, self.weights), unflat(mask, self.mask)
        self.cuts.append(self.steps)
        self.losses.append((self.steps, self.task.error(self.weights)))
        self.schedule.append({"cut": links})

    def checkpoint(self) -> int:
        """Keeps the weights, and what is cut, to come back to; returns the checkpoint's number."""
        self._checkpoints.append((self.weights, self.mask, self.state))
        self.schedule.append({"checkpoint": self.checkpoints})
        return self.checkpoints

    def back(self, checkpoint: int) -> None:
        """Goes back to a checkpoint. The rate and the penalty stay as they are, and steps are counted on."""
        if not isinstance(checkpoint, int) or not 1 <= checkpoint <= self.checkpoints:
            raise LabError(f"checkpoint {describe(checkpoint)}: there are {self.checkpoints}, numbered from 1")
        self.weights, self.mask, self.state = self._checkpoints[checkpoint - 1]
        self.losses.append((self.steps, self.task.error(self.weights)))
        self.schedule.append({"back": checkpoint})

    def save_schedule(self, path: str | os.PathLike) -> None:
        """Writes the schedule as JSON, whole or not at all."""
        write_json(path, self.schedule)

    @cached_property
    def _jitted(self) -> Any:
        def run(weights: Weights, state: Any, mask: Weights, steps: Any, rate: Any, l1: Any) -> tuple[Weights, Any]:
            return jax.lax.fori_loop(
                0, steps, lambda i, now: self.task.adam_step(now[0], now[1], mask, rate, l1), (weights, state)
            )

        jitted = jax.jit(run)

        def call(weights: Weights, state: Any, mask: Weights, steps: int, rate: float, l1: float) -> tuple[Weights, Any]:
            return jitted(weights, state, mask, jnp.asarray(steps), jnp.asarray(rate), jnp.asarray(l1))

        return call


ACTS = {
    "steps": Attended.advance,
    "rate": Attended.set_rate,
    "l1": Attended.set_l1,
    "cut": Attended.cut,
    "checkpoint": lambda training, _: training.checkpoint(),
    "back": Attended.back,
}


def replay(task: Task, weights: Weights, schedule: Iterable[Mapping[str, Any]]) -> Attended:
    """Does again what was done, from these weights, with no one looking on.

    Raises :class:`~dmmlab.core.errors.LabError` for an act that there is not, and says which.
    """
    if isinstance(schedule, str | Mapping) or not isinstance(schedule, Iterable):
        raise LabError(f"a schedule is a list of acts, this is {describe(schedule)}")
    training = Attended(task, weights)
    training.schedule = []
    for number, act in enumerate(schedule, start=1):
        (what, amount), *more = act.items() if isinstance(act, Mapping) and act else [(None, None)]
        if what not in ACTS or more:
            raise LabError(f"act {number}, {describe(act)}: expected one of {', '.join(ACTS)}, with a number")
        if not isinstance(amount, int | float) or isinstance(amount, bool):
            raise LabError(f"act {number}, {what}: expected a number, got {describe(amount)}")
        if not training.schedule and what not in ("rate", "l1"):
            training.schedule = [{"rate": training.rate}, {"l1": training.l1}]
        ACTS[what](training, amount)  # type: ignore[operator]
    return training


def read_schedule(path: str | os.PathLike) -> list[Act]:
    """Reads a schedule; :func:`replay` checks its acts."""
    schedule = read_json(path)
    if not isinstance(schedule, list):
        raise LabError(f"{path}: a schedule is a list of acts, this is {describe(schedule)}")
    return schedule


def _whole(what: str, amount: Any) -> int:
    if not isinstance(amount, int) or isinstance(amount, bool) or not 1 <= amount <= MOST:
        raise LabError(f"{what} {describe(amount)}: expected a whole number from 1 to {MOST:,}")
    return amount


def _size(what: str, amount: Any) -> float:
    if not isinstance(amount, int | float) or not 0 <= amount <= LARGEST:
        raise LabError(f"{what} {describe(amount)}: expected a number from 0 to {LARGEST:g}")
    return float(amount)
