"""Machines as text: the exact form comes back equal, the short form isomorphic, and bad text is refused in one line."""

import random
import re
import time
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings, strategies as st
from machine_strategies import KINDS, machines
from tree_machine_strategies import layered_machines

import dmmlab as dm
from dmmlab.core import (
    CONST_1,
    ID,
    INPUT,
    NORM,
    TIMER,
    TYPES,
    Machine,
    MachineError,
    NeuronType,
    answering,
    constant,
    constants,
    program_text,
)
from dmmlab.core.files import MAX_BYTES
from dmmlab.core.neuron_type import Scaling
from dmmlab.machines import feedforward, handcrafted, published, recurrent, rewriting_machines, same, superfluid

HERE = Path(__file__).parent
FIGURES = sorted((HERE.parent / "figures").rglob("*.json"))
REWRITING = [
    rewriting_machines.wave().machine,
    rewriting_machines.event_list().machine,
    rewriting_machines.editing(),
    rewriting_machines.growing().machine,
    rewriting_machines.doubling(),
    rewriting_machines.learner(2)[0],
]
ODD = 'norm-<b>&"q"_%#${}~^|`\'--é'


def exact(machine):
    return dm.program(machine, exact=True)


def types_of(machine):
    """The built-in types, and what a reader would pass for functions of one's own."""
    return (*TYPES, *(kind for kind in machine.neurons.values() if kind.outputs and kind.inputs and kind not in TYPES))


def check_exact(machine, types=TYPES):
    text = exact(machine)
    assert Machine.from_program(text, types) == machine
    assert exact(Machine.from_program(text, types)) == text


def renamed(machine):
    """The machine with names for the types of a reader's own that no built-in type has."""
    own = {kind: replace(kind, name=f"my-{kind.name}-{i}") for i, kind in enumerate(KINDS) if kind not in TYPES}
    return Machine({name: own.get(kind, kind) for name, kind in machine.neurons.items()}, machine.soft, machine.hard)


def test_golden_text():
    """To the letter. To renew after a deliberate change: delete the file and run twice."""
    path, text = HERE / "golden" / "exact-published.txt", exact(published()) + "\n"
    if not path.exists():
        path.write_text(text)
        pytest.fail(f"{path.name} was written; look at it and run again")
    assert text == path.read_text()


def test_the_handcrafted_detector_is_short():
    assert exact(handcrafted()).split("\n")[1:] == [
        "timer: timer",
        "    timer = timer [hard]",
        "const_1: const_1",
        "eos: eos",
        "input: input",
        "    timer = timer [hard]",
        "accum: accum",
        "    dict-1 = accum [hard]",
        "    dict-2 = input",
        "dot: dot",
        "    dict-1 = accum",
        "    dict-2 = eos",
        "norm: norm",
        "    dict = accum",
        "compare: compare",
        "    dict-1 = norm",
        "    dict-2 = const_1",
        "output: output",
        "    dict-1 = compare.true",
        "    dict-2 = dot",
    ]


def test_the_docstring_shows_a_program():
    text = re.search(r"::\n\n(.*?)\n\n(?=\S)", program_text.__doc__, re.DOTALL)[1]
    machine = Machine.from_program(text)
    assert list(machine.neurons.values())[:4] == [TIMER, INPUT, dm.core.DOT, dm.core.EOS]
    assert machine.neurons["output"] == answering(("count",))
    assert (machine.count(), machine.count(hard=True)) == (4, 2)
    check_exact(machine)


@settings(max_examples=60)
@given(machines())
def test_random_machines_come_back_equal(drawn):
    machine = renamed(drawn[0])
    check_exact(machine, types_of(machine))


@settings(max_examples=40)
@given(layered_machines(), st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3))
def test_machines_on_trees_come_back_equal_whatever_their_weights(machine, weights):
    for link, weight in zip(list(machine.links()), weights, strict=False):
        machine = machine.unlink(f"{link[0]}.{link[1]}", f"{link[2]}.{link[3]}")
        machine = machine.link(f"{link[0]}.{link[1]}", f"{link[2]}.{link[3]}", weight)
    check_exact(machine)


@pytest.mark.parametrize("path", FIGURES, ids=lambda path: path.parent.name)
def test_the_machines_of_the_journal_come_back_equal(path, tmp_path):
    machine = Machine.from_json(path)
    check_exact(machine)
    Machine.from_program(exact(machine)).to_json(tmp_path / "again.json")
    assert Machine.from_json(tmp_path / "again.json") == machine


@pytest.mark.parametrize("machine", REWRITING)
def test_machines_that_rewrite_themselves_come_back_equal(machine):
    check_exact(machine, types_of(machine))


