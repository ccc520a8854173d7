"""Neurons on arrays: both engines, gradients, and what is told of arrays of other shapes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from two_engines import HASTY, check_engines_agree

from dmmlab.compiler.compilation import compile_machine
from dmmlab.compiler.layout import LayoutError
from dmmlab.core import (
    ACCUM,
    INPUT,
    OUTPUT,
    TIMER,
    ArrayShape,
    LabError,
    Machine,
    answers,
    array_type,
    from_array,
    run,
    to_array,
    values,
)

SHAPE = (3, 4)
BLUR = array_type("blur", {"image": SHAPE}, {"image": SHAPE}, lambda x: x + 0.5 * jnp.roll(x, 1, axis=0) + jnp.tanh(x) ** 2)
SPECTRUM = array_type("spectrum", {"sound": (12,)}, {"spectrum": ArrayShape((7,), is_complex=True)}, jnp.fft.rfft)
POWER = array_type("power", {"spectrum": ArrayShape((7,), is_complex=True)}, {"power": (7,), "total": ()}, lambda z: (jnp.abs(z) ** 2, jnp.sum(jnp.abs(z) ** 2)))  # fmt: skip
IMAGES = st.lists(arrays(np.float64, SHAPE, elements=st.integers(-4, 4).map(lambda i: i / 2)), min_size=1, max_size=4)


def reader(soft, **kinds):
    return Machine.build(soft, {"timer": TIMER, "input": INPUT, **kinds, "output": OUTPUT})


SEEING = reader(
    {
        "blur.image": {"input.char": 1.5},
        "twice.image": {"blur.image": 0.5, "input.char": -0.25},
        "accum.dict-2": {"twice.image": 1.0, "blur.image": 2.0},
        "output.dict-1": {"accum.dict": 1.0},
    },
    blur=BLUR, twice=BLUR, accum=ACCUM,
)  # fmt: skip
HEARING = reader(
    {
        "spectrum.sound": {"input.char": 1.0},
        "accum.dict-2": {"spectrum.spectrum": 0.5},
        "power.spectrum": {"accum.dict": 1.0},
        "output.dict-1": {"power.power": 1.0},
        "output.dict-2": {"power.total": 1.0, "spectrum.spectrum": 1.0},
    },
    spectrum=SPECTRUM, accum=ACCUM, power=POWER,
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(IMAGES)
def test_engines_agree_on_images(images):
    with jax.enable_x64(True):
        check_engines_agree(SEEING, values(list(map(from_array, images))), 1e-12, HASTY)


def test_engines_agree_on_sounds(float64):
    sounds = np.random.default_rng(0).normal(size=(3, 12))
    check_engines_agree(HEARING, values(list(map(from_array, sounds))), 1e-9, HASTY)


def test_the_function_is_given_its_array():
    rng = np.random.default_rng(1)
    sounds = rng.normal(size=(4, 12))
    last = answers(HEARING, values(list(map(from_array, sounds))), 20)[-1]
    power = np.abs(0.5 * np.fft.rfft(sounds.sum(axis=0))) ** 2
    np.testing.assert_allclose(to_array(last["dict-1"], (7,)), power, rtol=1e-5, atol=1e-5)


def test_an_array_is_one_block():
    compiled = compile_machine(SEEING, values([from_array(np.ones(SHAPE))]))
    assert [len(block) for block in compiled.layout.blocks] == [1, 12]


def test_a_key_that_is_no_index_is_named():
    stream = values([{"0": {"7": 1.0}}])
    with pytest.raises(LayoutError, match=r"neuron 'blur': image: 0/7 is no index of an array of shape \(3, 4\)"):
        compile_machine(SEEING, stream)
    with pytest.raises(LabError, match=r"neuron 'blur': .*is no index of an array of shape \(3, 4\)"):
        list(run(SEEING, stream, 5))


@pytest.mark.parametrize(
    ("shape", "function", "problem"),
    [
        ((3,), lambda x: x[:2], r"neuron type 'mine': output 1 has the shape \(2,\), not \(3,\)"),
        ((3,), lambda x: x * 1j, "output 1 is complex; declare"),
        ((3,), lambda x: (x, x), r"output 1 has the shape \(2, 3\)"),
        ((0,), lambda x: x, r"shape \(0,\): expected whole numbers from 1 on"),
        (3, lambda x: x, "shape 3: expected whole numbers"),
        ((10**9, 10**9), lambda x: x, "of 65,536 entries at most"),
    ],
)
def test_shapes_that_are_not_as_declared(shape, function, problem):
    with pytest.raises(LabError, match=problem):
        array_type("mine", {"x": shape}, {"y": shape}, function).activate({"x": {"0": 1.0}})


def test_two_outputs_have_to_be_a_tuple():
    kind = array_type("mine", {"x": (2,)}, {"y": (2,), "z": (2,)}, lambda x: x)
    with pytest.raises(LabError, match="its function must return a tuple of 2 arrays"):
        kind.activate({"x": {"0": 1.0}})
