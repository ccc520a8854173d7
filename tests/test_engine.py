import jax
import numpy as np
import pytest
from jax.test_util import check_grads

from dmmlab import Machine, NeuronType
from dmmlab.core.engine import INITIAL_STATE, RunError, answers, down, run, step, up
from dmmlab.core.neurons import ACCUM, INPUT, TIMER
from dmmlab.core.streams import characters, spaced, symbols, values
from dmmlab.core.vvalues import add, dot, linear_combination, number, scale
from dmmlab.machines.detectors import PUBLISHED_19, handcrafted, imitation_error, published


def test_every_link_costs_a_cycle():
    machine = handcrafted()
    states = list(run(machine, characters("aa", period=1, repeat_last=False), 8))
    assert [state.cycle for state in states] == list(range(8))
    assert states[0].inputs == {}
    assert states[0].outputs["input"] == {"char": {"a": 1.0}}
    assert states[1].arrived("accum.dict-2") == {"a": 1.0}
    assert states[2].emitted("accum.dict") == {"a": 2.0}
    assert [number(state.arrived("output.dict-1")) for state in states] == [0, 0, 0, 0, 0, 1, 1, 1]


def test_the_input_neuron_sees_the_cycle():
    states = list(run(handcrafted(), characters("ab"), 12))
    assert [number(state.arrived("input.timer")) for state in states] == list(range(12))
    assert states[0].emitted("input.char") == {"a": 1.0}
    assert states[10].emitted("input.char") == {"b": 1.0}


def test_down_and_up_make_a_step():
    machine = handcrafted()
    streams = {"input": characters("ab")}
    state = step(INITIAL_STATE, machine.matrix, machine.neurons, streams)
    following = step(state, machine.matrix, machine.neurons, streams)
    assert following.inputs == down(machine.matrix, state.outputs)
    assert following.outputs == up(machine.neurons, following.inputs, streams)


def counts(items, end_mark="."):
    return max(map(items.count, items), default=0) - 1, min(4, items.count(end_mark))


@pytest.mark.parametrize(
    "items", ["test string.", "aaaaaaaaaa", ".......", "x", "ab.ab.", ["to", "be", "or", "not", "to", "be", "."]]
)
def test_the_handcrafted_detector_is_exact(items):
    stream = symbols(items, period=10, repeat_last=False)
    last = answers(handcrafted(), stream, 10 * len(items) + 5)[-1]
    assert (number(last.get("dict-1", 0)), number(last.get("dict-2", 0))) == counts(list(items))


def test_any_gaps_and_any_end_mark():
    items = list("abca!a!")
    last = answers(handcrafted(end_mark="!"), spaced(items, [0, 3, 0, 0, 7, 1, 0]), 40)[-1]
    assert (number(last["dict-1"]), number(last["dict-2"])) == counts(items, "!")


def test_weighted_v_values_flow_too():
    nested = {"word": {"length": 2.0}, "x": -3.0}
    last = answers(handcrafted(), values([nested, nested]), 10)[-1]
    assert number(last["dict-1"]) == 5.0  # the largest absolute value is 6


@pytest.mark.parametrize(
    ("string", "cycles", "loss", "max_squared_error"),
    [
        ("test string.", 140, 0.0016100588, 0.0005265353),
        ("test string.", 150, 0.6776272, 0.11265322),
        ("teest string.", 140, 0.0013412877, 0.0005265353),
        ("tets. str.ingtb str.ingtb", 180, 8.995915, 0.96731496),
    ],
)
def test_the_published_errors(reference, string, cycles, loss, max_squared_error):
    machine = Machine.from_json(reference / "published-19-link-machine.json").astype(np.float32)
    error = imitation_error(machine, characters(string), cycles)
    assert error.loss == pytest.approx(loss, rel=1e-5)
    assert error.max_squared_error == pytest.approx(max_squared_error, rel=1e-5)


def test_the_rounded_weights_are_those_published(reference):
    exact = {link[:4]: link.weight for link in Machine.from_json(reference / "published-19-link-machine.json").links()}
    rounded = {link[:4]: link.weight for link in published().links()}
    assert rounded.keys() == exact.keys()
    assert all(abs(rounded[path] - exact[path]) <= 0.005 + 1e-9 for path in exact)
    assert sum(map(len, PUBLISHED_19.values())) == 19


