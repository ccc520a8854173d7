"""Many seeds: one training from each of several initial weights, in one call of one compiled program.

Inside the program they go through a loop: on a CPU that costs a seed what it costs alone, and ``vmap`` costs more
(``dmmlab bench batches``). Strings can be many, too: they are those of the examples.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..compiler.compiled import Compiled, Weights
from .training import Examples, Result, State, Trainer, TrainingError, squared_error


def train_each(
    compiled: Compiled,
    given: Examples,
    steps: int,
    starts: Sequence[Weights],
    *,
    optimizer: optax.GradientTransformation | None = None,
    regularizers: Mapping[str, float] | None = None,
    loss: Callable[[Compiled, Weights, Examples], jax.Array] = squared_error,
) -> list[Result]:
    """As :func:`dmmlab.learning.training.train`, from each of ``starts``; the results in their order.

    A seed whose loss leaves the finite numbers does not stop the others: the history of its result ends before that step, its
    weights are its best so far, and it is marked as stopped.

    Raises :class:`~dmmlab.learning.training.TrainingError` if there are no starts or no steps.
    """
    if not starts or steps < 1:
        raise TrainingError(f"{len(starts)} starts and {steps} steps: at least one of each is needed")
    trainer = Trainer(compiled, optimizer or optax.adam(1e-3), regularizers or {}, loss)

    def one(weights: Weights) -> tuple[State, jax.Array]:
        return jax.lax.scan(
            lambda state, _: trainer.step(state, given, compiled.mask), trainer.start(weights), None, length=steps
        )

    stacked = [jnp.stack(matrices) for matrices in zip(*starts, strict=True)]
    states, terms = jax.jit(lambda many: jax.lax.map(one, many))(stacked)
    return [_result(trainer, jax.tree.map(lambda x, i=i: x[i], states), np.asarray(terms[i])) for i in range(len(starts))]


def _result(trainer: Trainer, state: State, terms: np.ndarray) -> Result:
    bad = np.nonzero(~np.isfinite(terms).all(axis=1))[0]
    if len(bad):
        terms, state = terms[: bad[0]], state._replace(step=jnp.asarray(bad[0]), weights=state.best)
    history = {name: column.tolist() for name, column in zip(trainer.columns, terms.T[:-1], strict=True)}
    return replace(Result(trainer.compiled, state, history), stopped=bool(len(bad)))
