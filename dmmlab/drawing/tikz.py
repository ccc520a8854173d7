"""Converts a drawing with Graphviz positions to TikZ, a LaTeX format.

The text compiles alone with ``pdflatex``. A paper can also include it with
``\\input{machine.tex}``; it then uses the paper's fonts. Every neuron and every link is a line or
two that a person can edit.
"""

import html
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

# A text height of 1.01 pages: with 1, a rounding error moves the picture to a second page.
HEAD = r"""% Made by dmmlab. "pdflatex" compiles this file alone. In a paper, \input it; the preamble then needs
%     \usepackage{tikz} \usetikzlibrary{arrows.meta}
\expandafter\ifx\csname @nodocument\endcsname\relax
  \let\dmmend\relax
\else
  \documentclass{article}
  \usepackage[T1]{fontenc}
  \usepackage[utf8]{inputenc}
  \IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}
  \usepackage{tikz}
  \usetikzlibrary{arrows.meta}
  \pagestyle{empty}
  \parindent=0pt \topskip=0pt \maxdepth=0pt
  \hoffset=-1in \voffset=-1in \oddsidemargin=0pt \topmargin=0pt \headheight=0pt \headsep=0pt
  \paperwidth=WIDTHbp \paperheight=HEIGHTbp \pdfpagewidth=\paperwidth \pdfpageheight=\paperheight
  \textwidth=\paperwidth \textheight=1.01\paperheight
  \begin{document}
  \def\dmmend{\end{document}}
\fi
BEGIN\begin{tikzpicture}[x=1bp, y=1bp, line cap=round,
  positive/.style={-{Latex[length=6bp, width=4.5bp]}},
  negative/.style={-{Circle[open, length=5bp, width=5bp, line width=0.9bp]}},
  every node/.style={font=\sffamily\fontsize{9}{11}\selectfont, inner sep=0pt, anchor=base}]
"""
FOOT = "\\end{tikzpicture}END%\n\\dmmend\n"
POINTS_PER_CM = 72 / 2.54
SPECIAL = {c: f"\\{c}" for c in "#$%&_{}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}",
    "−": "$-$", "←": r"$\leftarrow$", "→": r"$\rightarrow$", "…": r"\dots{}", "·": r"$\cdot$", "\xa0": " ",
    "\"": r"\UseTextSymbol{T1}{\textquotedbl}", "|": r"\textbar{}", "-": "-{}", "–": "--", "'": "'{}", "`": "`{}",
} | {c: rf"\UseTextSymbol{{T1}}{{{c}}}" for c in "«»ÐÞðþ"}  # fmt: skip
GREEK = (  # the Unicode names of letters for which LaTeX has commands
    r"GREEK (?:SMALL LETTER (ALPHA|BETA|GAMMA|DELTA|EPSILON|ZETA|ETA|THETA|IOTA|KAPPA|LAMDA|MU|NU|XI|PI|RHO|SIGMA|TAU|UPSILON|"
    r"PHI|CHI|PSI|OMEGA)|CAPITAL LETTER (GAMMA|DELTA|THETA|LAMDA|XI|PI|SIGMA|UPSILON|PHI|PSI|OMEGA))"
)


def as_tikz(placed: Mapping[str, Any], width: float | None = None) -> str:
    """Converts a drawing to LaTeX.

    Args:
        placed: a :attr:`~dmmlab.drawing.graphviz_drawing.Drawing.placed`.
        width: in cm; letters and lines scale with it. By default, Graphviz's width.

    Returns:
        The LaTeX text.
    """
    left, low, right, high = map(float, placed["bb"].split(","))
    colours: dict[str, str] = {}
    body = [f"  \\useasboundingbox ({_n(left - 4)},{_n(low - 4)}) rectangle ({_n(right + 4)},{_n(high + 4)});"]
    objects = [thing for thing in placed.get("objects", []) if "pos" in thing and thing.get("style") != "invis"]
    names = {thing["_gvid"]: thing["name"] for thing in placed.get("objects", [])}
    for edge in placed.get("edges", []):
        if "pos" in edge and edge.get("style") != "invis":
            body += [f"  % {_comment(as_shown(edge.get('tooltip', '')) or names[edge['tail']] + ' -> ' + names[edge['head']])}"]
            body += [f"  {line}" for line in _link(edge, colours)]
    for thing in objects:
        body += [f"  % {_comment(thing['name'])}"]
        body += [f"  {line}" for line in _neuron(thing, colours)]
    if placed.get("label") and "lp" in placed:
        body.append(rf"  \node at ({_point(placed['lp'])}) {{{_text(as_shown(placed['label']))}}};")
    defined = [rf"  \definecolor{{{name}}}{{HTML}}{{{value}}}" for value, name in colours.items()]
    scale = 1.0 if width is None else width * POINTS_PER_CM / (right - left + 8)
    begin, end = ("", "") if width is None else (rf"\resizebox{{{width:g}cm}}{{!}}{{%" + "\n", "}")
    head = HEAD.replace("WIDTH", _n(scale * (right - left + 8))).replace("HEIGHT", _n(scale * (high - low + 8)))
    return "\n".join([head.replace("BEGIN", begin) + "\n".join(defined), *body, FOOT.replace("END", end)])


