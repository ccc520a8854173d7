"""Measures how readable a circuit is, from the places that Graphviz gives to its parts.

Run as a script, it prints a table of the journal's circuits: ``python tests/drawn_circuits.py``.
"""

import itertools
from pathlib import Path
from typing import NamedTuple

from machines_by_hand import BY_HAND

from dmmlab import Machine, draw, handcrafted, published
from dmmlab.drawing.circuits import graph, layers
from dmmlab.drawing.tikz import as_shown

FIGURES = Path(__file__).parent.parent / "figures"
TASKS = FIGURES / "streaming-tasks"
SLACK = 1.0  # points: less of an overlap is not seen
COLUMN, PAGE = 3.4 * 72, 7.0 * 72  # points: the widths of a column and of a page
SMALLEST = 6.0  # points: of a letter that can be read
MOST_LINKS = 40  # of the circuits in the table

Box = tuple[float, float, float, float]  # left, low, right, high
Point = tuple[float, float]


class Counts(NamedTuple):
    """What is wrong with a circuit; its width, and the size of its smallest letters, in points."""

    label_on_label: int
    label_on_box: int
    line_through_label: int
    line_through_box: int
    crossings: int
    feedback_crossings: int
    width: float
    points: float


def measure(machine, drawing):
    """Counts the overlaps and the crossings of a drawing of the machine."""
    placed, rows = drawing.placed, layers(machine, graph(machine))
    labels, boxes = labels_and_boxes(placed)
    smallest = min(op["size"] for thing in every(placed) for op in thing.get("_ldraw_", ()) if op["op"] == "F")
    lines = []
    for edge in placed.get("edges", ()):
        to, source = (end.rpartition(".")[0] for end in as_shown(edge["tooltip"]).split(": ")[0].split(" <- "))
        lines.append((polyline(edge), rows[to] <= rows[source]))
    left, _, right, _ = map(float, placed["bb"].split(","))
    meetings = [feedback or other for (a, feedback), (b, other) in itertools.combinations(lines, 2) if cross(a, b)]
    return Counts(
        sum(overlap(a, b) for a, b in itertools.combinations(labels, 2)),
        sum(overlap(a, b) for a, b in itertools.product(labels, boxes)),
        sum(through(line, label) for (line, _), label in itertools.product(lines, labels)),
        sum(through(line[2:-2], box) for (line, _), box in itertools.product(lines, boxes)),
        meetings.count(False),
        meetings.count(True),
        right - left,
        smallest,
    )


def labels_and_boxes(placed):
    """The rectangles around the texts of links and at the starts of feedback, and those around neurons."""
    labels, boxes = [box for edge in placed.get("edges", ()) for box in texts(edge)], []
    for thing in placed.get("objects", ()):
        if "pos" not in thing or thing.get("style") == "invis":
            continue
        if any(op["op"] in "bpPB" for op in (*thing.get("_draw_", ()), *thing.get("_ldraw_", ()))):
            (x, y), w, h = map(float, thing["pos"].split(",")), 36 * float(thing["width"]), 36 * float(thing["height"])
            boxes.append((x - w, y - h, x + w, y + h))
        else:
            labels += texts(thing)
    return labels, boxes


def every(placed):
    return [*placed.get("objects", ()), *placed.get("edges", ())]


def texts(thing):
    """The boxes around the texts of a node or of a link."""
    size, found = 0.0, []
    for op in thing.get("_ldraw_", ()):
        if op["op"] == "F":
            size = op["size"]
        elif op["op"] == "T" and op["text"].strip():
            x, y = op["pt"]
            blank = op["width"] * (1 - len(op["text"].strip()) / len(op["text"]))
            x += {"l": 0.5, "c": 0.0, "r": -0.5}[op["align"]] * op["width"]
            half = (op["width"] - blank) / 2
            found.append((x - half, y - 0.05 * size, x + half, y + 0.75 * size))
    return found


def polyline(edge, steps=12):
    """A link as points along its spline, from its start to its tip."""
    points = [tuple(map(float, part.split(","))) for part in edge["pos"].split() if part[0] not in "es"]
    found = [points[0]]
    for i in range(0, len(points) - 3, 3):
        p, q, r, s = points[i : i + 4]
        for k in range(1, steps + 1):
            t = k / steps
            weights = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3
            found.append(tuple(sum(w * z[i] for w, z in zip(weights, (p, q, r, s), strict=True)) for i in (0, 1)))
    tips = [part[2:] for part in edge["pos"].split() if part.startswith("e,")]
    return [*found, *(tuple(map(float, tip.split(","))) for tip in tips)]


def overlap(a, b):
    return min(a[2], b[2]) - max(a[0], b[0]) > SLACK and min(a[3], b[3]) - max(a[1], b[1]) > SLACK


def through(line, box):
    """Whether a line runs through a box, not only along its edge."""
    x0, y0, x1, y1 = box[0] + SLACK, box[1] + SLACK, box[2] - SLACK, box[3] - SLACK
    corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    sides = list(zip(corners, corners[1:] + corners[:1], strict=True))
    inside = any(x0 < x < x1 and y0 < y < y1 for x, y in line)
    return inside or any(meet(a, b, c, d) for a, b in itertools.pairwise(line) for c, d in sides)


def cross(a, b, near=7.0):
    """Whether two lines cross, other than at an end that they share."""
    shared = [p for p in (a[0], a[-1]) for q in (b[0], b[-1]) if distance(p, q) < near]
    for p, q in itertools.pairwise(a):
        for r, s in itertools.pairwise(b):
            point = meet(p, q, r, s)
            if point and all(distance(point, end) > near for end in shared):
                return True
    return False


def distance(p, q):
    return ((p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2) ** 0.5


def meet(p, q, r, s):
    """The point at which two line segments cross; None if they do not."""
    dx, dy, ex, ey = q[0] - p[0], q[1] - p[1], s[0] - r[0], s[1] - r[1]
    area = dx * ey - dy * ex
    if abs(area) < 1e-9:
        return None
    t = ((r[0] - p[0]) * ey - (r[1] - p[1]) * ex) / area
    u = ((r[0] - p[0]) * dy - (r[1] - p[1]) * dx) / area
    return (p[0] + t * dx, p[1] + t * dy) if 0 <= t <= 1 and 0 <= u <= 1 else None


def tasks():
    """The machines of the streaming tasks, by name."""
    return {path.parent.name: shown(Machine.from_json(path)) for path in sorted(TASKS.glob("*/machine.json"))}


def by_hand():
    """The detectors of the journal, and the machines that were written by hand, by name."""
    written = {name: shown(machine) for name, (machine, _) in BY_HAND.items()}
    return {"handcrafted": shown(handcrafted()), "published": shown(published()), **written}


def shown(machine):
    live = machine.live()
    return live.without_neuron("timer") if "timer" in live.neurons else live


def table(machines):
    """Lines of a table of counts, one for each machine, and a line of sums."""
    counts = {name: (machine.count(), measure(machine, draw(machine))) for name, machine in machines.items()}
    yield f"{'':30}links  on-label on-box line-through-label line-through-box crossings by-feedback  width"
    for name, (links, row) in counts.items():
        yield f"{name:30}{links:5} " + " ".join(f"{n:5}" for n in row[:6]) + f"   {row.width:6.0f}"
    yield f"{'sum':36}" + " ".join(f"{sum(row[i] for _, row in counts.values()):5}" for i in range(6))


if __name__ == "__main__":
    print("\n".join(table({name: m for name, m in {**by_hand(), **tasks()}.items() if m.count() <= MOST_LINKS})))