def test_networks_come_back_equal():
    """Their types lack the feedback of the built-in ones."""
    for network in (feedforward(2, 2), recurrent(2), superfluid(2, 2)):
        check_exact(network.machine(0.5 * (-1) ** i for i in range(len(network.links))))
    without_feedback = Machine({"a": replace(dm.core.ACCUM, feedback=())})
    assert exact(without_feedback).split("\n")[1:] == ["a: accum [no feedback]"]
    check_exact(without_feedback)
    check_exact(handcrafted("/"))


def test_odd_names_types_and_values_come_back_equal():
    links = {
        f"{ODD}.dict": {"é-1.the char": -0.1 - 0.2, "pair.a": 1e-300, "type.dict": 1e22},
        "the output.the answer": {f"{ODD}.norm": 12345678.0, "hard.norm": -1.0, "pair.b": 5e-324},
    }
    neurons = {
        ODD: NORM,
        "é-1": constant("é", "the char", {" ": -0.5, "\\\n\ud800\u2028": {"b": 2.0, ":number": 1e-3}, "": 3.0, "#": 1.0}),
        "pair": constants('a "type": #1', {"a": {}, "b": 1.0}),
        "type": ID,
        "hard": NORM,
        "stream": NORM,
        "nothing": answering((), "none"),
        "the output": answering(("the answer", "the rest", "number"), "accum"),
    }
    machine = Machine.build(links, neurons, hard={"hard.dict": {"hard.norm": 0.25}})
    check_exact(machine)
    assert all(line.isprintable() for line in exact(machine).split("\n"))


def test_an_exact_program_is_refused_where_a_type_would_be_lost():
    both = Machine({"accum": constant("accum", "dict", 1.0), "accum-1": dm.core.ACCUM})
    for machine in (both, Machine({"norm": replace(NORM, function=lambda v: 42.0)})):
        with pytest.raises(MachineError, match="there is another type called"):
            exact(machine)
        with pytest.raises(MachineError, match="there is another type called"):
            machine.json_text()


def test_types_are_looked_up_as_those_of_machine_files_are():
    leaky = NeuronType("leaky", ("old", "new"), ("sum",), lambda old, new: new, feedback=(("old", "sum"),))
    machine = Machine.build({"leaky-1.new": {"input.char": 1.0}}, types=(*TYPES, leaky))
    for text in (exact(machine), dm.program(machine)):
        assert Machine.from_program(text, (*TYPES, leaky)).live() == machine.live()
        with pytest.raises(MachineError, match="unknown neuron type 'leaky'"):
            Machine.from_program(text)


# The short form.


FITTED = [path for path in FIGURES if path.parent.name in ("Abs_Diff", "Base_4_Addition", "Parity_Last3", "Prev5", "Sum_Last7")]


@pytest.mark.parametrize(
    "machine",
    [handcrafted(), published(), rewriting_machines.event_list().machine, *map(Machine.from_json, FITTED)],
)
def test_the_short_form_comes_back_isomorphic(machine):
    assert same(machine, Machine.from_program(dm.program(machine, digits=17)))


def said(machine):
    """The weights that the short form says: not which are hard, nor how a sum or a difference is divided."""
    weights = {}
    for link in machine.links():
        kind = machine.neurons[link.to_neuron]
        differs = kind.scaling is Scaling.DIFFERENCE
        weight = -link.weight if differs and link.to_field == kind.inputs[1] else link.weight
        to = (link.to_neuron, "" if differs or kind.accumulates else link.to_field)
        weights.setdefault((*to, link.from_neuron, link.from_field), []).append(weight)
    return {path: sorted(each) for path, each in weights.items()}


@pytest.mark.parametrize("path", FIGURES, ids=lambda path: path.parent.name)
def test_the_short_form_of_a_fitted_machine_means_the_same(path):
    """Their weights are printed exactly."""
    machine = Machine.from_json(path)
    text = dm.program(machine, digits=17)
    again = Machine.from_program(text)
    assert dm.program(again, digits=17) == text
    assert said(again) == said(machine)
    assert {name: kind.name for name, kind in again.neurons.items()} == {
        name: kind.name for name, kind in machine.neurons.items()
    }


@settings(max_examples=60)
@given(machines())
def test_the_short_form_of_a_random_machine_means_the_same(drawn):
    machine = renamed(drawn[0])
    again = Machine.from_program(dm.program(machine), types_of(machine))
    assert again.neurons.keys() == machine.neurons.keys()
    assert said(again) == said(machine)


