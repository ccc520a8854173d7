"""Array operations of the compiled machine: sums over time, delays, selections, a scan.

Time is the last axis, and one array holds one block of coordinates (:mod:`dmmlab.compiler.layout`).
Each operation is here because the obvious method was measured to be slower on a CPU. On an
accelerator, loops of small operations are slow, so the obvious method is used there.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

# By block. Many strings of one length may be run at once, along an additional axis.
Inputs = dict[int, jax.Array]  # (boundary ports, keys, cycles) or (boundary ports, keys, strings, cycles)
Answers = dict[int, jax.Array]  # (answer ports, keys, cycles) or (answer ports, keys, strings, cycles)
Carry = dict[int, jax.Array]  # the previous cycle's outputs: (inner ports, keys) or (inner ports, keys, strings)
Matrices = dict[int, jax.Array]  # (input ports, output ports)
Blocks = dict[int, jax.Array]  # (ports, keys, ...), of any ports

SHORT = 64  # cycles; up to this length, a running sum is fastest as a product with a triangular matrix
EXACT = jax.lax.Precision.HIGHEST  # precision of products: by default, accelerators round the factors


def on_accelerator() -> bool:
    """Whether JAX computes on an accelerator, where loops of small operations are slow."""
    return jax.default_backend() != "cpu"


def select(matrix: jax.Array, rows: list[int], columns: list[int]) -> jax.Array:
    """Returns ``matrix[rows][:, columns]``, computed by slices or products.

    A gather is avoided: its gradient is a scatter, which is slow on a CPU.
    """
    for axis, chosen in enumerate((rows, columns)):
        size = matrix.shape[axis]
        if chosen == list(range(chosen[0], chosen[-1] + 1)) if chosen else True:
            start = chosen[0] if chosen else 0
            matrix = jax.lax.slice_in_dim(matrix, start, start + len(chosen), axis=axis)
        else:
            picks = np.zeros((size, len(chosen)))
            picks[chosen, range(len(chosen))] = 1.0
            chooser = jnp.asarray(picks, matrix.dtype)
            factors = (matrix, chooser) if axis else (chooser.T, matrix)
            matrix = jnp.matmul(*factors, precision=EXACT)
    return matrix


def rearranged(x: jax.Array, keys: Sequence[Any], wanted: Sequence[Any]) -> jax.Array:
    """Returns the rows of the wanted keys, with zeros for missing keys.

    Args:
        x: (neurons, keys, points).
        keys: the keys of the rows, each once.
        wanted: the wanted keys, each once.

    Returns:
        (neurons, wanted, points).
    """
    if list(keys) == list(wanted):
        return x
    row, place = ({key: i for i, key in enumerate(each)} for each in (keys, wanted))
    there = tuple(row.get(key, len(keys)) for key in wanted)
    return _gather(x, there, tuple(place.get(key, len(wanted)) for key in keys))


@partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _gather(x: jax.Array, there: tuple[int, ...], back: tuple[int, ...]) -> jax.Array:
    with_zeros = jnp.concatenate([x, jnp.zeros_like(x[:, :1], shape=(len(x), 1, x.shape[2]))], axis=1)
    return with_zeros[:, np.array(there, int)]


def _gather_forward(x: jax.Array, there: tuple[int, ...], back: tuple[int, ...]) -> tuple[jax.Array, None]:
    return _gather(x, there, back), None


def _gather_backward(there: tuple[int, ...], back: tuple[int, ...], _: None, g: jax.Array) -> tuple[jax.Array]:
    return (_gather(g, back, there),)  # a gather, where JAX would scatter


_gather.defvjp(_gather_forward, _gather_backward)


def filled(x: jax.Array, keys: int, neurons: int, points: int) -> jax.Array:
    """Broadcasts a uniform function's result to (neurons, keys, points); constants lack axes."""
    return jnp.broadcast_to(x.reshape(1, keys, 1) if x.ndim < 3 else x, (neurons, keys, points))


def delayed(x: jax.Array, before: jax.Array | None) -> jax.Array:
    """Delays ``x`` by one cycle: ``before`` (zero if None), then all but the last of ``x``."""
    first = jnp.zeros_like(x[..., :1]) if before is None else before[..., None]
    return jnp.concatenate([first, x[..., :-1]], axis=-1)


