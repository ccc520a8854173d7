"""A machine on both engines: answers and gradients, as V-values that can be compared."""

import jax
import jax.numpy as jnp

from dmmlab.compiler.compilation import compile_machine
from dmmlab.core.engine import answers
from dmmlab.core.vvalues import add, dot, max_norm, scale

CYCLES = 6
# XLA optimizes little: of hundreds of small programs that are run once, compiling is what takes time.
HASTY = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_use_fusion_emitters": False,
}


def gap(u, v):
    """The largest difference of two V-values, relative to the larger of 1 and their size."""
    return float(max_norm(add(u, scale(-1.0, v)))) / max(1.0, float(max_norm(u)), float(max_norm(v)))


def tree_loss(machine, stream):
    """Half the sum of squares of all answers, with the tree engine, as a function of the soft links."""

    def loss(soft):
        return 0.5 * sum(dot(a, a) for a in answers(machine.with_soft(soft), stream, CYCLES))

    return loss


def compiled_results(machine, stream, schedule=None, options=HASTY):
    """The answers, and the gradient of half the sum of their squares, both as V-values, from one compilation."""
    compiled = compile_machine(machine, stream, CYCLES, schedule=schedule)
    inputs = compiled.encode(stream, CYCLES)

    def loss(weights):
        answers = compiled.run(weights, inputs)
        return 0.5 * sum(jnp.sum(array**2) for array in answers.values()), answers

    gradient, answers = jax.jit(jax.grad(loss, has_aux=True), compiler_options=options)(compiled.weights())
    return compiled.decode(answers), compiled.soft(gradient)


def check_engines_agree(machine, stream, tolerance, options):
    ours, gradient = compiled_results(machine, stream, options=options)
    assert max(gap(a, b) for a, b in zip(ours, answers(machine, stream, CYCLES), strict=True)) <= tolerance
    if machine.soft:
        assert gap(gradient, jax.grad(tree_loss(machine, stream))(machine.soft)) <= tolerance
