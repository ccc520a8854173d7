"""The one training loop: gradient, optimizer, projection, step after step in one compiled program.

Everything that trains goes through it: :func:`dmmlab.learning.training.train`, sessions
that a person attends, the phases of a synthesis, repairs, the replays of 2022, the benchmarks. They
differ in the objective, in the optimizer, in what is done to the weights after an update, and in
what is recorded.

Learning rates and penalties are traced numbers, so that no schedule of them compiles anything anew;
nor do other steps, weights or masks.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from ..compiler.weights import Weights
from ..core.summaries import Facts, plural, summarised
from .batches import Batch
from .objectives import Objective, Penalties

Projection = Callable[[Weights, Any, Any, Penalties], Weights]  # (weights, optimizer state, learning rate, penalties)
RECORDED = 100  # steps whose terms one call of :meth:`GradientDescent.record` returns, at most


class Schedule(NamedTuple):
    """A number that goes geometrically from ``first`` to ``last`` in so many steps."""

    first: Any
    last: Any
    steps: Any

    def at(self, step: Any) -> jax.Array:
        """The number in a step, counted from 0."""
        first, last = jnp.maximum(self.first, 1e-30), jnp.maximum(self.last, 1e-30)
        there = first * (last / first) ** (step / jnp.maximum(self.steps - 1, 1))
        return jnp.where(self.first == self.last, self.first, there)


def constantly(x: Any) -> Schedule:
    """The schedule of a number that stays the same."""
    return Schedule(jnp.asarray(x, float), jnp.asarray(x, float), jnp.asarray(1))


@summarised
class DescentState(NamedTuple):
    """What is carried from step to step; the best only if the loop keeps it."""

    step: jax.Array  # steps done
    parameters: Any
    optimizer: Any
    best_value: Any = None
    best: Any = None

    def _summary(self) -> tuple[str, Facts]:
        size = sum(leaf.size for leaf in jax.tree.leaves(self.parameters))
        best = [] if self.best_value is None else [("best value", str(self.best_value))]
        return "DescentState", [("steps done", str(self.step)), ("parameters", f"{size:,} numbers"), *best]


@summarised
class GradientDescent:
    """A training loop.

    ``run`` and ``record`` are compiled; ``traces`` counts how often. ``run_each`` is ``run`` for
    many at once, by ``vmap``: everything but the batch has an axis more. ``error(weights, batch)``
    is the objective's loss, compiled.

    Args:
        objective: what to go down on.
        optimizer: an optax transformation that gives a direction to go down in, which the learning
            rate multiplies; Adam if left out.
        projection: done to the weights after each update; nothing if left out.
        keep_best: whether to keep the parameters of the smallest value of the objective.
    """

    def __init__(
        self,
        objective: Objective,
        optimizer: optax.GradientTransformation | None = None,
        projection: Projection | None = None,
        keep_best: bool = False,
    ):
        self.objective, self.projection, self.keep_best = objective, projection, keep_best
        self.optimizer = optax.scale_by_adam() if optimizer is None else optimizer
        self.traces = 0  # how often the loop was compiled
        self.run = jax.jit(self.run_pure)
        self.run_each = jax.jit(jax.vmap(self.run_pure, in_axes=(0, None, 0, 0, 0, 0, 0)))
        self.record = jax.jit(self._record)
        self.error = jax.jit(objective.error)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the recorded terms: the loss, then the regularizers."""
        return self.objective.columns

    def initial_state(self, weights: Weights) -> DescentState:
        """The state before the first step, from a matrix for each stage."""
        parameters = self.objective.parameters_of(weights)
        state = DescentState(jnp.asarray(0), parameters, self.optimizer.init(parameters))
        return state._replace(best_value=jnp.asarray(jnp.inf, weights[0].dtype), best=parameters) if self.keep_best else state

    def step(
        self, state: DescentState, batch: Batch, mask: Weights, learning_rate: Any, penalties: Penalties, key: Any = None
    ) -> tuple[DescentState, jax.Array]:
        """One step; pure, for use under ``jit``.

        Args:
            state: before the step. Weights that are masked are zero.
            batch: the strings.
            mask: 0.0 for links that are to stay at zero.
            learning_rate: a number.
            penalties: by regularizer, a number.
            key: a JAX key, for objectives that draw random numbers.

        Returns:
            The state after the step; and, at the parameters before it, the terms of the objective,
            with one number more that is 0.0 if all is finite and NaN if not: (terms + 1,).
        """
        value, terms, gradient = self.objective.value_and_gradient(state.parameters, batch, mask, penalties, key)
        masks = self.objective.mask_of(mask)
        gradient = jax.tree.map(jnp.multiply, gradient, masks)
        direction, optimizer = self.optimizer.update(gradient, state.optimizer, state.parameters)
        parameters = jax.tree.map(lambda w, u: w - learning_rate * u, state.parameters, direction)
        if self.projection is not None:
            parameters = self.projection(parameters, optimizer, learning_rate, penalties)
        parameters = jax.tree.map(jnp.multiply, parameters, masks)
        following = DescentState(state.step + 1, parameters, optimizer)
        if self.keep_best:
            better = value < state.best_value
            best = jax.tree.map(partial(jnp.where, better), state.parameters, state.best)
            following = following._replace(best_value=jnp.where(better, value, state.best_value), best=best)
        finite = jnp.isfinite(value) & jnp.stack([jnp.isfinite(w).all() for w in jax.tree.leaves(parameters)]).all()
        return following, jnp.stack([*terms, jnp.where(finite, 0.0, jnp.nan)])

    def run_pure(
        self,
        state: DescentState,
        batch: Batch,
        mask: Weights,
        steps: Any,
        learning_rate: Schedule,
        penalties: Mapping[str, Schedule],
        key: Any = None,
    ) -> DescentState:
        """So many steps more, for use under ``jit``; :attr:`run` is the same, compiled.

        Two runs, the second from where the first ended, are one: schedules and random numbers go by
        the steps that the state has had.

        Args:
            state: before the first of them.
            batch: the strings.
            mask: 0.0 for links that are to stay at zero.
            steps: how many steps.
            learning_rate: step by step.
            penalties: by regularizer, step by step.
            key: as for :meth:`step`.

        Returns:
            The state after the last step.
        """
        self.traces += 1

        def body(i: jax.Array, state: DescentState) -> DescentState:
            now = {name: schedule.at(i) for name, schedule in penalties.items()}
            mine = None if key is None else jax.random.fold_in(key, i)
            return self.step(state, batch, mask, learning_rate.at(i), now, mine)[0]

        return jax.lax.fori_loop(state.step, state.step + steps, body, state)

    def _record(
        self, state: DescentState, batch: Batch, mask: Weights, steps: Any, learning_rate: Any, penalties: Penalties
    ) -> tuple[DescentState, jax.Array]:
        """Up to :data:`RECORDED` steps at one learning rate.

        Args:
            state: before the first step.
            batch: the strings.
            mask: 0.0 for links that are to stay at zero.
            steps: how many steps.
            learning_rate: a number.
            penalties: by regularizer, a number.

        Returns:
            The state after the last step, and the terms of each, as of :meth:`step`: (RECORDED,
            terms + 1).
        """
        self.traces += 1
        empty = jnp.zeros((RECORDED, len(self.columns) + 1), jax.tree.leaves(state.parameters)[0].dtype)

        def body(i: jax.Array, carry: tuple[DescentState, jax.Array]) -> tuple[DescentState, jax.Array]:
            state, terms = self.step(carry[0], batch, mask, learning_rate, penalties)
            return state, carry[1].at[i].set(terms)

        return jax.lax.fori_loop(0, steps, body, (state, empty))

    def _summary(self) -> tuple[str, Facts]:
        projection = "none" if self.projection is None else getattr(self.projection, "__name__", "a function")
        facts = {"objective": repr(self.objective), "projection": projection, "keeps the best": self.keep_best}
        return f"GradientDescent, compiled {plural(self.traces, 'time')}", facts.items()


def clip_to_norm(limit: float) -> optax.GradientTransformation:
    """The gradient scaled to a norm of at most ``limit``, and zero where it is not finite.

    Loops make gradients explode.
    """

    def update(gradient: Any, parameters: Any = None) -> Any:
        factor = jnp.minimum(1.0, limit / (optax.tree.norm(gradient) + 1e-12))
        return jax.tree.map(lambda g: jnp.where(jnp.isfinite(g * factor), g * factor, 0.0), gradient)

    return optax.stateless(update)