def accumulate(xs: list[jax.Array], before: list[jax.Array] | None, truncated: bool) -> tuple[list[jax.Array], list[jax.Array]]:
    """Computes the running sums of accumulators, for all blocks at once.

    Args:
        xs: for each block, the sum of the arriving values: (neurons, keys, ..., cycles).
        before: for each block, the previous cycle's outputs: (neurons, keys, ...); zero if None.
        truncated: whether no derivative flows through the memory.

    Returns:
        For each block, the outputs in the last cycle; and all outputs, delayed by one cycle.
    """
    if not xs:  # nothing ever arrives
        return [], []
    x = jnp.concatenate(xs, axis=1)
    sums = exclusive_sum(x, truncated)
    if before is not None:
        first = jnp.concatenate(before, axis=1)[..., None]
        sums = sums + (jax.lax.stop_gradient(first) if truncated else first)
    last = (jax.lax.stop_gradient(sums[..., -1]) if truncated else sums[..., -1]) + x[..., -1]
    return _by_block(last, xs), _by_block(sums, xs)


def _by_block(array: jax.Array, xs: list[jax.Array]) -> list[jax.Array]:
    """Splits an array with the keys of all blocks into one array per block."""
    return list(jax.lax.split(array, [x.shape[1] for x in xs], axis=1))


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def exclusive_sum(x: jax.Array, truncated: bool) -> jax.Array:
    """``y[..., t] = sum of x[..., s] over s < t``.

    On a CPU, long sums are a loop, which takes a quarter of the time of ``jnp.cumsum``. With
    ``truncated``, the gradient is that of a sum through which no derivative flows back in time,
    ``y[t] = constant + x[t - 1]``.
    """
    return _running(x, reverse=False)


def _exclusive_sum_forward(x: jax.Array, truncated: bool) -> tuple[jax.Array, None]:
    return _running(x, reverse=False), None


def _exclusive_sum_backward(truncated: bool, _: None, g: jax.Array) -> tuple[jax.Array]:
    if truncated:
        return (jnp.concatenate([g[..., 1:], jnp.zeros_like(g[..., :1])], axis=-1),)
    return (_running(g, reverse=True),)


exclusive_sum.defvjp(_exclusive_sum_forward, _exclusive_sum_backward)


