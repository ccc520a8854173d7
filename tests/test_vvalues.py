import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from jax.test_util import check_grads
from vvalue_strategies import numbers, vvalues

from dmmlab.core.vvalues import (
    MAX_DEPTH,
    NUMBER,
    VValueError,
    add,
    apply_mask,
    apply_matrix,
    check,
    dot,
    from_paths,
    linear_combination,
    max_norm,
    number,
    paths,
    scale,
    trim,
)


def is_canonical(v, top=True):
    if not isinstance(v, dict):
        return v != 0
    if not top and not v:
        return False
    return set(v) != {NUMBER} and all(is_canonical(part, top=False) for part in v.values())


@given(vvalues, vvalues)
def test_add_commutes(u, v):
    assert add(u, v) == add(v, u)


@given(vvalues, vvalues, vvalues)
def test_add_is_associative(u, v, w):
    assert add(add(u, v), w) == add(u, add(v, w))


@given(vvalues)
def test_zero_and_opposite(v):
    for zero in ({}, 0.0, {NUMBER: 0.0}, {"a": {"b": 0.0}}):
        assert add(v, zero) == trim(v)
    assert add(v, scale(-1.0, v)) == {}


@given(numbers, numbers, vvalues, vvalues)
def test_scale_distributes(a, b, u, v):
    assert scale(a, add(u, v)) == add(scale(a, u), scale(a, v))
    assert scale(a + b, v) == add(scale(a, v), scale(b, v))
    assert scale(a * b, v) == scale(a, scale(b, v))
    assert scale(1.0, v) == trim(v)
    assert scale(0.0, v) == {}


@given(numbers, vvalues, vvalues)
def test_a_number_is_its_number_part(x, u, v):
    boxed = {NUMBER: x}
    assert add(x, v) == add(boxed, v)
    assert dot(x, v) == dot(boxed, v)
    assert max_norm(x) == max_norm(boxed)
    assert number(x) == number(boxed) == x
    assert linear_combination(x, v) == linear_combination(boxed, v) == scale(x, v)
    assert linear_combination(u, x) == linear_combination(u, boxed)
    assert trim(boxed) == trim(x)


@given(vvalues, vvalues, vvalues, numbers)
def test_linear_combination_is_bilinear(m, n, v, a):
    assert linear_combination(add(m, n), v) == add(linear_combination(m, v), linear_combination(n, v))
    assert linear_combination(m, add(n, v)) == add(linear_combination(m, n), linear_combination(m, v))
    assert linear_combination(scale(a, m), v) == scale(a, linear_combination(m, v)) == linear_combination(m, scale(a, v))


@given(vvalues, vvalues)
def test_linear_combination_against_coordinates(mask, v):
    """The definition, coordinate by coordinate: a mask's leaf at p meets every coordinate of v at p + q and moves it to q."""
    expected = from_paths((q[len(p) :], a * x) for p, a in paths(mask) for q, x in paths(v) if q[: len(p)] == p)
    kept = from_paths((q, a * x) for p, a in paths(mask) for q, x in paths(v) if q[: len(p)] == p)
    assert linear_combination(mask, v) == expected
    assert apply_mask(mask, v) == kept


@given(vvalues, vvalues)
def test_dot_is_symmetric_and_gives_the_length(u, v):
    assert dot(u, v) == dot(v, u)
    assert dot(u, u) == sum(x * x for _, x in paths(trim(u)))


@given(vvalues, vvalues)
def test_max_norm(u, v):
    assert max_norm(add(u, v)) <= max_norm(u) + max_norm(v)
    assert (max_norm(v) == 0) == (trim(v) == {})


@given(vvalues, vvalues, numbers)
def test_results_are_canonical(u, v, a):
    for result in (add(u, v), scale(a, v), linear_combination(u, v), apply_mask(u, v), trim(u), check(u)):
        assert result == {} or is_canonical(result)
        assert trim(result) == result
    assert check(u) == trim(u)


@given(vvalues)
def test_paths_and_back(v):
    assert from_paths(paths(v)) == trim(v)


def test_apply_matrix_works_at_its_level():
    matrix = {
        "norm": {"dict": {"accum": {"dict": 2.0}}},
        "out": {"x": {"accum": {"dict": -1.0}, "one": 3.0}},
        NUMBER: 7.0,
    }
    v = {"accum": {"dict": {"a": 1.0, "b": {"c": 2.0}}}, "one": 1.0}
    assert apply_matrix(matrix, v, level=2) == {
        "norm": {"dict": {"a": 2.0, "b": {"c": 4.0}}},
        "out": {"x": {"a": -1.0, "b": {"c": -2.0}, NUMBER: 3.0}},
    }
    assert apply_matrix(matrix, {}, level=2) == {}


