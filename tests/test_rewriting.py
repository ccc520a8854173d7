"""Machines that rewrite themselves: the wave, the list, the live edit, growth, and its limits.

Values from the experiments of 2016 and 2017 with DMM 1.0 (jsa-aerial/DMM), cycle for cycle.
"""

import threading
from itertools import islice

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import Phase, given, settings, strategies as st
from jax.test_util import check_grads

from dmmlab.compiler.layout import LayoutError
from dmmlab.compiler.rewriting import compile_rewriting
from dmmlab.core import (
    ACCUM,
    DOT,
    GATE,
    INPUT,
    LOOKUP,
    NEST,
    NORM,
    SELF,
    TIMER,
    UPDATE,
    Inbox,
    Machine,
    NeuronType,
    RunError,
    answering,
    run,
    values,
)
from dmmlab.core.network_matrix import matrix_of_links
from dmmlab.core.vvalues import add, dot, from_paths, linear_combination, nest, paths, scale
from dmmlab.machines.rewriting_machines import MATRIX, click, doubling, editing, event_list, growing, wave


def test_the_wave():
    machine, initial = wave()
    first = machine.matrix
    matrices = [first, *(state.emitted(MATRIX) for state in run(machine, None, 9, initial, MATRIX))]
    rows = [matrix["self"].pop("delta") for matrix in [{**m, "self": dict(m["self"])} for m in matrices]]
    assert rows == [
        {"update-1": {"single": 1.0}},
        {"update-2": {"single": 1.0}},
        {"update-3": {"single": 1.0}},
    ] * 3 + [{"update-1": {"single": 1.0}}]
    rests = [{**m, "self": {"accum": m["self"]["accum"]}} for m in matrices]
    assert all(rest == rests[0] for rest in rests)


def test_the_list_of_events():
    machine, initial = event_list()
    stream = values([{}, click(10, 20), {}, {"x": 99.0}, click(30, 40)])
    *_, last = run(machine, stream, 8, initial)
    assert last.emitted("my-list.self") == {
        "this": {"x": 30.0, "y": 40.0, "flag": 1.0},
        "rest": {"this": {"x": 10.0, "y": 20.0, "flag": 1.0}, "rest": {"end-list": 1.0}},
    }


def test_a_running_machine_is_fed_from_outside():
    inbox = Inbox({"step": 1.0})
    machine = Machine.build({"self.delta": {"input.char": 1.0}}, {"timer": TIMER, "input": INPUT, "self": SELF})
    states = run(machine, inbox)
    sums = [state.emitted(MATRIX) for state in islice(states, 15)]
    assert sums[-1] == {"step": 14.0}
    sender = threading.Thread(target=inbox.send, args=({"a": 1.0},))
    sender.start()
    sender.join()
    assert [state.emitted(MATRIX) for state in islice(states, 3)] == [
        {"step": 15.0},  # what was shown before
        {"step": 15.0, "a": 1.0},
        {"step": 16.0, "a": 1.0},
    ]


ADDING = matrix_of_links({"accum.dict-1": {"accum.dict": 1.0}, "accum.dict-2": {"timer.timer": 2.0}})


def test_a_running_machine_is_edited():
    """A neuron comes with its links, two cycles after they were read, and goes with them."""
    inbox = Inbox()
    states = run(editing(), inbox, matrix_from=MATRIX)
    sums = []
    for change in ({}, ADDING, scale(-1.0, ADDING)):
        inbox.send(change)
        sums += [state.emitted("accum.dict") for state in islice(states, 5)]
    assert sums == [{}] * 7 + [14.0, 30.0, 48.0, 68.0, 90.0, {}, {}, {}]


def test_a_neuron_that_comes_back_has_forgotten():
    inbox = Inbox()
    states = run(editing(), inbox, matrix_from=MATRIX)
    for change in (ADDING, scale(-1.0, ADDING), ADDING):
        inbox.send(change)
        *_, last = islice(states, 4)
    assert last.outputs["timer"]["timer"] == 12.0
    assert last.emitted("accum.dict") == 2 * (10.0 + 11.0)


def test_a_memory_out_of_its_own_matrix():
    items = [{c: 1.0} for c in "abcde"]
    *_, last = run(growing().machine, values(items), 10, matrix_from=MATRIX)
    cells = {name: fields["single"] for name, fields in last.outputs.items() if name.startswith("cell-")}
    kept = [cells[name] for name in sorted(cells, key=lambda name: -int(name.split("-")[1])) if cells[name]]
    assert kept == items


