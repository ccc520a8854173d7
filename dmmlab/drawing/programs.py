r"""A machine as text: a short program, or equations for a paper.

A dataflow matrix machine is a program, and a small one can be read as such. :func:`program` gives a neuron one line,
the input side first, and in it what the neuron's type computes of what its links bring. The handcrafted detector::

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

Nothing is said of which links are hard. All else is there, and it is meant exactly: the functions are those of
:mod:`dmmlab.core.vvalues` and :mod:`dmmlab.core.neurons`, ``number`` takes the scalar part where more than that may arrive, and a
type of a reader's own is called by its name, ``mix-1 = mix(x=0.50*accum, y=input)``. A name may hold ``-``, so the
operators ``+`` and ``-`` have a space on either side, and a name that is more than letters, digits, ``_`` and inner ``-``
stands in quotes. A port is named where its neuron has several outputs; those of compare and id that nothing reads are left
out. Two neurons that read different streams both say ``stream``.

:func:`equations` is the same as LaTeX, with the cycles written out, for a paper that loads ``amsmath``.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping

from .circuits import graph
from .circuits import number as shown
from ..core.machine import Machine
from ..core.neurons import ACCUM, COMPARE, CUT_2022, DOT, ID, INPUT, NORM, PRODUCT, TIMER, NeuronType, Port, add_cut
from ..core.vvalues import VValue, trim

Terms = list[tuple[float, Port]]  # a sum: weights, and the outputs that they weigh

TAKES_NUMBERS = {TIMER.function: "timer", INPUT.function: "stream"}
TAKES_ALL: Mapping[Callable, str] = {NORM.function: "norm", DOT.function: "dot", PRODUCT.function: "product"}
ADDS = (ACCUM.function, add_cut)
PASSES_ON = (ID.function, CUT_2022["id"].function)
GIVES_NUMBERS = (NORM.function, DOT.function, COMPARE.function, TIMER.function)
KEEPS_NUMBERS = (*ADDS, *PASSES_ON, PRODUCT.function)  # numbers come out if numbers come in

LINE = 64  # characters of an equation; about as many as an article's column, 345 points, has room for
ODD = str.maketrans(
    {c: f"\\{c}" for c in "_&%#${} "}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "`": r"\textasciigrave{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedblright{}"}
)


def program(machine: Machine, digits: int = 2) -> str:
    """The machine as a program: a line for every neuron, or for each of its outputs if they are several things.

    Args:
        machine: what to write down.
        digits: decimals of the weights; 17 are enough for the program to be the machine to the last bit, or nearly so.
    """
    lines = list(_Writer(machine, digits).assignments())
    width = max((len(left) for left, _ in lines), default=0)
    head = "# every name on a right-hand side is its value one cycle before, at first 0"
    return "\n".join([head, *(f"{left:{width}} = {right}" for left, right in lines)])


def equations(machine: Machine, digits: int = 2) -> str:
    r"""The machine as LaTeX: an ``align*``, which needs ``amsmath`` and nothing else. Before cycle 0 everything is 0.

    Long equations are broken, to fit an article's column. Those of a large machine may run over pages with
    ``\allowdisplaybreaks``. Letters that are not Latin are left to the engine: LuaLaTeX knows more of them than pdfLaTeX.
    """
    lines = list(_TexWriter(machine, digits).assignments())
    room = max(LINE - max((_width(left) for left, _ in lines), default=0), LINE // 2)
    rows = " \\\\\n".join(f"  {left} &= {_broken(right, room)}" for left, right in lines)
    return f"\\begin{{align*}}\n{rows}\n\\end{{align*}}"


class _Writer:
    """Says a machine as a program."""

    gap = part = " "  # where a line may be broken; and where first, if it must be
    forms: Mapping[str, str] = {
        "timer": "%s + 1",
        "stream": "stream(%s)",
        "norm": "max_norm(%s)",
        "dot": "clip(dot(%s, %s), -4, 4)",
        "product": "product(%s, %s)",
        "relu": "relu(%s)",
        "number": "number(%s)",
        "group": "(%s)",
    }

    def __init__(self, machine: Machine, digits: int):
        self.machine, self.digits = machine, digits
        self.numbers = _neurons_of_numbers(machine)
        self.read = {link[2:4] for link in machine.links()}
        self.into: dict[Port, Terms] = {}
        for link in machine.links():
            self.into.setdefault(link[:2], []).append((float(link.weight), link[2:4]))

    def assignments(self) -> Iterator[tuple[str, str]]:
        """The two sides of every line."""
        layers = graph(self.machine).nodes(data="layer")
        for name, _ in sorted(layers, key=lambda node: (node[1], node[0])):
            for field, right in self.results(name).items():
                yield self.port((name, field), now=True), right

    def results(self, name: str) -> dict[str, str]:
        """What each output of a neuron gives; under no name, what the neuron gives as a whole."""
        kind = self.machine.neurons[name]
        function, outputs = kind.function, kind.outputs
        arrives = [self.in_order(name, self.into.get((name, field), [])) for field in kind.inputs]
        sums = list(map(self.sum, arrives))
        if kind.inputs and not outputs:
            return dict(zip(kind.inputs, sums, strict=True))
        if emitted := _emitted(kind):
            return {field: self.value(v) for field, v in emitted.items()}
        if function in TAKES_ALL:
            return {"": self.forms[TAKES_ALL[function]] % tuple(sums)}
        if function in TAKES_NUMBERS:
            return {"": self.forms[TAKES_NUMBERS[function]] % self.number(arrives[0])}
        if function in ADDS:
            return {"": self.sum(self.in_order(name, arrives[0] + arrives[1]))}
        if function is COMPARE.function:
            used = [field for field in outputs if (name, field) in self.read] or outputs
            differences = zip(outputs, (arrives, arrives[::-1]), strict=True)
            return {field: self.forms["relu"] % self.number(*sides) for field, sides in differences if field in used}
        if function in PASSES_ON:
            passed = zip(outputs, arrives, sums, strict=True)
            return {field: text for field, terms, text in passed if terms or (name, field) in self.read} or {"": "0"}
        given = {field: text for field, terms, text in zip(kind.inputs, arrives, sums, strict=True) if terms}
        return {"": self.call(kind.name, given, kind.reads_stream)}

    def in_order(self, name: str, terms: Terms) -> Terms:
        """What is added before what is taken away, and first of all what comes from the neuron itself."""
        return sorted(terms, key=lambda term: (term[0] < 0, term[1][0] != name, term[1]))

    def sum(self, terms: Terms) -> str:
        """``0.71*accum - 0.46*input``, or 0."""
        signed = [("-" if w < 0 else "+", self.times(abs(w), self.port(port))) for w, port in terms] or [("", "0")]
        (sign, first), *rest = signed
        return sign.strip("+") + first + "".join(f"{self.gap}{sign} {term}" for sign, term in rest)

    def number(self, terms: Terms, minus: Terms | None = None) -> str:
        """A sum, or the difference of two, where only the scalar part counts."""
        minus = minus or []
        if len(minus) > 1 and terms:
            first = self.forms["group"] % self.sum(terms) if len(terms) > 1 else self.sum(terms)
            text = f"{first}{self.part}- {self.forms['group'] % self.sum(minus)}"
        else:
            text = self.sum(terms + [(-w, port) for w, port in minus])
        return text if all(name in self.numbers for _, (name, _) in terms + minus) else self.forms["number"] % text

    def port(self, port: Port, now: bool = False) -> str:
        """An output, or an input of a neuron without outputs. An output that is its neuron's only one needs no name."""
        name, field = port
        return self.named(name, "" if len(self.machine.neurons[name].outputs) == 1 else field, now)

    def named(self, name: str, field: str, now: bool) -> str:
        """A neuron, or a field of it: in this cycle (``now``) or the one before."""
        return f"{_quoted(name)}.{_quoted(field)}" if field else _quoted(name)

    def times(self, weight: float, what: str) -> str:
        """A term without its sign."""
        return what if weight == 1 else f"{self.digit(weight)}*{what}"

    def digit(self, x: float) -> str:
        """A number to so many decimals, though never as 0."""
        text = shown(x, self.digits).replace("−", "-")
        return f"{x:.0e}" if x and not float(text) else text

    def call(self, kind: str, given: Mapping[str, str], reads_stream: bool) -> str:
        """A function of a reader's own."""
        arguments = [*(["stream"] if reads_stream else []), *(f"{_quoted(field)}={text}" for field, text in given.items())]
        return f"{_quoted(kind)}({', '.join(arguments)})"

    def value(self, v: VValue) -> str:
        """A constant: ``1``, or ``{".": 1}``."""
        if not isinstance(v, dict):
            return self.digit(float(v))
        return "{" + ", ".join(f"{_in_quotes(key)}: {self.value(part)}" for key, part in v.items()) + "}" if v else "0"