def _running(x: jax.Array, reverse: bool) -> jax.Array:
    cycles = x.shape[-1]
    if cycles <= SHORT:
        later = np.triu(np.ones((cycles, cycles)), 1)  # [s, t] = 1 where s < t
        return jnp.matmul(x, jnp.asarray(later.T if reverse else later, x.dtype), precision=EXACT)
    if on_accelerator():
        sums, none = jax.lax.cumsum(x, axis=x.ndim - 1, reverse=reverse), jnp.zeros_like(x[..., :1])
        return jnp.concatenate([sums[..., 1:], none] if reverse else [none, sums[..., :-1]], axis=-1)

    def body(i: jax.Array, state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        total, sums = state
        t = cycles - 1 - i if reverse else i
        sums = jax.lax.dynamic_update_slice_in_dim(sums, total, t, axis=-1)
        return total + jax.lax.dynamic_slice_in_dim(x, t, 1, axis=-1), sums

    return jax.lax.fori_loop(0, cycles, body, (jnp.zeros_like(x[..., :1]), jnp.zeros_like(x)))[1]


def recur(factor: jax.Array, xs: list[jax.Array], before: list[jax.Array] | None) -> tuple[list[jax.Array], list[jax.Array]]:
    """Computes ``y[t] = factor[t] y[t - 1] + x[t]``, a linear recurrence, for all blocks at once.

    Args:
        factor: (neurons, 1, ..., cycles).
        xs: for each block, (neurons, keys, ..., cycles).
        before: for each block, the previous cycle's outputs: (neurons, keys, ...); zero if None.

    Returns:
        For each block, the outputs in the last cycle; and all outputs, delayed by one cycle.
    """
    x = jnp.concatenate(xs, axis=1)
    first = jnp.zeros_like(x[..., 0]) if before is None else jnp.concatenate(before, axis=1)
    last, late = linear_recurrence(factor, x, first)
    return _by_block(last, xs), _by_block(late, xs)


@jax.custom_vjp
def linear_recurrence(factor: jax.Array, x: jax.Array, first: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Computes ``y[t] = factor[t] y[t - 1] + x[t]`` from ``y[-1] = first``.

    Its derivative is the same recurrence backwards, ``m[t - 1] = factor[t] m[t] + g[t]``. Here
    ``m[t]`` is the derivative with respect to ``y[t]``, and ``g[t]`` is the derivative with respect
    to the returned ``y[t - 1]``.

    Args:
        factor: (neurons, 1, ..., cycles).
        x: (neurons, keys, ..., cycles).
        first: (neurons, keys, ...).

    Returns:
        The last ``y``; and ``y[t - 1]`` for each ``t``.
    """
    return _recurrence(factor, x, first, reverse=False)


def _recurrence_forward(factor: jax.Array, x: jax.Array, first: jax.Array):
    last, late = _recurrence(factor, x, first, reverse=False)
    return (last, late), (factor, late)


def _recurrence_backward(residuals: Any, cotangents: Any):
    factor, late = residuals
    first, x = _recurrence(factor, cotangents[1], cotangents[0], reverse=True)
    return (x * late).sum(axis=1, keepdims=True), x, first


linear_recurrence.defvjp(_recurrence_forward, _recurrence_backward)


def _recurrence(factor: jax.Array, x: jax.Array, first: jax.Array, reverse: bool) -> tuple[jax.Array, jax.Array]:
    cycles, edge = x.shape[-1], x.shape[-1] - 1 if reverse else 0
    if on_accelerator():

        def combine(earlier: tuple[jax.Array, jax.Array], later: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            return earlier[0] * later[0], later[0] * earlier[1] + later[1]

        x = jnp.asarray(x).at[..., edge].add(factor[..., edge] * first)
        _, ys = jax.lax.associative_scan(combine, (jnp.broadcast_to(factor, x.shape), x), reverse=reverse, axis=x.ndim - 1)
        late = [ys[..., 1:], first[..., None]] if reverse else [first[..., None], ys[..., :-1]]
        return ys[..., cycles - 1 - edge], jnp.concatenate(late, axis=-1)

    def body(i: jax.Array, state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        y, late = state
        t = cycles - 1 - i if reverse else i
        late = jax.lax.dynamic_update_slice_in_dim(late, y, t, axis=-1)
        now, gain = (jax.lax.dynamic_slice_in_dim(each, t, 1, axis=-1) for each in (x, factor))
        return gain * y + now, late

    last, late = jax.lax.fori_loop(0, cycles, body, (first[..., None], jnp.zeros_like(x)))
    return last[..., 0], late


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def scan_with_late_products(
    cycle: Callable, matrices: Matrices, carry: Carry, inputs: Inputs, zeros: Blocks
) -> tuple[Carry, Answers]:
    """Runs ``lax.scan`` of ``cycle``, with a cheap gradient with respect to the matrices.

    That gradient is one product after the backward scan. ``zeros`` are added to the arriving
    values. The gradient with respect to them, times the sent values, is the gradient with respect
    to the matrix.
    """
    last, (answers, _) = jax.lax.scan(partial(cycle, matrices), carry, (inputs, zeros))
    return last, answers


def _late_forward(cycle: Callable, matrices: Matrices, carry: Carry, inputs: Inputs, zeros: Blocks):
    def run(carry, inputs, zeros):
        last, (answers, sources) = jax.lax.scan(partial(cycle, matrices), carry, (inputs, zeros))
        return (last, answers), sources

    results, pull_back, sources = jax.vjp(run, carry, inputs, zeros, has_aux=True)
    return results, (pull_back, sources)


def _late_backward(cycle: Callable, residuals: Any, cotangents: Any):
    pull_back, sources = residuals
    carry, inputs, zeros = pull_back(cotangents)
    matrices = {b: jnp.einsum("tr...,tc...->rc", zeros[b], sources[b], precision=EXACT) for b in zeros}
    return matrices, carry, inputs, zeros


scan_with_late_products.defvjp(_late_forward, _late_backward)
