"""The program of a machine means the machine, and its equations can be printed."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from machine_strategies import machines

from dmmlab import Machine, NeuronType
from dmmlab.core import vvalues
from dmmlab.core.engine import RunError, run
from dmmlab.core.neuron_type import (
    Emits,
    Formula,
    Scaling,
)
from dmmlab.core.neurons import (
    ACCUM,
    COMPARE,
    DOT,
    EOS,
    ID,
    INPUT,
    NORM,
    PRODUCT,
    TIMER,
    TYPES,
    clip,
    constant,
    constants,
    product,
    relu,
)
from dmmlab.core.streams import values
from dmmlab.core.vvalues import max_norm, trim
from dmmlab.drawing.circuits import graph
from dmmlab.drawing.programs import equations, program
from dmmlab.drawing.vvalue_text import distance
from dmmlab.june2022.truncated_gradients import TRUNCATED
from dmmlab.machines.detectors import handcrafted, published

GOLDEN = Path(__file__).parent / "golden"
ODD = 'norm-<b>&"q"_%#${}~^|`\'--é'
MIX = NeuronType("mix", ("x", "the y"), ("one", "other"), lambda u, v: (v, u))


@pytest.mark.parametrize("write", [program, equations], ids=["txt", "tex"])
@pytest.mark.parametrize("machine", [handcrafted, published], ids=["handcrafted", "published-19-links"])
def test_golden_text(machine, write):
    """To the letter. To renew after a deliberate change: delete the file and run twice."""
    path = GOLDEN / f"{write.__name__}-{machine.__name__}.{'txt' if write is program else 'tex'}"
    text = write(machine()) + "\n"
    if not path.exists():
        path.write_text(text)
        pytest.fail(f"{path.name} was written; look at it and run again")
    assert text == path.read_text()


def test_the_docstring_shows_the_handcrafted_detector():
    from dmmlab.drawing import programs

    assert program(handcrafted()).replace("\n", "\n    ") in programs.__doc__


class Vector:
    """A V-value that is added up as a program writes it."""

    def __init__(self, v):
        self.v = v.v if isinstance(v, Vector) else v

    def __add__(self, other):
        return Vector(vvalues.add(self.v, Vector(other).v))

    def __rmul__(self, weight):
        return Vector(vvalues.scale(weight, self.v))

    def __neg__(self):
        return -1.0 * self

    def __sub__(self, other):
        return self + -Vector(other)


TOKEN = re.compile(
    r"""(?P<kept>\d[\d.]*(e[+-]\d+)?|"[^"]*"|\w+=)|(?P<function>[a-z_]+)\(|(?P<name>[a-z]\w*(-\w+)*(\.\w+(-\w+)*)?)"""
)


def scalar(x):
    assert not isinstance(x, dict) or x == {}, "the program should say number(...) here"
    return vvalues.number(x)


ALGEBRA = {
    "max_norm": max_norm, "dot": vvalues.dot, "clip": clip, "product": product, "number": vvalues.number,
    "relu": lambda x: relu(scalar(x)),
}  # fmt: skip


def run_program(text, kinds, stream, cycles):
    """What stands on the left-hand sides, by name, after each cycle: the program in Python, one cycle after the other."""

    def on_vectors(function):
        return lambda *arguments: Vector(function(*(Vector(x).v for x in arguments)))

    def own(kind):
        def call(**arguments):
            outputs = kind.activate({field: Vector(x).v for field, x in arguments.items()})
            return Vector(outputs if len(outputs) > 1 else outputs[kind.outputs[0]])

        return call

    def python(token):
        kept, function, name = token["kept"], token["function"], token["name"]
        return kept or (f"call[{function!r}](" if function else f"at({name!r})")

    algebra = {name: on_vectors(function) for name, function in ALGEBRA.items()} | {
        "stream": on_vectors(lambda t: stream(scalar(t)))
    }
    call = {kind.name: own(kind) for kind in kinds} | algebra
    sides = [line.split(" = ", 1) for line in text.splitlines() if not line.startswith("#")]
    code = {left.strip(): compile(TOKEN.sub(python, right), right, "eval") for left, right in sides}
    now = {}
    for _ in range(cycles):
        before = now

        def at(name, before=before):
            neuron, _, port = name.partition(".")
            return Vector(before[name] if name in before else before.get(neuron, {}).get(port, {}))

        now = {left: trim(Vector(eval(right, {"call": call, "at": at})).v) for left, right in code.items()}
        yield now


