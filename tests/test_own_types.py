"""A reader's own types with the properties of accum, norm, dot and compare are treated as those are.

They have other names, other fields and other functions. What is known of a type stands in its properties, so that schedules,
layouts, canonical forms and gradients are the same up to names.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from machine_strategies import machines
from two_engines import CYCLES, HASTY, check_engines_agree, compiled_results, gap, tree_loss

from dmmlab import Machine, NeuronType
from dmmlab.compiler.compilation import compile_machine
from dmmlab.compiler.schedule import Memory
from dmmlab.core.engine import answers
from dmmlab.core.neuron_type import Emits, Scaling
from dmmlab.core.neurons import ACCUM, COMPARE, CONST_1, DOT, INPUT, NORM, OUTPUT, TIMER, clip, relu
from dmmlab.core.streams import characters, values
from dmmlab.core.vvalues import add, dot, max_norm, number, paths, scale
from dmmlab.june2022.truncated_gradients import TRUNCATED
from dmmlab.machines import canonical, merged, rounded, shortcuts
from dmmlab.machines.detectors import handcrafted, published
from dmmlab.machines.isomorphism import equivalent, same
from dmmlab.pruning.smaller_machines import without_idle_links

GATHER = NeuronType(
    "gather",
    ("old", "new"),
    ("whole",),
    lambda old, new: add(new, old),
    feedback=(("old", "whole"),),
    accumulates=True,
    scaling=Scaling.LINEAR,
    emits=Emits.AS_ARRIVES,
)
PEAK = NeuronType("peak", ("thing",), ("height",), lambda v: 1.0 * max_norm(v), scaling=Scaling.EVEN, emits=Emits.NUMBERS)
OVERLAP = NeuronType(
    "overlap",
    ("left", "right"),
    ("inner",),
    lambda u, v: clip(dot(v, u), -4.0, 4.0),
    uniform=True,
    scaling=Scaling.BILINEAR,
    emits=Emits.NUMBERS,
)
LEAD = NeuronType(
    "lead",
    ("ahead", "behind"),
    ("by", "lag"),
    lambda u, v: (relu(number(u) - number(v)), relu(number(v) - number(u))),
    uniform=True,
    scaling=Scaling.DIFFERENCE,
    emits=Emits.NUMBERS,
)
OWN = {"accum": GATHER, "norm": PEAK, "dot": OVERLAP, "compare": LEAD}
LIKE = {kind.name: kind for kind in (ACCUM, NORM, DOT, COMPARE)}


def fields(kind):
    """The names of a type's fields, in the words of the reader's type that is like it."""
    own = OWN.get(kind.name, kind)
    return dict(zip(kind.inputs + kind.outputs, own.inputs + own.outputs, strict=True))


def own_type(kind):
    """The reader's type that is like this one; the same type, if there is none."""
    if kind.name not in OWN:
        return kind
    name, words = fields(kind), OWN[kind.name]
    stopped, feedback = tuple(name[f] for f in kind.stop_gradient), tuple((name[a], name[b]) for a, b in kind.feedback)
    return replace(words, stop_gradient=stopped, feedback=feedback)


def own_name(name, kind):
    around = kind.reads_stream or not kind.inputs or not kind.outputs or kind == TIMER
    return name if around else f"my {name}"


def in_own_words(machine):
    """The machine with a reader's types, and other names for its neurons and fields."""
    names = {name: own_name(name, kind) for name, kind in machine.neurons.items()}
    parts = {False: {}, True: {}}
    for link in machine.links():
        to, source = fields(machine.neurons[link.to_neuron]), fields(machine.neurons[link.from_neuron])
        row = parts[link.hard].setdefault(names[link.to_neuron], {}).setdefault(to[link.to_field], {})
        row.setdefault(names[link.from_neuron], {})[source[link.from_field]] = link.weight
    return Machine({names[name]: own_type(kind) for name, kind in machine.neurons.items()}, parts[False], parts[True])


def renamed_soft(machine, soft):
    """Soft links, or what belongs to each of them, in a reader's words."""
    return in_own_words(machine.with_soft(soft)).soft


