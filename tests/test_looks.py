"""What a circuit tells by its looks: weights by width, signs by colour and arrowhead; and labels that can all be read."""

import itertools
import subprocess
import sys

import pytest
from drawn_circuits import labels_and_boxes, overlap

from dmmlab import Machine
from dmmlab.core.neurons import ACCUM
from dmmlab.drawing.circuits import circuit
from dmmlab.drawing.line_styles import HARD, NEGATIVE, PALE, POSITIVE
from dmmlab.drawing.machine_pairs import side_by_side
from dmmlab.machines.canonical_form import canonical
from dmmlab.machines.detectors import handcrafted, published

SIXTEEN = published().unlink("compare-3-1.dict-2", "norm-2-1.norm").unlink("compare-5-1.dict-2", "dot-2-2.dot").unlink("compare-1-2.dict-1", "const_1.const_1")  # fmt: skip
MACHINES = {"8 links": handcrafted(), "14 links": canonical(published()), "16 links": SIXTEEN, "19 links": published()}
DEAD = handcrafted().with_neuron("idle", ACCUM).link("idle.dict-2", "input.char", 0.5)


def edges(drawing):
    """The lines of a drawing, by their tooltips without the weights."""
    return {edge["tooltip"].rpartition(": ")[0]: edge for edge in drawing.placed["edges"]}


