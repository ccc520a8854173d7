"""Learning to learn: gradients through all changes that a machine makes to its own matrix.

Training changes weights of the initial matrix; the machine changes its matrix further while it runs
(:mod:`dmmlab.compiler.rewriting`). One run is an episode.
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
    """An objective: the mean error over episodes, as a function of weights of the initial matrix.

    Parameters are arrays in the shapes of a carry, zero where there is no trained weight;
    :attr:`mask_of_links` is 1.0 where there is one.

    Args:
        compiled: the machine.
        trained: the links to train, ``{"norm.dict": {"accum.dict": 1.0}}``; their weights here are
            ignored. The machine must be compiled with these links as links that may change.
        of_error: an elementwise function that maps an error to its cost; the square if left out.

    Raises :class:`~dmmlab.compiler.layout.LayoutError` for a link that the machine was not compiled
    with.
    """

    def __init__(self, compiled: CompiledRewriting, trained: Links, of_error: Callable[[jax.Array], jax.Array] = jnp.square):
        self.compiled, self.of_error = compiled, of_error
        neuron, field = compiled.matrix_port
        marks = compiled.initial_carry({neuron: {field: matrix_of_links(trained)}})
        self.mask_of_links: Carry = {b: (x != 0).astype(x.dtype) for b, x in marks.items()}
        self.fixed: Carry = {b: x * (1.0 - self.mask_of_links[b]) for b, x in compiled.initial_carry().items()}

    def random(self, key: Any, scale: float = 0.5) -> Carry:
        """Returns random parameters ``scale * N(0, 1)`` from a JAX key."""
        keys = jax.random.split(key, len(self.fixed))
        normal = {b: jax.random.normal(k, x.shape, x.dtype) for k, (b, x) in zip(keys, self.fixed.items(), strict=True)}
        return {b: scale * x * self.mask_of_links[b] for b, x in normal.items()}

    def carry(self, parameters: Carry) -> Carry:
        """Returns the outputs of the neurons before the first cycle, including the matrix."""
        return {b: x + parameters[b] for b, x in self.fixed.items()}

    def machine(self, parameters: Carry) -> Machine:
        """Returns the machine with its initial matrix."""
        whole = self.compiled.compiled.machine
        return Machine(whole.neurons, self.compiled.matrix(self.carry(parameters)))

    def errors(self, parameters: Carry, batch: Batch) -> jax.Array:
        """Returns answers minus targets, 0 where there is no target: (answers, strings, cycles)."""
        carry = self.carry(parameters)

        def of_string(inputs: Any) -> jax.Array:
            return self.compiled.run(carry, inputs)[1][0][:, 0]

        answers = jnp.moveaxis(jax.vmap(of_string)(batch.by_string().inputs), 0, 1)
        return batch.loss_mask * (answers - batch.targets)

    def error(self, weights: Carry, batch: Batch) -> jax.Array:
        """Returns the mean of ``of_error`` over all targets: a number."""
        return jnp.sum(self.of_error(self.errors(weights, batch))) / jnp.sum(batch.loss_mask)

    def value_and_gradient(
        self, parameters: Carry, batch: Batch, mask: Carry, penalties: Penalties, key: Any
    ) -> tuple[jax.Array, list[jax.Array], Carry]:
        value, gradient = jax.value_and_grad(self.error)(parameters, batch)
        return value, [value], gradient

    def _summary(self) -> tuple[str, Facts]:
        count = int(sum(float(jnp.sum(x)) for x in self.mask_of_links.values()))
        return "SelfModification: the error over episodes", [("trained weights", count)]
