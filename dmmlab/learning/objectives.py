"""Objectives: the functions that gradient descent minimises, with their gradients.

An objective defines the trained parameters (the weights, or more), the loss, the regularizers and
the gradient of their sum. The loop (:mod:`dmmlab.learning.training_loop`) knows nothing else of it.

* :class:`Imitation`: trains the weights; the loss over all strings, plus regularizers.
* :class:`HardConcreteGates`: each weight has a gate that is open or shut at random; the expected
  number of open gates is the penalty (Louizos, Welling, Kingma 2018, arXiv:1712.01312).
* :class:`~dmmlab.learning.evolution_strategies.EvolutionStrategy`: the objective of
  :class:`Imitation`, with a gradient estimated from forward runs.
* :class:`~dmmlab.learning.self_modification.SelfModification`: trains weights of the initial matrix
  of a machine that changes its matrix while it runs.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..compiler.compiled import Compiled
from ..compiler.weights import Weights, masked
from ..core.errors import LabError, one_of
from ..core.summaries import Facts, summarised
from .batches import Batch, sum_over_strings
from .losses import REGULARIZERS, squared_error

Loss = Callable[[Compiled, Weights, Batch], jax.Array]
Penalties = Mapping[str, Any]  # regularizer -> coefficient, a number that may be traced

STRETCH = (-0.1, 1.1)  # range of a hard-concrete gate before it is clipped
TEMPERATURE = 2 / 3


class Objective:
    """An objective for gradient descent. In this base class the weights are the parameters.

    ``compiled`` is the machine. ``columns`` names the recorded terms: the loss, then each of the
    ``regularizers``.
    """

    compiled: Any
    columns: tuple[str, ...] = ("loss",)
    regularizers: tuple[str, ...] = ()

    def parameters_of(self, weights: Any) -> Any:
        """Returns the initial parameters for initial weights, a matrix for each stage."""
        return weights

    def weights_of(self, parameters: Any, mask: Any) -> Any:
        """Returns the weights that the parameters stand for."""
        return parameters

    def mask_of(self, mask: Any) -> Any:
        """Returns the mask of the weights in the structure of the parameters."""
        return mask

    def error(self, weights: Any, batch: Batch) -> jax.Array:
        """Returns the loss alone, without regularizers: a number."""
        raise NotImplementedError

    def value_and_gradient(
        self, parameters: Any, batch: Batch, mask: Any, penalties: Penalties, key: Any
    ) -> tuple[jax.Array, list[jax.Array], Any]:
        """Returns the value of the objective and its gradient.

        Args:
            parameters: the trained parameters.
            batch: the strings.
            mask: 0.0 for links that must stay at zero.
            penalties: a number for each regularizer.
            key: a JAX key, if the objective draws random numbers.

        Returns:
            The value; its terms, which are the loss and each regularizer without its penalty; and
            the gradient, in the structure of the parameters.
        """
        raise NotImplementedError


@summarised
class Imitation(Objective):
    """The objective ``loss + sum over regularizers of penalty * regularizer`` of the weights.

    Args:
        compiled: the machine.
        regularizers: names of :data:`~dmmlab.learning.losses.REGULARIZERS`.
        loss: ``(compiled, weights, batch) -> number``, a sum over the strings of the batch.
        relative: whether the loss is divided by the sum of the squares of the targets of the batch.
            (That sum is computed at run time, so one compilation serves all batches of a shape.)

    Raises :class:`~dmmlab.core.errors.LabError` for an unknown regularizer.
    """

    def __init__(
        self, compiled: Compiled, regularizers: Sequence[str] = (), loss: Loss = squared_error, relative: bool = False
    ):
        for name in regularizers:
            if name not in REGULARIZERS:
                raise LabError(one_of("regularizer", name, REGULARIZERS))
        self.compiled, self.loss, self.relative = compiled, loss, relative
        self._in_cycles = compiled.schedule == "scan"
        self.regularizers = tuple(regularizers)
        self.columns = ("loss", *self.regularizers)

    def error(self, weights: Weights, batch: Batch) -> jax.Array:
        total = sum_over_strings(lambda strings: self.loss(self.compiled, weights, strings), batch, self._in_cycles)
        return total / batch.sum_of_squares if self.relative else total

    def penalty(self, weights: Weights, penalties: Penalties) -> tuple[jax.Array, list[jax.Array]]:
        """Returns the sum of the regularizers, each times its penalty; and each of them alone."""
        terms = [REGULARIZERS[name](self.compiled, weights) for name in self.regularizers]
        return sum(penalties[name] * term for name, term in zip(self.regularizers, terms, strict=True)), terms

    def value_and_gradient(
        self, parameters: Any, batch: Batch, mask: Weights, penalties: Penalties, key: Any
    ) -> tuple[jax.Array, list[jax.Array], Any]:
        def string_error(strings: Batch) -> tuple[jax.Array, Weights]:
            return jax.value_and_grad(lambda weights: self.loss(self.compiled, weights, strings))(parameters)

        loss, gradient = sum_over_strings(string_error, batch, self._in_cycles)
        if self.relative:
            squares = batch.sum_of_squares
            loss, gradient = loss / squares, [g / squares for g in gradient]
        if not self.regularizers:
            return loss, [loss], gradient
        (extra, terms), slope = jax.value_and_grad(self.penalty, has_aux=True)(parameters, penalties)
        return loss + extra, [loss, *terms], jax.tree.map(jnp.add, gradient, slope)

    def _summary(self) -> tuple[str, Facts]:
        terms = " + ".join([getattr(self.loss, "__name__", "loss"), *self.regularizers])
        return f"{type(self).__name__}: {terms}{', relative' if self.relative else ''}", ()


class HardConcreteGates(Imitation):
    """The objective ``loss + penalty * expected number of open gates``, of weights and log-alphas.

    Each weight has a log-alpha. With uniform u, its gate is ``clip(s * (high - low) + low, 0, 1)``
    with ``s = sigmoid((log(u / (1 - u)) + log_alpha) / T)``. It is open with probability
    ``sigmoid(log_alpha - T * log(-low / high))`` (equations 10 to 12 of arXiv:1712.01312).
    The penalty is called ``l1``, like the penalty on absolute weights.
    """

    def parameters_of(self, weights: Weights) -> tuple[Weights, Weights]:
        return weights, [jnp.full_like(w, 2.0) for w in weights]

    def weights_of(self, parameters: tuple[Weights, Weights], mask: Weights) -> Weights:
        weights, log_alpha = parameters
        return masked(masked(weights, [_stretched(x) for x in log_alpha]), mask)

    def mask_of(self, mask: Weights) -> tuple[Weights, Weights]:
        return mask, mask

    def value_and_gradient(
        self, parameters: Any, batch: Batch, mask: Weights, penalties: Penalties, key: Any
    ) -> tuple[jax.Array, list[jax.Array], Any]:
        low, high = STRETCH

        def objective(parameters: tuple[Weights, Weights]) -> tuple[jax.Array, list[jax.Array]]:
            weights, log_alpha = parameters
            keys = jax.random.split(key, len(log_alpha))
            noise = [jax.random.logistic(k, x.shape) for k, x in zip(keys, log_alpha, strict=True)]
            gates = [_stretched((x + n) / TEMPERATURE) for x, n in zip(log_alpha, noise, strict=True)]
            error = self.error(masked(masked(weights, gates), mask), batch)
            chances = [m * jax.nn.sigmoid(x - TEMPERATURE * np.log(-low / high)) for x, m in zip(log_alpha, mask, strict=True)]
            return error + penalties["l1"] * sum(map(jnp.sum, chances)), [error]

        (value, terms), gradient = jax.value_and_grad(objective, has_aux=True)(parameters)
        return value, terms, gradient


def _stretched(x: jax.Array) -> jax.Array:
    low, high = STRETCH
    return jnp.clip(jax.nn.sigmoid(x) * (high - low) + low, 0.0, 1.0)