def test_imitation_error_of_the_teacher_is_zero():
    assert imitation_error(handcrafted(), characters("test string."), 140) == (0.0, 0.0)


@pytest.mark.slow
def test_gradient_of_a_whole_machine_against_finite_differences(float64):
    machine, stream = published(), characters("ab.", period=2)
    target = answers(handcrafted(), stream, 12)

    @jax.jit
    def loss(soft):
        differences = [
            add(a, scale(-1.0, b)) for a, b in zip(answers(machine.with_soft(soft), stream, 12), target, strict=True)
        ]
        return sum(dot(d, d) for d in differences)

    check_grads(loss, (machine.soft,), order=1, modes=["rev"], rtol=1e-5, atol=1e-7)
    gradient = jax.grad(loss)(machine.soft)
    assert jax.tree.structure(gradient) == jax.tree.structure(machine.soft)


def test_a_machine_may_rewrite_itself():
    """A neuron carries the network matrix; adding to it changes the machine from the next cycle on."""
    keeper = NeuronType("keeper", ("matrix", "change"), ("matrix",), add)
    clock = NeuronType("clock", ("count",), ("count",), lambda n: number(n) + 1.0)
    source = NeuronType("source", ("t",), ("v",), lambda t, stream: stream(number(t)), reads_stream=True)
    probe = NeuronType("probe", ("in",), (), lambda v: ())
    first = {
        "self": {"matrix": {"self": {"matrix": 1.0}}, "change": {"source": {"v": 1.0}}},
        "clock": {"count": {"clock": {"count": 1.0}}},
        "source": {"t": {"clock": {"count": 1.0}}},
    }
    grow = {"probe": {"in": {"clock": {"count": 1.0}}}}
    machine = Machine({"self": keeper, "clock": clock, "source": source, "probe": probe}, soft=first)
    states = run(machine, values([{}, {}, grow]), 7, matrix_from="self.matrix")
    assert [number(state.arrived("probe.in")) for state in states] == [0, 0, 0, 0, 4, 5, 6]


def test_masks_may_reach_inside_a_v_value():
    """Nothing in the engine needs the matrix to be four levels deep: a deeper link picks a branch."""
    states = down({"norm": {"dict": {"input": {"char": {"word": 2.0}}}}}, {"input": {"char": {"word": {"a": 1.0}, "x": 9.0}}})
    assert states == {"norm": {"dict": {"a": 2.0}}}
    assert linear_combination({"word": 2.0}, {"word": {"a": 1.0}, "x": 9.0}) == {"a": 2.0}


def test_two_inputs_with_streams_of_their_own():
    machine = Machine.build({"accum.dict-2": {"input.char": 1.0, "input-2.char": -1.0}, "output.dict-1": {"accum.dict": 1.0}})
    last = answers(machine, {"input": values([5.0]), "input-2": values([2.0, 1.0])}, 6)[-1]
    assert last == {"dict-1": 2.0}
    with pytest.raises(RunError, match="neuron 'input-2' reads a stream, and none is given for it"):
        run(machine, {"input": values([5.0])}, 3)
    with pytest.raises(RunError, match="a stream for 'inptu': unknown"):
        run(machine, {"inptu": values([5.0])}, 3)


def test_answers_of_an_unknown_neuron():
    with pytest.raises(RunError, match="unknown neuron 'outptu'"):
        answers(handcrafted(), characters("a"), 3, neuron="outptu")


def test_a_run_that_leaves_the_finite_numbers_says_where():
    machine = Machine({"timer": TIMER, "input": INPUT, "accum": ACCUM}).link("accum.dict-2", "input.char", 1.0)
    machine = machine.link("accum.dict-1", "accum.dict", 1e200, hard=True)
    with pytest.raises(RunError, match=r"^cycle 3, inputs: accum/dict-1/a: expected a finite number, got inf"):
        list(run(machine.link("input.timer", "timer.timer", 1.0), characters("a"), 10))


def test_runs_without_end_are_lazy():
    states = run(handcrafted(), characters("ab"))
    assert [next(states).cycle for _ in range(3)] == [0, 1, 2]
