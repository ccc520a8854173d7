"""Training: gradient descent on the weights of a compiled machine, with a history and checkpoints.

Training minimises the squared error of the machine's answers, summed over strings, cycles and
answers, plus any regularizers. The optimizer is Adam or any other optimizer of optax. Steps run
inside one compiled loop (:mod:`dmmlab.learning.training_loop`), a chunk at a time. Between chunks
Python shows progress, handles requests to stop, saves checkpoints and detects a loss that is no
longer finite.
"""

import hashlib
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..compiler.compiled import Compiled
from ..compiler.weights import Weights, is_finite, masked
from ..core.errors import LabError
from ..core.files import FileError
from ..core.machine import Machine
from ..core.summaries import Facts, plural, summarised
from .array_files import Expected, load_arrays, save_arrays
from .batches import Batch
from .losses import squared_error
from .objectives import Imitation, Loss
from .training_loop import RECORDED, DescentState, GradientDescent

if TYPE_CHECKING:
    import pandas as pd


MOST_STEPS = 100_000_000  # largest number of steps in a checkpoint


class TrainingError(LabError):
    """Training cannot start or continue."""


class NotFinite(TrainingError):
    """The loss or the weights became infinite or NaN in ``step``.

    ``result`` holds the last finite weights, which belong to the last loss in its history.
    """

    def __init__(self, step: int, result: "TrainingResult"):
        self.step, self.result = step, result
        super().__init__(f"step {step}: the loss is no longer finite; the weights before that step are kept")


@summarised
@dataclass
class TrainingResult:
    """The result of a training.

    ``history`` has a list for the loss before regularization and one for each regularizer.
    ``state.parameters`` are the weights.
    """

    compiled: Compiled
    state: DescentState
    history: dict[str, list[float]] = field(default_factory=dict)
    stopped: bool = False

    @property
    def weights(self) -> Weights:
        """The weights after the last step, a matrix for each stage."""
        return self.state.parameters

    @property
    def machine(self) -> Machine:
        """The machine with the weights after the last step."""
        return self.compiled.machine.with_soft(self.compiled.soft(self.state.parameters))

    @property
    def best(self) -> Machine:
        """The machine with the weights of the smallest loss, regularizers included."""
        return self.compiled.machine.with_soft(self.compiled.soft(self.state.best))

    def frame(self) -> "pd.DataFrame":
        """Returns the history as a table: a row for each step, from 1."""
        import pandas as pd

        return pd.DataFrame(self.history, index=pd.RangeIndex(1, len(self.history["loss"]) + 1, name="step"))

    def _summary(self) -> tuple[str, Facts]:
        losses = self.history.get("loss", [])
        facts = [("machine", f"{plural(self.compiled.machine.count(), 'soft link')}")]
        for name, values in self.history.items():
            if values:
                facts.append((name, f"{values[0]:.6g} at first, {values[-1]:.6g} at last, {min(values):.6g} at best"))
        return f"TrainingResult: {plural(len(losses), 'step')}{', stopped' if self.stopped else ''}", facts


def descent_for(
    compiled: Compiled,
    regularizers: Collection[str] = (),
    optimizer: optax.GradientTransformation | None = None,
    loss: Loss = squared_error,
) -> GradientDescent:
    """Returns the loop of :func:`train`, for several trainings with a single compilation.

    Args:
        compiled: the machine.
        regularizers: their names; their penalties may differ in each training.
        optimizer: a complete optax optimizer, including its learning rate; if left out, Adam with
            the learning rate of the training.
        loss: ``(compiled, weights, batch) -> number``, a sum over the strings of the batch.

    Returns:
        The loop.

    Raises:
        LabError: an unknown regularizer.
    """
    downwards = None if optimizer is None else optax.chain(optimizer, optax.scale(-1.0))
    return GradientDescent(Imitation(compiled, tuple(regularizers), loss), downwards, keep_best=True)


