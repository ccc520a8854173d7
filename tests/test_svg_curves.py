"""Small pictures: whatever the numbers, they are XML, and nothing is drawn outside."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import example, given, strategies as st

from dmmlab.drawing.circuits import circuit
from dmmlab.explorers.svg_curves import (
    LEFT,
    SVG,
    WIDTH,
    XLINK,
    Paint,
    answer_curves,
    as_image,
    flow_paint,
    inline,
    loss_curve,
    painted,
)
from dmmlab.machines.detectors import handcrafted

NAN, INF = float("nan"), float("inf")
numbers = st.floats(width=64) | st.sampled_from([0.0, -0.0, 1.0, NAN, INF, -INF, 1e308, -1e308, 5e-324])


@st.composite
def runs(draw):
    """Names, answers given, right answers or None, and a cycle or None."""
    rows, cycles = draw(st.integers(1, 3)), draw(st.integers(1, 6))
    array = st.lists(st.lists(numbers, min_size=cycles, max_size=cycles), min_size=rows, max_size=rows).map(np.array)
    names = draw(st.lists(st.text("ab<&\"' é😀", max_size=8), min_size=rows, max_size=rows))
    return names, draw(array), draw(st.none() | array), draw(st.none() | st.integers(0, cycles - 1))


def checked(svg):
    """The picture as a tree, once all that is drawn is known to be inside."""
    root = ElementTree.fromstring(svg)
    _, _, width, height = map(float, root.get("viewBox").split())
    assert "nan" not in re.sub(r">[^<]*<", "><", svg).lower()
    assert not re.search(r'"[^"<>]*\binf\b', svg)
    for shape in root.iter():
        xs = [float(shape.get(key)) for key in ("x", "x1", "x2") if shape.get(key)]
        ys = [float(shape.get(key)) for key in ("y", "y1", "y2") if shape.get(key)]
        if shape.tag == f"{{{SVG}}}path":
            for command, place in re.findall(r"([MLH])([^MLH]*)", shape.get("d")):
                x, *y = map(float, place.split(","))
                xs.append(x)
                ys += y
                assert len(y) == (command != "H")
        if shape.get("points"):
            pairs = [pair.split(",") for pair in shape.get("points").split()]
            xs, ys = [float(x) for x, _ in pairs], [float(y) for _, y in pairs]
        assert all(0 <= x <= width for x in xs)
        assert all(0 <= y <= height for y in ys)
    return root


@given(runs())
@example((["a"], np.array([[NAN]]), np.array([[NAN]]), 0))
@example((["a"], np.array([[1e308, -1e308]]), np.array([[1e308, -1e308]]), 0))
@example((["a"], np.array([[INF, 1.0]]), np.array([[-INF, NAN]]), 1))
@example((["a"], np.array([[3.4e38, -3.4e38]], np.float32), np.array([[1.0, NAN]], np.float32), None))
@example((["a"], np.array([[0.0]]), np.array([[-9007199254740996.0]]), None))
@example((["a"], np.array([[3.0]]), None, None))
@example((["a"], np.zeros((1, 5)), np.full((1, 5), 1e30), None))
def test_answers_are_drawn_inside_whatever_they_are(run):
    names, *_ = run
    root = checked(answer_curves(*run))
    assert [text.text for text in root.iter(f"{{{SVG}}}text") if text.get("font-weight")] == [name or None for name in names]


@given(
    st.lists(st.tuples(st.integers(0, 10**7), numbers), min_size=1, max_size=8).map(lambda points: sorted(points, key=lambda p: p[0])),
    st.lists(st.integers(0, 10**7), max_size=3),
)  # fmt: skip
@example([(0, NAN)], [])
@example([(0, 1.0)], [0])
@example([(0, 0.0), (10, 0.0)], [10])
@example([(0, 1.0), (10, 1.0)], [])
def test_losses_are_drawn_inside_whatever_they_are(losses, cuts):
    steps = [cut for cut in cuts if cut <= losses[-1][0]]
    checked(loss_curve(losses, steps[:1], steps[1:]))


def test_cuts_and_returns_are_told_apart():
    page = loss_curve([(0, 1.0), (10, 0.1), (20, 0.01)], [10], [20])
    assert page.count('stroke-dasharray="3 3"') == page.count('stroke-dasharray="1 3"') == 2
    assert "links were cut" in page
    assert "went back" in page
    assert "went back" not in loss_curve([(0, 1.0), (10, 0.1)], [10])


def test_answers_are_where_they_belong():
    root = checked(answer_curves(["out"], np.array([[0.0, 1.0, NAN, 0.5]]), np.array([[0.0, 1.0, 1.0, NAN]]), 1))
    right, given = (path.get("d") for path in root.iter(f"{{{SVG}}}path"))
    assert given.count("M") == 2  # a gap where there is no number
    assert right.count("M") == 1
    heights = [float(y) for y in re.findall(r"[ML][\d.]+,([\d.]+)", given)]
    assert heights[1] < heights[2] < heights[0]
    assert heights[2] == pytest.approx((heights[0] + heights[1]) / 2, abs=0.1)
    (mark,) = [line for line in root.iter(f"{{{SVG}}}line") if line.get("data-now") is not None]
    assert float(mark.get("x1")) == pytest.approx(LEFT + 1.5 / 4 * (WIDTH - 4 - LEFT), abs=0.1)


def test_what_comes_after_the_cursor_is_veiled():
    root = checked(answer_curves(["a", "b"], np.zeros((2, 4)), None, 1))
    (veil,) = [shape for shape in root.iter(f"{{{SVG}}}rect") if shape.get("data-future") is not None]
    assert float(veil.get("x")) == pytest.approx(LEFT + 2 / 4 * (WIDTH - 4 - LEFT), abs=0.1)
    assert (root.get("data-left"), root.get("data-right")) == (str(LEFT), str(WIDTH - 4))


def test_only_an_answer_that_is_seen_to_leave_the_frame_is_told_of():
    right = np.array([[0.0, 1.0]])
    told = [answer_curves(["out"], np.array([[x, 1.0]]), right) for x in (-7.51e-06, -0.01, -2.0)]
    assert ["leaves the frame" in svg for svg in told] == [False, False, True]


@pytest.mark.parametrize(("cycles", "items", "seen"), [
    (4, [(0, "a"), (1, "·"), (3, "b")], "a·b"),
    (100, [(0, "a"), (1, "·"), (3, "b")], "ab"),
    (300, [(i, "a") for i in range(300)], "a" * 50),
    (3, [(0, "<&"), (2, "word" * 40)], "<&"),
])  # fmt: skip
def test_items_stand_where_they_were_read_as_far_as_there_is_room(cycles, items, seen):
    root = checked(answer_curves(["out"], np.zeros((1, cycles)), None, None, items))
    texts = [text for text in root.iter(f"{{{SVG}}}text") if text.get("text-anchor") == "middle"]
    assert "".join(text.text for text in texts)[:50] == seen
    for (t, _), text in zip(items[:1], texts, strict=False):
        assert float(text.get("x")) == pytest.approx(LEFT + (t + 0.5) / cycles * (WIDTH - 4 - LEFT), abs=0.1)


def test_an_answer_that_is_far_off_does_not_squash_the_right_ones():
    right = np.array([[0.0, 1.0, 2.0]])
    heights = []
    for far in (2.0, 1e6):
        root = checked(answer_curves(["out"], np.array([[0.0, 1.0, far]]), right))
        heights.append([float(y) for y in re.findall(r"[ML][\d.]+,([\d.]+)", next(root.iter(f"{{{SVG}}}path")).get("d"))])
    assert heights[1][0] - heights[1][2] > 0.45 * (heights[0][0] - heights[0][2])


def test_losses_fall_on_a_logarithmic_scale_and_long_runs_stay_small():
    points = next(checked(loss_curve([(0, 1.0), (10, 0.1), (20, 0.01)])).iter(f"{{{SVG}}}polyline")).get("points")
    ys = [float(pair.split(",")[1]) for pair in points.split()]
    assert ys[1] - ys[0] == pytest.approx(ys[2] - ys[1], abs=0.15)
    assert ys[0] < ys[1]
    long = loss_curve([(10 * i, 1 / (i + 1)) for i in range(100_000)], [500])
    assert len(long) < 20_000
    assert long.count("stroke-dasharray") == 2  # the mark, and what it means
    assert "links were cut" in long


def test_painted_links_and_neurons_and_no_others():
    svg = inline(circuit(handcrafted()))
    paint = {"norm.dict <- accum.dict": Paint("#123456", 3.0, "a <tip> & 'more'")}
    root = ElementTree.fromstring(painted(svg, paint, {"accum": "A"}))
    tips = [a.get(f"{{{XLINK}}}title") for a in root.iter(f"{{{SVG}}}a")]
    before = [a.get(f"{{{XLINK}}}title") for a in ElementTree.fromstring(svg).iter(f"{{{SVG}}}a")]
    changed = [(a, b) for a, b in zip(before, tips, strict=True) if a != b]
    assert changed == [("norm.dict <- accum.dict: 1", "a <tip> & 'more'"), ("accum", "A")] or changed[::-1] == [("norm.dict <- accum.dict: 1", "a <tip> & 'more'"), ("accum", "A")]  # fmt: skip
    assert [p.get("stroke-width") for p in root.iter(f"{{{SVG}}}path") if p.get("stroke") == "#123456"] == ["3.00"]


def test_what_flows_is_the_wider_the_larger():
    link = next(handcrafted().links())
    widths = [flow_paint(link, size, "").width for size in (0, 1e-9, 0.1, 1, 10, 1e300, INF)]
    assert widths == sorted(widths)
    assert widths[0] < 1 <= widths[1]
    assert widths[-1] == 5.0


def test_an_image_holds_the_whole_picture():
    import base64

    made = as_image(circuit(handcrafted()).pipe("svg").decode())
    inside = base64.b64decode(re.search(r"base64,([^\"]*)", made)[1]).decode()
    assert ElementTree.fromstring(inside).tag == f"{{{SVG}}}svg"
    assert "<!DOCTYPE" not in inside