def check_meaning(machine, stream, cycles=8):
    """The program, run as Python, has the values that the machine has."""
    states = list(run(machine, stream, cycles))
    seen = max(max_norm(side) for state in states for side in (state.inputs, state.outputs))
    kinds = {kind for kind in machine.neurons.values() if kind.formula is None and kind not in TYPES}
    for state, now in zip(states, run_program(program(machine, digits=17), kinds, stream, cycles), strict=True):
        for name, v in now.items():
            neuron, _, port = name.partition(".")
            outputs = machine.neurons[neuron].outputs
            if not outputs:
                meant = state.arrived(name)
            elif len(outputs) > 1 and not port:  # told as a whole
                meant = state.outputs.get(neuron, {})
            else:
                meant = state.emitted(f"{neuron}.{port or outputs[0]}")
            assert distance(v, meant) <= 1e-9 * (1 + seen)


@pytest.mark.slow
@settings(max_examples=300)
@given(machines())
def test_the_program_means_the_machine(drawn):
    try:
        check_meaning(*drawn)
    except RunError:  # it leaves the finite numbers
        assume(False)


def above_below(u, v):
    d = vvalues.number(u) - vvalues.number(v)
    return max(d, 0.0), max(-d, 0.0)


# A reader's own types: other names, other functions, the properties of those that are built in.
TALLY = NeuronType(
    "tally", ("memory", "b", "c"), ("total",), lambda u, v, w: vvalues.add(vvalues.add(u, v), w), feedback=(("memory", "total"),),
    accumulates=True, scaling=Scaling.LINEAR, emits=Emits.AS_ARRIVES,
)  # fmt: skip
WEIGH = NeuronType(
    "weigh", ("left", "right"), ("above", "below"), above_below,
    scaling=Scaling.DIFFERENCE, emits=Emits.NUMBERS, formula=COMPARE.formula,
)  # fmt: skip
PAIR = NeuronType(
    "pair", ("p", "q"), ("p", "q"), lambda p, q: (p, q), emits=Emits.AS_ARRIVES, formula=Formula("%s", "%s", fieldwise=True),
)  # fmt: skip
CLOCK = NeuronType(
    "clock",
    ("t",),
    ("t",),
    lambda t: vvalues.number(t) + 1.0,
    feedback=(("t", "t"),),
    emits=Emits.NUMBERS,
    formula=TIMER.formula,
)
LENGTH = NeuronType("length", ("v",), ("n",), lambda v: max_norm(v), emits=Emits.NUMBERS, formula=NORM.formula)
OWN = {
    "accum": (TALLY, {"dict-1": "memory", "dict-2": "b", "dict": "total"}),
    "compare": (WEIGH, {"dict-1": "left", "dict-2": "right", "true": "above", "false": "below"}),
    "id": (PAIR, {"dict-1": "p", "dict-2": "q"}),
    "timer": (CLOCK, {"timer": "t"}),
    "norm": (LENGTH, {"dict": "v", "norm": "n"}),
}


def with_own_types(machine):
    """The same machine, of a reader's own types."""

    def own_port(name, field):
        kind = machine.neurons[name].name
        return f"{name}.{OWN[kind][1].get(field, field) if kind in OWN else field}"

    links = {}
    for to, to_field, source, source_field, weight, _ in machine.links():
        links.setdefault(own_port(to, to_field), {})[own_port(source, source_field)] = weight
    neurons = {name: OWN[kind.name][0] if kind.name in OWN else kind for name, kind in machine.neurons.items()}
    return Machine.build(links, neurons, hard={})


def small_machine():
    neurons = {
        "timer": TIMER, "input": INPUT, "sum": ACCUM, "steps": ACCUM, "compare": COMPARE, "other": COMPARE, "id": ID, "idle": ID,
        "norm": NORM, "output": NeuronType("output", ("a",), (), lambda a: ()),
    }  # fmt: skip
    links = {
        "id.dict-1": {"input.char": 2.0},
        "sum.dict-2": {"input.char": 0.5, "id.dict-1": -1.0},
        "norm.dict": {"sum.dict": 1.0},
        "steps.dict-2": {"timer.timer": 1.0, "norm.norm": -0.25},
        "compare.dict-1": {"steps.dict": 1.0, "norm.norm": 0.5},
        "compare.dict-2": {"timer.timer": 1.0, "steps.dict": 0.5},
        "other.dict-1": {"sum.dict": 1.0},
        "other.dict-2": {"id.dict-2": 1.0, "compare.true": 0.3},
        "output.a": {"compare.true": 1.0, "other.true": 1.0, "other.false": -1.0},
    }
    return Machine.build(links, neurons)