DETECTORS = pytest.mark.parametrize("machine", [handcrafted(), published()], ids=["handcrafted", "published"])


def test_the_readers_types_are_others_with_the_same_properties():
    for name, kind in LIKE.items():
        own = OWN[name]
        assert own.function is not kind.function
        assert {own.name, *own.inputs, *own.outputs}.isdisjoint({kind.name, *kind.inputs, *kind.outputs})
        for declared in ("accumulates", "scaling", "emits"):
            assert getattr(own, declared) == getattr(kind, declared)
        assert not equivalent(own, kind)
        assert equivalent(own, replace(own, name="another"))


@pytest.mark.slow
@settings(max_examples=100)
@given(machines())
def test_canonical_forms_are_the_same_up_to_names(case):
    machine, _ = case
    for simplify in (canonical, lambda m: canonical(m, pinned=False), merged, lambda m: rounded(merged(canonical(m)))):
        assert simplify(in_own_words(machine)) == in_own_words(simplify(machine))
    assert shortcuts(in_own_words(machine)) == [in_own_words(shorter) for shorter in shortcuts(machine)]


@pytest.mark.slow
@settings(max_examples=50)
@given(machines())
def test_schedules_and_layouts_are_the_same_up_to_names(case):
    machine, stream = case
    ours, theirs = compile_machine(in_own_words(machine), stream, CYCLES), compile_machine(machine, stream, CYCLES)
    assert ours.schedule == theirs.schedule
    assert ours.layout.blocks == theirs.layout.blocks
    assert len(ours.stages) == len(theirs.stages)
    assert without_idle_links(in_own_words(machine), stream, CYCLES) == in_own_words(
        without_idle_links(machine, stream, CYCLES)
    )


@DETECTORS
def test_where_only_accumulators_recur_time_is_parallel(machine):
    own = in_own_words(machine)
    assert {"gather", "peak", "overlap", "lead"} & {kind.name for kind in own.neurons.values()}
    compiled = compile_machine(own, characters("test string."))
    assert compiled.schedule == "time-parallel"
    accumulating = {group.kind.name for stage in compiled.stages for group in stage.groups if group.memory is Memory.SUM}
    assert accumulating == {"gather"}
    ours = compiled.answers(characters("test string."), 60)
    assert max(gap(a, b) for a, b in zip(ours, answers(machine, characters("test string."), 60), strict=True)) < 1e-6


@pytest.mark.slow
@settings(max_examples=50)
@given(machines())
def test_both_say_the_same(case):
    machine, stream = case
    ours, theirs = (answers(each, stream, CYCLES) for each in (in_own_words(machine), machine))
    assert max(gap(a, b) for a, b in zip(ours, theirs, strict=True)) <= 1e-12


def test_sameness_of_readers_machines():
    own = in_own_words(handcrafted())
    again = replace(own, neurons=dict(reversed(own.neurons.items())))
    assert same(own, again)
    assert not same(own, own.link("my norm.thing", "my accum.whole", 1.01))
    crossed = own.unlink("output.dict-1", "my compare.by").link("output.dict-1", "my compare.lag", 1.0)
    assert not same(own, crossed)
    # The inputs of what is bilinear may be exchanged, and so may those of a difference together with its outputs.
    turned = own
    for first, second in (("my dot.left", "my dot.right"), ("my compare.ahead", "my compare.behind")):
        into = {link: f"{link.to_neuron}.{link.to_field}" for link in turned.links()}
        moved = [(link, second if to == first else first) for link, to in into.items() if to in (first, second)]
        for link, _ in moved:
            turned = turned.unlink(into[link], f"{link.from_neuron}.{link.from_field}")
        for link, to in moved:
            turned = turned.link(to, f"{link.from_neuron}.{link.from_field}", link.weight)
    assert not same(own, turned)  # the outputs of the difference are not yet exchanged
    assert same(own, turned.unlink("output.dict-1", "my compare.by").link("output.dict-1", "my compare.lag", 1.0))


