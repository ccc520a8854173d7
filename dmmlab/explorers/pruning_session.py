"""Pruning by hand: the pruning explorer without its browser part.

Links with weights above a threshold stay. Single links can be cut whatever their weight, or pinned,
so that no threshold cuts them. The remaining links can be trained further, and every move can be
undone. With the trace of a synthesis, a session can move through its history and branch off from
any moment of it::

    pruning = PruningSession(Task(PROBLEMS["duplicates"], published()))
    pruning.move_threshold(0.3)
    pruning.cut("output.dict-1 <- norm-2-1.norm")
    pruning.undo()
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..compiler.weights import Weights, flatten, is_finite, support, unflatten
from ..core.errors import LabError
from ..core.machine import Machine
from ..core.summaries import Facts, summarised
from ..core.vvalues import describe
from ..drawing.bundles import READABLE, circuit_or_bundle
from ..drawing.graphviz_drawing import Drawing
from ..pruning.tasks import Task
from ..pruning.trace import Trace


class PruningState(NamedTuple):
    """The state of a pruning, which a move changes and :meth:`PruningSession.undo` restores."""

    moment: int  # of the history
    weights: np.ndarray  # all of them, cut or not
    threshold: float
    cut: frozenset[int]  # by hand
    pinned: frozenset[int]


class Quality(NamedTuple):
    """The size and the quality of a pruned machine."""

    links: int
    live: int  # of these, links that can influence the output
    train_loss: float  # mean over strings and cycles, summed over answers, of the squared error
    validation_error: float  # the largest absolute error on strings that were not trained on


@summarised
class PruningSession:
    """Prunes a machine, or a moment of its synthesis history, by hand.

    Links are named as ``output.dict-1 <- norm.norm``. Methods that take a name raise
    :class:`~dmmlab.core.errors.LabError` if there is no such soft link.

    Args:
        task: the links, the training strings, and the test strings.
        weights: the initial weights, a matrix for each stage; by default the last of the history,
            or else those of the task's machine.
        history: a trace of a synthesis of the same task.

    Raises :class:`~dmmlab.core.errors.LabError` for a network without weights or history.
    """

    def __init__(self, task: Task, weights: Weights | None = None, history: Trace | None = None):
        self.task = task
        self.names = task.links
        self._places = {name: place for place, name in self.names.items()}
        self.history: Sequence[np.ndarray] = history.snapshots if history is not None else ()
        if weights is None and not self.history and not isinstance(task.network, Machine):
            raise LabError("a network has no weights of its own: give some, or a history")
        if weights is None:
            weights = unflatten(self.history[-1], task.mask) if self.history else task.weights(task.compiled.machine)
        self._done: list[tuple[str, PruningState]] = []  # moves, each with the state before it
        self._made: tuple[PruningState, Machine] | None = None  # the machine of a state
        self.place = PruningState(max(0, len(self.history) - 1), flatten(weights), 0.0, frozenset(), frozenset())

    @property
    def range(self) -> tuple[float, float]:
        """The useful thresholds: from below the smallest weight to above the largest."""
        sizes = np.abs(np.concatenate([array[array != 0] for array in (*self.history, self.place.weights)]))
        if not len(sizes):
            return 1e-6, 1.0
        return max(float(sizes.min()) / 2, 1e-6), float(sizes.max()) * 1.25

    @property
    def kept(self) -> np.ndarray:
        """Whether the link of each weight is kept: (weights,)."""
        weights, kept = self.place.weights, np.abs(self.place.weights) > self.place.threshold
        kept[list(self.place.pinned)] = True
        kept[list(self.place.cut)] = False
        return kept & (weights != 0)

    @property
    def weights(self) -> Weights:
        """A matrix for each stage, with zeros for the links that are cut."""
        return unflatten(np.where(self.kept, self.place.weights, 0.0), self.task.mask)

    @property
    def machine(self) -> Machine:
        """The machine without the links that are cut."""
        if self._made is None or self._made[0] is not self.place:
            self._made = (self.place, self.task.machine(self.weights))
        return self._made[1]

    @property
    def whole(self) -> Machine:
        """The machine including the links that are cut."""
        return self.task.machine(unflatten(self.place.weights, self.task.mask))

    @property
    def links(self) -> list[str]:
        """The names of all links, those with the smallest weights first."""
        weights = np.abs(self.place.weights)
        return [self.names[i] for i in np.argsort(weights, kind="stable") if weights[i] != 0]

    def status(self, name: str) -> str:
        """Returns ``kept``, ``pinned``, ``cut``, ``below the threshold``, or ``gone``.

        A link is ``cut`` by hand, and ``gone`` if its weight is zero.
        """
        i = self._place(name)
        if i in self.place.cut:
            return "cut"
        if self.place.weights[i] == 0:
            return "gone"
        return "pinned" if i in self.place.pinned else "kept" if self.kept[i] else "below the threshold"

    def weight(self, name: str) -> float:
        """Returns the weight of a link, cut or not."""
        return float(self.place.weights[self._place(name)])

    def move_threshold(self, threshold: float) -> None:
        """Cuts the links with weights up to the threshold, in addition to those cut by hand.

        Raises :class:`~dmmlab.core.errors.LabError` for a threshold below 0.
        """
        if not threshold >= 0:
            raise LabError(f"threshold {threshold!r}: expected a number from 0 on")
        self._move("threshold", threshold=float(threshold))

    def cut(self, name: str) -> None:
        """Cuts a link by hand."""
        i = self._place(name)
        self._move(f"cut {self.names[i]}", cut=self.place.cut | {i}, pinned=self.place.pinned - {i})

    def pin(self, name: str) -> None:
        """Pins a link, so that no threshold cuts it; unpins a link that is pinned."""
        i = self._place(name)
        if i in self.place.pinned:
            self._move(f"let go of {self.names[i]}", pinned=self.place.pinned - {i})
        else:
            self._move(f"pin {self.names[i]}", cut=self.place.cut - {i}, pinned=self.place.pinned | {i})

    def restore(self, name: str) -> None:
        """Restores a link; one that is below the threshold is pinned.

        Raises :class:`~dmmlab.core.errors.LabError` if it is not cut, or if its weight is zero.
        """
        i = self._place(name)
        if self.kept[i]:
            raise LabError(f"{self.names[i]} is not cut")
        if self.place.weights[i] == 0:
            raise LabError(f"{self.names[i]} has no weight any more; undo brings it back")
        if abs(self.place.weights[i]) <= self.place.threshold:
            self.pin(name)
        else:
            self._move(f"restore {self.names[i]}", cut=self.place.cut - {i})

    def go_to(self, moment: int) -> None:
        """Takes the weights of a moment of the history, and clears all cuts and pins.

        Raises :class:`~dmmlab.core.errors.LabError` if there is no such moment.
        """
        if not 0 <= moment < len(self.history):
            raise LabError(f"moment {moment}: the history has {len(self.history)}, from 0 on")
        self._move("history", moment=moment, weights=self.history[moment], cut=frozenset(), pinned=frozenset())

    def train(self, steps: int, learning_rate: float = 3e-3) -> None:
        """Trains the remaining links for ``steps`` steps; the links that are cut are then gone.

        Raises :class:`~dmmlab.core.errors.LabError` if no link remains, or weights are not finite.
        """
        weights = self.weights
        if not self.kept.any():
            raise LabError("no links are left to be trained")
        trained = self.task.descend(weights, steps, (learning_rate, learning_rate / 3), mask=support(weights), penalty="none")
        if not is_finite(trained):
            raise LabError("training left the finite numbers; nothing was changed")
        self._move(f"train {steps} steps", weights=flatten(trained), cut=frozenset(), pinned=self.place.pinned, threshold=0.0)

    def undo(self) -> str:
        """Undoes the last move, and returns its description.

        Consecutive threshold moves count as one move, and so do consecutive moves in the history.
        Raises :class:`~dmmlab.core.errors.LabError` if there is no move.
        """
        if not self._done:
            raise LabError("there is nothing to undo")
        move, self.place = self._done.pop()
        return move

    def measure(self) -> Quality:
        """Returns the size and the quality of the machine."""
        machine, weights = self.machine, self.weights
        links = int(self.kept.sum())
        return Quality(
            links,
            machine.live().count(),
            self.task.mean_squared_error(weights),
            self.task.quick_evaluator.max_abs_error(machine),
        )

    def answers(self, string: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Returns the answers to a string of the task, and its targets: (answers, cycles) each."""
        cycles = self.task.samples[string].cycles
        answers, targets = self.task.answers(self.weights), self.task.targets
        return answers[:, string, :cycles], targets[:, string, :cycles]

    def drawing(self, show_cut: bool = True) -> Drawing:
        """Draws the circuit, or the bundle if there are many links.

        A circuit shows cut links dotted, if ``show_cut`` is true and the uncut machine is small.
        """
        shown = show_cut and np.count_nonzero(self.place.weights) <= READABLE
        return circuit_or_bundle(self.machine, self.whole, self.whole if shown else None)

    def export(self, path: str | os.PathLike, show_cut: bool = False) -> Path:
        """Writes the drawing in the format that the ending names; ``.json`` writes the machine.

        Returns the path. Raises :class:`~dmmlab.core.errors.LabError` for an unknown format.
        """
        if Path(path).suffix == ".json":
            self.machine.to_json(path)
            return Path(path)
        return self.drawing(show_cut).save_as(path)

    def named(self, text: str) -> str:
        """Finds a link's name from a text: with or without spaces, or a part that only it has.

        Raises :class:`~dmmlab.core.errors.LabError` if there is no such link, or more than one.
        """
        to, arrow, source = text.partition("<-")
        name = f"{to.strip()} <- {source.strip()}" if arrow else text.strip()
        if name in self._places:
            return name
        if any(str(link) == name for link in self.task.compiled.machine.links()):
            raise LabError(f"{name} is a hard link: it belongs to the architecture")
        meant = [each for each in self._places if name and name in each]
        if len(meant) == 1:
            return meant[0]
        if meant:
            some = ", ".join(meant[:3]) + (", …" if len(meant) > 3 else "")
            raise LabError(f"{len(meant)} links have {describe(text)} in their names: {some}")
        raise LabError(f"there is no link {describe(text)}; a link is written output.dict-1 <- norm.norm")

    def _place(self, name: str) -> int:
        return self._places[self.named(name)]

    def _move(self, move: str, **changed: object) -> None:
        if not self._done or move != self._done[-1][0] or move not in ("threshold", "history"):
            self._done.append((move, self.place))
        self.place = self.place._replace(**changed)  # type: ignore[arg-type]

    def _summary(self) -> tuple[str, Facts]:
        facts = {
            "links": len(self.names),
            "cut by hand": len(self.place.cut),
            "pinned": len(self.place.pinned),
            "threshold": self.place.threshold,
            "moments": len(self.history),
            "moves": len(self._done),
        }
        return f"PruningSession: {self.task.problem.question}", facts.items()
