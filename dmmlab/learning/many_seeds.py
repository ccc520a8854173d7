"""Many seeds: training from each of several initial weights, in one call of one compiled program.

Inside the program they go through a loop on a CPU, where that costs a seed what it costs alone, and
``vmap`` costs more (``dmmlab bench batches``); on an accelerator they go side by side, by ``vmap``.
Strings can be many, too: they are those of the batch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..compiler.array_operations import on_accelerator
from ..compiler.compiled import Compiled
from ..compiler.weights import Weights
from .batches import Batch
from .losses import squared_error
from .objectives import Loss
from .training import TrainingError, TrainingResult, descent_for
from .training_loop import DescentState, GradientDescent


def train_from_each(
    compiled: Compiled,
    batch: Batch,
    steps: int,
    initial_weights: Sequence[Weights],
    *,
    learning_rate: float = 1e-3,
    optimizer: optax.GradientTransformation | None = None,
    regularizers: Mapping[str, float] | None = None,
    loss: Loss = squared_error,
) -> list[TrainingResult]:
    """As :func:`dmmlab.learning.training.train`, from each of several initial weights.

    A seed whose loss leaves the finite numbers does not stop the others: the history of its result
    ends before that step, its weights are its best so far, and it is marked as stopped.

    Args:
        compiled: the machine.
        batch: the strings to learn from.
        steps: of each training.
        initial_weights: where they start; for each, a matrix for each stage.
        learning_rate: of Adam.
        optimizer: another one, with a learning rate of its own.
        regularizers: by name, the penalty.
        loss: what to minimise beside them.

    Returns:
        The results, in the order of the initial weights.

    Raises:
        TrainingError: no initial weights, or no steps.
    """
    if not initial_weights or steps < 1:
        raise TrainingError(f"{len(initial_weights)} initial weights and {steps} steps: at least one of each is needed")
    descent = descent_for(compiled, regularizers or (), optimizer, loss)
    penalties, step_size = dict(regularizers or {}), learning_rate if optimizer is None else 1.0

    def run(weights: Weights) -> tuple[DescentState, jax.Array]:
        return jax.lax.scan(
            lambda state, _: descent.step(state, batch, compiled.mask, step_size, penalties),
            descent.initial_state(weights),
            None,
            length=steps,
        )

    stacked = [jnp.stack(matrices) for matrices in zip(*initial_weights, strict=True)]
    run_all = jax.vmap(run) if on_accelerator() else partial(jax.lax.map, run)
    states, terms = jax.jit(run_all)(stacked)
    seeds = range(len(initial_weights))
    return [_result(descent, jax.tree.map(lambda x, i=i: x[i], states), np.asarray(terms[i])) for i in seeds]


def _result(descent: GradientDescent, state: DescentState, terms: np.ndarray) -> TrainingResult:
    bad = np.nonzero(~np.isfinite(terms).all(axis=1))[0]
    if len(bad):
        terms, state = terms[: bad[0]], state._replace(step=jnp.asarray(bad[0]), parameters=state.best)
    history = {name: column.tolist() for name, column in zip(descent.columns, terms.T[:-1], strict=True)}
    return replace(TrainingResult(descent.objective.compiled, state, history), stopped=bool(len(bad)))