def test_what_can_be_told_of_functions_is_told():
    """What accumulates is a sum, whatever it is called. Of two other functions it is not known that they are the same."""
    machine = handcrafted()
    gathering = replace(machine, neurons={**machine.neurons, "accum": replace(ACCUM, name="gather", function=GATHER.function)})
    assert same(gathering, machine)
    peaking = replace(machine, neurons={**machine.neurons, "norm": replace(NORM, function=PEAK.function)})
    assert not same(peaking, machine)
    assert same(peaking, peaking)
    small = Machine.build(
        {"accum.dict-2": {"input.char": 1.0}, "output.dict-1": {"accum.dict": 1.0}},
    )
    assert same(in_own_words(small), small)


STOPPED = {
    "memory of gather": {"accum": ("dict-1",)},
    "what is new in gather": {"accum": ("dict-2",)},
    "all of gather": {"accum": ("dict-1", "dict-2")},
    "one side of overlap": {"dot": ("dict-2",)},
    "behind of lead, thing of peak": {"compare": ("dict-2",), "norm": ("dict",)},
}


def stopping(machine, stopped):
    """The machine with types through whose inputs no derivative flows."""
    kinds = {name: replace(kind, stop_gradient=stopped.get(kind.name, ())) for name, kind in machine.neurons.items()}
    return replace(machine, neurons=kinds)


@pytest.fixture(scope="module")
def stream():
    return characters("ab.a", period=1)


@pytest.fixture(scope="module")
def machine():
    """The published machine, whose weights are all different, with links by which every stopped derivative counts."""
    return published().link("compare-1-2.dict-1", "accum-1-2.dict", 0.3).link("dot-2-2.dict-2", "input.char", 0.7)


@pytest.fixture(scope="module")
def exact_gradient(machine, stream):
    with jax.enable_x64(True):
        return jax.grad(tree_loss(in_own_words(machine), stream))(in_own_words(machine).soft)


@pytest.mark.slow
@pytest.mark.parametrize("name", STOPPED)
def test_gradients_are_stopped_in_both_engines_and_both_schedules(machine, stream, exact_gradient, name):
    theirs = stopping(machine, STOPPED[name])
    ours = in_own_words(theirs)
    with jax.enable_x64(True):
        expected = jax.grad(tree_loss(ours, stream))(ours.soft)
        assert gap(expected, exact_gradient) > 1e-3
        assert gap(expected, renamed_soft(theirs, jax.grad(tree_loss(theirs, stream))(theirs.soft))) <= 1e-12
        schedules = [None, "scan"] if compile_machine(ours, stream).schedule == "time-parallel" else [None]
        assert len(schedules) == (
            2 if name in ("memory of gather", "one side of overlap", "behind of lead, thing of peak") else 1
        )
        for schedule in schedules:
            given, gradient = compiled_results(ours, stream, schedule)
            assert max(gap(a, b) for a, b in zip(given, answers(ours, stream, CYCLES), strict=True)) <= 1e-12
            assert gap(gradient, expected) <= 1e-12


@pytest.mark.slow
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(machines(), st.sets(st.sampled_from(["accum", "norm", "dot", "compare"])))
def test_the_engines_agree_on_random_machines_of_a_readers_types(case, stopped):
    machine, stream = case
    which = {name: LIKE[name].inputs[:1] for name in stopped}
    with jax.enable_x64(True):
        check_engines_agree(in_own_words(stopping(machine, which)), stream, 1e-12, HASTY)


@pytest.mark.slow
def test_the_truncated_gradients_of_2022_in_a_readers_words(stream):
    machine = replace(handcrafted(), neurons={**handcrafted().neurons, "accum": TRUNCATED["accum"]})
    own = in_own_words(machine)
    assert own.neurons["my accum"].stop_gradient == ("old",)
    ours, theirs = (jax.grad(tree_loss(each, stream))(each.soft) for each in (own, machine))
    assert gap(ours, renamed_soft(machine, theirs)) < 1e-6
    _, compiled = compiled_results(own, stream)
    assert gap(ours, compiled) < 1e-5


# What the types of 2022 have no example of


