r"""A machine as text: a short program, or equations for a paper.

A dataflow matrix machine is a program, and a small one is readable as such. :func:`program` writes
one line for each neuron, starting at the input. The line applies the formula of the neuron's type
to the sums that arrive on its links. The handcrafted detector::

    # every name on a right-hand side is its value one cycle before, at first 0
    timer         = timer + 1
    const_1       = 1
    eos           = {".": 1}
    input         = stream(timer)
    accum         = accum + input
    dot           = clip(dot(accum, eos), -4, 4)
    norm          = max_norm(accum)
    compare.true  = relu(norm - const_1)
    output.dict-1 = compare.true
    output.dict-2 = dot

The text does not show which links are hard, nor which of two inputs a term arrives at where this
makes no difference. The exact form, ``program(machine, exact=True)``, shows everything. Both are
read by :meth:`~dmmlab.core.machine.Machine.from_program`; :mod:`dmmlab.core.program_text` has the
grammar.

A type is written as its formula, in the functions of :mod:`dmmlab.core.vvalues` and
:mod:`dmmlab.core.neurons`; ``number`` takes the scalar part where other V-values may arrive. A type
without a formula is written as a call, ``mix-1 = mix(x=0.50*accum, y=input)``. A name may contain
``-``, so the operators ``+`` and ``-`` have a space on either side. A name with anything but
letters, digits, ``_`` and inner ``-`` is quoted. An output is named only if its neuron has several;
unread outputs of compare and id are left out. Two neurons that read different streams both say
``stream``.

:func:`equations` writes the same as LaTeX, with the cycles written as ``t`` and ``t+1``. The paper
must load ``amsmath``.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from ..core.machine import Machine
from ..core.neuron_type import Emits, Formula, NeuronType, Port, Scaling
from ..core.program_text import HEAD, exact_program, in_json, quoted
from ..core.vvalues import VValue, trim
from .circuits import decimal as shown, graph

Terms = tuple[tuple[float, Port], ...]  # a weighted sum: (weight, output) pairs

LINE = 64  # characters of an equation: about the width of an article's column of 345 points
ODD = str.maketrans(
    {c: f"\\{c}" for c in "_&%#${} "}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "`": r"\textasciigrave{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedblright{}"}
)


def program(machine: Machine, digits: int = 2, exact: bool = False) -> str:
    """Writes a machine as a program: a line for every neuron, or one for each of its outputs.

    Args:
        machine: the machine to write.
        digits: decimals of the weights. With 17 they are exact to the last bit, or nearly so.
        exact: write all that the machine has, one link a line, for
            :meth:`~dmmlab.core.machine.Machine.from_program`; ``digits`` has no meaning then.

    Returns:
        The lines, below a comment that explains the names on the right-hand sides.

    Raises:
        MachineError: ``exact``, and two types share a name.
    """
    if exact:
        return exact_program({name: machine.neurons[name] for name in _from_input_on(machine)}, machine.soft, machine.hard)
    lines = list(_Writer(machine, digits).assignments())
    width = max((len(target) for target, _ in lines), default=0)
    return "\n".join([HEAD, *(f"{target:{width}} = {text}" for target, text in lines)])


def equations(machine: Machine, digits: int = 2) -> str:
    r"""Writes a machine as LaTeX equations. Before cycle 0 everything is 0.

    Long equations are broken, to fit an article's column. The equations of a large machine may run
    over pages with ``\allowdisplaybreaks``. Letters that are not Latin are left to the LaTeX
    engine: LuaLaTeX supports more of them than pdfLaTeX.

    Args:
        machine: the machine to write.
        digits: decimals of the weights.

    Returns:
        An ``align*``, which needs ``amsmath`` and no other package.
    """
    lines = list(_TexWriter(machine, digits).assignments())
    room = max(LINE - max((_width(target) for target, _ in lines), default=0), LINE // 2)
    rows = " \\\\\n".join(f"  {target} &= {_broken(text, room)}" for target, text in lines)
    return f"\\begin{{align*}}\n{rows}\n\\end{{align*}}"


class _Writer:
    """Writes a machine as a program."""

    gap = part = " "  # where a line may be broken, and where it is broken first
    forms: Mapping[str, str] = {"number": "number(%s)", "group": "(%s)"}

    def __init__(self, machine: Machine, digits: int):
        self.machine, self.digits = machine, digits
        self.scalar_neurons = _neurons_of_numbers(machine)
        self.read = {link[2:4] for link in machine.links()}
        self.into: dict[Port, list[tuple[float, Port]]] = {}
        for link in machine.links():
            self.into.setdefault(link[:2], []).append((float(link.weight), link[2:4]))

    def assignments(self) -> Iterator[tuple[str, str]]:
        """Yields the two sides of every line."""
        for name in _from_input_on(self.machine):
            for field, text in self.results(name).items():
                yield self.port((name, field), now=True), text

    def results(self, name: str) -> dict[str, str]:
        """Returns the text of each output of a neuron; the key ``""`` means the whole neuron."""
        kind = self.machine.neurons[name]
        outputs, formula = kind.outputs, kind.formula
        arrives = [self.in_order(name, self.into.get((name, field), [])) for field in kind.inputs]
        if kind.inputs and not outputs:
            return dict(zip(kind.inputs, map(self.sum, arrives), strict=True))
        if emitted := _emitted(kind):
            return {field: self.value(v) for field, v in emitted.items()}
        if kind.accumulates:
            return {"": self.sum(self.in_order(name, chain(*arrives)))}
        if formula is None:
            fields = zip(kind.inputs, arrives, strict=True)
            return {"": self.call(kind, {field: self.sum(terms) for field, terms in fields if terms})}
        form, argument = self.form(formula), self.number if formula.scalar else self.difference
        if kind.scaling is Scaling.DIFFERENCE:
            sides = dict(zip(outputs, (arrives, arrives[::-1]), strict=True))
            used = [field for field in outputs if (name, field) in self.read] or outputs
            return {field: form % argument(*sides[field]) for field in used}
        if formula.fieldwise:
            pairs = [(f, terms) for f, terms in zip(outputs, arrives, strict=True) if terms or (name, f) in self.read]
            return {field: form % argument(terms) for field, terms in pairs or [("", ())]}
        return {"": form % tuple(map(argument, arrives))}

    def form(self, formula: Formula) -> str:
        """Returns the text of a formula, with ``%s`` in place of its arguments."""
        return formula.program

    def in_order(self, name: str, terms: Iterable[tuple[float, Port]]) -> Terms:
        """Sorts terms: positive weights first, and within a sign the neuron's own outputs first."""
        return tuple(sorted(terms, key=lambda term: (term[0] < 0, term[1][0] != name, term[1])))

    def sum(self, terms: Terms) -> str:
        """Formats a sum: ``0.71*accum - 0.46*input``, or 0."""
        signed = [("-" if w < 0 else "+", self.times(abs(w), self.port(port))) for w, port in terms] or [("", "0")]
        (sign, first), *rest = signed
        return sign.strip("+") + first + "".join(f"{self.gap}{sign} {term}" for sign, term in rest)

    def difference(self, plus: Terms, minus: Terms = ()) -> str:
        """Formats the difference of two sums."""
        if not plus or len(minus) < 2:
            return self.sum((*plus, *((-w, port) for w, port in minus)))
        first = self.forms["group"] % self.sum(plus) if len(plus) > 1 else self.sum(plus)
        return f"{first}{self.part}- {self.forms['group'] % self.sum(minus)}"

    def number(self, plus: Terms, minus: Terms = ()) -> str:
        """Formats the scalar part of the difference of two sums."""
        text = self.difference(plus, minus)
        return text if all(name in self.scalar_neurons for _, (name, _) in plus + minus) else self.forms["number"] % text

    def port(self, port: Port, now: bool = False) -> str:
        """Names an output (an only one needs no field), or an input of a neuron without outputs."""
        name, field = port
        return self.named(name, "" if len(self.machine.neurons[name].outputs) == 1 else field, now)

    def named(self, name: str, field: str, now: bool) -> str:
        """Names a neuron, or a field of it, in this cycle (``now``) or the one before."""
        return f"{quoted(name)}.{quoted(field)}" if field else quoted(name)

    def times(self, weight: float, what: str) -> str:
        """Formats a term without its sign."""
        return what if weight == 1 else f"{self.digit(weight)}*{what}"

    def digit(self, x: float) -> str:
        """Formats a number with the given decimals; a nonzero number never becomes 0."""
        text = shown(x, self.digits).replace("−", "-")
        return f"{x:.0e}" if x and not float(text) else text

    def call(self, kind: NeuronType, arguments: Mapping[str, str]) -> str:
        """Formats a neuron type without a formula as a function of its inputs."""
        texts = ["stream"] * kind.reads_stream + [f"{quoted(field)}={text}" for field, text in arguments.items()]
        return f"{quoted(kind.name)}({', '.join(texts)})"

    def value(self, v: VValue) -> str:
        """Formats a constant: ``1``, or ``{".": 1}``."""
        if not isinstance(v, dict):
            return self.digit(float(v))
        return "{" + ", ".join(f"{in_json(key)}: {self.value(part)}" for key, part in v.items()) + "}" if v else "0"


