"""Arrays and complex numbers as V-values: laws, both engines, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from dmmlab.compiler.compilation import compile_machine
from dmmlab.core import ACCUM, INPUT, OUTPUT, TIMER, Machine, VValueError, answers, from_array, to_array, values
from dmmlab.core.vvalues import add, dot, max_norm, scale

SHAPES = array_shapes(min_dims=0, max_dims=3, max_side=3)
REAL = arrays(np.float64, SHAPES, elements=st.integers(-4, 4).map(float))
COMPLEX = arrays(np.complex128, SHAPES, elements=st.complex_numbers(max_magnitude=8, allow_nan=False))
FADING = Machine.build(
    {"accum.dict-1": {"accum.dict": 0.5}, "accum.dict-2": {"input.char": 1.0}, "output.dict-1": {"accum.dict": 2.0}},
    {"timer": TIMER, "input": INPUT, "accum": ACCUM, "output": OUTPUT},
    hard={"timer.timer": {"timer.timer": 1.0}, "input.timer": {"timer.timer": 1.0}},
)


@given(REAL)
def test_there_and_back(array):
    assert np.array_equal(to_array(from_array(array), array.shape), array)
    assert np.array_equal(to_array(from_array(jnp.asarray(array)), array.shape), array)


@given(COMPLEX)
def test_there_and_back_with_complex_numbers(array):
    assert np.array_equal(to_array(from_array(array), array.shape, is_complex=True), array)


@given(st.data())
def test_the_algebra_is_that_of_arrays(data):
    shape = data.draw(SHAPES)
    x, y = (data.draw(arrays(np.float64, shape, elements=st.integers(-4, 4).map(float))) for _ in range(2))
    u, v = from_array(x), from_array(y)
    assert np.array_equal(to_array(add(u, scale(-0.5, v)), shape), x - 0.5 * y)
    assert dot(u, v) == np.sum(x * y)
    assert max_norm(u) == np.max(np.abs(x), initial=0.0)


def test_a_stream_of_images_in_both_engines():
    images = np.random.default_rng(0).normal(size=(6, 4, 5))
    stream = values(list(map(from_array, images)))
    with jax.enable_x64(True):
        compiled = compile_machine(FADING, stream)
        assert sorted(map(len, compiled.layout.blocks)) == [1, 20]
        both = [answers(FADING, stream, 9), compiled.answers(stream, 9)]
    faded = np.zeros((4, 5))
    for t, image in enumerate(images):
        faded = 0.5 * faded + image
        for given_ in both:
            assert np.allclose(to_array(given_[t + 2]["dict-1"], (4, 5)), 2 * faded, atol=1e-12)


def test_gradients_go_through():
    array = jnp.arange(1.0, 7.0).reshape(2, 3)
    slope = jax.grad(lambda x: dot(from_array(x), from_array(x)))(array)
    assert np.allclose(slope, 2 * array)


@pytest.mark.parametrize(
    ("v", "problem"),
    [
        ({"2": {"0": 1.0}}, "2/0: is no index of a array of shape"),
        ({"0": 1.0}, "0: is no index"),
        ({"00": {"0": 1.0}}, "00/0: is no index"),
        ({"a": {"0": 1.0}}, "a/0: is no index"),
        (1.0, "is no index"),
    ],
)
def test_what_is_no_array_is_said(v, problem):
    with pytest.raises(VValueError, match=problem.replace("a array", "an array")):
        to_array(v, (2, 3))


def test_what_cannot_be_a_vvalue_is_said():
    with pytest.raises(VValueError, match="1/0: expected a finite number, got nan"):
        from_array(np.array([[1.0], [np.nan]]))
    with pytest.raises(VValueError, match="expected an array of numbers, got one of <U1"):
        from_array(np.array(["a"]))


def test_what_numpy_makes_an_array_of():
    assert from_array(pd.Series([1.0, 2.0], index=[1, 0])) == {"0": 1.0, "1": 2.0}
    assert from_array([[1, 2]]) == {"0": {"0": 1.0, "1": 2.0}}
    assert from_array([]) == {}


@pytest.mark.parametrize(
    "array", [[[1], [2, 3]], jax.random.key(0), np.ma.array([1.0, 2.0], mask=[False, True]), [True], ["a"], [None], [np.nan]]
)
def test_arrays_that_are_none(array):
    with pytest.raises(VValueError, match=r"expected an array of numbers|expected a finite number"):
        from_array(array)


@pytest.mark.parametrize(
    ("v", "shape", "problem"),
    [
        ({"1" * 5000: 1.0}, (3,), "is no index of an array of shape"),
        ({"01": 1.0}, (3,), "is no index"),
        ({1: 1.0}, (3,), "a key must be a string"),
        ({"1": "2.5"}, (3,), "expected a finite number"),
        ({"1": 10**400}, (3,), "expected a finite number"),
        ({}, 3, "expected whole numbers"),
        ({}, (-3,), "expected whole numbers"),
        ({}, (10**7, 10**7), "of 100,000,000 entries at most"),
    ],
)
def test_trees_that_are_no_arrays(v, shape, problem):
    with pytest.raises(VValueError, match=problem):
        to_array(v, shape)
