"""Large networks as bundles and as matrices: every link is there once, the heaviest on top, and soon."""

import html
import re
import time

import jax
import matplotlib.colors
import numpy as np
import pytest

from dmmlab import Machine
from dmmlab.core.errors import LabError
from dmmlab.drawing.bundles import bundle
from dmmlab.drawing.plots import plot_matrix, save_matrix
from dmmlab.machines.detectors import handcrafted, published
from dmmlab.machines.networks import feedforward, recurrent

MACHINES = {
    "handcrafted": handcrafted,
    "published": published,
    "feedback": lambda: handcrafted().link("accum.dict-2", "compare.false", -0.5).link("norm.dict", "dot.dot", 2.0),
    "1486 links": lambda: feedforward(5, 2).random(jax.random.key(0)),
    "recurrent": lambda: recurrent(2).random(jax.random.key(0)),
    "a name of some length": lambda: Machine.build({"norm-" + "x" * 60 + ".dict": {"input.char": 1.0, "eos.char": -1.0}}),
    "hard alone": lambda: handcrafted().with_soft({}),
    "no link": lambda: Machine.build({}, ["input", "output"], {}),
}


@pytest.fixture(scope="module", params=MACHINES)
def machine(request):
    return MACHINES[request.param]()


@pytest.fixture(scope="module")
def placed(machine):
    return bundle(machine, title="a title").placed


def boxes(placed):
    """Of each neuron: left, low, right, high."""
    found = {}
    for thing in placed.get("objects", []):
        if "pos" in thing and thing.get("style") != "invis" and thing.get("shape") != "plaintext":
            (x, y), w, h = map(float, thing["pos"].split(",")), 36 * float(thing["width"]), 36 * float(thing["height"])
            found[thing["name"]] = (x - w, y - h, x + w, y + h)
    return found


def splines(placed):
    return [[tuple(map(float, xy.split(","))) for xy in edge["pos"].split()] for edge in placed.get("edges", [])]


def test_neurons_stand_where_they_stood_before_links_were_cut():
    whole = MACHINES["1486 links"]()
    few = whole.with_soft({"output": {"dict-1": {"input": {"char": 1.0}}}})
    kept, moved = boxes(bundle(few, like=whole).placed), boxes(bundle(few).placed)
    assert kept == boxes(bundle(whole).placed) != moved
    with pytest.raises(LabError, match="like: a machine of the same neurons is needed"):
        bundle(few, like=handcrafted())


def test_every_link_is_drawn_once_and_the_heaviest_last(machine, placed):
    edges = placed.get("edges", [])
    tips = [edge["tooltip"] for edge in edges]
    assert sorted(tips) == sorted(f"{link}: {link.weight:g}" for link in machine.links())
    by_tip = {f"{link}: {link.weight:g}": link for link in machine.links()}
    order = [(by_tip[tip].hard, abs(by_tip[tip].weight)) for tip in tips]
    assert order == sorted(order)
    soft = [float(edge["penwidth"]) for edge in edges if not by_tip[edge["tooltip"]].hard]
    assert soft == sorted(soft)


def test_the_picture_keeps_the_order_and_has_neurons_above_links(machine, placed):
    svg = html.unescape(bundle(machine).pipe("svg").decode())
    tips = re.findall('xlink:title="([^"]*: [^"]*)"', svg)
    assert tips == [edge["tooltip"] for edge in placed.get("edges", [])]
    assert 'class="edge"' not in svg or svg.rindex('class="edge"') < svg.index('class="node"')


def test_neurons_do_not_overlap_and_are_all_there(machine, placed):
    found = boxes(placed)
    assert set(found) == set(machine.neurons)
    for one, (left, low, right, high) in found.items():
        for other, (left2, low2, right2, high2) in found.items():
            apart = right < left2 or right2 < left or high < low2 or high2 < low
            assert one == other or apart, (one, other)


def test_links_leave_above_and_arrive_below(machine, placed):
    found = boxes(placed)
    ends = {edge["tooltip"]: spline for edge, spline in zip(placed.get("edges", []), splines(placed), strict=True)}
    for link in machine.links():
        points = ends[f"{link}: {link.weight:g}"]
        (left, _, right, high), (left2, low2, right2, _) = found[link.from_neuron], found[link.to_neuron]
        assert left <= points[0][0] <= right
        assert points[0][1] == pytest.approx(high, abs=0.2)
        assert left2 <= points[-1][0] <= right2
        assert points[-1][1] == pytest.approx(low2, abs=0.2)
        assert points[1][1] > points[0][1]
        assert points[-2][1] < points[-1][1]