def test_both_forms_stand_in_one_text():
    text = """
        # a comment, and lines without anything

        mean: mix   # its type
            condition = one [hard]
            then =
                0.5*input +  # a sum may take many lines
                2.5e-1 * "mean".dict
            otherwise = 0
        input = stream(timer)
        timer = timer + 1
        one = 1
        seen = 0.9*seen + input
        above.true = relu(
            0.5*input
            - seen)
        late = gate(condition=one,
            dict=input,
        )
        own = mix()
        mean-2: norm
        output.a = above.true
        output.b = 0
    """
    machine = Machine.from_program(text)
    expected = Machine(
        {
            "mean": dm.core.MIX, "input": INPUT, "timer": TIMER, "one": constant("one", "one", 1.0), "seen": dm.core.ACCUM,
            "above": dm.core.COMPARE, "late": dm.core.GATE, "own": dm.core.MIX, "mean-2": NORM, "output": answering(("a", "b")),
        },
        {
            "mean": {"then": {"input": {"char": 0.5}, "mean": {"dict": 0.25}}},
            "seen": {"dict-1": {"seen": {"dict": 0.9}}, "dict-2": {"input": {"char": 1.0}}},
            "above": {"dict-1": {"input": {"char": 0.5}}, "dict-2": {"seen": {"dict": 1.0}}},
            "late": {"condition": {"one": {"one": 1.0}}, "dict": {"input": {"char": 1.0}}},
            "output": {"a": {"above": {"true": 1.0}}},
        },
        {
            "mean": {"condition": {"one": {"one": 1.0}}},
            "timer": {"timer": {"timer": {"timer": 1.0}}}, "input": {"timer": {"timer": {"timer": 1.0}}},
        },
    )  # fmt: skip
    assert machine == expected
    assert Machine.from_program(dedent(text).strip()) == expected
    assert Machine.from_program("") == Machine({})


def test_the_names_of_neurons_are_hints_only():
    machine = Machine.from_program("dot = max_norm(norm)\nnorm = norm + dot\nconst_1 = 2\ncompare.true = dot")
    kinds = [kind.name for kind in machine.neurons.values()]
    assert kinds == ["norm", "accum", "const_1", "compare"]
    assert machine.neurons["const_1"].activate({}) == {"const_1": 2.0}
    assert machine.neurons["const_1"] != CONST_1
    assert machine.neurons["compare"].outputs == ()


# Text from strangers.


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x: norm\n\n# y\n    dict = compare-9.true", "line 4: 'compare-9' is not a neuron"),
        ("x: acum", "line 1: unknown neuron type 'acum'; did you mean 'accum'?"),
        ("\nx:", "line 2: expected 'neuron: type' or 'neuron = ...'"),
        ("x: norm\n  dikt = x", "line 2: unknown input 'dikt'; did you mean 'dict'?"),
        ("x: norm\n  dict = x\n  dict = x", "line 3: 'dict' stands twice"),
        ("x: norm\n  dict = x\n  - x", "line 3: 'x' stands twice in the sum of one input"),
        ("x: norm\n  dict = x [hard]\n  + x", "line 3: 'x' stands twice in the sum of one input"),
        ("x: norm\n  dict = x y", "line 2: expected 'input = sum'"),
        ("x: norm\n  dict = x\n  [soft]", "line 3: expected 'input = sum'"),
        ("x: norm\n  dict = 1e999*x", "line 2: the weight of 'x' is not a finite number"),
        ("x: norm\n  dict = " + "9" * 10_000 + "*x", "line 2: the weight of 'x' is not a finite number"),
        ("x: compare\n  dict-1 = x", "line 2: 'x': neuron type 'compare' has outputs true, false"),
        ("x: compare\n  dict-1 = x.tru", "line 2: 'x.tru': neuron type 'compare' has outputs true, false"),
        ("x: output\n  dict-1 = x.a", "line 2: 'x.a': neuron type 'output' has no outputs"),
        ("x: norm\nx: norm", "line 2: 'x' stands twice"),
        ("x: norm\nx = x", "line 2: 'x' stands twice"),
        ("x.a = x\nx.a = x", "line 2: 'x' stands twice"),
        ('"a.b": norm', "line 1: 'a.b': a neuron needs a printable name without any of . / : \\"),
        ('x: norm\n"\\x" = 1', "line 2: expected 'neuron: type' or 'neuron = ...'"),
        ("x: norm\nneuron y", "line 2: expected 'neuron: type' or 'neuron = ...'"),
        ("3 = x", "line 1: expected 'neuron: type' or 'neuron = ...'"),
        ("x = ", "line 1: no neuron type is written like ''"),
        ("x = 1\ny = clip(dot(x, x), -4, 5)", "line 2: no neuron type is written like 'clip(dot(x, x), -4, 5)'"),
        ("x = norm(dikt=x)", "line 1: unknown input 'dikt'; did you mean 'dict'?"),
        ("c.true = relu(a - b)\nc.false = relu(a - b)\na = 1\nb = 1", "line 2: 'c': its two equations contradict each other"),
        ('x = {"a": {"b": "c"}}', "line 1: types/x/emits/x/a/b: expected a finite number, got 'c'"),
        ('x = {"a": 1, "a": 2}', "line 1: no neuron type is written like '{\"a\": 1, \"a\": 2}'"),
        ('x = {"a": NaN}', "line 1: types/x/emits/x/a: expected a finite number, got nan"),
        ("x = " + '{"a": ' * 500 + "1" + "}" * 500, "line 1: types/x/emits/x: nested deeper than 64 levels"),
        ("x = " + '{"a": ' * 100_000 + "1" + "}" * 100_000, "line 1: no neuron type is written like '{\"a\": "),
        ('type t = {"emits": 1}', 'line 1: types/t: expected {"emits": {output: value}} or {"answers": [names]}'),
        ('x: t\ntype t = {"answers": ["a.b"]}', "line 2: neuron type 't': inputs ('a.b',): each needs a name of its own"),
        ('type t = {"answers": []}\ntype t = {"answers": []}', "line 2: 't' stands twice"),
        ("# " + " " * MAX_BYTES, "a program of more than 16 MiB, the most that is read"),
    ],
)  # fmt: skip
def test_bad_text_is_refused_in_one_line(text, message):
    with pytest.raises(MachineError) as caught:
        Machine.from_program(text)
    assert str(caught.value).startswith(message)
    assert len(str(caught.value).splitlines()) == 1