def test_growth_ends_at_a_limit_with_its_state():
    states = run(growing().machine, values([{"a": 1.0}]), None, None, MATRIX, most=40)
    seen = []
    with pytest.raises(RunError, match=r"^cycle \d+, the machine has grown to 41 numbers; .* more than most=40$") as told:
        seen.extend(states)
    assert told.value.state.cycle > 3
    machine = growing().machine
    resumed = run(machine, values([{"a": 1.0}]), 3, told.value.state.outputs, MATRIX)
    assert len(list(paths(list(resumed)[-1].outputs))) > 41


def test_a_machine_copies_a_part_of_itself():
    machine = doubling()
    *_, before, last = run(machine, values([{}, {}, 2.0, {}, {}, 3.0]), 12, matrix_from=MATRIX)
    assert {"cell", "cell-2", "cell-3"} < set(last.outputs)
    assert last.arrived("total.sum") - before.arrived("total.sum") == 3.0  # three count where one did


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nobody": {"in": {"timer": {"timer": 1.0}}}}, "matrix: .*unknown neuron type 'nobody'|neuron 'nobody'"),
        ({"accum": {"wrong": {"timer": {"timer": 1.0}}}}, "accum/wrong/timer/timer: neuron type 'accum' has no input 'wrong'"),
        ({"accum": {"dict-1": {"timer": {"wrong": 1.0}}}}, "neuron type 'timer' has no output 'wrong'"),
        ({"accum": 1.0}, "accum: a link is to_neuron / to_input / from_neuron / from_output"),
        ({"input": {"timer": {"input-2": {"char": 1.0}}}}, "neuron 'input-2' reads a stream, and none is given for it"),
    ],
)
def test_a_matrix_that_is_none_is_told_of(change, message):
    with pytest.raises(RunError, match=message) as told:
        list(run(editing(), {"input": values([change])}, 6, matrix_from=MATRIX))
    assert str(told.value).startswith("cycle 2, ")
    assert told.value.state.cycle == 1


def test_initial_outputs_are_checked():
    with pytest.raises(Exception, match="initial outputs/self: expected a finite number"):
        run(wave().machine, None, 3, {"self": float("nan")}, MATRIX)


