"""Signed samples, and the stochastic linear combination: what its mean is, and how fast it is reached."""

import jax
import numpy as np
import pytest
from hypothesis import given, strategies as st
from vvalue_strategies import numbers, vvalues

import dmmlab as dm
from dmmlab.core import StochasticDown, answering, down, signed_sample, stochastic_combination
from dmmlab.core.errors import LabError
from dmmlab.core.vvalues import add, paths, scale, trim

GRID = (np.arange(2000) + 0.5) / 2000  # a mean over these is exact up to a 2000th for each term
exact = pytest.approx


def mean(draws):
    total = {}
    for v in draws:
        total = add(total, v)
    return {path: x / len(GRID) for path, x in paths(total)}


@given(measure=vvalues)
def test_the_mean_of_samples_is_the_measure(measure):
    leaves = dict(paths(trim(measure)))
    whole = sum(map(abs, leaves.values()))
    drawn = mean([signed_sample(measure, u) for u in GRID])
    for path, x in leaves.items():
        assert drawn.get(path, 0.0) * whole == exact(x, abs=whole * 2 / len(GRID))
    assert drawn.keys() <= leaves.keys()


@given(measure=vvalues, u=st.floats(0, 1, exclude_max=True))
def test_a_sample_is_one_path_and_a_sign(measure, u):
    drawn = list(paths(signed_sample(measure, u)))
    assert len(drawn) == (1 if dict(paths(trim(measure))) else 0)
    assert all(x in (1.0, -1.0) for _, x in drawn)


@given(terms=st.lists(st.tuples(st.floats(-3, 3), vvalues), max_size=4))
def test_the_mean_of_combinations_is_the_linear_combination(terms):
    whole = sum(abs(w) for w, _ in terms)
    right = {}
    for w, v in terms:
        right = add(right, scale(w, v))
    drawn = mean([stochastic_combination(terms, u) for u in GRID])
    size = max((abs(x) for _, v in terms for _, x in paths(v)), default=0.0)
    for path, x in paths(trim(right)):
        assert drawn.get(path, 0.0) * whole == exact(x, abs=1e-9 + whole * size * 3 * len(terms) / len(GRID))


@given(weight=numbers, v=vvalues, cycle=st.integers(0, 1000))
def test_one_link_needs_no_chance(weight, v, cycle):
    """Where one link arrives, what it brings is certain, up to the size of its weight."""
    matrix, outputs = {"n": {"i": {"m": {"o": weight}}}}, {"m": {"o": v}}
    drawn = StochasticDown(jax.random.key(0))(cycle, matrix, outputs)
    assert trim(scale(abs(weight), drawn.get("n", {}).get("i", {}))) == trim(down(matrix, outputs).get("n", {}).get("i", {}))


MEASURES = ({"x": 0.5, "y": -0.25, "z": 0.25}, {"y": 1.0, "w": 3.0})
WEIGHTS = (0.5, -1.5)


def _mixture(seed, cycles):
    """Two streams of samples, and what arrives where they are combined."""
    rng = np.random.default_rng(seed)
    streams = {f"input-{i}": dm.values([signed_sample(m, u) for u in rng.random(cycles)]) for i, m in enumerate(MEASURES)}
    links = {"output.answer": {f"input-{i}.char": w for i, w in enumerate(WEIGHTS)}}
    neurons = {"timer": dm.core.TIMER, "input-0": dm.core.INPUT, "input-1": dm.core.INPUT, "output": answering(("answer",))}
    machine = dm.Machine.build(links, neurons)
    return dm.run(machine, streams, cycles, combine=StochasticDown(jax.random.key(seed)))


def test_runs_are_reproducible():
    first, again, other = ([state.inputs.get("output") for state in _mixture(seed, 300)] for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.slow
def test_averages_converge_like_the_root_of_their_number():
    """To the linear combination of the measures; the error goes with 1 / sqrt(n)."""
    whole = sum(abs(w) for w in WEIGHTS)
    sizes = [sum(map(abs, m.values())) for m in MEASURES]
    # each stream is of a measure divided by its size
    right = {}
    for w, m, size in zip(WEIGHTS, MEASURES, sizes, strict=True):
        right = add(right, scale(w / size, m))
    counts = (30, 300, 3000)
    squares = np.zeros(len(counts))
    for seed in range(12):
        total = {}
        for state in _mixture(seed, counts[-1] + 2):
            total = add(total, state.arrived("output.answer"))
            drawn = state.cycle - 1  # what is read in cycle 1 arrives in cycle 2
            if drawn in counts:
                off = add(scale(whole / drawn, total), scale(-1.0, right))
                squares[counts.index(drawn)] += sum(x * x for _, x in paths(off)) / 12
    slope = np.polyfit(np.log(counts), np.log(np.sqrt(squares)), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.1)
    assert np.sqrt(squares[-1]) < 0.1


def test_what_cannot_be():
    with pytest.raises(LabError, match=r"u 1\.0: expected a uniform random number"):
        signed_sample({"a": 1.0}, 1.0)
    assert stochastic_combination([], 0.5) == {}
    assert stochastic_combination([(0.0, {"a": 1.0})], 0.5) == {}
