"""The compiled machine against the tree engine, its oracle, on random machines: every answer and every derivative.

A few dozen here; thousands with ``python tests/agreement.py``.
"""

from functools import partial
from itertools import count

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from machine_strategies import machines
from two_engines import CYCLES, HASTY, check_engines_agree, compiled_results, gap

from dmmlab.compiler.compilation import compile_machine
from dmmlab.core.streams import Stream

machines_seen = count(1)


@pytest.mark.slow
@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(machines())
def test_engines_agree_on_random_machines_in_double_precision(case):
    with jax.enable_x64(True):
        check_engines_agree(*case, 1e-12, HASTY)
    forget_programs()


@pytest.mark.slow
@settings(max_examples=10, suppress_health_check=list(HealthCheck))
@given(machines())
def test_engines_agree_on_random_machines_in_single_precision(case):
    """In the programs that readers run, with all optimizations."""
    check_engines_agree(*case, 1e-5, None)
    forget_programs()


def forget_programs():
    """Hundreds of compiled programs at once are more memory maps than a process may have."""
    if next(machines_seen) % 25 == 0:
        jax.clear_caches()


@pytest.mark.slow
@settings(max_examples=10, suppress_health_check=list(HealthCheck))
@given(machines(recurrent=False))
def test_both_schedules_agree(case):
    machine, stream = case
    with jax.enable_x64(True):
        (a, da), (b, db) = (compiled_results(machine, stream, schedule) for schedule in ("time-parallel", "scan"))
        assert max(gap(x, y) for x, y in zip(a, b, strict=True)) <= 1e-12
        assert gap(da, db) <= 1e-12


@pytest.mark.slow
@settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(machines())
def test_many_strings_at_once_are_each_as_alone(case):
    """Values, gradients and chunks with an axis of strings, against one string after the other."""
    machine, stream = case
    others = [stream, Stream({t + 1: v for t, v in stream.events.items()}), Stream({})]
    with jax.enable_x64(True):
        compiled = compile_machine(machine, stream, CYCLES)
        each = [compiled.encode(other, CYCLES) for other in others]
        together = {b: jnp.stack([inputs[b] for inputs in each], axis=2) for b in each[0]}

        def loss(weights, inputs):
            answers = compiled.run(weights, inputs)
            return 0.5 * sum(jnp.sum(array**2) for array in answers.values()), answers

        differentiate = jax.jit(jax.grad(loss, has_aux=True), compiler_options=HASTY)
        gradient, together_answers = differentiate(compiled.weights(), together)
        alone = [differentiate(compiled.weights(), inputs) for inputs in each]
        in_chunks = jax.jit(partial(compiled.run_in_chunks, chunk=4), compiler_options=HASTY)(compiled.weights(), together)
        for b in together_answers:
            expected = jnp.stack([answers[b] for _, answers in alone], axis=2)
            size = 1 + float(jnp.max(jnp.abs(expected), initial=0.0))
            np.testing.assert_allclose(together_answers[b] / size, expected / size, atol=1e-12)
            np.testing.assert_allclose(in_chunks[b] / size, expected / size, atol=1e-12)
        for summed, *parts in zip(gradient, *(g for g, _ in alone), strict=True):
            total = sum(parts)
            size = 1 + float(jnp.max(jnp.abs(total), initial=0.0))
            np.testing.assert_allclose(summed / size, total / size, atol=1e-12)