def test_feedback_goes_around_on_the_right():
    placed = bundle(MACHINES["feedback"]()).placed
    (lane,) = [s for e, s in zip(placed["edges"], splines(placed), strict=True) if "accum.dict-2 <- compare" in e["tooltip"]]  # fmt: skip
    assert max(x for x, _ in lane) > max(lane[0][0], lane[-1][0]) + 20


def test_the_title_is_clear_of_neurons_and_feedback():
    placed = bundle(handcrafted(), title="a title").placed
    (title,) = [thing for thing in placed["objects"] if thing["name"] == ":title"]
    top = float(title["pos"].split(",")[1]) + 6  # half a line
    assert top < min(y for spline in splines(placed) for _, y in spline)
    assert top < min(low for _, low, _, _ in boxes(placed).values())


def test_hidden_neurons_and_names_that_a_bundle_uses_itself():
    assert "timer" not in boxes(bundle(handcrafted(), hide=["timer"]).placed)
    norm = handcrafted().neurons["norm"]
    machine = handcrafted().with_neuron("links from", norm).with_neuron("title", norm).with_neuron("from", norm)
    assert set(boxes(bundle(machine, title="x").placed)) == set(machine.neurons)
    with pytest.raises(ValueError, match="unknown neuron 'tmier'; did you mean 'timer'"):
        bundle(handcrafted(), hide=["tmier"])


def test_a_name_in_angle_brackets_is_shown_as_it_is():
    machine = handcrafted().with_neuron("<b>", handcrafted().neurons["norm"])
    assert "&lt;b&gt;</text>" in bundle(machine).pipe("svg").decode()


@pytest.mark.slow
def test_1486_links_take_some_seconds_at_most(tmp_path):
    machine = MACHINES["1486 links"]()
    assert machine.count() == 1486
    for draw in (lambda: bundle(machine).save_as(tmp_path / "b.pdf"), lambda: save_matrix(machine, tmp_path / "m.pdf")):
        began = time.monotonic()
        draw()
        assert time.monotonic() - began < 10


def image_of(figure):
    (image,) = figure.axes[0].get_images()
    return image


def test_a_coloured_cell_for_every_soft_link(machine):
    if not list(machine.links()):
        with pytest.raises(LabError, match="without links"):
            plot_matrix(machine)
        return
    figure = plot_matrix(machine, "a title")
    cells = np.ma.filled(image_of(figure).get_array().astype(float), np.nan)
    there = cells[~np.isnan(cells)]
    assert sorted(there) == pytest.approx(sorted(link.weight for link in machine.links() if not link.hard))
    (marks,) = [c for c in figure.axes[0].collections if len(c.get_offsets())] or [None]
    assert (0 if marks is None else len(marks.get_offsets())) == machine.count(hard=True)
    if marks is not None:
        assert np.isnan([cells[int(y), int(x)] for x, y in marks.get_offsets()]).all()
    ports = {(link.to_neuron, link.to_field) for link in machine.links()}, {link[2:4] for link in machine.links()}
    assert cells.shape == tuple(map(len, ports))
    names = [
        [text.get_text() for text in ticks] for ticks in (figure.axes[0].get_yticklabels(), figure.axes[0].get_xticklabels())
    ]
    assert [sorted(each) for each in names] == [sorted({port[0] for port in side}) for side in ports]


def test_colours_of_a_matrix_tell_the_sign():
    image = image_of(plot_matrix(published()))
    colours = {w: matplotlib.colors.to_rgb(image.cmap(image.norm(w))) for w in (-1.29, -0.3, 0.3, 1.09)}
    for w, (red, _, blue) in colours.items():
        assert (blue > red) == (w > 0)
    assert sum(colours[-1.29]) < sum(colours[-0.3])
    assert sum(colours[1.09]) < sum(colours[0.3])


@pytest.mark.slow
def test_a_matrix_as_a_file_is_the_same_each_time(tmp_path):
    paths = [tmp_path / f"{n}.{kind}" for kind in ("svg", "pdf", "png") for n in (1, 2)]
    for path in paths:
        save_matrix(handcrafted(), path, "title")
    assert all(one.read_bytes() == other.read_bytes() for one, other in zip(paths[::2], paths[1::2], strict=True))
    with pytest.raises(LabError, match=r"x\.gif: a matrix or a plot is drawn as one of \.svg"):
        save_matrix(handcrafted(), tmp_path / "x.gif")


@pytest.mark.slow
def test_no_time_in_an_eps_file(tmp_path):
    save_matrix(handcrafted(), tmp_path / "x.eps")
    assert not re.search(rb"CreationDate:.*\d\d:\d\d:\d\d", (tmp_path / "x.eps").read_bytes())
