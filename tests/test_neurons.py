import jax
import pytest
from jax.test_util import check_grads

from dmmlab.core.errors import LabError
from dmmlab.core.neurons import ACCUM, COMPARE, CONST_1, DOT, EOS, ID, NORM, OUTPUT, PRODUCT, TIMER, NeuronType, constant
from dmmlab.core.vvalues import NUMBER, paths


@pytest.mark.parametrize(
    ("kind", "inputs", "outputs"),
    [
        (TIMER, {}, {"timer": 1.0}),
        (TIMER, {"timer": 4.0}, {"timer": 5.0}),
        (CONST_1, {}, {"const_1": 1.0}),
        (EOS, {}, {"char": {".": 1.0}}),
        (ACCUM, {"dict-1": {"a": 1.0}, "dict-2": {"a": 2.0, "b": 1.0}}, {"dict": {"a": 3.0, "b": 1.0}}),
        (NORM, {"dict": {"a": -3.0, "b": 2.0}}, {"norm": 3.0}),
        (NORM, {"dict": {"a": {"deep": -3.0}, NUMBER: 4.0}}, {"norm": 4.0}),
        (NORM, {}, {"norm": 0.0}),
        (DOT, {"dict-1": {"a": 2.0, "b": 9.0}, "dict-2": {"a": 1.5}}, {"dot": 3.0}),
        (DOT, {"dict-1": {"a": 3.0}, "dict-2": {"a": 3.0}}, {"dot": 4.0}),
        (DOT, {"dict-1": {"a": 3.0}, "dict-2": {"a": -3.0}}, {"dot": -4.0}),
        (COMPARE, {"dict-1": 3.0, "dict-2": {NUMBER: 1.0, "x": 9.0}}, {"true": 2.0, "false": 0.0}),
        (COMPARE, {"dict-2": 1.0}, {"true": 0.0, "false": 1.0}),
        (OUTPUT, {"dict-1": 3.0}, {}),
    ],
)
def test_activation(kind, inputs, outputs):
    assert kind.activate(inputs) == outputs


def test_id_passes_every_field_on():
    assert ID.activate({"true": 2.0, "dict": {"a": 1.0}}) == {name: {} for name in ID.outputs} | {
        "true": 2.0,
        "dict": {"a": 1.0},
    }


@pytest.mark.parametrize("kind", [ACCUM, NORM, DOT, COMPARE], ids=lambda kind: kind.name)
def test_gradients_against_finite_differences(kind, float64):
    """Away from corners, inside and outside of the clip."""

    def total(inputs):
        return sum(x * x for _, x in paths(kind.activate(inputs)))

    for size in (0.5, 3.0):
        inputs = {name: {"a": size + i, "b": 0.3, NUMBER: 0.2 + 2 * i} for i, name in enumerate(kind.inputs)}
        check_grads(total, (inputs,), order=1, modes=["rev"], rtol=1e-6, atol=1e-6)


def test_corners_have_the_stated_derivatives(float64):
    assert jax.grad(lambda x: COMPARE.activate({"dict-1": x})["true"])(0.0) == 0.0
    assert jax.grad(lambda x: DOT.activate({"dict-1": x, "dict-2": 1.0})["dot"])(4.0) == 1.0
    assert jax.grad(lambda x: DOT.activate({"dict-1": x, "dict-2": 1.0})["dot"])(4.1) == 0.0


def test_a_function_must_return_one_result_for_each_output():
    with pytest.raises(LabError, match="neuron type 'two': its function must return a tuple of 2 V-values"):
        NeuronType("two", ("x",), ("a", "b"), lambda x: x).activate({})


def test_constants():
    assert constant("pi", "value", {"pi": 3.14}).activate({}) == {"value": {"pi": 3.14}}


def test_product_is_of_what_both_have():
    assert PRODUCT.activate({"dict-1": {"a": 2.0, "b": 3.0}, "dict-2": {"b": 4.0, "c": 5.0}}) == {"dict": {"b": 12.0}}
    assert PRODUCT.activate({"dict-1": {"a": {"x": 2.0}}, "dict-2": {"a": {"x": 0.5}}}) == {"dict": {"a": {"x": 1.0}}}
    assert PRODUCT.activate({"dict-1": 2.0, "dict-2": 3.0}) == {"dict": 6.0}
    assert PRODUCT.activate({"dict-1": 2.0}) == {"dict": {}}