class _TexWriter(_Writer):
    """Writes a machine as equations."""

    gap, part = "\n", "\f"
    forms: Mapping[str, str] = {"number": r"\operatorname{number}\bigl(%s\bigr)", "group": r"\bigl[%s\bigr]"}

    def form(self, formula: Formula) -> str:
        return formula.latex

    def named(self, name: str, field: str, now: bool) -> str:
        copy = re.fullmatch(r"([^-]+)((?:-[0-9]+)+)", name)
        stem = copy[1] if copy else name
        stem = f"\\mathit{{{stem}}}" if re.fullmatch("[A-Za-z]+", stem) else f"\\textit{{{_escaped(stem)}}}"
        below = f"_{{{copy[2][1:].replace('-', ',')}}}" if copy else ""
        above = f"^{{\\textrm{{{_escaped(field)}}}}}" if field else ""
        return f"{stem}{below}{above}({'t+1' if now else 't'})"

    def times(self, weight: float, what: str) -> str:
        return what if weight == 1 else f"{self.digit(weight)}\\,{what}"

    def digit(self, x: float) -> str:
        mantissa, e, exponent = super().digit(x).partition("e")
        return f"{mantissa} \\cdot 10^{{{int(exponent)}}}" if e else mantissa

    def call(self, kind: NeuronType, arguments: Mapping[str, str]) -> str:
        texts = [f"\\textrm{{{_escaped(field)}}} = {text}" for field, text in arguments.items()]
        texts = ["\\mathrm{stream}"] * kind.reads_stream + texts
        return f"\\operatorname{{\\textrm{{{_escaped(kind.name)}}}}}\\bigl({f',{self.gap}'.join(texts)}\\bigr)"

    def value(self, v: VValue) -> str:
        if not isinstance(v, dict) or not v:
            return super().value(v)
        keys = [_escaped(key).replace("\\ ", "\\textvisiblespace{}") for key in v]
        pairs = [f"\\texttt{{{key}}} \\mapsto {self.value(part)}" for key, part in zip(keys, v.values(), strict=True)]
        return f"\\{{{f',{self.gap}'.join(pairs)}\\}}"


