"""Small pictures that follow a slider: curves as SVG, and circuits on which values flow.

A matplotlib figure takes two hundred times as long as a curve written here. A circuit that Graphviz
lays out again may move its neurons. Both are too slow or too restless for every move of a slider.
So curves are written directly, and the flow is painted onto a fixed circuit.
"""

import html
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from ..core.machine import Link
from ..drawing.graphviz_drawing import Drawing
from ..drawing.line_styles import flow_line

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
WIDTH, HEIGHT, LEFT, TOP = 420, 96, 46, 18  # pixels: size of a panel, and origin of its axes
HUGE = 1e30  # larger answers are drawn at this value, which single precision can hold
TARGET, ANSWER = "#b8b8b8", "#1b6ca8"
SILENCE = "·"
CUT, RETURN = "#d1720c", "#777777"

ElementTree.register_namespace("", SVG)
ElementTree.register_namespace("xlink", XLINK)


class Paint(NamedTuple):
    """The look of a link: colour, width in points, tooltip, and the last line of its label.

    Without a colour, the lines stay as they were drawn.
    """

    colour: str
    width: float
    tip: str
    label: str | None = None


def inline(drawing: Drawing) -> str:
    """Returns a drawing as an ``<svg>`` element for a page."""
    text = drawing.pipe("svg").decode()
    return text[text.index("<svg") :]


def painted(svg: str, links: Mapping[str, Paint], neurons: Mapping[str, str]) -> str:
    """Changes the looks of links and the tooltips of neurons, by name, in a circuit's SVG."""
    root = ElementTree.fromstring(svg)
    for group in root.iter(f"{{{SVG}}}g"):
        kind = group.get("class")
        anchor = group.find(f".//{{{SVG}}}a") if kind in ("edge", "node") else None
        if anchor is None:
            continue
        name = anchor.get(f"{{{XLINK}}}title", "")
        if kind == "node" and name in neurons:
            anchor.set(f"{{{XLINK}}}title", neurons[name])
        paint = links.get(name.rpartition(": ")[0]) if kind == "edge" else None
        if paint is not None:
            anchor.set(f"{{{XLINK}}}title", paint.tip)
            for shape in anchor if paint.colour else ():
                if shape.tag != f"{{{SVG}}}text":
                    shape.set("stroke", paint.colour)
                    if shape.get("fill") not in (None, "none"):
                        shape.set("fill", paint.colour)
                if shape.tag == f"{{{SVG}}}path":
                    shape.set("stroke-width", f"{paint.width:.2f}")
            if paint.label is not None and (lines := list(group.iter(f"{{{SVG}}}text"))):
                lines[-1].text = paint.label
    return ElementTree.tostring(root, encoding="unicode")


def flow_paint(link: Link, norm: float, tip: str, label: str | None = None) -> Paint:
    """Returns the look of a link on which a V-value of this max norm flows."""
    return Paint(*flow_line(link, norm), tip, label)


def answer_curves(
    names: Sequence[str],
    answers: np.ndarray,
    targets: np.ndarray | None = None,
    cursor: int | None = None,
    items: Sequence[tuple[int, str]] = (),
) -> str:
    """Plots answers over time, a panel for each, on top of the targets, which are wide and grey.

    Args:
        names: of the answers.
        answers: (answers, cycles).
        targets: in the same shape, if there are any; NaN where nothing is asked.
        cursor: a cycle to mark; later cycles are pale.
        items: the input, as (cycle, text), written below as far as there is room.

    Returns:
        The curves as SVG. ``data-left`` and ``data-right`` are the start of the first cycle and the
        end of the last one.
    """
    cycles, bottom = answers.shape[1], len(names) * HEIGHT
    x = _scale(0, max(1, cycles), LEFT, WIDTH - 4)
    panels = [_panel(i * HEIGHT, answers[i], targets[i] if targets is not None else None) for i in range(len(names))]
    titles = "".join(
        f'<text x="{LEFT}" y="{i * HEIGHT + 12}" font-weight="bold">{html.escape(name)}</text>' for i, name in enumerate(names)
    )
    now = "" if cursor is None else _now(x(cursor), x(cursor + 1), bottom)
    read = _items(items, x, bottom + 9)
    height = bottom + (13 if read else 0)
    kinds = [(ANSWER, 1.6, "answer"), *([(TARGET, 4.5, "right answer")] if targets is not None else [])]
    legend = "".join(
        f'<line x1="{at}" x2="{at + 18}" y1="{height + 8}" y2="{height + 8}" stroke="{colour}" stroke-width="{width}"/>'
        f'<text x="{at + 22}" y="{height + 12}">{text}</text>'
        for at, (colour, width, text) in zip((150, 220), kinds, strict=False)
    )
    foot = (
        f'<text x="{LEFT}" y="{height + 12}">cycle 0</text>'
        f'<text x="{WIDTH - 4}" y="{height + 12}" text-anchor="end">{cycles - 1}</text>'
    )
    sheet = _sheet(height + 18, f"Answers over {cycles} cycles", "".join(panels) + now + titles + read + legend + foot)
    return sheet.replace("<svg ", f'<svg data-left="{LEFT}" data-right="{WIDTH - 4}" ', 1)