def unpadded(text):
    """Without what depends on how long the names are."""
    return re.sub(r"( \\\\\n +&\\qquad)? +", " ", text)


def test_own_types_read_as_the_built_in_ones():
    machine = small_machine()
    own = with_own_types(machine)
    assert {kind.name for kind, _ in OWN.values()} < {kind.name for kind in own.neurons.values()}
    names = {"true": "above", "false": "below", "dict-1": "p", "dict-2": "q"}
    for write, field in [(program, r"(?<=\.)(%s)\b"), (equations, r"(?<=textrm\{)(%s)(?=\})")]:
        renamed = re.sub(field % "|".join(names), lambda match: names[match[0]], write(machine))
        assert unpadded(write(own)) == unpadded(renamed)
    assert "compare.above = relu((0.50*norm + steps) - (0.50*steps + timer))" in program(own)  # numbers, as their types say
    check_meaning(own, values([{"a": 1.0}, {"a": 0.5, "b": -2.0}, 3.0]))


def test_all_inputs_of_an_own_accumulator_are_one_sum():
    links = {
        "tally.b": {"input.char": 2.0},
        "tally.c": {"timer.timer": -1.0},
        "weigh.left": {"tally.total": 1.0},
        "tally.memory": {"weigh.above": 0.5},
    }
    machine = Machine.build(links, {"timer": TIMER, "input": INPUT, "tally": TALLY, "weigh": WEIGH})
    text = program(machine)
    assert "tally       = tally + 2*input + 0.50*weigh.above - timer\n" in text
    assert "weigh.above = relu(number(tally))" in text  # the input may be anything
    assert "weigh.below" not in text
    check_meaning(machine, values([{"a": 1.0}, 3.0]))


def test_a_difference_of_vectors():
    """Without ``scalar`` the difference itself is what the formula is of."""
    gap = NeuronType(
        "gap", ("u", "v"), ("there", "back"), lambda u, v: (max_norm(vvalues.add(u, vvalues.scale(-1.0, v))),) * 2,
        scaling=Scaling.DIFFERENCE, emits=Emits.NUMBERS, formula=NORM.formula,
    )  # fmt: skip
    links = {
        "gap.u": {"input.char": 1.0},
        "gap.v": {"sum.dict": 2.0},
        "sum.dict-2": {"input.char": 1.0, "gap.back": 0.5, "gap.there": 0.1},
    }
    machine = Machine.build(links, {"timer": TIMER, "input": INPUT, "sum": ACCUM, "gap": gap})
    text = program(machine)
    assert "gap.there = max_norm(input - 2*sum)" in text
    assert "gap.back  = max_norm(2*sum - input)" in text
    check_meaning(machine, values([{"a": 1.0}, {"b": -1.0}]))


def test_the_types_of_2022_read_as_the_exact_ones():
    machine = small_machine()
    neurons = {name: TRUNCATED.get(kind.name, kind) for name, kind in machine.neurons.items()}
    cut = Machine(neurons, machine.soft, machine.hard)
    assert program(cut) == program(machine)
    assert equations(cut) == equations(machine)


def odd_machine():
    neurons = {
        "timer": TYPES[0], "input": INPUT, "output": NeuronType("output", ("count", "the rest"), (), lambda *answers: ()),
        ODD: NORM, "mix a - b": MIX, "é-1": constant("é", "char", {" ": -0.5, "\\\n": {"b": 2.0, ":number": 0.001}}),
        "pair": constants("pair", {"a": {}, "b": 1.0}), "id-1-2": ID, "id-3": ID, "idle": ACCUM, "alone": COMPARE, "dot-7": DOT,
        "product": PRODUCT, "compare-7": COMPARE, "eos": EOS, "sum": ACCUM,
    }  # fmt: skip
    links = {
        f"{ODD}.dict": {"input.char": 1.0, "é-1.char": 3e7},
        "mix a - b.the y": {ODD + ".norm": -1.0, "input.char": -0.004},
        "id-1-2.dict-2": {"mix a - b.one": -0.3},
        "product.dict-1": {"id-1-2.dot": 1.0},
        "compare-7.dict-1": {"product.dict": 0.999},
        "compare-7.dict-2": {"compare-7.false": 1.0, "product.dict": -2.0},
        "output.count": {"compare-7.true": 1.0, "pair.b": -1.0},
        "sum.dict-2": {"compare-7.true": 0.5},
        "alone.dict-1": {"pair.a": 1.0},
        "alone.dict-2": {"sum.dict": 1.0},
    }
    return Machine.build(links, neurons)