def _link(edge: Mapping[str, Any], colours: dict[str, str]) -> Iterator[str]:
    """Yields a spline from port to port, and the weight beside it."""
    tip, points = None, []
    for part in edge["pos"].split():
        if part.startswith("e,"):
            tip = part[2:]
        elif not part.startswith("s,"):
            points.append(f"({_point(part)})")
    path = points[0]
    for i in range(1, len(points) - 2, 3):
        path += f" .. controls {points[i]} and {points[i + 1]} .. {points[i + 2]}"
    if tip is not None and edge.get("arrowhead") != "none":
        path += f" -- ({_point(tip)})"
    style = "negative" if edge.get("arrowhead") == "odot" else "positive"
    style = "-" if edge.get("arrowhead") == "none" else style
    options = [
        style,
        f"draw={_colour(edge.get('color', 'black'), colours)}",
        f"line width={_n(float(edge.get('penwidth', 1)))}bp",
    ]
    options += [edge["style"]] if edge.get("style") in ("dashed", "dotted") else []
    yield rf"\draw[{', '.join(options)}] {path};"
    for label, place in (("label", "lp"), ("xlabel", "xlp")):
        if edge.get(label, "").strip() and place in edge:
            colour = _colour(edge.get("fontcolor", "black"), colours)
            bold = r", font=\sffamily\bfseries\fontsize{9}{11}\selectfont" if "Bold" in edge.get("fontname", "") else ""
            yield rf"\node[anchor=center, text={colour}{bold}] at ({_point(edge[place])}) {{{_text(as_shown(edge[label]))}}};"


def _neuron(thing: Mapping[str, Any], colours: dict[str, str]) -> Iterator[str]:
    """Yields a box and the texts in it."""
    fill, pen, size, bold = "", "", 11.0, False
    for op in (*thing.get("_draw_", ()), *thing.get("_ldraw_", ())):
        kind = op["op"]
        if kind == "C":
            fill = _colour(op["color"], colours)
        elif kind == "c":
            pen = "none" if len(op["color"]) == 9 and op["color"].endswith("00") else _colour(op["color"], colours)
        elif kind == "F":
            size = op["size"]
        elif kind == "t":
            bold = bool(op["fontchar"] & 1)
        elif kind in "PpBb":
            (x0, x1), (y0, y1) = ((min(xs), max(xs)) for xs in zip(*op["points"], strict=True))
            look = f"draw={pen}, line width=0.8bp" + (f", fill={fill}" if kind in "PB" else "")
            corners = ", rounded corners=5bp" if kind in "Bb" else ""
            yield rf"\path[{look}{corners}] ({_n(x0)},{_n(y0)}) rectangle ({_n(x1)},{_n(y1)});"
        elif kind in "Ee":
            x, y, rx, ry = op["rect"]
            look = f"draw={pen}" + (f", fill={fill}" if kind == "E" else "")
            yield rf"\path[{look}] ({_n(x)},{_n(y)}) ellipse ({_n(rx)} and {_n(ry)});"
        elif kind == "T" and op["text"].strip():
            x = op["pt"][0] + {"l": 0.5, "c": 0.0, "r": -0.5}[op["align"]] * op["width"]
            font = rf"\sffamily{chr(92) + 'bfseries' if bold else ''}\fontsize{{{_n(size)}}}{{{_n(size)}}}\selectfont"
            yield rf"\node[text={pen}, font={font}] at ({_n(x)},{_n(op['pt'][1])}) {{{_text(op['text'].strip())}}};"


def _colour(value: str, colours: dict[str, str]) -> str:
    """Returns a colour name for ``#rrggbb``; other values become ``black`` or ``white``."""
    if not re.fullmatch(r"#[0-9a-fA-F]{6,8}", value):
        return value if value in ("black", "white") else "black"
    return colours.setdefault(value[1:7].upper(), f"dmm{value[1:7].lower()}")


def _text(text: str) -> str:
    """Escapes text for LaTeX; characters that it may not know become Unicode numbers."""
    return "".join(SPECIAL.get(c) or (c if c.isascii() or "\xa1" <= c <= "\xff" else _foreign(c)) for c in text)


def _foreign(c: str) -> str:
    letter = re.fullmatch(GREEK, unicodedata.name(c, ""))
    if letter is None:
        return rf"{{\tiny U+{ord(c):04X}}}"
    word = (letter[1] or letter[2]).replace("LAMDA", "LAMBDA")
    return rf"$\{word.lower() if letter[1] else word.capitalize()}$"


def as_shown(label: str) -> str:
    """Returns the text that a DOT label shows: the inverse of ``graphviz_drawing.as_label``."""
    return html.unescape(label.replace("\\\\", "\\")).strip()


def _comment(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _point(text: str) -> str:
    x, y = text.split(",")
    return f"{_n(float(x))},{_n(float(y))}"


def _n(x: float) -> str:
    return f"{x:.2f}".rstrip("0").rstrip(".")