class _TexWriter(_Writer):
    """Says a machine as equations."""

    gap, part = "\n", "\f"
    forms: Mapping[str, str] = {
        "timer": "%s + 1",
        "stream": r"\operatorname{stream}\bigl(%s\bigr)",
        "norm": r"\bigl\lVert %s \bigr\rVert_\infty",
        "dot": "\\operatorname{clip}_{[-4,4]} \\bigl\\langle %s,\f%s \\bigr\\rangle",
        "product": "\\bigl(%s\\bigr)\f\\odot \\bigl(%s\\bigr)",
        "relu": r"\bigl(%s\bigr)_+",
        "number": r"\operatorname{number}\bigl(%s\bigr)",
        "group": r"\bigl[%s\bigr]",
    }

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

    def call(self, kind: str, given: Mapping[str, str], reads_stream: bool) -> str:
        arguments = [f"\\textrm{{{_escaped(field)}}} = {text}" for field, text in given.items()]
        arguments = ["\\mathrm{stream}", *arguments] if reads_stream else arguments
        return f"\\operatorname{{\\textrm{{{_escaped(kind)}}}}}\\bigl({f',{self.gap}'.join(arguments)}\\bigr)"

    def value(self, v: VValue) -> str:
        if not isinstance(v, dict) or not v:
            return super().value(v)
        keys = [_escaped(key).replace("\\ ", "\\textvisiblespace{}") for key in v]
        pairs = [f"\\texttt{{{key}}} \\mapsto {self.value(part)}" for key, part in zip(keys, v.values(), strict=True)]
        return f"\\{{{f',{self.gap}'.join(pairs)}\\}}"


