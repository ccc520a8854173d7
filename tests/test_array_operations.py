"""Sums and recurrences over time: what a loop makes on a CPU and what an accelerator computes at once are the same."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from dmmlab.compiler import array_operations
from dmmlab.compiler.array_operations import SHORT, exclusive_sum, linear_recurrence

CYCLES = (1, 2, 7, SHORT + 3)


@pytest.fixture(params=["loop", "at once"])
def way(request, monkeypatch, float64):
    monkeypatch.setattr(array_operations, "on_accelerator", lambda: request.param == "at once")


@pytest.mark.parametrize("cycles", CYCLES)
def test_a_running_sum(way, cycles):
    x = np.random.default_rng(0).normal(size=(2, 3, cycles))
    expected = np.cumsum(x, axis=-1) - x
    np.testing.assert_allclose(exclusive_sum(jnp.asarray(x), False), expected, rtol=1e-12, atol=1e-12)
    check_grads(lambda x: exclusive_sum(x, False), (jnp.asarray(x),), order=1, modes=["rev"])


@pytest.mark.parametrize("cycles", CYCLES)
def test_a_linear_recurrence(way, cycles):
    rng = np.random.default_rng(1)
    factor, x, first = rng.normal(size=(2, 1, cycles)), rng.normal(size=(2, 3, cycles)), rng.normal(size=(2, 3))
    y, late = first, []
    for t in range(cycles):
        late.append(y)
        y = factor[..., t] * y + x[..., t]
    arguments = tuple(map(jnp.asarray, (factor, x, first)))
    last, ours = linear_recurrence(*arguments)
    np.testing.assert_allclose(last, y, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ours, np.stack(late, axis=-1), rtol=1e-9, atol=1e-12)
    check_grads(linear_recurrence, arguments, order=1, modes=["rev"])


def test_of_a_truncated_sum_no_derivative_flows_back(way):
    x = jnp.arange(1.0, 8.0)[None, None]
    gradient = jax.grad(lambda x: jnp.vdot(exclusive_sum(x, True), jnp.arange(7.0)))(x)
    np.testing.assert_array_equal(gradient[0, 0], [1, 2, 3, 4, 5, 6, 0])