def test_a_leaf_above_the_mask_contributes_nothing():
    assert linear_combination({"a": {"b": 2.0}}, {"a": 5.0}) == {}
    assert linear_combination({"a": 2.0}, {"a": 5.0}) == 10.0


@pytest.mark.parametrize(
    ("bad", "path", "message"),
    [
        ({"output": {"dict-1": {NUMBER: "x"}}}, ("output", "dict-1", NUMBER), "output/dict-1/:number: expected a finite number, got 'x'"),
        ({"a": math.nan}, ("a",), "a: expected a finite number, got nan"),
        ({"a": {"b": -math.inf}}, ("a", "b"), "a/b: expected a finite number, got -inf"),
        ({"a": True}, ("a",), "a: expected a finite number, got True"),
        ({"a": None}, ("a",), "a: expected a finite number, got None"),
        ({"a": [1.0]}, ("a",), "a: expected a finite number, got [1.0]"),
        ({"a": np.ones(3)}, ("a",), "a: expected a finite number, got array([1., 1., 1.])"),
        ({"a": 10**400}, ("a",), "a: expected a finite number, got 1000"),
        ({"a": {NUMBER: {"b": 1.0}}}, ("a", NUMBER), "a/:number: expected a finite number, got a dict"),
        ({"a": {1: 2.0}}, ("a",), "a: a key must be a string, got 1"),
        ("x", (), "(root): expected a finite number, got 'x'"),
        ({"a/b": {"": "x"}}, ("a/b", ""), "'a/b'/'': expected a finite number, got 'x'"),
    ],
)  # fmt: skip
def test_check_names_the_path(bad, path, message):
    with pytest.raises(VValueError) as caught:
        check(bad)
    assert caught.value.path == path
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_check_refuses_a_depth_bomb_and_a_cycle():
    deep: dict = {}
    for _ in range(100_000):
        deep = {"a": deep}
    cycle: dict = {}
    cycle["a"] = cycle
    for bomb in (deep, cycle):
        with pytest.raises(VValueError, match=f"nested deeper than {MAX_DEPTH} levels"):
            check(bomb)


def test_numbers_of_numpy_and_jax_are_numbers():
    assert check({"a": np.float32(2), "b": jnp.float32(0), "c": np.array(1.5)}) == {"a": 2, "c": 1.5}
    assert add({"a": jnp.float32(1)}, {"a": -1.0}) == {}
    assert max_norm({"a": jnp.float32(1), "b": -2.0}) == 2


def smooth(tree):
    """A scalar function of a tree that goes through all of the algebra."""
    mask = {"a": 0.5, "b": {"c": -2.0}, NUMBER: 0.25}
    row = linear_combination(tree, add({"a": {"x": 1.5}, "b": {"c": {"x": 2.0}}}, scale(0.5, tree)))
    both = add(row, apply_mask(mask, tree))
    rows = apply_matrix({"r": tree, "s": mask}, {"a": {"x": 3.0}, "b": {"c": {"x": 1.0}}}, level=1)
    return dot(both, both) + dot(rows, rows) + max_norm(row) * number(both)


smooth_jitted = jax.jit(smooth)  # compiled once for all trees of one structure


@pytest.mark.slow
@given(st.lists(st.floats(0.1, 2.0), min_size=5, max_size=5))
def test_gradients_against_finite_differences(leaves):
    with jax.enable_x64(True):
        tree = {"a": leaves[0], "b": {"c": leaves[1], "d": {"e": leaves[2]}}, "f": leaves[3], NUMBER: leaves[4]}
        check_grads(smooth_jitted, (tree,), order=1, modes=["fwd", "rev"], rtol=1e-6, atol=1e-6)


def test_a_traced_zero_is_not_trimmed(float64):
    gradient = jax.grad(lambda w: dot(linear_combination(w, {"a": 3.0, "b": 5.0}), 1.0))({"a": 0.0, "b": 1.0})
    assert gradient == {"a": 3.0, "b": 5.0}


def test_max_norm_divides_its_gradient_among_equals(float64):
    assert jax.grad(max_norm)({"a": 2.0, "b": -2.0, "c": 1.0}) == {"a": 0.5, "b": -0.5, "c": 0.0}


def test_the_algebra_works_under_jit():
    v = {"a": 1.0, "b": {"c": 2.0, NUMBER: 3.0}}
    assert jax.jit(lambda u: add(u, scale(2.0, u)))(v) == {"a": 3.0, "b": {"c": 6.0, NUMBER: 9.0}}