def train(
    compiled: Compiled,
    batch: Batch,
    steps: int,
    *,
    learning_rate: float = 1e-3,
    optimizer: optax.GradientTransformation | None = None,
    regularizers: Mapping[str, float] | None = None,
    loss: Loss = squared_error,
    weights: Weights | None = None,
    mask: Weights | None = None,
    descent: GradientDescent | None = None,
    stop: Callable[[TrainingResult], bool] | None = None,
    progress: bool = False,
    checkpoint: str | os.PathLike | None = None,
) -> TrainingResult:
    """Trains a compiled machine.

    Args:
        compiled: the machine.
        batch: the training strings.
        steps: the total number of steps; a resumed training runs the remaining steps.
        learning_rate: the learning rate of Adam; in 2022 it was 0.001.
        optimizer: another optimizer of optax, with its own learning rate.
        regularizers: the penalty for each name of :data:`~dmmlab.learning.losses.REGULARIZERS`,
            such as ``{"l1": 0.001}``.
        loss: the loss beside the regularizers, like :func:`~dmmlab.learning.losses.squared_error`.
        weights: the initial weights; those of the machine if left out.
        mask: 0.0 for the links that are cut; if left out, all links are trained. Another mask does
            not cause a new compilation.
        descent: the compiled loop of an earlier call (:func:`descent_for`), with its optimizer and
            its loss.
        stop: called after every 100 steps; training stops if it returns true. An interrupt (Ctrl-C,
            the notebook's stop button) also stops it. The result then covers the steps done so far.
        progress: whether to show a progress bar.
        checkpoint: a file, saved after every chunk; if it exists, training resumes from it. On the
            same computer, a resumed training equals an uninterrupted one bit for bit. A checkpoint
            from other weights, strings, masks or regularizers is refused; another optimizer of the
            same kind is not noticed.

    Returns:
        The weights of the last step, the best weights, and the history.

    Raises:
        NotFinite: the loss or the weights are not finite; has the step and the last finite weights.
        TrainingError: the checkpoint is damaged, is from another training, or has weights that are
            not finite; or weights or mask have the wrong shape.
    """
    penalties = {name: float(penalty) for name, penalty in (regularizers or {}).items()}
    descent = descent or descent_for(compiled, penalties, optimizer, loss)
    if set(penalties) != set(descent.objective.regularizers):
        raise TrainingError(f"regularizers {sorted(penalties)}: the loop was made for {sorted(descent.objective.regularizers)}")
    step_size = learning_rate if optimizer is None else 1.0
    mask = compiled.mask if mask is None else mask
    weights = compiled.weights() if weights is None else weights
    _check_shapes(compiled, mask=mask, weights=weights)
    first = masked(weights, mask)
    fingerprint = _fingerprint(penalties, first, batch, mask)
    result = TrainingResult(compiled, descent.initial_state(first), {name: [] for name in descent.columns})
    if checkpoint is not None and Path(checkpoint).exists():
        _resume(result, checkpoint, fingerprint)
    bar = _bar(steps) if progress else None
    earlier: tuple[DescentState, int] | None = None  # the previous chunk: its first state and its number of steps
    done = int(result.state.step)
    if bar is not None:
        bar.update(min(done, steps))
    try:
        while done < steps and not result.stopped:
            now = min(RECORDED - done % RECORDED, steps - done)
            before = result.state
            state, terms = descent.record(before, batch, mask, now, step_size, penalties)
            table = np.asarray(terms)[:now]
            bad = np.nonzero(~np.isfinite(table).all(axis=1))[0]
            if len(bad):
                now = int(bad[0])
                again, count = (before, now) if now or earlier is None else earlier
                state, _ = descent.record(again, batch, mask, max(count - 1, 0), step_size, penalties)
            earlier, result.state, done = (before, now), state, done + now
            for name, column in zip(descent.columns, table[:now].T[:-1], strict=True):
                result.history[name] += column.tolist()
            if len(bad):
                raise NotFinite(done + 1, result)
            if bar is not None:
                bar.update(now)
                bar.set_postfix(loss=f"{result.history['loss'][-1]:.4g}")
            if checkpoint is not None:
                _save(result, checkpoint, fingerprint)
            result.stopped = done < steps and stop is not None and bool(stop(result))
    except KeyboardInterrupt:
        result.stopped = True
    finally:
        if bar is not None:
            bar.close()
    return result


def _check_shapes(compiled: Compiled, **given: Weights) -> None:
    shapes = [stage.exists.shape for stage in compiled.stages]
    for name, matrices in given.items():
        if not isinstance(matrices, list) or [np.shape(m) for m in matrices] != shapes:
            raise TrainingError(f"{name}: expected a list of matrices like compiled.weights(), of shapes {shapes}")


def _save(result: TrainingResult, path: str | os.PathLike, fingerprint: np.ndarray) -> None:
    leaves = {f"state-{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(result.state))}
    history = {f"history-{name}": np.asarray(column) for name, column in result.history.items()}
    save_arrays(path, leaves | history | {"fingerprint": fingerprint})


def _fingerprint(penalties: Mapping[str, float], weights: Weights, batch: Batch, mask: Weights) -> np.ndarray:
    """Returns a hash that identifies a training; it does not cover the optimizer, a function."""
    digest = hashlib.sha256(repr(penalties).encode())
    for leaf in jax.tree.leaves((weights, batch, mask)):
        digest.update(np.asarray(leaf).tobytes())
    return np.frombuffer(digest.digest(), np.uint8)


def _resume(result: TrainingResult, path: str | os.PathLike, fingerprint: np.ndarray) -> None:
    leaves, structure = jax.tree.flatten(result.state)
    columns = {f"history-{name}": Expected((range(MOST_STEPS + 1),), "f", finite=True) for name in result.history}
    states = {f"state-{i}": Expected(leaf.shape, leaf.dtype.kind, leaf.dtype) for i, leaf in enumerate(leaves)}
    prints = Expected(fingerprint.shape, "u", fingerprint.dtype)
    try:
        arrays = load_arrays(path, {**states, **columns, "fingerprint": prints})
    except FileError as error:
        raise TrainingError(f"{error}: no checkpoint of this training; delete it, or name another file") from None
    if not np.array_equal(arrays["fingerprint"], fingerprint):
        raise TrainingError(f"{path}: a checkpoint of a training from other weights or strings, or with other regularizers")
    state = jax.tree.unflatten(structure, [jnp.asarray(arrays[name]) for name in states])
    if not is_finite(state.parameters):
        raise TrainingError(f"{path}: its weights are not finite numbers; delete it, or name another file")
    if {len(arrays[name]) for name in columns} != {int(state.step)}:
        raise TrainingError(f"{path}: its history is not as long as its training; delete it, or name another file")
    result.state = state
    result.history = {name: arrays[f"history-{name}"].tolist() for name in result.history}


def _bar(steps: int) -> Any:
    from tqdm.auto import tqdm

    return tqdm(total=steps, unit="step")
