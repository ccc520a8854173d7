"""Interactive training sessions, with a record of everything that the user does.

In 2022 the author trained by hand for weeks: some steps, a larger L1, a cut, a return to the
weights of the day before. A session records each such act. The recorded acts are a schedule for an
unattended run: from the same weights, on the same computer, they give the same weights bit for bit.
The session saves the weights before each cut, so that the cut can be undone::

    session = TrainingSession(descent, batch, weights)
    session.advance(500)
    session.set_l1(1e-4)
    session.advance(1000)
    session.cut(20)
    session.undo()
    again = replay_schedule(descent, batch, weights, session.schedule)
"""

import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ..compiler.weights import Weights, count_links, flatten, unflatten
from ..core.errors import LabError
from ..core.files import write_json
from ..core.machine import Machine
from ..core.summaries import Facts, plural, summarised
from ..core.vvalues import describe
from .batches import Batch
from .training_loop import DescentState, GradientDescent, constantly

EVERY = 10  # steps between two measurements of the loss
MOST_STEPS = 10_000_000  # largest number of steps, or of links, in one act
LARGEST_RATE = 1e30  # largest learning rate or penalty; single precision can represent it

Act = dict[str, float | int]  # {what was done: amount}, one key


class Checkpoint(NamedTuple):
    """Saved weights; as text, ``34 links, loss 1.8e-8``."""

    step: int
    links: int
    loss: float
    mask: Weights
    state: DescentState

    def __str__(self) -> str:
        return f"{self.links:,} link{'s' * (self.links != 1)}, loss {f'{self.loss:.2g}'.replace('e-0', 'e-')}"


@summarised
class TrainingSession:
    """An interactive training session.

    ``schedule`` is the record of all acts, ``losses`` has pairs (step, loss), and ``checkpoints``
    are the saved weights.

    Args:
        descent: the training loop; with a proximal step, ``l1`` is its penalty.
        batch: the training strings.
        weights: the initial weights, a matrix for each stage.
        learning_rate: the learning rate of Adam.
        l1: the penalty on ``sum of |w|``.
    """

    def __init__(self, descent: GradientDescent, batch: Batch, weights: Weights, learning_rate: float = 1e-2, l1: float = 0.0):
        self.descent, self.batch = descent, batch
        self.mask = descent.objective.compiled.mask
        self._state = descent.initial_state(weights)
        self.steps = 0
        self.learning_rate, self.l1 = learning_rate, l1
        self.losses: list[tuple[int, float]] = [(0, self._loss(weights))]
        self.cuts: list[int] = []  # the steps at which links were cut
        self.returns: list[int] = []  # the steps at which the session went back to a checkpoint
        self.schedule: list[Act] = [{"rate": learning_rate}, {"l1": l1}]
        self.checkpoints: list[Checkpoint] = []
        self._undo: list[tuple[str, int]] = []  # acts that can be undone, each with the checkpoint before it

    @property
    def weights(self) -> Weights:
        """The current weights, a matrix for each stage."""
        return self._state.parameters

    @property
    def links(self) -> int:
        """The number of links."""
        return count_links(self.weights)

    @property
    def machine(self) -> Machine:
        """The machine with the current weights."""
        compiled = self.descent.objective.compiled
        return compiled.machine.with_soft(compiled.soft(self.weights))

    def advance(self, steps: int) -> None:
        """Runs ``steps`` steps of descent.

        Raises :class:`~dmmlab.core.errors.LabError` if the loss or the weights are no longer
        finite; the session then keeps the last finite weights.
        """
        remaining = _whole("steps", steps)
        while remaining:
            now = min(remaining, EVERY - self.steps % EVERY)
            learning_rate, penalties = constantly(self.learning_rate), {"l1": constantly(self.l1)}
            state = self.descent.run(self._state, self.batch, self.mask, jnp.asarray(now), learning_rate, penalties, None)
            loss = self._loss(state.parameters)
            if not np.isfinite(loss) or not np.isfinite(flatten(state.parameters)).all():
                raise LabError(f"step {self.steps + now}: the loss is no longer finite; a smaller rate may help")
            self._state, self.steps, remaining = state, self.steps + now, remaining - now
            self.losses.append((self.steps, loss))
            if "steps" in self.schedule[-1]:
                self.schedule[-1]["steps"] += now
            else:
                self.schedule.append({"steps": now})

    def set_learning_rate(self, learning_rate: float) -> None:
        """Sets the learning rate. Raises :class:`LabError` outside 0 to 1e30."""
        self.learning_rate = _size("rate", learning_rate)
        self.schedule.append({"rate": self.learning_rate})

    def set_l1(self, l1: float) -> None:
        """Sets the L1 penalty. Raises :class:`LabError` outside 0 to 1e30."""
        self.l1 = _size("l1", l1)
        self.schedule.append({"l1": self.l1})

    def cut(self, links: int) -> None:
        """Cuts the ``links`` links with the smallest weights; :meth:`undo` restores them.

        Raises :class:`~dmmlab.core.errors.LabError` for less than one link.
        """
        _whole("cut", links)
        self._can_be_undone(f"the cut at step {self.steps:,}")
        self.cut_for_good(links)

    def cut_for_good(self, links: int) -> None:
        """Does the same as :meth:`cut`, without saving a checkpoint first.

        Raises :class:`~dmmlab.core.errors.LabError` for less than one link.
        """
        array, mask = flatten(self.weights).copy(), flatten(self.mask).copy()
        smallest = [i for i in np.argsort(np.abs(array), kind="stable") if array[i] != 0][: _whole("cut", links)]
        array[smallest] = 0.0
        mask[array == 0] = 0.0  # also cuts the links that the penalty has driven to zero
        self._set(unflatten(mask, self.mask), self._state._replace(parameters=unflatten(array, self.weights)))
        self.cuts.append(self.steps)
        self.schedule.append({"cut": links})

    def checkpoint(self) -> int:
        """Saves weights and mask; returns the number of the checkpoint, counted from 1."""
        self.checkpoints.append(Checkpoint(self.steps, self.links, self.losses[-1][1], self.mask, self._state))
        self.schedule.append({"checkpoint": len(self.checkpoints)})
        return len(self.checkpoints)

    def back(self, checkpoint: int) -> None:
        """Goes back to a checkpoint; :meth:`undo` reverts that, too.

        Learning rate, penalty and the number of steps do not change. Raises
        :class:`~dmmlab.core.errors.LabError` if there is no such checkpoint.
        """
        self._check(checkpoint)
        self._can_be_undone(f"going back at step {self.steps:,}")
        self.back_for_good(checkpoint)

    def back_for_good(self, checkpoint: int) -> None:
        """Does the same as :meth:`back`, without saving a checkpoint first.

        Raises :class:`~dmmlab.core.errors.LabError` if there is no such checkpoint.
        """
        self._check(checkpoint)
        self._set(*self.checkpoints[checkpoint - 1][-2:])
        self.returns.append(self.steps)
        self.schedule.append({"back": checkpoint})

    def undo(self) -> str:
        """Undoes the last cut or return to a checkpoint, and all training after it.

        Returns a description of the undone act. Raises :class:`~dmmlab.core.errors.LabError` if
        there is none.
        """
        if not self._undo:
            raise LabError("there is no cut to take back")
        what, checkpoint = self._undo.pop()
        self.back_for_good(checkpoint)
        return what

    def _check(self, checkpoint: int) -> None:
        if not isinstance(checkpoint, int) or not 1 <= checkpoint <= len(self.checkpoints):
            raise LabError(f"checkpoint {describe(checkpoint)}: there are {len(self.checkpoints)}, numbered from 1")

    def save_schedule(self, path: str | os.PathLike) -> None:
        """Writes the schedule as JSON. Raises :class:`~dmmlab.core.files.FileError`."""
        write_json(path, self.schedule)

    def _can_be_undone(self, what: str) -> None:
        """Saves the current weights, unless the last checkpoint has them already."""
        kept = bool(self.checkpoints) and self.checkpoints[-1].state is self._state
        self._undo.append((what, len(self.checkpoints) if kept else self.checkpoint()))

    def _set(self, mask: Weights, state: DescentState) -> None:
        self.mask, self._state = mask, state
        self.losses.append((self.steps, self._loss(self.weights)))

    def _loss(self, weights: Weights) -> float:
        return float(self.descent.error(weights, self.batch))

    def _summary(self) -> tuple[str, Facts]:
        facts = {
            "loss": self.losses[-1][1],
            "links": self.links,
            "learning rate": self.learning_rate,
            "l1": self.l1,
            "acts": len(self.schedule),
            "checkpoints": self.checkpoints,
        }
        return f"TrainingSession after {plural(self.steps, 'step')}", facts.items()