def _neurons_of_numbers(machine: Machine) -> set[str]:
    """Returns the neurons that emit only numbers, whatever the machine reads."""
    scalar, passing = set(), set()
    for name, kind in machine.neurons.items():
        emitted = _emitted(kind).values()
        if kind.emits in (Emits.AS_ARRIVES, Emits.INPUTS):
            passing.add(name)  # removed below if anything else arrives
        elif kind.emits in (Emits.NUMBERS, Emits.COUNT) or (
            emitted and all(v == {} or not isinstance(v, dict) for v in emitted)
        ):
            scalar.add(name)
    while more := {link.to_neuron for link in machine.links() if link.from_neuron not in passing | scalar} & passing:
        passing -= more
    return passing | scalar


def _emitted(kind: NeuronType) -> dict[str, VValue]:
    """Returns the values of a constant, by output; empty if the type is no constant."""
    return {field: trim(v) for field, v in kind.activate({}).items()} if kind.is_constant else {}


def _from_input_on(machine: Machine) -> list[str]:
    """Returns the neurons in reading order."""
    return [name for name, _ in sorted(graph(machine).nodes(data="layer"), key=lambda node: (node[1], node[0]))]


def _escaped(text: str) -> str:
    """Escapes any text for LaTeX; unprintable characters become Python escapes."""
    printable = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return re.sub("-(?=-)", "-{}", printable.translate(ODD))


def _width(tex: str) -> float:
    """Estimates the width of a formula in characters."""
    tex = re.sub(r"\\((math|text)[a-z]{2}|operatorname|big[lr])(?![a-z])|\\,", "", tex)
    tex = re.sub(r"_\{[^{}]*\}(?=\^)", "", tex)  # a subscript below a superscript adds no width
    small = sum(map(len, re.findall(r"[_^]\{+([^{}]*)", tex)))
    return len(re.sub(r"[{}^_]", "", re.sub(r"\\([a-zA-Z]+ ?|.)", "x", tex))) - 0.4 * small


def _broken(tex: str, room: float) -> str:
    """Formats a formula on one line, or on several, broken at its gaps."""
    unbroken = tex.translate({ord("\n"): " ", ord("\f"): " "})
    if _width(unbroken) <= room:
        return unbroken
    lines: list[str] = []
    for part in tex.split("\f"):
        line, *pieces = part.split("\n")
        for piece in pieces:
            if _width(f"{line} {piece}") <= room:
                line += f" {piece}"
            else:
                lines.append(line)
                line = piece
        lines.append(line)
    signed = [re.sub(r"^-(?! )", "{-}", line) for line in lines]  # a unary minus stands close to its number
    return " \\\\\n    &\\qquad ".join(signed)