def luminance(colour):
    """Relative luminance (WCAG 2): what is left of a colour in grey."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def of_weights(*weights):
    """A machine with these weights on links into one neuron each."""
    return Machine.build({f"accum-1-{i}.dict-2": {"input.char": w} for i, w in enumerate(weights)})


def test_lines_grow_and_darken_with_the_weight():
    sizes = [0.01, 0.1, 0.3, 0.5, 0.8, 1.0]
    for sign in (1, -1):
        drawn = edges(circuit(of_weights(*(sign * size for size in sizes)), dead="show"))
        lines = [drawn[f"accum-1-{i}.dict-2 <- input.char"] for i in range(len(sizes))]
        widths, shades = [float(line["penwidth"]) for line in lines], [luminance(line["color"]) for line in lines]
        assert widths == sorted(set(widths))
        assert shades == sorted(set(shades), reverse=True)
        assert widths[-1] > 2 * widths[0]


def test_the_largest_weight_sets_the_scale():
    one, ten = (edges(circuit(of_weights(a, a / 2), dead="show")) for a in (1.0, 10.0))
    assert [line["penwidth"] for line in one.values()] == [line["penwidth"] for line in ten.values()]


def test_the_sign_decides_colour_and_arrowhead():
    drawn = edges(circuit(of_weights(1.0, -1.0), dead="show"))
    plus, minus = (drawn[f"accum-1-{i}.dict-2 <- input.char"] for i in (0, 1))
    assert (plus["color"], minus["color"]) == (POSITIVE, NEGATIVE)
    assert "arrowhead" not in plus
    assert minus["arrowhead"] == "odot"
    assert (plus["label"].strip(), minus["label"].strip()) == ("1", "−1")
    hard = edges(circuit(handcrafted()))["accum.dict-1 <- accum.dict"]
    assert hard["color"] == HARD
    assert not hard.get("label", "").strip()


def test_colours_keep_apart_in_grey_and_stand_out_from_white():
    shades = sorted((luminance(colour) + 0.05) for colour in (POSITIVE, NEGATIVE, HARD))
    assert all(lighter / darker > 1.5 for darker, lighter in itertools.pairwise(shades))
    assert 1.05 / shades[-1] > 3  # what WCAG asks of graphics
    assert luminance(PALE) > 0.5


@pytest.mark.parametrize("dead", ["grey", "hide", "show"])
def test_dead_parts(dead):
    drawing = circuit(DEAD, dead=dead)
    line = edges(drawing).get("idle.dict-2 <- input.char")
    assert ("idle" in drawing.source) == (line is not None) == (dead != "hide")
    if line:
        assert (line["color"] == PALE) == (dead == "grey")
    live = edges(drawing)["accum.dict-2 <- input.char"]
    assert live["color"] == POSITIVE
    with pytest.raises(ValueError, match=r"unknown dead 'gray'; did you mean 'grey'\?"):
        circuit(DEAD, dead="gray")


def test_parallel_links_merge_into_one_line_with_a_list_of_weights():
    machine = published()
    apart, together = (circuit(machine, merge=merge).placed["edges"] for merge in (False, True))
    pairs = {(link.from_neuron, link.to_neuron, link.hard) for link in machine.links()}
    assert (len(apart), len(together)) == (machine.count() + machine.count(hard=True), len(pairs))
    (line,) = [edge for edge in together if edge["tooltip"].startswith("compare-4-2.dict-1 <- norm-2-1.norm: -0.6")]
    assert line["tooltip"] == "compare-4-2.dict-1 <- norm-2-1.norm: -0.6; compare-4-2.dict-2 <- norm-2-1.norm: 0.6"
    assert line["label"].strip() == "−0.60, 0.60"
    told = [tip for edge in together for tip in edge["tooltip"].split("; ")]
    assert sorted(told) == sorted(f"{link}: {link.weight:g}" for link in machine.links())


def test_many_parallel_links_are_counted():
    kind = ACCUM
    machine = Machine.build({"b.dict-1": {"a.dict": 0.5}, "b.dict-2": {"a.dict": 0.25}}, {"a": kind, "b": kind}, {})
    assert " 0.50, 0.25 " in circuit(machine, merge=True, dead="show").source
    compare = published().neurons["compare-3-1"]
    four = Machine.build({f"b.dict-{i}": {"a.true": 1.0, "a.false": 0.5} for i in (1, 2)}, {"a": compare, "b": compare}, {})
    assert " 4 links " in circuit(four, merge=True, dead="show").source


def test_what_was_cut_is_dotted_and_neurons_keep_their_places():
    machine = published().unlink("norm-2-1.dict", "input.char").without_neuron("compare-4-2")
    drawing, before = circuit(machine, cut=published()), circuit(published())
    cut = {str(link) for link in published().links()} - {str(link) for link in machine.links()}
    drawn = edges(drawing)
    assert {name for name, edge in drawn.items() if edge.get("style") == "dotted"} == cut
    assert all(drawn[name]["arrowhead"] == "none" for name in cut)
    places = [{thing["name"]: thing["pos"] for thing in d.placed["objects"] if "pos" in thing} for d in (drawing, before)]
    assert places[0] == places[1]


def heads(drawing):
    """Where each line arrives: the x and y of its tip, by its tooltip."""
    tips = [(edge["tooltip"], edge["pos"].split()[0]) for edge in drawing.placed["edges"]]
    return {name: tuple(map(float, tip.removeprefix("e,").split(","))) for name, tip in tips if tip.startswith("e,")}


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("merge", [False, True])
def test_no_two_heads_meet(name, merge):
    """An arrow and a ring are 4 to 6 points wide."""
    for (a, p), (b, q) in itertools.combinations(heads(circuit(MACHINES[name], merge=merge)).items(), 2):
        assert max(abs(p[0] - q[0]), abs(p[1] - q[1])) > 6, (a, b)


def test_a_port_of_very_many_lines_stays_narrow():
    machine = Machine.build({"norm.dict": {f"accum-1-{i}.dict": 1.0 for i in range(60)}})
    places = [x for name, (x, _) in heads(circuit(machine, dead="show")).items() if name.startswith("norm.dict <- ")]
    assert len(set(places)) == 60
    assert max(places) - min(places) < 130


def overlapping(placed):
    """Pairs of labels, and of a label and a neuron, that overlap."""
    labels, boxes = labels_and_boxes(placed)
    assert labels
    pairs = [*itertools.combinations(labels, 2), *itertools.product(labels, boxes)]
    return [(a, b) for a, b in pairs if overlap(a, b)]


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("options", [{}, {"hide": ["timer"]}, {"digits": 3}, {"merge": True}, {"cut": published().link("accum-1-2.dict-1", "input.char", 0.5)}], ids=lambda options: next(iter(options), "plain"))  # fmt: skip
def test_no_weight_covers_another_or_a_neuron(name, options):
    assert MACHINES[name].count() == int(name.split()[0])
    options = {} if "cut" in options and name == "8 links" else options
    assert overlapping(circuit(MACHINES[name], **options).placed) == []


@pytest.mark.parametrize("name", MACHINES)
def test_nor_does_one_side_by_side(name):
    assert overlapping(side_by_side(published(), MACHINES[name], ("a", "b")).placed) == []


def test_nor_in_the_sixteen_links_of_2022(reference):
    machine = Machine.from_json(reference / "published-16-link-machine.json")
    assert machine.count() == 16
    for options in ({}, {"hide": ["timer"]}, {"digits": 4}, {"merge": True}):
        assert overlapping(circuit(machine, **options).placed) == []


THREADS = """
import sys, threading
from dmmlab.drawing.bundles import bundle
from dmmlab.drawing.circuits import circuit
from dmmlab.machines.detectors import handcrafted, published
sys.setswitchinterval(1e-5)
drawings = [bundle(handcrafted()), circuit(handcrafted()), circuit(published()), bundle(published())]
right = [drawing.pipe("svg") for drawing in drawings]
wrong = []
def draw(drawing, right):
    wrong.extend(1 for _ in range(100) if drawing.pipe("svg") != right)
threads = [threading.Thread(target=draw, args=pair) for pair in zip(drawings, right)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
sys.exit(len(wrong))
"""


@pytest.mark.slow
def test_several_threads_can_draw_at_once():
    """As an attended training does while the reader runs other cells; in a process of its own, which may be aborted."""
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-500:]
