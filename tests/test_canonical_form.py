"""Simplifications change no answer, and find the machine under other names and scales."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from machine_strategies import machines

from dmmlab import Machine, NeuronType
from dmmlab.core.engine import RunError, answers
from dmmlab.core.streams import characters
from dmmlab.core.vvalues import paths, scale
from dmmlab.machines import canonical, merged, rounded, shortcuts, without_small_links
from dmmlab.machines.detectors import handcrafted, published
from dmmlab.machines.isomorphism import same
from dmmlab.pruning.smaller_machines import without_idle_links

CYCLES = 12


def assert_same_answers(machine, other, stream, cycles=CYCLES):
    try:
        expected = answers(machine, stream, cycles)
    except RunError:  # it leaves the finite numbers
        assume(False)
    largest = max((abs(x) for v in expected for _, x in paths(v)), default=0.0)
    for one, two in zip(expected, answers(other, stream, cycles), strict=True):
        one, two = dict(paths(one)), dict(paths(two))
        for path in one.keys() | two.keys():
            assert one.get(path, 0.0) == pytest.approx(two.get(path, 0.0), rel=1e-9, abs=1e-12 + 1e-12 * largest)


@pytest.mark.slow
@settings(max_examples=200)
@given(machines())
def test_simplification_preserves_the_answers(drawn):
    machine, stream = drawn
    for simplify in (
        canonical,
        merged,
        lambda m: without_small_links(m, 0.0),
        lambda m: without_small_links(merged(canonical(m)), 0.0),
    ):
        assert_same_answers(machine, simplify(machine), stream)


@pytest.mark.slow
@settings(max_examples=50)
@given(machines(recurrent=False))
def test_canonical_twice_is_canonical_once(drawn):
    machine, _ = drawn
    once = canonical(machine)
    again = canonical(once)
    assert same_weights(once, again)


def same_weights(one, other):
    one, other = dict(paths(one.soft)), dict(paths(other.soft))
    return one.keys() == other.keys() and all(one[path] == pytest.approx(other[path], rel=1e-9) for path in one)


def scaled_and_renamed():
    """The handcrafted detector, its neurons by other names, its weights such that it counts by 0.71."""
    return Machine.build(
        {
            "accum-1-1.dict-2": {"input.char": -0.71},
            "norm-2-2.dict": {"accum-1-1.dict": 3.0},
            "dot-2-1.dict-2": {"accum-1-1.dict": -1 / 0.71},
            "dot-2-1.dict-1": {"eos.char": 1.0},
            "compare-3-1.dict-2": {"norm-2-2.norm": 0.25 / 2.13, "const_1.const_1": 0.25},
            "compare-3-1.dict-1": {"const_1.const_1": 0.5},
            "output.dict-1": {"compare-3-1.false": 4.0},
            "output.dict-2": {"dot-2-1.dot": 1.0},
        }
    )


def test_the_handcrafted_detector_is_recognised():
    machine = scaled_and_renamed()
    assert machine.count() == 9
    assert not same(machine, handcrafted())
    assert same(canonical(machine), handcrafted())
    assert not same(rounded(machine), handcrafted())


def test_sameness_is_of_links_and_weights():
    machine = handcrafted()
    assert same(machine, machine)
    assert not same(machine, machine.link("norm.dict", "accum.dict", 1.01))
    assert not same(machine, machine.unlink("norm.dict", "accum.dict"))
    assert not same(machine, machine.link("output.dict-2", "norm.norm", 1.0))
    crossed = machine.unlink("output.dict-1", "compare.true").link("output.dict-1", "compare.false", 1.0)
    assert not same(machine, crossed)


def test_constants_are_known_by_what_they_emit():
    assert not same(handcrafted("."), handcrafted("!"))
    assert same(handcrafted("!"), handcrafted("!"))


def test_the_published_machine_has_fewer_links_in_canonical_form():
    simple = canonical(published())
    assert (published().count(), simple.count()) == (19, 14)
    assert_same_answers(published(), simple, characters("test string."), 140)


def test_two_neurons_that_do_the_same_become_one():
    machine = Machine.build(
        {
            "accum-1-1.dict-2": {"input.char": 1.0},
            "norm-2-1.dict": {"accum-1-1.dict": 0.5},
            "norm-2-2.dict": {"accum-1-1.dict": 0.5},
            "output.dict-1": {"norm-2-1.norm": 1.0, "norm-2-2.norm": 2.0},
        }
    )
    late_first = Machine(machine.neurons, dict(reversed(machine.soft.items())), machine.hard)
    smaller = merged(late_first)
    assert smaller == merged(machine)
    assert smaller.count() == 3
    assert smaller.soft["output"] == {"dict-1": {"norm-2-1": {"norm": 3.0}}}


def test_a_memory_in_two_halves_becomes_one_link():
    halves = {"accum.dict-1": {"accum.dict": 0.5}, "accum.dict-2": {"accum.dict": 0.5, "input.char": 2.0}}
    machine = Machine.build(
        {**halves, "output.dict-1": {"accum.dict": 1.0}},
        hard={"input.timer": {"timer.timer": 1.0}, "timer.timer": {"timer.timer": 1.0}},
    )
    simple = canonical(machine)
    assert simple.soft["accum"] == {"dict-1": {"accum": {"dict": 1.0}}, "dict-2": {"input": {"char": 1.0}}}
    assert_same_answers(machine, simple, characters("ab"))


def test_links_on_which_nothing_flows():
    machine = handcrafted().link("compare.dict-1", "input.char", 0.3).link("compare.dict-1", "accum.dict", 2.0)
    assert without_idle_links(machine, characters("ab."), 40) == handcrafted()


@pytest.mark.parametrize(
    ("soft", "hard"),
    [
        ({"norm.dict": {"const_1.const_1": -1.0}, "output.dict-1": {"norm.norm": 1.0}}, {"norm.dict": {"norm.norm": 0.5}}),
        (
            {"dot.dict-1": {"const_1.const_1": 0.5}, "dot.dict-2": {"const_1.const_1": 2.0}, "output.dict-1": {"dot.dot": 1.0}},
            {"dot.dict-1": {"dot.dot": 0.5}},
        ),
        (
            {
                "compare.dict-1": {"const_1.const_1": -1.0},
                "compare.dict-2": {"compare.true": 0.5},
                "output.dict-1": {"compare.true": 1.0, "compare.false": 3.0},
            },
            {"compare.dict-1": {"compare.true": 0.5}},
        ),
    ],
)
def test_loops_of_hard_links_are_left_alone(soft, hard):
    machine = Machine.build(soft, hard=hard | {"timer.timer": {"timer.timer": 1.0}, "input.timer": {"timer.timer": 1.0}})
    assert_same_answers(machine, canonical(machine), characters("ab"))


def test_a_constant_behind_a_hard_link_is_not_idle():
    machine = Machine.build(
        {"output.dict-1": {"norm.norm": 1.0}}, ["input", "eos", "norm", "output"], hard={"norm.dict": {"eos.char": 1.0}}
    )
    assert without_idle_links(machine, characters("a"), 1) == machine


def test_sameness_looks_at_functions_not_at_names():
    double, triple = (NeuronType("scale", ("x",), ("y",), lambda v, a=a: scale(a, v)) for a in (2.0, 3.0))
    soft = {"scale.x": {"input.char": 1.0}, "output.dict-1": {"scale.y": 1.0}}
    one, other = (Machine.build(soft, {**handcrafted().neurons, "scale": kind}).live() for kind in (double, triple))
    assert same(one, one)
    assert not same(one, other)


def test_a_chain_becomes_a_direct_link():
    machine = Machine.build(
        {"norm.dict": {"input.char": 0.5}, "norm-2-1.dict": {"norm.norm": 2.0}, "output.dict-1": {"norm-2-1.norm": 3.0}}
    )
    soft = [shorter.soft for shorter in shortcuts(machine)]
    assert {"norm": {"dict": {"input": {"char": 0.5}}}, "output": {"dict-1": {"norm": {"norm": 6.0}}}} in soft
    assert all("norm" not in tree or "norm-2-1" not in tree for tree in soft)


def test_rounding_is_to_fractions():
    machine = Machine.build(
        {"norm.dict": {"input.char": 0.3334}, "output.dict-1": {"norm.norm": 2.01, "const_1.const_1": 0.01}}
    )
    weights = [link.weight for link in rounded(machine).links() if not link.hard]
    assert weights == [pytest.approx(1 / 3), 2.0]


def test_canonical_weights_are_at_most_one_inside():
    simple = canonical(published())
    for link in simple.links():
        if link.to_neuron != "output" and not link.to_neuron.startswith("dot"):
            assert abs(link.weight) <= 1 + 1e-12
    assert np.isclose(max(abs(link.weight) for link in simple.links() if link.to_neuron.startswith("accum")), 1.0)
