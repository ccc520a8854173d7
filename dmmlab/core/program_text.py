r"""Machines as text that can be read back: the grammar of programs, their reader, the exact writer.

A program has two forms, and one text may contain both. In the *exact* form, a neuron is a
paragraph: its name and type, then the sum that arrives at each of its inputs, one link a line. In
the short form (:mod:`dmmlab.drawing.programs`), a neuron is an equation. In this text, the last two
lines are equations::

    # every name on a right-hand side is its value one cycle before, at first 0
    type output = {"answers": ["count"]}
    timer: timer
        timer = timer [hard]
    input: input
        timer = timer [hard]
    dot-1: dot
        dict-1 = 0.7071067811865476*input
               - 0.5*eos
        dict-2 = eos
    eos = {".": 1}
    output.count = dot-1

Its grammar, where ``[x]`` is optional and ``x ...`` is none or several::

    program   = (type | paragraph | equation) ...
    type      = "type" NAME "=" (a type as a machine file describes it, in JSON)
    paragraph = neuron ":" type ["[no feedback]"] (input "=" sum) ...
    equation  = neuron ["." field] "=" (call | formula | sum | value)
    call      = type "(" ["stream" ","] (input "=" sum ",") ... ")"
    sum       = ["-"] term (("+" | "-") term) ... | "0"
    term      = [number "*"] neuron ["." output] ["[hard]"]
    value     = (a V-value in JSON)

A statement starts at the left margin with a name. All other lines continue it: those that are
indented, or that start with a sign or a bracket. ``#`` starts a comment. A name is a JSON string,
which may go without quotes if it consists of letters, digits, ``_`` and inner ``-``. The name of an
only output is left out.

The exact form contains all that a machine file does, so :func:`parts_of_program` returns what
:func:`exact_program` was given. A link is soft unless it is marked as hard. ``[no feedback]`` marks
a built-in type without its feedback, which concerns links of new neurons only. Two things are not
part of a machine: the initial outputs of a run, and the order of links, which can change the last
bit of a sum.

An equation may fit several machines. The reader then chooses:

* The neuron's type is the one that its name suggests (``dot`` for ``dot-1``), if it fits. Otherwise
  a neuron with a sum for each of several fields receives answers. Otherwise the type is the first
  in the list that fits, so a sum is an accumulator. If none fits, a value is a constant.
* The links of :func:`~dmmlab.core.named_neurons.customary_links` with weight 1 are hard.
* In an accumulator, its own outputs arrive at the first input, all others at the second.
* In a difference ``a - b``, as in ``relu(a - b)``, the terms arrive at different inputs; those of a
  longer sum without brackets arrive at the same.
* If an output stands in such a sum twice, its second term arrives at another input.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from textwrap import dedent
from typing import Any, NamedTuple

from .errors import LabError, one_of
from .files import MAX_BYTES, unique_keys
from .machine_files import Parts, type_as_data, types_from_data, types_to_describe
from .named_neurons import customary_links
from .network_matrix import MachineError, check_name, matrix_of, weight_at
from .neuron_type import Formula, NeuronType, Scaling
from .neurons import TYPES, answering
from .vvalues import VValue, describe, paths

HEAD = "# every name on a right-hand side is its value one cycle before, at first 0"

# A group (?>...) is matched in one way only, so that no text takes long to read.
STRING = r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"'  # of JSON
WORD, NUMBER = r"[^\W\d]\w*(?:-\w+)*", r"(?>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
NAME = rf"(?>{STRING}|{WORD})"
TERM = rf"(?:{NUMBER}\s*\*\s*)?{NAME}(?:\.{NAME})?(?:\s*\[hard\])?"
SUM = rf"(?>(?:[+-]\s*)?{TERM}(?:\s*[+-]\s*{TERM})*|0)"
DIFFERENCE = rf"(?:({TERM})\s*-\s*({TERM})|(?:\(({SUM})\)|({SUM}))(?:\s*-\s*\(({SUM})\))?)"

COMMENT = re.compile(r'("(?:[^"\\\n]|\\.)*"?)|#.*')  # after strings, even unfinished ones
START = re.compile(r'^(?=[^\W\d]|")', re.MULTILINE)
LEFT = rf"(?:(?P<typed>:)(?=\s*{NAME})|(?:\.(?P<field>{NAME})\s*)?=)"
STATEMENT = re.compile(rf"(?s)(?P<type>type\s+)?(?P<name>{NAME})\s*{LEFT}(?P<side>.*)")
PARAGRAPH = re.compile(rf"(?s)\s*(?P<kind>{NAME})(?P<bare>\s*\[no feedback\])?(?P<side>.*)")
CALL = re.compile(rf"(?s)\s*(?P<kind>{NAME})(?P<bare>)\((?:\s*stream\b\s*,?)?(?P<side>(?:\s*{NAME}\s*=.*)?)\)\s*")
INPUT = re.compile(rf"\s*(?P<field>{NAME})\s*=\s*(?P<side>{SUM})(?:\s*,)?")
IN_TERMS = re.compile(rf"(?:([+-])\s*)?(?:({NUMBER})\s*\*\s*)?({NAME})(?:\.({NAME}))?(\s*\[hard\])?")


class Term(NamedTuple):
    """A term of a sum as it is written; the field is ``""`` if only the neuron is named."""

    weight: float
    neuron: str
    field: str
    hard: bool
    position: int


Inputs = dict[str, list[Term]]  # the sum at each input of a neuron


def exact_program(neurons: Mapping[str, NeuronType], soft: VValue, hard: VValue) -> str:
    """Writes the exact form, with one link a line.

    Args:
        neurons: the type of each neuron, by name, in the order in which they are written.
        soft: the trainable links.
        hard: the fixed links.

    Returns:
        The lines.

    Raises:
        MachineError: two types share a name.
    """
    into: dict[tuple[str, ...], list[tuple[float, tuple[str, ...], str]]] = {}
    for matrix, mark in ((soft, ""), (hard, " [hard]")):
        for path, weight in paths(matrix):
            into.setdefault(path[:2], []).append((float(weight), path[2:], mark))
    described, usual = types_to_describe(neurons), {kind.name for kind in TYPES if kind.feedback}
    lines = [HEAD, *(f"type {quoted(name)} = {in_json(data)}" for name, data in sorted(described.items()))]
    for name, kind in neurons.items():
        bare = kind.name in usual - described.keys() and not kind.feedback
        lines.append(f"{quoted(name)}: {quoted(kind.name)}{' [no feedback]' if bare else ''}")
        for field in kind.inputs:
            start, signs = f"    {quoted(field)} ", ("= ", "= -")
            terms = into.get((name, field), [])
            for weight, (source, output), mark in sorted(terms, key=lambda t: (t[0] < 0, t[1][0] != name, t[1])):
                times = "" if abs(weight) == 1 else f"{repr(abs(weight)).removesuffix('.0')}*"
                port = quoted(source) + ("" if len(neurons[source].outputs) == 1 else f".{quoted(output)}")
                lines.append(f"{start}{signs[weight < 0]}{times}{port}{mark}")
                start, signs = " " * len(start), ("+ ", "- ")
    return "\n".join(lines)


def quoted(name: str) -> str:
    """Returns a name as it is written: in quotes if they are needed."""
    return name if re.fullmatch(WORD, name) else in_json(name)


def in_json(data: Any) -> str:
    """Returns data as JSON on one line, of printable characters."""
    text = json.dumps(data, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(data)


def parts_of_program(text: str, types: Iterable[NeuronType]) -> Parts:
    """Returns the parts of the machine that a program describes.

    Args:
        text: the exact form, equations, or both.
        types: the types in which names are looked up.

    Returns:
        Neurons, soft links, hard links.

    Raises:
        MachineError: the text is not a program; the message names the line.
    """
    program = _Program(text, types)
    read = {name: program.neuron(name) for name in program.written}
    neurons = {name: kind for name, (kind, _) in read.items()}
    customary = customary_links(neurons)
    links: dict[bool, dict[tuple[str, ...], float]] = {False: {}, True: {}}
    for name, (_, inputs) in read.items():
        for field, term in ((field, term) for field, terms in inputs.items() for term in terms):
            path = (name, field, term.neuron, program.output(term, neurons))
            if not math.isfinite(term.weight):
                raise program.error(term.position, f"the weight of {describe(term.neuron)} is not a finite number")
            if any(path in part for part in links.values()):
                raise program.error(term.position, f"{describe(term.neuron)} stands twice in the sum of one input")
            usual = term.weight == 1 and ":" not in program.written[name] and weight_at(customary, path) is not None
            links[term.hard or usual][path] = term.weight
    soft, hard = (matrix_of((*path, weight) for path, weight in part.items()) for part in links.values())
    return neurons, soft, hard


class _Program:
    """A text, the types that it may name, and the statements of each neuron.

    ``written`` has these by neuron and field: ``""`` for the whole neuron, ``":"`` for the exact
    form.
    """

    def __init__(self, text: str, types: Iterable[NeuronType]):
        if len(text) > MAX_BYTES:
            raise MachineError(f"a program of more than {MAX_BYTES / 2**20:g} MiB, the most that is read")
        self.text = COMMENT.sub(lambda match: match[1] or "", dedent(text))
        self.types = {kind.name: kind for kind in types}
        self.written: dict[str, dict[str, re.Match]] = {}
        declared: dict[str, dict[str, re.Match]] = {}
        starts = [match.start() for match in START.finditer(self.text)]
        for start, end in pairwise([0, *starts, len(self.text)]):
            if match := STATEMENT.fullmatch(self.text, start, end):
                name, field = self.name(match, "name"), match["typed"] or self.name(match, "field")
                others = (declared if match["type"] else self.written).setdefault(name, {})
                if field in others or ":" in others or (others and field == ":"):
                    raise self.error(start, f"{describe(name)} stands twice")
                others[field] = match
            elif self.text[start:end].strip():
                raise self.error(start, "expected 'neuron: type' or 'neuron = ...'")
        for name, matches in declared.items():
            match = next(iter(matches.values()))
            self.types |= self.located(match.start(), types_from_data, {name: self.value(match)})

    def error(self, position: int, problem: str) -> MachineError:
        """Returns an error that names the line of what stands at a position or follows it."""
        position = len(self.text) - len(self.text[position:].lstrip())
        return MachineError(f"line {self.text.count(chr(10), 0, position) + 1}: {problem}")

    def located(self, position: int, function: Callable[..., Any], *arguments: Any) -> Any:
        """Calls a function; its error names the line."""
        try:
            return function(*arguments)
        except LabError as error:
            raise self.error(position, str(error)) from None

    def name(self, match: re.Match, group: str | int) -> str:
        name = match[group] or ""
        return json.loads(name) if name[:1] == '"' else name

    def value(self, match: re.Match) -> Any:
        """Returns the JSON value of a right-hand side; None if it is none."""
        try:
            return json.loads(match["side"], object_pairs_hook=unique_keys)
        except (ValueError, RecursionError):
            return None

    def terms(self, start: int, end: int) -> list[Term]:
        terms = []
        for match in IN_TERMS.finditer(self.text, start, end):
            weight = float(match[2] or 1) * (-1 if match[1] == "-" else 1)
            terms.append(Term(weight, self.name(match, 3), self.name(match, 4), match[5] is not None, match.start(3)))
        return terms

    def output(self, term: Term, neurons: Mapping[str, NeuronType]) -> str:
        """Returns the name of the output that a term reads."""
        if term.neuron not in neurons:
            raise self.error(term.position, f"{describe(term.neuron)} is not a neuron")
        kind = neurons[term.neuron]
        outputs = [output for output in kind.outputs if term.field in ("", output)]
        if len(outputs) != 1:
            has = f"has outputs {', '.join(kind.outputs)}" if kind.outputs else "has no outputs"
            said = ".".join(filter(None, term[1:3]))
            raise self.error(term.position, f"{describe(said)}: neuron type {kind.name!r} {has}")
        return outputs[0]

    def neuron(self, name: str) -> tuple[NeuronType, Inputs]:
        """Returns the type of a neuron, and its sums."""
        statements = self.written[name]
        first = next(iter(statements.values()))
        start, side = first.start(), first.span("side")
        self.located(start, check_name, name)
        if typed := (PARAGRAPH if ":" in statements else CALL).fullmatch(self.text, *side):
            known = self.name(typed, "kind")
            if known not in self.types:
                raise self.error(typed.start("kind"), one_of("neuron type", known, self.types))
            kind = replace(self.types[known], feedback=()) if typed["bare"] else self.types[known]
            return kind, self.inputs(typed, kind)
        named = self.types.get(name, self.types.get(name.split("-")[0]))
        receiver = None if "" in statements else self.located(start, answering, tuple(statements), name)
        for kind in filter(None, (named, receiver, *self.types.values())):
            if (inputs := self.inputs_of_equations(kind, name)) is not None:
                return kind, inputs
        output = named.outputs[0] if named and len(named.outputs) == 1 else name
        emits = {field or output: self.value(match) for field, match in statements.items()}
        if None in emits.values():
            raise self.error(side[0], f"no neuron type is written like {describe(first['side'].strip())}")
        made = self.located(start, types_from_data, {name: {"emits": emits}})[name]
        return (named if named and type_as_data(named) == type_as_data(made) else made), {}

    def inputs(self, typed: re.Match, kind: NeuronType) -> Inputs:
        """Reads ``input = sum`` as often as it stands there."""
        inputs: Inputs = {}
        start, end = typed.span("side")
        while match := INPUT.match(self.text, start, end):
            field = self.name(match, "field")
            if field in inputs or field not in kind.inputs:
                problem = f"{describe(field)} stands twice" if field in inputs else one_of("input", field, kind.inputs)
                raise self.error(start, problem)
            inputs[field] = self.terms(*match.span("side"))
            start = match.end()
        if self.text[start:end].strip():
            raise self.error(start, "expected 'input = sum'")
        return inputs

    def inputs_of_equations(self, kind: NeuronType, name: str) -> Inputs | None:
        """Returns the sums in the equations of a neuron if it can be of this type."""
        equations, forms = self.written[name], _forms(kind)
        if not equations.keys() <= forms.keys() or (not kind.outputs and len(equations) < len(forms)):
            return None
        found: list[Inputs] = []
        for left, equation in equations.items():
            pattern, fields = forms[left]
            match = pattern.fullmatch(self.text, *equation.span("side"))
            if match is None:
                return None
            sums = [self.terms(*match.span(i)) for i in range(1, pattern.groups + 1) if match[i] is not None]
            found.append(_divided(sums, fields, name if kind.accumulates else None))
        if kind.scaling is Scaling.DIFFERENCE:
            signs = dict(zip(kind.inputs, (1, -1), strict=True))
            nets = [sorted((signs[f] * t.weight, *t[1:4]) for f, terms in each.items() for t in terms) for each in found]
            if nets[0] != nets[-1]:
                raise self.error(equation.start(), f"{describe(name)}: its two equations contradict each other")
        return {field: terms for inputs in found for field, terms in inputs.items()}


def _forms(kind: NeuronType) -> dict[str, tuple[re.Pattern, Sequence[str]]]:
    """Returns the equations of a type: for each left side, the right one, and the inputs in it."""
    formula = Formula("%s", "%s") if kind.accumulates or not kind.outputs else kind.formula
    if formula is None:
        return {}
    lefts: Sequence[str] = kind.outputs or kind.inputs
    fields: Sequence[Sequence[str]] = [(field,) for field in kind.inputs]
    if kind.scaling is Scaling.DIFFERENCE:
        fields = kind.inputs, kind.inputs[::-1]
    elif kind.outputs and not formula.fieldwise:
        lefts, fields = ("",), (kind.inputs,)
    pattern = _pattern(formula.program, formula.scalar, kind.scaling is Scaling.DIFFERENCE)
    return {"" if len(kind.outputs) == 1 else left: (pattern, each) for left, each in zip(lefts, fields, strict=True)}


@lru_cache(maxsize=1024)
def _pattern(formula: str, scalar: bool, differs: bool) -> re.Pattern:
    """Returns the pattern of the equations with a formula; its groups are sums."""
    argument = DIFFERENCE if differs else f"({SUM})"
    argument = rf"(?:number\(\s*{argument}\s*\)|{argument})" if scalar else argument
    literals = [r"\s*".join(map(re.escape, literal.replace("%%", "%").split())) for literal in formula.split("%s")]
    return re.compile(r"\s*" + rf"\s*{argument}\s*".join(literals) + r"\s*")


def _divided(sums: list[list[Term]], fields: Sequence[str], memory_of: str | None) -> Inputs:
    """Divides sums between inputs: one each, or one between all of an accumulator or difference."""
    if len(sums) == len(fields):
        return dict(zip(fields, sums, strict=True))
    inputs: Inputs = {field: [] for field in fields}
    taken = set()
    for term in sums[0]:
        order = fields if memory_of in (None, term.neuron) else [*fields[1:], fields[0]]
        field = next((field for field in order if (field, *term[1:3]) not in taken), order[0])
        taken.add((field, *term[1:3]))
        is_subtracted = memory_of is None and field == fields[1]
        inputs[field].append(term._replace(weight=-term.weight) if is_subtracted else term)
    return inputs