TREES = st.recursive(
    st.floats(-4, 4).map(lambda x: round(4 * x) / 4),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
FLAT = st.dictionaries(st.sampled_from("abcd"), st.integers(-3, 3).map(float), max_size=4)


@given(TREES, TREES, TREES, st.integers(-3, 3))
def test_nest_is_bilinear(u, v, w, a):
    assert nest(add(u, v), w) == add(nest(u, w), nest(v, w))
    assert nest(u, add(v, w)) == add(nest(u, v), nest(u, w))
    assert nest(scale(a, u), v) == scale(a, nest(u, v)) == nest(u, scale(a, v))


@given(FLAT, FLAT, TREES)
def test_lookup_takes_out_what_nest_put_in(w, u, v):
    assert linear_combination(w, nest(u, v)) == scale(dot(w, u), v)
    assert NEST.activate({"dict-1": u, "dict-2": v})["dict"] == nest(u, v)
    assert LOOKUP.activate({"dict-1": w, "dict-2": nest(u, v)})["dict"] == scale(dot(w, u), v)


@given(TREES)
def test_nest_under_a_number_is_a_multiple(v):
    assert nest(2.0, v) == scale(2.0, v)
    assert nest(v, 1.0) == from_paths(paths(v))


# The same, compiled.

CELLS = {"norm": NORM, "dot": DOT, "accum": ACCUM, "gate": GATE}
CLOCKLESS = NeuronType("input", (), ("char",), lambda stream: stream(None), reads_stream=True)  # else weights drive a clock
WEIGHTS = st.sampled_from([-1.0, -0.5, 0.25, 0.5, 1.0])


@st.composite
def rewriting_machines(draw):
    """A machine, what it emits first, and the links that it may change, its own changes among them."""
    neurons = {"input": CLOCKLESS, "self": SELF, "output": answering(("sum",))}
    neurons |= {f"{name}-{k}": kind for name, kind in CELLS.items() for k in range(draw(st.integers(0, 1)))}
    updates = [f"update-{k}" for k in range(draw(st.integers(1, 3)))]
    neurons |= dict.fromkeys(updates, UPDATE)
    cells = [name for name in neurons if name.split("-")[0] in CELLS]
    intos = [f"{name}.{field}" for name in [*cells, "output"] for field in neurons[name].inputs]
    outs = ["input.char", *(f"{name}.{field}" for name in cells for field in neurons[name].outputs)]
    possible = [(to, source) for to in intos for source in outs] + [("self.delta", f"{name}.single") for name in updates]

    def some(least):
        chosen = draw(st.lists(st.sampled_from(possible), min_size=min(least, len(possible)), max_size=8, unique=True))
        links = {}
        for to, source in chosen:
            links.setdefault(to, {})[source] = draw(WEIGHTS)
        return links

    matrix = add(matrix_of_links(some(3)), matrix_of_links({"self.accum": {MATRIX: 1.0}}))
    matrix = add(matrix, matrix_of_links({f"{name}.single": {f"{name}.single": 1.0} for name in updates}))
    first = {name: {"single": matrix_of_links(some(1))} for name in updates}
    declared = {}
    for to, source in possible:
        declared.setdefault(to, {})[source] = 1.0
    return Machine(neurons, matrix), {**first, "self": {"single": matrix}}, declared


def shown(items):
    inbox = Inbox()
    for item in items:
        inbox.send(item)
    return inbox


@pytest.mark.slow
@settings(max_examples=10, phases=[Phase.generate])  # to shrink is to compile, again and again
@given(
    rewriting_machines(),
    st.lists(st.sampled_from([{}, {"a": 1.0}, {"b": 0.5}, {"a": -1.0, "b": 1.0}, 0.5]), min_size=4, max_size=7),
)
def test_both_engines_agree_on_machines_that_rewrite_themselves(made, items):
    """Answers, and gradients with respect to the first matrix and the first outputs."""
    machine, first, declared = made
    items = [{"a": 1.0, "b": 1.0, ":number": 1.0}, *items]
    cycles = len(items) + 4
    with jax.enable_x64(True):
        compiled = compile_rewriting(machine, declared, shown(items), cycles, first)
        inputs, carry = compiled.encode(shown(items), cycles), compiled.initial_carry()

        def of_arrays(carry):
            return sum(jnp.sum(x**2) for x in compiled.run(carry, inputs)[1].values())

        def of_trees(first):
            arrived = [state.arrived("output.sum") for state in run(machine, shown(items), cycles, first, MATRIX)]
            return sum(dot(v, v) for v in arrived)

        (loss, gradient), expected = jax.jit(jax.value_and_grad(of_arrays))(carry), jax.grad(of_trees)(first)
        assert np.isclose(loss, of_trees(first), rtol=1e-9, atol=1e-12)
        wanted = compiled.initial_carry(expected)
        for name, fields in first.items():
            for field in fields:
                for b, rows in compiled._rows.items():
                    if (name, field) in rows:
                        row, mask = rows[name, field], np.asarray(carry[b][rows[name, field]]) != 0
                        np.testing.assert_allclose(
                            np.asarray(gradient[b][row])[mask], np.asarray(wanted[b][row])[mask], rtol=1e-7, atol=1e-9
                        )


def test_the_wave_compiled():
    machine, first = wave()
    links = {"self.delta": {f"update-{k}.single": 1.0 for k in (1, 2, 3)}}
    compiled = compile_rewriting(machine, links, {}, 1, first)
    carry, rows = compiled.initial_carry(), []
    for _ in range(10):
        rows.append(compiled.matrix(carry)["self"]["delta"])
        carry, _ = compiled.run(carry, compiled.encode({}, 1))
    assert rows == [{f"update-{1 + t % 3}": {"single": 1.0}} for t in range(10)]
    assert compiled.matrix(carry)["update-2"] == machine.matrix["update-2"]


def test_gradients_through_self_modification_against_finite_differences(float64):
    """Seven cycles of the wave, with weights a little off, so that all of them matter."""
    machine, first = wave()
    links = {"self.delta": {f"update-{k}.single": 1.0 for k in (1, 2, 3)}}
    compiled = compile_rewriting(machine, links, {}, 1, first)
    rng = np.random.default_rng(0)
    carry = {b: x + 0.05 * rng.standard_normal(x.shape) for b, x in compiled.initial_carry().items()}

    def loss(carry):
        last, _ = compiled.run(carry, compiled.encode({}, 7))
        return sum(jnp.sum(jnp.sin(x)) for x in last.values())

    check_grads(loss, (carry,), order=1, modes=["rev"], eps=1e-6, rtol=1e-6, atol=1e-8)


def test_a_link_that_was_not_declared_is_refused():
    machine, first = wave()
    with pytest.raises(
        LayoutError, match=r"^self/delta/update-2/single: self.single may carry this, which is no link that may"
    ):
        compile_rewriting(machine, {"self.delta": {"update-1.single": 1.0}}, {}, 1, first)
