"""The training loop: gradient, optimizer and projection in each step, in one compiled program.

All training uses this loop: :func:`dmmlab.learning.training.train`, interactive sessions, the
phases of a synthesis, repairs, the replays of 2022 and the benchmarks. They differ in the
objective, the optimizer, the projection of the weights after an update, and the recorded terms.

Learning rates and penalties are traced numbers, so a new schedule does not cause a new compilation.
Other step counts, weights or masks do not either.
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
RECORDED = 100  # largest number of steps whose terms one call of :meth:`GradientDescent.record` returns


class Schedule(NamedTuple):
    """A number that changes geometrically from ``first`` to ``last`` in ``steps`` steps."""

    first: Any
    last: Any
    steps: Any

    def at(self, step: Any) -> jax.Array:
        """Returns the number in a step, counted from 0."""
        first, last = jnp.maximum(self.first, 1e-30), jnp.maximum(self.last, 1e-30)
        there = first * (last / first) ** (step / jnp.maximum(self.steps - 1, 1))
        return jnp.where(self.first == self.last, self.first, there)


def constantly(x: Any) -> Schedule:
    """Returns the schedule of a constant number."""
    return Schedule(jnp.asarray(x, float), jnp.asarray(x, float), jnp.asarray(1))


@summarised
class DescentState(NamedTuple):
    """The state that is carried from step to step; the best is there only if the loop keeps it."""

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

    ``run`` and ``record`` are compiled; ``traces`` counts how often. ``error(weights, batch)`` is
    the objective's loss, compiled.

    Args:
        objective: the objective to minimise.
        optimizer: an optax transformation that gives the direction of the step; the loop multiplies
            it by the learning rate and subtracts it. Adam if left out.
        projection: applied to the weights after each update; none if left out.
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
        self.record = jax.jit(self._record)
        self.error = jax.jit(objective.error)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the recorded terms: the loss, then the regularizers."""
        return self.objective.columns

    def initial_state(self, weights: Weights) -> DescentState:
        """Returns the state before the first step, from a weight matrix for each stage."""
        parameters = self.objective.parameters_of(weights)
        state = DescentState(jnp.asarray(0), parameters, self.optimizer.init(parameters))
        return state._replace(best_value=jnp.asarray(jnp.inf, weights[0].dtype), best=parameters) if self.keep_best else state

    def step(
        self, state: DescentState, batch: Batch, mask: Weights, learning_rate: Any, penalties: Penalties, key: Any = None
    ) -> tuple[DescentState, jax.Array]:
        """Runs one step; pure, for use under ``jit``.

        Args:
            state: the state before the step. Masked weights are zero.
            batch: the strings.
            mask: 0.0 for links that must stay at zero.
            learning_rate: a number.
            penalties: a number for each regularizer.
            key: a JAX key, for objectives that draw random numbers.

        Returns:
            The state after the step; and the terms of the objective at the parameters before the
            step, followed by 0.0 if all numbers are finite, else by NaN: (terms + 1,).
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
        """Runs ``steps`` more steps, for use under ``jit``; :attr:`run` is the same, compiled.

        A run may be split in two without changing the result, because schedules and random numbers
        depend on the number of steps that the state has had.

        Args:
            state: the state before the first of these steps.
            batch: the strings.
            mask: 0.0 for links that must stay at zero.
            steps: the number of steps.
            learning_rate: the schedule of the learning rate.
            penalties: a schedule for each regularizer.
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
        """Runs up to :data:`RECORDED` steps at one learning rate.

        Args:
            state: the state before the first step.
            batch: the strings.
            mask: 0.0 for links that must stay at zero.
            steps: the number of steps.
            learning_rate: a number.
            penalties: a number for each regularizer.

        Returns:
            The state after the last step, and the terms of each step, as from :meth:`step`:
            (RECORDED, terms + 1).
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
    """Scales gradients to a norm of at most ``limit``; sets entries that are not finite to zero.

    This is for machines with loops, whose gradients explode.
    """

    def update(gradient: Any, parameters: Any = None) -> Any:
        factor = jnp.minimum(1.0, limit / (optax.tree.norm(gradient) + 1e-12))
        return jax.tree.map(lambda g: jnp.where(jnp.isfinite(g * factor), g * factor, 0.0), gradient)

    return optax.stateless(update)
