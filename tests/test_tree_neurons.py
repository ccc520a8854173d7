"""Neurons on trees: what they compute, in both engines; and an induction head made of them."""

import random
from collections import Counter, defaultdict

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import Phase, given, settings, strategies as st
from tree_machine_strategies import ITEMS_OF_TREES as ITEMS, layered_machines
from two_engines import HASTY, check_engines_agree

from dmmlab.compiler.compilation import compile_machine
from dmmlab.compiler.polynomials import Polynomial, evaluate
from dmmlab.core import (
    CONS,
    GATE,
    INPUT,
    LOOKUP,
    MASK,
    MIX,
    PAIR,
    TIMER,
    UNCONS,
    LabError,
    Machine,
    NeuronType,
    answering,
    answers,
    values,
)
from dmmlab.core.vvalues import add, apply_mask, from_paths, linear_combination, nest, number, paths, scale, trim
from dmmlab.machines.attention_machines import INDUCTION_DELAY, induction_head
from dmmlab.machines.canonical_form import canonical
from dmmlab.problems.items import LETTERS

TREES = st.recursive(
    st.integers(-3, 3).map(float), lambda inner: st.dictionaries(st.sampled_from("ab"), inner, max_size=2), max_leaves=5
).map(trim)


@given(TREES, TREES, st.integers(-2, 2))
def test_what_they_compute(u, v, x):
    assert LOOKUP.activate({"dict-1": u, "dict-2": v}) == {"dict": linear_combination(u, v)}
    assert MASK.activate({"dict-1": u, "dict-2": v}) == {"dict": apply_mask(u, v)}
    assert GATE.activate({"condition": float(x), "dict": v}) == {"dict": scale(x, v)}
    assert MIX.activate({"condition": 1.0, "then": u, "otherwise": v})["dict"] == u == add(u, {})
    assert MIX.activate({"condition": 0.0, "then": u, "otherwise": v})["dict"] == v
    assert UNCONS.activate({"list": CONS.activate({"this": u, "rest": v})["list"]}) == {"this": u, "rest": v}


def test_a_list_of_numbers_has_no_parts():
    assert UNCONS.activate({"list": 3.0}) == {"this": {}, "rest": {}}


@pytest.mark.slow
@settings(max_examples=15, phases=[Phase.generate])  # to shrink is to compile, again and again
@given(layered_machines())
def test_both_engines_agree(machine):
    with jax.enable_x64(True):
        check_engines_agree(machine, values(ITEMS), 1e-10, HASTY)


@settings(max_examples=60)
@given(layered_machines(), st.floats(0.25, 4.0), st.floats(-4.0, -0.25))
def test_the_canonical_form_gives_the_same_answers(machine, factor, other):
    links = sorted(machine.links(), key=str)
    for i, link in enumerate(link for link in links if link.from_neuron not in ("timer", "input")):
        machine = machine.link(f"{link[0]}.{link[1]}", f"{link[2]}.{link[3]}", (factor, other, 1.0)[i % 3] * link.weight)
    given_there = answers(machine, values(ITEMS), 10)
    for one, same in zip(given_there, answers(canonical(machine), values(ITEMS), 10), strict=True):
        off, size = add(one, scale(-1.0, same)), max([1.0, *(abs(x) for _, x in paths(one))])
        assert all(abs(x) < 1e-9 * size for _, x in paths(off))


@pytest.mark.slow
@settings(max_examples=15, phases=[Phase.generate])
@given(layered_machines())
def test_whole_answers_have_all_coordinates(machine):
    stream = values(ITEMS)
    with jax.enable_x64(True):
        compiled = compile_machine(machine, stream, whole=True)
        array = np.asarray(compiled.coordinates(compiled.run_streams(stream, 10)))
    assert array.shape == (len(compiled.answer_coordinates), 10)
    assert len(set(compiled.answer_coordinates)) == len(array)
    for t, answer in enumerate(answers(machine, stream, 10)):
        made = from_paths((path, x) for (_, path), x in zip(compiled.answer_coordinates, array[:, t].tolist(), strict=True))
        assert all(abs(x) < 1e-9 for _, x in paths(add(made, scale(-1.0, answer.get("answer", {})))))