def loss_curve(losses: Sequence[tuple[int, float]], cuts: Sequence[int] = (), returns: Sequence[int] = ()) -> str:
    """Plots losses at steps, on a logarithmic scale.

    Marks show the steps at which links were cut, and those at which training went back to a
    checkpoint.
    """
    values = np.clip(np.nan_to_num([loss for _, loss in losses], nan=1e9, posinf=1e9), 1e-12, 1e9)
    height, last = 2 * HEIGHT, losses[-1][0]
    low, high = math.floor(np.log10(values.min())), math.ceil(np.log10(values.max()) + 1e-9)
    high = max(high, low + 1)
    x, y = _scale(0, max(1, last), LEFT, WIDTH - 4), _scale(low, high, height - 16, TOP)
    lines = "".join(_mark(y(d), f"1e{d}") for d in range(low, high + 1, max(1, (high - low) // 4)))
    kinds = [(cuts, CUT, "3 3", "links were cut"), (returns, RETURN, "1 3", "went back")]
    marks = "".join(
        f'<line x1="{x(t):.1f}" x2="{x(t):.1f}" y1="{TOP}" y2="{height - 16}" stroke="{colour}" stroke-dasharray="{dashes}"/>'
        for steps, colour, dashes, _ in kinds
        for t in steps
    )
    chosen = np.unique(np.linspace(0, len(values) - 1, 500).astype(int))
    points = " ".join(f"{x(losses[i][0]):.1f},{y(math.log10(values[i])):.1f}" for i in chosen)
    curve = f'<polyline points="{points}" fill="none" stroke="{ANSWER}" stroke-width="1.6"/>'
    foot = f'<text x="{WIDTH - 4}" y="{height - 2}" text-anchor="end">{last:,} steps</text><text x="{LEFT}" y="12">loss</text>'
    told = [kind for kind in kinds if kind[0]]
    for at, (_, colour, dashes, text) in zip((LEFT, LEFT + 120), told, strict=False):
        y_of_line = f'y1="{height - 6}" y2="{height - 6}"'
        foot += (
            f'<line x1="{at}" x2="{at + 18}" {y_of_line} stroke="{colour}" stroke-dasharray="{dashes}"/>'
            f'<text x="{at + 23}" y="{height - 2}">{text}</text>'
        )
    return _sheet(height, f"The loss over {last} steps", lines + marks + curve + foot)


def restart_curves(restarts: Mapping[int, Sequence[tuple[float, float, int]]], best: int | None = None) -> str:
    """Plots error and links of each restart over seconds, both on logarithmic scales.

    Args:
        restarts: for each, (seconds, error, links) after each phase or cut.
        best: the restart that is blue and on top; the others are grey.

    Returns:
        The curves as SVG.
    """
    points = [point for rows in restarts.values() for point in rows]
    x = _scale(0, max([1.0, *(seconds for seconds, _, _ in points)]), LEFT, WIDTH - 4)
    inside = ""
    for panel, (name, column) in enumerate((("error", 1), ("links", 2))):
        top, bottom = panel * HEIGHT, (panel + 1) * HEIGHT
        values = [_log(point[column]) for point in points] or [0.0]
        low, high = math.floor(min(values)), max(math.ceil(max(values)), math.floor(min(values)) + 1)
        y = _scale(low, high, bottom - 6, top + TOP)
        for exponent in range(low, high + 1, max(1, -(-(high - low) // 3))):
            inside += _mark(y(exponent), _power(exponent))
        inside += f'<text x="{LEFT}" y="{top + 12}" font-weight="bold">{name}</text>'
        for i in sorted(restarts, key=lambda i: i == best):
            places = [(x(row[0]), y(_log(row[column]))) for row in restarts[i]]
            path = f"M{places[0][0]:.1f},{places[0][1]:.1f}" + "".join(f"H{a:.1f}V{b:.1f}" for a, b in places[1:])
            colour, width = (ANSWER, 2) if i == best else (TARGET, 1.2)
            inside += (
                f'<g><title>restart {i}</title><path d="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
                f'<circle cx="{places[-1][0]:.1f}" cy="{places[-1][1]:.1f}" r="2.4" fill="{colour}"/></g>'
            )
    height = 2 * HEIGHT
    told = "" if best is None else f"blue: restart {best}, the best so far"
    inside += (
        f'<text x="{LEFT}" y="{height + 12}" fill="{ANSWER}">{told}</text>'
        f'<text x="{WIDTH - 4}" y="{height + 12}" text-anchor="end">'
        f"{max([0.0, *(seconds for seconds, _, _ in points)]):.0f} s</text>"
    )
    return _sheet(height + 18, f"Error and links of {len(restarts)} restarts", inside)


def _mark(y: float, text: str) -> str:
    """Draws a line across a panel, with its value on the left."""
    line = f'<line x1="{LEFT}" x2="{WIDTH - 4}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e3e3e3"/>'
    return f'{line}<text x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'


def _log(value: float) -> float:
    return math.log10(min(max(value, 1e-12), 1e9)) if math.isfinite(value) else 9.0


def _power(exponent: int) -> str:
    return f"{10**exponent:g}" if 0 <= exponent <= 4 else f"1e{exponent}"


def as_image(svg: str) -> str:
    """Returns a self-contained HTML image, for viewers that do not trust a page's own SVG."""
    import base64

    text = re.sub(r"<\?xml.*?\?>|<!DOCTYPE.*?>", "", svg, flags=re.S)
    return f'<img src="data:image/svg+xml;base64,{base64.b64encode(text.encode()).decode()}" style="max-width:100%"/>'


def _now(left: float, right: float, bottom: float) -> str:
    """Draws the cursor at a cycle, and a veil over later cycles."""
    at, height = (left + right) / 2, bottom - TOP - 4
    return (
        f'<rect data-future="" x="{right:.1f}" y="{TOP - 2}" width="{max(0.0, WIDTH - right):.1f}" height="{height}" '
        'fill="white" fill-opacity="0.65"/>'
        f'<line data-now="" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{bottom - 6}" stroke="#d1720c"/>'
    )


def _items(items: Sequence[tuple[int, str]], x: Callable[[float], float], y: float) -> str:
    """Writes items below their cycles; silence only where a cycle is wide enough."""
    cells, end, step = "", 0.0, x(1) - x(0)
    for t, item in items:
        width = 6.2 * len(item)
        middle = x(t + 0.5)
        if middle - width / 2 < end or (item == SILENCE and step < 6) or middle + width / 2 > WIDTH:
            continue
        cells += f'<text x="{middle:.1f}" y="{y}" text-anchor="middle">{html.escape(item)}</text>'
        end = middle + width / 2
    return f'<g font-family="DejaVu Sans Mono, Menlo, monospace">{cells}</g>' if cells else ""


def _panel(top: float, answers: np.ndarray, targets: np.ndarray | None) -> str:
    answers = np.where(np.isfinite(answers), np.clip(answers, -HUGE, HUGE), answers)
    targets = None if targets is None else np.where(np.isfinite(targets), np.clip(targets, -HUGE, HUGE), np.nan)
    finite = np.concatenate([x[np.isfinite(x)] for x in (answers, targets if targets is not None else answers)])
    low, high = (min(0.0, float(finite.min())), max(1.0, float(finite.max()))) if len(finite) else (0.0, 1.0)
    if targets is not None and np.isfinite(targets).any():  # a far-off answer must not squash the targets
        reach = max(1.0, float(np.nanmax(targets)) - min(0.0, float(np.nanmin(targets))))
        low, high = max(low, float(np.nanmin(targets)) - reach), min(high, float(np.nanmax(targets)) + reach)
    high = max(high, low + 1e-9 * max(1.0, abs(low)))
    low = 0.0 if abs(low) < 1e-3 * (high - low) else low  # no mark if it is invisible
    x, y = _scale(0, max(1, answers.shape[0]), LEFT, WIDTH - 4), _scale(low, high, top + HEIGHT - 6, top + TOP)
    marks = "".join(
        _mark(y(v), f"{v:.2g}")
        for v in (low, 0.0, high)
        if v != 0.0 or (low == 0.0 == v) or min(y(low) - y(0.0), y(0.0) - y(high)) > 11
    )
    told = ""
    seen, blur = answers[np.isfinite(answers)], 0.02 * (high - low)
    if len(seen) and (seen.min() < low - blur or seen.max() > high + blur):  # otherwise it is invisible
        told = (
            f'<text x="{WIDTH - 4}" y="{top + 12}" text-anchor="end" fill="{ANSWER}">'
            f"leaves the frame: {seen.min():.3g} to {seen.max():.3g}</text>"
        )
    wide = _steps(targets, x, y, low, high, TARGET, 4.5) if targets is not None else ""
    line = _steps(answers, x, y, low, high, ANSWER, 1.6)
    return f"{marks}{told}{wide}{line}"


def _steps(values: np.ndarray, x: Callable, y: Callable, low: float, high: float, colour: str, width: float) -> str:
    path, pen = "", "M"
    shown = np.clip(np.nan_to_num(values, nan=np.nan, posinf=high, neginf=low), low, high)
    for t, value in enumerate(shown):
        if math.isnan(value):
            pen = "M"
            continue
        path += f"{pen}{x(t):.1f},{y(value):.1f}H{x(t + 1):.1f}"
        pen = "L"
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def _scale(low: float, high: float, to_low: float, to_high: float) -> Callable[[float], float]:
    return lambda v: to_low + (v - low) / (high - low) * (to_high - to_low)


def _sheet(height: float, title: str, inside: str) -> str:
    return (
        f'<svg xmlns="{SVG}" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'font-family="DejaVu Sans, Verdana, sans-serif" font-size="10" fill="#333333"><title>{html.escape(title)}</title>'
        f'<rect width="100%" height="100%" fill="white"/>{inside}</svg>'
    )
