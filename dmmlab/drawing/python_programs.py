"""Writes a machine as a stand-alone Python program, which needs nothing but Python.

``step(state, item)`` is one cycle. It takes the outputs of all neurons in the previous cycle and
the current item, and returns the new outputs and the answers. ``run(items)`` yields the answers,
cycle by cycle. Weights are written to the last digit, so the answers agree with the tree engine up
to the order of sums. Each program is checked against that engine on some strings before it is
returned.
"""

import ast
import contextlib
import inspect
import keyword
import random
import re
import textwrap
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from ..core.clocks import clocked
from ..core.engine import run
from ..core.errors import LabError
from ..core.machine import Machine
from ..core.neuron_type import NeuronType, Port
from ..core.streams import values
from ..core.vvalues import VValue, add, max_norm, scale
from . import standalone_functions
from .programs import Terms, _Writer

FUNCTIONS: Mapping[str, Callable] = {
    name: function for name, function in vars(standalone_functions).items() if inspect.isfunction(function)
}
TAKEN = {*FUNCTIONS, *keyword.kwlist, "state", "item", "items", "answers", "step", "run", "START", "isinstance", "dict", "any"}
ITEMS: list[VValue] = [0.0, 1.0, -2.0, 0.5, {}, {"a": 1.0}, {"b": 1.0}, {".": 1.0, "a": 0.5}]  # of the strings for the check
CYCLES, NEARLY = 12, 1e-6


class PythonError(LabError):
    """Raised when a machine cannot be written as Python."""


def python_program(machine: Machine) -> str:
    """Writes a machine as a stand-alone Python module.

    Args:
        machine: the machine to write.

    Returns:
        The text: the functions that it needs, ``START``, ``step`` and ``run``.

    Raises:
        PythonError: there is no output neuron, a neuron does not read the item of each cycle, or
            the formula of a neuron type is no Python expression of known functions or disagrees
            with its function.
    """
    if "output" not in machine.neurons:
        raise PythonError("a machine without a neuron 'output' has no answers")
    writer = _PythonWriter(machine)
    expressions, comments = [], []
    for name in machine.neurons:
        if name != "output" and name not in writer.clocks:
            for field, text in writer.results(name).items():
                if machine.neurons[name].outputs:
                    expressions.append((writer.port((name, field or machine.neurons[name].outputs[0]), now=True), text))
                    comments.append(name)
    answers = writer.results("output")
    names = [name for name, _ in expressions]
    needed = _functions(machine, [*(text for _, text in expressions), *answers.values()], set(names), comments)
    lines = [f'"""{_one_line(machine)}"""', ""]
    lines += [f"\n{_source(function)}\n" for function in needed]
    lines += [
        "",
        f"START = (0,) * {len(names)}  # nothing is emitted before the first cycle",
        "",
        "",
        "def step(state, item):",
        '    """One cycle: (state, item) -> (next state, answers)."""',
        *([f"    ({', '.join(names)},) = state"] if names else []),
        "    answers = {",
        *(f"        {field!r}: {text}," for field, text in answers.items()),
        "    }",
        "    state = (",
        *(f"        {text},  # {name}" for name, text in expressions),
        "    )",
        "    return state, answers",
        "",
        "",
        "def run(items):",
        '    """The answers in each cycle; an item is a number, or a dictionary such as {"a": 1}."""',
        "    state = START",
        "    for item in items:",
        "        state, answers = step(state, item)",
        "        yield answers",
    ]
    text = "\n".join(lines) + "\n"
    _check(machine, writer.readers, text)
    return text