def _neurons_of_numbers(machine: Machine) -> set[str]:
    """The neurons that give nothing but numbers, whatever the machine is shown."""
    numbers, keep = set(), set()
    for name, kind in machine.neurons.items():
        emitted = _emitted(kind).values()
        if kind.function in KEEPS_NUMBERS:
            keep.add(name)  # unless something else arrives, which is seen below
        elif kind.function in GIVES_NUMBERS or (emitted and all(v == {} or not isinstance(v, dict) for v in emitted)):
            numbers.add(name)
    while more := {link.to_neuron for link in machine.links() if link.from_neuron not in keep | numbers} & keep:
        keep -= more
    return keep | numbers


def _emitted(kind: NeuronType) -> dict[str, VValue]:
    """What a constant gives, by output; nothing if it is no constant."""
    is_constant = kind.outputs and not kind.inputs and not kind.reads_stream
    return {field: trim(v) for field, v in kind.activate({}).items()} if is_constant else {}


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[^\W\d]\w*(-\w+)*", name) else _in_quotes(name)


def _in_quotes(text: str) -> str:
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _escaped(text: str) -> str:
    """Any text as LaTeX; what cannot be printed as Python writes it."""
    printable = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return re.sub("-(?=-)", "-{}", printable.translate(ODD))


def _width(tex: str) -> float:
    """About how many characters wide a formula is."""
    tex = re.sub(r"\\((math|text)[a-z]{2}|operatorname|big[lr])(?![a-z])|\\,", "", tex)
    tex = re.sub(r"_\{[^{}]*\}(?=\^)", "", tex)  # stands below what is counted
    small = sum(map(len, re.findall(r"[_^]\{+([^{}]*)", tex)))
    return len(re.sub(r"[{}^_]", "", re.sub(r"\\([a-zA-Z]+ ?|.)", "x", tex))) - 0.4 * small


def _broken(tex: str, room: float) -> str:
    """A formula on one line or on several, broken at its gaps."""
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
    signed = [re.sub(r"^-(?! )", "{-}", line) for line in lines]  # a minus that is a sign stands close to its number
    return " \\\\\n    &\\qquad ".join(signed)
