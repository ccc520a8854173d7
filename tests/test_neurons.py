"""Neuron types: what they compute, and that each has the properties that it declares."""

from functools import reduce
from itertools import accumulate

import jax
import pytest
from hypothesis import given, strategies as st
from jax.test_util import check_grads
from vvalue_strategies import numbers, vvalues

from dmmlab import Machine
from dmmlab.core.engine import run
from dmmlab.core.errors import LabError
from dmmlab.core.neuron_type import (
    Emits,
    Formula,
    NeuronType,
    Scaling,
)
from dmmlab.core.neurons import (
    ACCUM,
    COMPARE,
    CONST_1,
    DOT,
    EOS,
    ID,
    INPUT,
    NORM,
    OUTPUT,
    PRODUCT,
    TIMER,
    TYPES,
    constant,
)
from dmmlab.core.streams import values
from dmmlab.core.vvalues import NUMBER, add, number, paths, scale, trim
from dmmlab.june2022.truncated_gradients import TRUNCATED

EVERY_TYPE = (*TYPES, *TRUNCATED.values())


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


# Laws of what types declare


def declaring(**properties):
    """The types that declare these properties, as parameters of a test."""
    types = [kind for kind in EVERY_TYPE if all(getattr(kind, name) == value for name, value in properties.items())]
    assert types
    return pytest.mark.parametrize("kind", types, ids=lambda kind: f"{kind.name}{' truncated' if kind.stop_gradient else ''}")


def results(kind, *inputs):
    """What a type makes of its inputs, each output in canonical form."""
    return tuple(map(trim, kind.activate(dict(zip(kind.inputs, inputs, strict=True))).values()))


def renamed(v, names):
    """The V-value with other keys; its scalar part stays what it is."""
    return {names.get(key, key): renamed(part, names) for key, part in v.items()} if isinstance(v, dict) else v


MOST_INPUTS = max(len(kind.inputs) for kind in EVERY_TYPE)
several = st.lists(vvalues, min_size=MOST_INPUTS, max_size=MOST_INPUTS)  # one for each input, at most
factors = numbers.filter(bool)
powers = st.sampled_from([0.25, 0.5, 2.0, -0.5, -1.0, -4.0])  # products and quotients are exact


@pytest.mark.slow
@declaring(scaling=Scaling.LINEAR)
@given(a=numbers, inputs=several)
def test_linear_types_are_linear(kind, a, inputs):
    inputs = inputs[: len(kind.inputs)]
    assert results(kind, *(scale(a, v) for v in inputs)) == tuple(scale(a, v) for v in results(kind, *inputs))


@declaring(scaling=Scaling.EVEN)
@given(a=numbers, v=vvalues)
def test_even_types_are_even(kind, a, v):
    assert results(kind, scale(a, v)) == tuple(scale(abs(a), x) for x in results(kind, v))


@declaring(scaling=Scaling.DIFFERENCE)
@given(a=factors, u=vvalues, v=vvalues)
def test_types_of_a_difference_see_the_difference_alone(kind, a, u, v):
    above, below = results(kind, u, v)
    assert (above, below) == results(kind, add(u, scale(-1.0, v)), {})
    assert (below, above) == results(kind, v, u)
    assert results(kind, scale(abs(a), u), scale(abs(a), v)) == (scale(abs(a), above), scale(abs(a), below))


@declaring(scaling=Scaling.BILINEAR)
@given(a=powers, u=vvalues, v=vvalues)
def test_bilinear_types_are_symmetric_and_odd_and_take_a_factor_on_either_side(kind, a, u, v):
    (product,) = results(kind, u, v)
    assert results(kind, v, u) == (product,)
    assert results(kind, scale(a, u), scale(1 / a, v)) == (product,)
    assert results(kind, scale(-1.0, u), v) == (scale(-1.0, product),)


@pytest.mark.slow
@declaring(accumulates=True)
@given(inputs=several)
def test_what_accumulates_is_the_sum_of_its_inputs(kind, inputs):
    inputs = inputs[: len(kind.inputs)]
    assert results(kind, *inputs) == (reduce(add, inputs, {}),)
    assert kind.feedback == ((kind.inputs[0], kind.outputs[0]),)


@declaring(accumulates=True)
@given(stream=st.lists(vvalues, min_size=1, max_size=5))
def test_with_its_feedback_it_is_a_running_sum(kind, stream):
    machine = Machine.build(
        {f"sum.{kind.inputs[1]}": {"input.char": 1.0}},
        {"timer": TIMER, "input": INPUT, "sum": kind},
    )
    states = list(run(machine, values(stream), len(stream) + 1))
    sums = list(accumulate(stream, add, initial={}))
    assert [state.emitted(f"sum.{kind.outputs[0]}") for state in states] == sums