class _PythonWriter(_Writer):
    """Writes a machine in Python."""

    def __init__(self, machine: Machine):
        super().__init__(machine, 17)
        clocks, self.shown = clocked(machine)
        self.readers = [name for name, kind in machine.neurons.items() if kind.reads_stream]
        elsewhere = {link.from_neuron for link in machine.links() if link.to_neuron not in clocks | self.shown}
        self.clocks = clocks - elsewhere
        self._names: dict[tuple[str, str], str] = {}

    def results(self, name: str) -> dict[str, str]:
        kind = self.machine.neurons[name]
        if kind.reads_stream:
            if name not in self.shown:
                raise PythonError(f"{name}: it does not show in each cycle the item of that cycle")
            return {"": "item" if len(self.readers) == 1 else f"item.get({name!r}, 0)"}
        return super().results(name)

    def sum(self, terms: Terms) -> str:
        if len(terms) == 1 and terms[0][0] == 1:
            return self.port(terms[0][1])
        if all(name in self.scalar_neurons for _, (name, _) in terms):
            return super().sum(terms)
        return f"combine({', '.join(f'({self.digit(w)}, {self.port(port)})' for w, port in terms)})"

    def difference(self, plus: Terms, minus: Terms = ()) -> str:
        return self.sum((*plus, *((-w, port) for w, port in minus)))

    def named(self, name: str, field: str, now: bool) -> str:
        if (name, field) not in self._names:
            whole = unicodedata.normalize("NFKC", f"{name}_{field}" if field else name)  # as Python normalizes names
            base = re.sub(r"\W|^(?=\d)", "_", whole)
            taken, count, unique = {*self._names.values(), *TAKEN}, 1, base
            while unique in taken:
                count += 1
                unique = f"{base}_{count}"
            self._names[name, field] = unique
        return self._names[name, field]

    def port(self, port: Port, now: bool = False) -> str:
        name, field = port
        return self.named(name, "" if len(self.machine.neurons[name].outputs) <= 1 else field, now)

    def digit(self, x: float) -> str:
        return repr(int(x)) if float(x).is_integer() and abs(x) < 1e15 else repr(float(x))

    def call(self, kind: NeuronType, arguments: Mapping[str, str]) -> str:
        raise PythonError(f"neuron type {kind.name!r} has no formula, so that it cannot be written as Python")


def _check(machine: Machine, readers: list[str], text: str) -> None:
    """Compares a program with the tree engine on numbers and letters; raises if they differ."""
    namespace: dict[str, Any] = {}
    exec(compile(text, "<program>", "exec"), namespace)
    rng = random.Random(0)
    for choices in (ITEMS[:4], ITEMS[4:], ITEMS):
        reads = {name: [rng.choice(choices) for _ in range(CYCLES)] for name in readers}
        items = [{name: v[t] for name, v in reads.items()} for t in range(CYCLES)]
        program = namespace["run"](item[readers[0]] if len(readers) == 1 else item for item in items)
        expected: list[VValue] = []
        with contextlib.suppress(Exception):  # some machines reject such items, and a user's neuron type may raise anything
            for state in run(machine, {name: values(v) for name, v in reads.items()}, CYCLES):
                expected.append(state.inputs.get("output", {}))
        for right, given in zip(expected, program, strict=False):
            for field, v in given.items():
                off = max_norm(add(v, scale(-1.0, right.get(field, {}))))
                if off > NEARLY * max(1.0, max_norm(right)):
                    raise PythonError(
                        f"output.{field}: written as Python, the machine gives another answer: a formula is wrong"
                    )


def _functions(machine: Machine, texts: list[str], names: set[str], neurons: list[str]) -> list[str]:
    """Returns the functions that expressions call, in order; raises for unknown names."""
    called: set[str] = set()
    for text, neuron in zip(texts, [*neurons, *["output"] * (len(texts) - len(neurons))], strict=True):
        try:
            tree = ast.parse(text, mode="eval")
        except SyntaxError:
            raise PythonError(f"{neuron}: {text!r} is no Python expression") from None
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        if unknown := used - names - FUNCTIONS.keys() - {"item"}:
            raise PythonError(f"{neuron}: its formula uses {', '.join(sorted(unknown))}, which Python does not know")
        called |= used & FUNCTIONS.keys()
    for name in reversed(list(FUNCTIONS)):  # each uses those before it
        if name in called:
            called |= FUNCTIONS.keys() & {node.id for node in ast.walk(_tree(name)) if isinstance(node, ast.Name)}
    return [name for name in FUNCTIONS if name in called]


def _tree(name: str) -> ast.Module:
    return ast.parse(textwrap.dedent(inspect.getsource(FUNCTIONS[name])))


def _source(name: str) -> str:
    """Returns the source of a function without its type annotations."""
    tree = _tree(name)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            for argument in [*node.args.args, *([node.args.vararg] if node.args.vararg else [])]:
                argument.annotation = None
    return ast.unparse(tree)


def _one_line(machine: Machine) -> str:
    return f"A dataflow matrix machine of {machine.count()} links, written down by dmmlab; it needs nothing but Python."
