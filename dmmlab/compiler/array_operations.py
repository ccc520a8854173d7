"""What the compiled machine does with arrays: sums over time, delays, selections, a scan with a cheap gradient.

Time is the last axis. Each of these is here because the obvious way was measured to be slower on a CPU.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Arrays = dict[int, jax.Array]  # by block: ports x keys (x strings) x cycles
SHORT = 64  # cycles, up to which a running sum is fastest as a product with a triangular matrix


def select(matrix: jax.Array, rows: list[int], columns: list[int]) -> jax.Array:
    """``matrix[rows][:, columns]``, as slices or products: a gather's gradient is a scatter, which is slow on a CPU."""
    for axis, chosen in enumerate((rows, columns)):
        size = matrix.shape[axis]
        if chosen == list(range(chosen[0], chosen[-1] + 1)) if chosen else True:
            start = chosen[0] if chosen else 0
            matrix = jax.lax.slice_in_dim(matrix, start, start + len(chosen), axis=axis)
        else:
            picks = np.zeros((size, len(chosen)))
            picks[chosen, range(len(chosen))] = 1.0
            chooser = jnp.asarray(picks, matrix.dtype)
            matrix = matrix @ chooser if axis else chooser.T @ matrix
    return matrix


def filled(x: jax.Array, keys: int, shape: tuple[int, int]) -> jax.Array:
    """A result of a uniform function with all its axes, (neurons, keys, cycles); a constant has none."""
    neurons, cycles = shape
    return jnp.broadcast_to(x.reshape(1, keys, 1) if x.ndim < 3 else x, (neurons, keys, cycles))


def delayed(x: jax.Array, before: jax.Array | None) -> jax.Array:
    """One cycle later: ``before`` (nothing, if None), then all but the last of ``x``."""
    first = jnp.zeros_like(x[..., :1]) if before is None else before[..., None]
    return jnp.concatenate([first, x[..., :-1]], axis=-1)


def accumulate(xs: list[jax.Array], before: list[jax.Array] | None, cut: bool) -> tuple[list[jax.Array], list[jax.Array]]:
    """An accumulator's outputs, one cycle late, and its outputs in the last cycle: one running sum for all its blocks."""
    if not xs:  # nothing ever arrives
        return [], []
    x = jnp.concatenate(xs, axis=1)
    sums = exclusive_sum(x, cut)
    if before is not None:
        start = jnp.concatenate(before, axis=1)[..., None]
        sums = sums + (jax.lax.stop_gradient(start) if cut else start)
    end = (jax.lax.stop_gradient(sums[..., -1]) if cut else sums[..., -1]) + x[..., -1]
    ends = np.cumsum([part.shape[1] for part in xs])[:-1].tolist()
    return jnp.split(sums, ends, axis=1), jnp.split(end, ends, axis=1)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def exclusive_sum(x: jax.Array, cut: bool) -> jax.Array:
    """``y[..., t] = sum of x[..., s] over s < t``.

    A loop: on a CPU it takes a quarter of the time of ``jnp.cumsum``. With ``cut``, the gradient is that of a sum
    through which no derivative flows back in time, ``y[t] = constant + x[t - 1]``.
    """
    return _running(x, reverse=False)


def _exclusive_sum_forward(x: jax.Array, cut: bool) -> tuple[jax.Array, None]:
    return _running(x, reverse=False), None


def _exclusive_sum_backward(cut: bool, _: None, g: jax.Array) -> tuple[jax.Array]:
    if cut:
        return (jnp.concatenate([g[..., 1:], jnp.zeros_like(g[..., :1])], axis=-1),)
    return (_running(g, reverse=True),)


exclusive_sum.defvjp(_exclusive_sum_forward, _exclusive_sum_backward)


def _running(x: jax.Array, reverse: bool) -> jax.Array:
    cycles = x.shape[-1]
    if cycles <= SHORT:
        later = np.triu(np.ones((cycles, cycles)), 1)  # [s, t] = 1 where s < t
        return x @ jnp.asarray(later.T if reverse else later, x.dtype)

    def body(i: jax.Array, state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        total, sums = state
        t = cycles - 1 - i if reverse else i
        sums = jax.lax.dynamic_update_slice_in_dim(sums, total, t, axis=-1)
        return total + jax.lax.dynamic_slice_in_dim(x, t, 1, axis=-1), sums

    return jax.lax.fori_loop(0, cycles, body, (jnp.zeros_like(x[..., :1]), jnp.zeros_like(x)))[1]


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def scan_with_late_products(
    cycle: Callable, parts: Arrays, carry: Arrays, data: Arrays, nudges: Arrays
) -> tuple[Arrays, Arrays]:
    """``lax.scan`` of ``cycle`` whose gradient with respect to the matrices is one product after the backward scan.

    ``nudges`` are zeros added to what arrives; the gradient with respect to them, times what was sent, is the gradient with
    respect to the matrix.
    """
    last, (answers, _) = jax.lax.scan(partial(cycle, parts), carry, (data, nudges))
    return last, answers


def _late_forward(cycle: Callable, parts: Arrays, carry: Arrays, data: Arrays, nudges: Arrays):
    def run(carry, data, nudges):
        last, (answers, sources) = jax.lax.scan(partial(cycle, parts), carry, (data, nudges))
        return (last, answers), sources

    results, pull_back, sources = jax.vjp(run, carry, data, nudges, has_aux=True)
    return results, (pull_back, sources)


def _late_backward(cycle: Callable, residuals: Any, g: Any):
    pull_back, sources = residuals
    carry, data, nudges = pull_back(g)
    parts = {b: jnp.einsum("tr...,tc...->rc", nudges[b], sources[b]) for b in nudges}
    return parts, carry, data, nudges


scan_with_late_products.defvjp(_late_forward, _late_backward)