@given(TREES, TREES)
def test_a_pair_is_a_nest_of_flat_trees(u, v):
    flat = [from_paths((path, x) for path, x in paths(each) if len(path) == 1) for each in (u, v)]
    assert PAIR.activate({"dict-1": u, "dict-2": v})["dict"] == nest(*flat)


@given(TREES, TREES, TREES)
def test_a_polynomial_is_evaluated_at_once(condition, u, v):
    tree = {"condition": condition, "then": u, "otherwise": v}
    leaves = [dict(paths(tree[name])) for name in MIX.inputs]
    expected = MIX.activate(tree)["dict"]
    wanted = tuple({path: None for each in leaves for path in each} | {(): None})
    x = jnp.array([leaf for each in leaves for leaf in each.values()]).reshape(1, -1, 1)
    (made,) = evaluate(MIX, tuple(map(tuple, leaves)), (wanted,), x)
    assert from_paths(zip(wanted, np.asarray(made)[0, :, 0].tolist(), strict=True)) == expected


def test_polynomials_are_sums_of_products():
    x, y = Polynomial({(0,): 1.0}), Polynomial({(1,): 1.0})
    assert ((x + 1) * (y - 2)).terms == {(0, 1): 1.0, (0,): -2.0, (1,): 1.0, (): -2.0}
    assert 3 - x == -1.0 * (x - 3) == -(x - 3.0)
    assert x * 0 == 0
    assert x != y


def test_what_is_no_polynomial_is_told_of():
    liar = NeuronType("liar", ("x",), ("y",), lambda v: abs(number(v)), polynomial=True)
    machine = Machine.build(
        {"liar.x": {"input.char": 1.0}, "output.y": {"liar.y": 1.0}}, types=(liar, INPUT, TIMER, answering(("y",)))
    )
    with pytest.raises(LabError, match="neuron type 'liar' is said to be polynomial, and is not: bad operand type for abs"):
        compile_machine(machine, values([1.0, 2.0])).answers(values([1.0]), 4)


def followers(string):
    """For each item, what has followed it so far."""
    seen, right = defaultdict(Counter), []
    for before, item in zip([None, *string], string, strict=False):
        if before is not None:
            seen[before][item] += 1
        right.append({key: float(n) for key, n in seen[item].items()})
    return right


def given_answers(machine, string):
    stream = values([{item: 1.0} for item in string])
    return [v.get("next", {}) for v in answers(machine, stream, len(string) + INDUCTION_DELAY)[INDUCTION_DELAY:]]


def test_the_induction_head_has_eight_links():
    assert induction_head().count() == 8


@given(st.lists(st.sampled_from(["a", "b", "to", "be", "."]), min_size=1, max_size=40))
def test_the_induction_head_says_what_has_followed(string):
    assert given_answers(induction_head(), string) == followers(string)


def test_it_knows_words_that_it_was_never_told_of():
    string = ["the", "cat", "saw", "the", "dog", "and", "the", "cat", "saw", "the"]
    assert given_answers(induction_head(), string)[-1] == {"cat": 2.0, "dog": 1.0}


@pytest.mark.slow
def test_the_induction_head_is_exact_on_long_strings_over_forty_letters():
    machine, rng = induction_head(), random.Random(0)
    compiled = compile_machine(machine, values([dict.fromkeys(LETTERS, 1.0)] * 3), 3)
    assert len(LETTERS) == 40
    for _ in range(20):
        string = rng.choices(LETTERS, k=200)
        given_there = compiled.answers(values([{c: 1.0} for c in string]), 200 + INDUCTION_DELAY)
        assert [v.get("next", {}) for v in given_there[INDUCTION_DELAY:]] == followers(string)
