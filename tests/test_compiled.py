"""Compiled machines: schedules, layouts, weights, and what is told of bad input. Random ones: test_engines_agree.py."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import pytest
from two_engines import gap

from dmmlab import Machine, NeuronType
from dmmlab.compiler.compilation import compile_machine
from dmmlab.compiler.layout import LayoutError, lay_out
from dmmlab.core.engine import RunError, answers
from dmmlab.core.neuron_type import Emits
from dmmlab.core.neurons import INPUT, NORM, TIMER, TYPES_2022
from dmmlab.core.streams import Inbox, characters, symbols, values
from dmmlab.core.vvalues import number, paths
from dmmlab.june2022.replay import initial_machine, recurrent_2022
from dmmlab.machines.detectors import handcrafted, published
from dmmlab.machines.networks import feedforward


@pytest.mark.parametrize("machine", [handcrafted(), published()], ids=["handcrafted", "published"])
@pytest.mark.parametrize("schedule", ["time-parallel", "scan"])
def test_detectors(machine, schedule):
    compiled = compile_machine(machine, characters("test ring."), schedule=schedule)
    for string in ("test string.", "sssss", "."):
        ours = compiled.answers(characters(string), 60)
        assert max(gap(a, b) for a, b in zip(ours, answers(machine, characters(string), 60), strict=True)) < 1e-6


def test_the_schedule_is_chosen_by_the_graph():
    stream = characters("ab")
    assert compile_machine(handcrafted(), stream).schedule == "time-parallel"
    looped = handcrafted().link("accum.dict-2", "compare.false", 0.5)
    assert compile_machine(looped, stream).schedule == "scan"
    assert compile_machine(recurrent_2022(1).machine([0.1] * len(recurrent_2022(1).links)), stream).schedule == "scan"
    with pytest.raises(LayoutError, match="something recurs that is no neuron's own memory"):
        compile_machine(looped, stream, schedule="time-parallel")
    with pytest.raises(LayoutError, match="unknown schedule 'sacn'; did you mean 'scan'"):
        compile_machine(looped, stream, schedule="sacn")


def test_an_inbox_is_no_example():
    inbox = Inbox()
    inbox.send({"a": 1.0})
    with pytest.raises(LayoutError, match="an Inbox shows what was sent once"):
        compile_machine(handcrafted(), inbox, 5)
    assert "1 waiting" in repr(inbox)


def test_blocks_of_the_training_network():
    """Scalars are not padded to the alphabet; the full stop that eos shares with the input does not make a block of its own."""
    compiled = compile_machine(initial_machine(feedforward(5, 2), 0.01), characters("test string."))
    assert [len(block) for block in compiled.layout.blocks] == [1, 9]
    assert "block 1: 9 paths x 12 ports" in compiled.layout.table()
    looked_at = {port for port, blocks in compiled.layout.used.items() if 1 in blocks and port[0].startswith("compare")}
    assert looked_at == set()  # a compare neuron sees numbers only


def test_weights_there_and_back():
    machine = initial_machine(feedforward(3, 2), 0.2)
    compiled = compile_machine(machine, characters("ab."))
    weights = compiled.weights()
    assert compiled.soft(weights) == machine.soft
    assert sum(int(m.sum()) for m in compiled.mask) == machine.count()
    some = handcrafted().with_soft({"norm": {"dict": {"accum": {"dict": 2.0}}}}).soft
    other = compile_machine(handcrafted(), characters("ab."))
    assert other.soft(other.weights(some)) == some
    with pytest.raises(LayoutError, match="norm/dict/input/char: the compiled machine has no such link"):
        other.weights({"norm": {"dict": {"input": {"char": 2.0}}}})


def test_v_values_there_and_back():
    nested = {"word": {"length": 2.0, ":number": 1.0}, "x": -3.0, ":number": 0.5}
    layout = lay_out(handcrafted(), values([nested]), 1)
    assert layout.unpack(layout.pack(nested)) == nested
    with pytest.raises(LayoutError, match="word/colour: no port of this compiled machine can carry it"):
        layout.pack({"word": {"colour": 1.0}})


def test_an_unknown_character_is_named():
    compiled = compile_machine(handcrafted(), characters("ab."))
    with pytest.raises(LayoutError, match=r"^z: no port of this compiled machine can carry it; compile it with such a stream"):
        compiled.encode(characters("az"), 30)


def test_pruning_and_growing_do_not_recompile():
    compiled = compile_machine(initial_machine(feedforward(2, 1), 0.2), characters("ab."))
    inputs, traces = compiled.encode(characters("ab."), 40), 0

    @jax.jit
    def loss(weights, mask):
        nonlocal traces
        traces += 1
        return jnp.sum(compiled.scalar_answers([w * m for w, m in zip(weights, mask, strict=True)], inputs) ** 2)

    full = loss(compiled.weights(), compiled.mask)
    masks = [[m.at[0].set(0.0) for m in compiled.mask], [m * 0 for m in compiled.mask], compiled.mask]
    pruned, empty, again = (loss(compiled.weights(), mask) for mask in masks)
    assert traces == 1
    assert empty == 0 != pruned
    assert again == full


def test_a_mask_means_what_unlinking_means():
    machine = published()
    compiled = compile_machine(machine, characters("test."))
    fewer = machine.unlink("norm-2-1.dict", "input.char").unlink("output.dict-1", "compare-4-2.false")
    ours = compiled.answers(characters("test."), 60, soft=fewer.soft)
    assert max(gap(a, b) for a, b in zip(ours, answers(fewer, characters("test."), 60), strict=True)) < 1e-6


def test_words_and_nested_values():
    words = ["to", "be", "or", "not", "to", "be", "."]
    compiled = compile_machine(handcrafted(), symbols(words))
    assert compiled.answers(symbols(words), 80)[-1] == answers(handcrafted(), symbols(words), 80)[-1]
    nested = values([{"w": {"a": 2.0}, "x": -3.0}, {}, {"w": {"a": 2.0}}])
    assert compile_machine(handcrafted(), nested).answers(nested, 9) == answers(handcrafted(), nested, 9)


def test_two_streams():
    machine = Machine.build({"accum.dict-2": {"input.char": 1.0, "input-2.char": -1.0}, "output.dict-1": {"accum.dict": 1.0}})
    streams = {"input": values([5.0]), "input-2": values([2.0, 1.0])}
    assert compile_machine(machine, streams).answers(streams, 6) == answers(machine, streams, 6)


def test_a_timer_that_is_read_by_others_is_data():
    machine = Machine.build({"output.dict-1": {"timer.timer": 2.0}, "output.dict-2": {"input.char": 1.0}})
    stream = values([1.0, 2.0])
    assert compile_machine(machine, stream).answers(stream, 6) == answers(machine, stream, 6)


@pytest.mark.parametrize(
    "odd",
    [
        replace(TIMER, function=lambda t: number(t) + 2.0),
        replace(INPUT, function=lambda t, stream: stream(number(t)) if number(t) != 6 else {}),
        replace(NORM, name="timer", inputs=("timer",), outputs=("timer",), emits=Emits.COUNT),
    ],
    ids=["a fast clock", "a reader that skips an item", "a norm"],
)
def test_an_odd_clock_is_not_taken_for_the_timer(odd):
    machine = Machine.build({"output.dict-1": {"input.char": 1.0}})
    machine = replace(machine, neurons={**machine.neurons, odd.name: odd})
    stream = characters("abcd", period=1)
    assert compile_machine(machine, stream).answers(stream, 8) == answers(machine, stream, 8)


def test_bad_input_is_told_in_one_line():
    compiled = compile_machine(handcrafted(), characters("ab."))
    for cycles in (0, -2, 2.5):
        with pytest.raises(LayoutError, match=f"^{cycles} cycles: expected a whole number"):
            compiled.answers(characters("a"), cycles)
    with pytest.raises(LayoutError, match=r"^None: expected a Stream"):
        compile_machine(handcrafted(), None)
    huge = handcrafted().link("norm.dict", "input.char", 1e39)
    with pytest.raises(RunError, match=r"^cycle \d+: what arrives at 'output' is not finite in this precision"):
        compile_machine(huge, characters("a")).answers(characters("a"), 9)


def test_what_cannot_be_compiled_says_why():
    nest = NeuronType("nest", ("x",), ("y",), lambda v: {"deeper": v})
    branch = NeuronType("branch", ("x",), ("y",), lambda v: 1.0 if number(v) > 0 else 0.0)
    types = (*TYPES_2022, nest, branch)
    growing = Machine.build({"nest.x": {"nest.y": 1.0, "const_1.const_1": 1.0}}, types=types)
    with pytest.raises(LayoutError, match="neuron 'nest': its keys grow without end"):
        compile_machine(growing, characters("a"))
    branching = Machine.build({"branch.x": {"const_1.const_1": 1.0}}, types=types)
    with pytest.raises(LayoutError, match="neuron 'branch': type 'branch' cannot be compiled, JAX cannot trace its function"):
        compile_machine(branching, characters("a"))
    learned_clock = Machine.build({"input.timer": {"const_1.const_1": 1.0}, "output.dict-1": {"input.char": 1.0}})
    with pytest.raises(LayoutError, match="neuron 'input': reads a stream"):
        compile_machine(learned_clock, characters("a"))


def test_neurons_that_nothing_reaches():
    machine = Machine.build({"norm-1.dict": {"accum-1.dict": 1.0}, "output.dict-1": {"norm-1.norm": 1.0, "dot-1.dot": 1.0}})
    for schedule in ("time-parallel", "scan"):
        compiled = compile_machine(machine, characters("a"), schedule=schedule)
        assert compiled.answers(characters("a"), 5) == answers(machine, characters("a"), 5) == [{}] * 5
        assert compiled.soft(compiled.weights()) == machine.soft


def test_the_fields_a_recurrent_neuron_does_not_use_carry_nothing():
    network = recurrent_2022(2)
    compiled = compile_machine(network.machine([0.1] * len(network.links)), characters("ab"))
    carriers = {port for port, blocks in compiled.layout.carried.items() if blocks and "-" in port[0]}
    assert {field for _, field in carriers} == {"dict", "norm", "dot", "true", "false"}
    assert sum(1 for _ in paths(compiled.machine.soft)) == len(network.links)
