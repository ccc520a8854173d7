"""Learning to learn: gradients through all that a machine does to its own matrix in an episode.

What is trained are weights of the matrix that a machine begins with; what it makes of that matrix
while it runs is its own affair (:mod:`dmmlab.compiler.rewriting`).
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ..compiler.array_operations import Carry
from ..compiler.rewriting import CompiledRewriting
from ..core.machine import Machine
from ..core.network_matrix import Links, matrix_of_links
from ..core.summaries import Facts, summarised
from .batches import Batch
from .objectives import Objective, Penalties


@summarised
class SelfModification(Objective):
    """An objective: the mean error over episodes, of weights of the matrix at their beginning.

    Parameters are arrays in the shapes of a carry, zero where there is no trained weight;
    :attr:`mask_of_links` is 1.0 where there is one.

    Args:
        compiled: the machine.
        trained: the links whose weights are trained, ``{"norm.dict": {"accum.dict": 1.0}}``,
            whatever their weights; they are among those that it was compiled with as links that may
            change.
        of_error: what an error counts, elementwise; its square if left out.

    Raises :class:`~dmmlab.compiler.layout.LayoutError` for a link that it was not compiled with.
    """

    def __init__(self, compiled: CompiledRewriting, trained: Links, of_error: Callable[[jax.Array], jax.Array] = jnp.square):
        self.compiled, self.of_error = compiled, of_error
        neuron, field = compiled.matrix_port
        marks = compiled.initial_carry({neuron: {field: matrix_of_links(trained)}})
        self.mask_of_links: Carry = {b: (x != 0).astype(x.dtype) for b, x in marks.items()}
        self.fixed: Carry = {b: x * (1.0 - self.mask_of_links[b]) for b, x in compiled.initial_carry().items()}

    def random(self, key: Any, scale: float = 0.5) -> Carry:
        """Parameters ``scale * N(0, 1)`` from a JAX key."""
        keys = jax.random.split(key, len(self.fixed))
        normal = {b: jax.random.normal(k, x.shape, x.dtype) for k, (b, x) in zip(keys, self.fixed.items(), strict=True)}
        return {b: scale * x * self.mask_of_links[b] for b, x in normal.items()}

    def carry(self, parameters: Carry) -> Carry:
        """What the neurons emit before the first cycle, the matrix among it."""
        return {b: x + parameters[b] for b, x in self.fixed.items()}

    def machine(self, parameters: Carry) -> Machine:
        """The machine as it begins."""
        whole = self.compiled.compiled.machine
        return Machine(whole.neurons, self.compiled.matrix(self.carry(parameters)))

    def errors(self, parameters: Carry, batch: Batch) -> jax.Array:
        """Answers less targets, zero where nothing is asked: (answers, strings, cycles)."""
        carry = self.carry(parameters)

        def of_string(inputs: Any) -> jax.Array:
            return self.compiled.run(carry, inputs)[1][0][:, 0]

        answers = jnp.moveaxis(jax.vmap(of_string)(batch.by_string().inputs), 0, 1)
        return batch.loss_mask * (answers - batch.targets)

    def error(self, weights: Carry, batch: Batch) -> jax.Array:
        """The mean of ``of_error`` over what is asked: a number."""
        return jnp.sum(self.of_error(self.errors(weights, batch))) / jnp.sum(batch.loss_mask)

    def value_and_gradient(
        self, parameters: Carry, batch: Batch, mask: Carry, penalties: Penalties, key: Any
    ) -> tuple[jax.Array, list[jax.Array], Carry]:
        value, gradient = jax.value_and_grad(self.error)(parameters, batch)
        return value, [value], gradient

    def _summary(self) -> tuple[str, Facts]:
        count = int(sum(float(jnp.sum(x)) for x in self.mask_of_links.values()))
        return "SelfModification: the error over episodes", [("trained weights", count)]