@pytest.mark.slow
@declaring(emits=Emits.NUMBERS)
@given(inputs=several)
def test_types_that_emit_numbers_emit_numbers(kind, inputs):
    assert not any(isinstance(x, dict) and x for x in results(kind, *inputs[: len(kind.inputs)]))


@declaring(emits=Emits.AS_ARRIVES)
@given(inputs=st.lists(numbers, min_size=MOST_INPUTS, max_size=MOST_INPUTS))
def test_where_numbers_arrive_numbers_leave(kind, inputs):
    assert not any(isinstance(x, dict) and x for x in results(kind, *inputs[: len(kind.inputs)]))


@declaring(emits=Emits.INPUTS)
@given(inputs=several)
def test_types_that_emit_their_inputs_change_nothing(kind, inputs):
    inputs = inputs[: len(kind.inputs)]
    assert results(kind, *inputs) == tuple(map(trim, inputs))


@declaring(emits=Emits.COUNT)
@given(v=vvalues)
def test_types_that_count_add_one(kind, v):
    assert results(kind, v) == (trim(number(v) + 1.0),)


@declaring(emits=Emits.STREAM)
@given(stream=st.lists(vvalues, min_size=1, max_size=4), t=st.integers(0, 5))
def test_types_that_emit_the_stream_emit_the_stream(kind, stream, t):
    assert kind.activate({kind.inputs[0]: float(t)}, values(stream)) == {kind.outputs[0]: trim((stream + [{}] * 6)[t])}


@pytest.mark.slow
@declaring(uniform=True)
@given(inputs=several, order=st.permutations(["a", "b", "c", "word", "/", "."]))
def test_uniform_types_do_not_know_one_key_from_another(kind, inputs, order):
    names = dict(zip(sorted(order), order, strict=True))
    inputs = inputs[: len(kind.inputs)]
    expected = tuple(renamed(v, names) for v in results(kind, *inputs))
    assert results(kind, *(renamed(v, names) for v in inputs)) == expected


@pytest.mark.parametrize("kind", [kind for kind in EVERY_TYPE if kind.stop_gradient], ids=lambda kind: kind.name)
def test_no_derivative_flows_where_it_is_stopped(kind, float64):
    inputs = {field: {"a": 1.0 + i} for i, field in enumerate(kind.inputs)}
    gradient = jax.grad(lambda inputs: sum(x * x for _, x in paths(kind.activate(inputs))))(inputs)
    assert {field for field, v in gradient.items() if trim(v) == {}} == set(kind.stop_gradient)


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"scaling": Scaling.EVEN}, r"neuron type 'mine': Scaling.EVEN needs \(1, 1\) inputs and outputs"),
        ({"scaling": Scaling.DIFFERENCE}, r"Scaling.DIFFERENCE needs \(2, 2\) inputs and outputs"),
        ({"scaling": Scaling.BILINEAR, "outputs": ("z", "w")}, r"Scaling.BILINEAR needs \(2, 1\) inputs and outputs"),
        ({"emits": Emits.COUNT}, r"Emits.COUNT needs \(1, 1\) inputs and outputs"),
        ({"emits": Emits.INPUTS}, "Emits.INPUTS needs as many outputs as inputs"),
        ({"accumulates": True, "outputs": ("z", "w")}, "what accumulates has at least two inputs and one output"),
        ({"accumulates": True, "inputs": ("x",)}, "what accumulates has at least two inputs and one output"),
        ({"widens": ACCUM}, "it does not have all fields of 'accum', which it widens"),
        ({"affine_in": ("u",)}, r"affine_in \('u',\): expected names of its inputs"),
        ({"stop_gradient": ("u",)}, r"stop_gradient \('u',\): expected names of its inputs"),
        ({"formula": Formula("f(%s)", "f(%s, %s)")}, "expected one %s for each input"),
        ({"formula": Formula("f(%s, %s)", "100% of %s, %s")}, "expected one %s for each input"),
        ({"formula": Formula("%s", "%s", fieldwise=True)}, "a fieldwise formula needs as many outputs as inputs"),
        ({"inputs": "xy"}, "inputs 'xy': expected a tuple of names"),
        ({"inputs": ("x", "x")}, "each needs a name of its own"),
        ({"outputs": ("a.b",)}, "each needs a name of its own without"),
    ],
)
def test_properties_that_a_type_cannot_have_are_told_in_one_line(properties, message):
    with pytest.raises(LabError, match=message) as error:
        NeuronType(**{"name": "mine", "inputs": ("x", "y"), "outputs": ("z",), "function": add, **properties})
    assert "\n" not in str(error.value)