ACTS = {
    "steps": TrainingSession.advance,
    "rate": TrainingSession.set_learning_rate,
    "l1": TrainingSession.set_l1,
    "cut": TrainingSession.cut_for_good,  # the checkpoint before the cut is a separate act
    "checkpoint": lambda session, _: session.checkpoint(),
    "back": TrainingSession.back_for_good,
}


def replay_schedule(
    descent: GradientDescent, batch: Batch, weights: Weights, schedule: Iterable[Mapping[str, Any]]
) -> TrainingSession:
    """Repeats the acts of a recorded session.

    Args:
        descent: the training loop.
        batch: the training strings.
        weights: the initial weights, a matrix for each stage.
        schedule: the acts, in order.

    Returns:
        A session in the same state as the recorded one.

    Raises:
        LabError: an invalid act; the message says which.
    """
    if isinstance(schedule, str | Mapping) or not isinstance(schedule, Iterable):
        raise LabError(f"a schedule is a list of acts, this is {describe(schedule)}")
    session = TrainingSession(descent, batch, weights)
    session.schedule = []
    for number, act in enumerate(schedule, start=1):
        (what, amount), *more = act.items() if isinstance(act, Mapping) and act else [(None, None)]
        if what not in ACTS or more:
            raise LabError(f"act {number}, {describe(act)}: expected one of {', '.join(ACTS)}, with a number")
        if not isinstance(amount, int | float) or isinstance(amount, bool):
            raise LabError(f"act {number}, {what}: expected a number, got {describe(amount)}")
        if not session.schedule and what not in ("rate", "l1"):
            session.schedule = [{"rate": session.learning_rate}, {"l1": session.l1}]
        ACTS[what](session, amount)  # type: ignore[operator]
    return session


def _whole(what: str, amount: Any) -> int:
    if not isinstance(amount, int) or isinstance(amount, bool) or not 1 <= amount <= MOST_STEPS:
        raise LabError(f"{what} {describe(amount)}: expected a whole number from 1 to {MOST_STEPS:,}")
    return amount


def _size(what: str, amount: Any) -> float:
    if isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 <= amount <= LARGEST_RATE:
        raise LabError(f"{what} {describe(amount)}: expected a number from 0 to {LARGEST_RATE:g}")
    return float(amount)