def three_sums(hard):
    kind = NeuronType(
        "pool", ("old", "a", "b"), ("all",), lambda u, v, w: add(u, add(v, w)), feedback=(("old", "all"),),
        accumulates=True, scaling=Scaling.LINEAR, emits=Emits.AS_ARRIVES,
    )  # fmt: skip
    machine = Machine.build(
        {
            "pool.a": {"input.char": 2.0, "one.const_1": 0.5},
            "pool.b": {"input.char": -0.5},
            "output.dict-1": {"pool.all": 0.25},
        },
        {"timer": TIMER, "input": INPUT, "one": CONST_1, "pool": kind, "output": OUTPUT},
    )
    return machine if hard else machine.unlink("pool.old", "pool.all")


@pytest.mark.parametrize("hard", [True, False], ids=["a running sum", "a sum"])
def test_a_sum_of_three(hard):
    machine, stream = three_sums(hard), values([{"a": 1.0}, {"b": 2.0}, {}, {"a": 0.5}])
    assert compile_machine(machine, stream).schedule == "time-parallel"
    check_engines_agree(machine, stream, 1e-6, HASTY)
    simple = canonical(machine)
    assert simple.count() == 3  # both halves of what comes from the input are one link
    for v, w in zip(answers(machine, stream, 8), answers(simple, stream, 8), strict=True):
        assert gap(v, w) < 1e-12
    assert max((abs(w) for _, w in paths(simple.soft["pool"])), default=0.0) == 1.0


def test_what_accumulates_by_another_weight_is_a_linear_recurrence():
    machine = three_sums(True).unlink("pool.old", "pool.all").link("pool.old", "pool.all", 0.5, hard=True)
    stream = values([{"a": 1.0}, {"b": 2.0}])
    compiled = compile_machine(machine, stream)
    assert compiled.schedule == "time-parallel"
    assert {group.memory for stage in compiled.stages for group in stage.groups} == {Memory.RECURRENCE, Memory.NONE}
    check_engines_agree(machine, stream, 1e-6, HASTY)


def test_a_linear_type_that_is_no_sum(stream):
    """Its inputs may be rescaled together, but not added."""
    kind = NeuronType(
        "twice the first less the second", ("p", "q"), ("r",), lambda u, v: add(scale(2.0, u), scale(-1.0, v)),
        scaling=Scaling.LINEAR, emits=Emits.AS_ARRIVES,
    )  # fmt: skip
    machine = Machine.build(
        {"mix.p": {"input.char": 0.5}, "mix.q": {"input.char": 4.0}, "output.dict-1": {"mix.r": 3.0}},
        {"timer": TIMER, "input": INPUT, "mix": kind, "output": OUTPUT},
    )
    simple = canonical(machine)
    assert simple.soft["mix"] == {"p": {"input": {"char": 0.125}}, "q": {"input": {"char": 1.0}}}
    assert simple.soft["output"] == {"dict-1": {"mix": {"r": 12.0}}}
    assert answers(simple, stream, 8) == answers(machine, stream, 8)


def value_and_gradient(machine, stream):
    """Of the sum of squares of the scalar answers, with respect to the soft links."""
    compiled = compile_machine(machine, stream)
    inputs = compiled.encode(stream, 9)
    loss = jax.jit(jax.value_and_grad(lambda weights: jnp.sum(compiled.scalar_answers(weights, inputs) ** 2)))
    value, gradient = loss(compiled.weights())
    return float(value), compiled.soft(gradient)


@pytest.mark.parametrize("uniform", [True, False], ids=["whole blocks", "key by key"])
def test_a_function_of_whole_blocks_and_key_by_key(uniform, stream):
    own = in_own_words(published())
    mine = {kind.name for kind in OWN.values()}
    kinds = {name: replace(kind, uniform=uniform) if kind.name in mine else kind for name, kind in own.neurons.items()}
    value, gradient = value_and_gradient(replace(own, neurons=kinds), stream)
    expected, slope = value_and_gradient(published(), stream)
    assert value == pytest.approx(expected, rel=1e-5)
    assert value > 0.1
    assert gap(gradient, renamed_soft(published(), slope)) < 1e-5