def test_what_a_program_can_say():
    said = dict(re.split(" += ", line, maxsplit=1) for line in program(odd_machine()).splitlines()[1:])
    odd = '"norm-<b>&\\"q\\"_%#${}~^|`\'--é"'
    assert said == {
        "timer": "timer + 1",
        "input": "stream(timer)",
        "eos": '{".": 1}',
        "é-1": '{" ": -0.50, "\\\\\\n": {"b": 2, ":number": 1e-03}}',  # a weight is never shown as 0
        "pair.a": "0",
        "pair.b": "1",
        odd: "max_norm(input + 3.00e+07*é-1)",
        '"mix a - b"': f'mix("the y"=-4e-03*input - {odd})',
        "id-1-2.dict-2": '-0.30*"mix a - b".one',
        "id-1-2.dot": "0",  # it is read
        "id-3": "0",
        "idle": "idle",
        "sum": "sum + 0.50*compare-7.true",
        "alone.true": "relu(pair.a - sum)",  # numbers, as can be seen
        "alone.false": "relu(sum - pair.a)",
        "dot-7": "clip(dot(0, 0), -4, 4)",
        "product": "product(id-1-2.dot, 0)",
        "compare-7.true": "relu(number(1.00*product - (compare-7.false - 2*product)))",
        "compare-7.false": "relu(number(compare-7.false - 2*product - 1.00*product))",
        "output.count": "compare-7.true - pair.b",
        'output."the rest"': "0",
    }


def test_the_input_side_comes_first():
    machine = published()
    layer = dict(graph(machine).nodes(data="layer"))
    names = list(dict.fromkeys(line.split(" ")[0].partition(".")[0] for line in program(machine).splitlines()[1:]))
    assert names == sorted(machine.neurons, key=lambda name: (layer[name], name))


def test_the_order_of_links_does_not_matter():
    machine = published()
    backwards = Machine(dict(reversed(machine.neurons.items())), dict(reversed(machine.soft.items())), machine.hard)
    assert program(backwards) == program(machine)
    assert equations(backwards) == equations(machine)


@pytest.mark.slow
@settings(max_examples=50)
@given(machines())
def test_every_neuron_and_every_weight_is_there(drawn):
    machine, _ = drawn
    text = program(machine)
    assert not re.search(r"\s$|[+-] -", text, flags=re.M)
    lefts = {line.split(" ")[0].partition(".")[0] for line in text.splitlines()[1:]}
    assert lefts == set(machine.neurons)
    for link in machine.links():
        outputs = machine.neurons[link.from_neuron].outputs
        source = f"{link.from_neuron}.{link.from_field}" if len(outputs) > 1 else link.from_neuron
        weight = "" if abs(link.weight) == 1 else f"{abs(link.weight):.2f}*"
        (line, *_) = [line for line in text.splitlines() if re.match(f"{link.to_neuron}[. ]", line) and weight + source in line]
        assert "=" in line


def compiled(tex, folder):
    """The log of pdfLaTeX, which has to succeed."""
    head = "\\documentclass{article}\n\\usepackage{amsmath}\n\\allowdisplaybreaks\n\\begin{document}\n"
    (folder / "machine.tex").write_text(f"{head}{tex}\n\\end{{document}}\n", encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "machine.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (folder / "machine.pdf").read_bytes().startswith(b"%PDF")
    return done.stdout


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex here (Debian: texlive-latex-base)")
@pytest.mark.parametrize("machine", [handcrafted, published, odd_machine])
def test_equations_compile(tmp_path, machine):
    log = compiled(equations(machine()), tmp_path)
    assert machine is odd_machine or "Overfull" not in log
    assert "Missing character" not in log


def test_equations_without_latex():
    """What can be told without it: one column mark a line, and every brace is closed."""
    for machine in (handcrafted(), published(), odd_machine()):
        first, *rows, last = equations(machine).replace(r"\&", "").replace(r"\{", "").replace(r"\}", "").split("\n")
        assert (first, last) == (r"\begin{align*}", r"\end{align*}")
        for row in rows:
            assert row.count("&") == 1
            assert row.endswith("\\\\") == (row is not rows[-1])
            assert row.count("{") == row.count("}")