def read_or_refused(text, types):
    try:
        return Machine.from_program(text, types), None
    except MachineError as error:
        return None, str(error)


TEXTS = [exact(published()), dm.program(published()), exact(REWRITING[4]), dm.program(REWRITING[5])]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(TEXTS), st.randoms(use_true_random=False), st.text('"\\.,:=+-*[](){}#0 1e9\n\tnaé\0', max_size=4))
def test_altered_text_is_a_machine_or_one_line(text, chance, added):
    """Lines and characters are deleted, duplicated, moved, replaced."""
    for _ in range(chance.randint(1, 3)):
        parts = text.split("\n") if chance.random() < 0.4 else list(text)
        start, end = sorted(chance.randint(0, len(parts)) for _ in range(2))
        end = min(end, start + chance.choice([1, 1, 2, 30]))
        middle = chance.choice([[], parts[start:end] * 2, parts[start:end][::-1], [added]])
        text = ("\n" if parts and len(parts) == text.count("\n") + 1 else "").join([*parts[:start], *middle, *parts[end:]])
    machine, error = read_or_refused(text, types_of(REWRITING[4]))
    if error is None:
        check_exact(machine, types_of(machine))
    else:
        assert re.fullmatch(r"line \d+: .+", error)
        assert 1 <= int(error.split(":")[0][5:]) <= text.count("\n") + 1
        assert error.isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "a-" * 100_000, "x = " + "a-a" * 100_000 + "!", "x = " + '"\\"' * 100_000, "x = a +" + " " * 200_000 + "b c",
        "x = a" + " + a" * 50_000 + " !", "x = " + "(" * 100_000, "x = f(" + "a=b," * 50_000, "x = f(" + "a=" * 50_000, '"' * 200_000,
        "x: norm\n" + " dict = x\n" * 20_000 + "!", "x = " + "9" * 200_000, "x = number(" * 30_000, "a=b\n" * 20_000, ")" * 200_000,
        "x = relu((a - b) - (" + "a" * 200_000, "#" * 200_000 + "\nx", "x = f(a=b) " + ") " * 100_000 + "y", "\n".join(f"x{i} = y" for i in range(10_000)),
    ],
)  # fmt: skip
def test_no_text_takes_long(text):
    start = time.process_time()
    with pytest.raises(MachineError):
        Machine.from_program(text)
    assert time.process_time() - start < 10


def test_a_large_machine_comes_back_in_seconds():
    chance = random.Random(0)
    neurons = {f"accum-{i}": dm.core.ACCUM for i in range(300)}
    links = {
        f"{name}.dict-2": {f"{other}.dict": chance.gauss(0, 1) for other in neurons if chance.random() < 0.1}
        for name in neurons
    }
    check_exact(Machine.build(links, neurons))
