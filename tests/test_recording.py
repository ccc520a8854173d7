"""A recorded run: what is painted is what flowed, and no string makes a picture that cannot be shown."""

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from dmmlab import Machine
from dmmlab.core.engine import answers, run
from dmmlab.core.errors import LabError
from dmmlab.core.neurons import INPUT, TIMER
from dmmlab.core.streams import characters
from dmmlab.core.vvalues import max_norm, number, scale
from dmmlab.drawing.line_styles import HARD, NEGATIVE, PALE, POSITIVE
from dmmlab.drawing.vvalue_text import show
from dmmlab.explorers.recording import AROUND, LONGEST, MOST, Recording
from dmmlab.explorers.svg_curves import SVG, XLINK
from dmmlab.machines.detectors import handcrafted, published
from dmmlab.synthesis.catalogue import PROBLEMS

DUPLICATES = PROBLEMS["duplicates"]
ODD = ["a", ".", " ", "\n\t\x00\x0b\x7f", "<b>&\"']]>", "αβ😀\u202e\ud7ff\ufffe", "::number", ":number", "a" * 60, "ab." * 4]


def links(svg):
    """Of each link in a picture, by its name: tooltip, colour, width."""
    found = {}
    for group in ElementTree.fromstring(svg).iter(f"{{{SVG}}}g"):
        if group.get("class") == "edge":
            anchor, path = group.find(f".//{{{SVG}}}a"), group.find(f".//{{{SVG}}}path")
            tip = anchor.get(f"{{{XLINK}}}title")
            found[tip.partition(": ")[0]] = (tip, path.get("stroke"), float(path.get("stroke-width")))
    return found


def neurons(svg):
    groups = [group for group in ElementTree.fromstring(svg).iter(f"{{{SVG}}}g") if group.get("class") == "node"]
    return [group.find(f".//{{{SVG}}}a").get(f"{{{XLINK}}}title") for group in groups]


@pytest.fixture(scope="module")
def recording():
    return Recording(published(), "test string.", 10, DUPLICATES)


def test_it_records_what_the_engine_does(recording):
    states = list(run(published(), characters("test string."), 140))
    assert recording.states == states
    given = answers(published(), characters("test string."), 140)
    assert recording.names == ["output.dict-1", "output.dict-2"]
    for row, field in zip(recording.answers, ("dict-1", "dict-2"), strict=True):
        assert row == pytest.approx([float(number(answer.get(field, 0.0))) for answer in given])


def test_targets_and_the_error(recording):
    exact = Recording(handcrafted(), "test string.", 10, DUPLICATES)
    assert exact.error == 0.0
    assert recording.error == pytest.approx(np.nanmax(np.abs(recording.answers - recording.targets)))
    assert recording.error > 0.01
    assert Recording(published(), "noon").error is None
    assert Recording(published(), "noon", problem=PROBLEMS["characters"]).error is None  # it asks for one answer


@pytest.mark.parametrize("t", [0, 1, 2, 4, 30, 33, 139])
def test_what_is_painted_is_weight_times_what_was_emitted_a_cycle_before(recording, t):
    painted = links(recording.circuit(t))
    visible = [link for link in published().links() if "timer" not in (link.from_neuron, link.to_neuron)]
    assert set(painted) == {str(link) for link in visible}
    for link in visible:
        before = recording.states[t - 1].outputs.get(link.from_neuron, {}).get(link.from_field, {}) if t else {}
        v = scale(float(link.weight), before)
        tip, colour, width = painted[str(link)]
        assert tip == f"{link}: {show(v, 4)}"
        sign = HARD if link.hard else POSITIVE if link.weight > 0 else NEGATIVE
        assert colour == (sign if max_norm(v) else PALE)
        assert width == pytest.approx(1 + min(4, 1.3 * math.log1p(max_norm(v))) if max_norm(v) else 0.7, abs=0.01)


def test_what_arrives_is_the_sum_of_what_is_painted():
    recording = Recording(handcrafted(), "noon.", 2)
    assert any(tip.startswith("output: dict-1 = 1, dict-2") for tip in neurons(recording.circuit(12)))
    for t in (3, 9, 12):
        tip, *_ = links(recording.circuit(t))["output.dict-1 <- compare.true"]
        assert tip.partition(": ")[2] == show(recording.states[t].inputs.get("output", {}).get("dict-1", {}), 4)


def test_the_circuit_stands_still(recording):
    """Whatever flows, the same shapes in the same places."""
    pictures = {re.sub(r'(xlink:title|stroke|stroke-width|fill)="[^"]*"', "", recording.circuit(t)) for t in (0, 5, 60, 139)}
    assert len(pictures) == 1


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_any_string_gives_pictures_that_are_xml(text):
    recording = Recording(published(), text, 3, DUPLICATES)
    for t in range(0, recording.cycles, max(1, recording.cycles // 6)):
        for picture in (recording.circuit(t), recording.curves(t), recording.curves(), f"<p>{recording.cursor(t)}</p>"):
            ElementTree.fromstring(picture)
        tips = [tip for tip, *_ in links(recording.circuit(t)).values()] + neurons(recording.circuit(t))
        assert all(0 < len(tip) <= LONGEST for tip in tips)
        assert all(isinstance(part, str) for row in recording.values(t) for part in row)


def test_a_string_of_10_000_characters():
    recording = Recording(published(), "noon" * 2500, 10, DUPLICATES)
    assert recording.cycles == MOST == recording.answers.shape[1]
    assert recording.note == "10,000 characters: the first 400 of 100,020 cycles are shown"
    assert len(recording.cursor(MOST - 1)) < 200
    assert len(recording.circuit(MOST - 1)) < 100_000
    many = Recording(handcrafted(), "".join(map(chr, range(0x4E00, 0x4E00 + 10_000))), 1)
    assert all(len(tip) <= LONGEST for tip, *_ in links(many.circuit(399)).values())
    assert Recording(published(), "noon").note == ""


def test_the_cursor_marks_the_character_of_the_cycle(recording):
    marks = [re.search("<mark>(.*)</mark>", recording.cursor(t))[1] for t in (0, 9, 10, 40, 110, 119, 139)]
    assert marks == ["t", "t", "e", "␣", ".", ".", "."]
    plain = re.sub("</?mark>", "", recording.cursor(70))
    assert plain == "test␣string."
    long = Recording(handcrafted(), "<" * 100, 1).cursor(50)
    assert long.count("&lt;") == 2 * AROUND + 1
    assert long.startswith("…")
    assert long.endswith("…")
    assert Recording(handcrafted(), "\n\x00\u202e").cursor(0) == "<mark>⏎</mark>\ufffd\ufffd"


def test_curves_show_answers_up_to_the_cycle_and_right_ones_from_the_beginning(recording):
    for t, cycles in ((0, 1), (40, 41), (None, 140)):
        wide, line, *_ = re.findall(r'<path d="([^"]*)"', recording.curves(t))
        assert (wide.count("H"), line.count("H")) == (np.isfinite(recording.targets[0]).sum(), cycles)


def test_values_are_what_is_emitted(recording):
    told = dict(recording.values(30))
    emitted = recording.states[30].outputs
    assert told["accum-1-2.dict"] == show(emitted["accum-1-2"]["dict"], 4)
    assert list(told) == sorted(told)


@pytest.mark.parametrize("period", [1, 2, 100])
def test_periods(period):
    recording = Recording(handcrafted(), "noon.", period, DUPLICATES)
    assert recording.cycles == min(MOST, 5 * period + 20)
    assert recording.error == 0.0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"text": ""}, "an empty stream: give at least one character or item"),
        ({"text": "\ud800"}, "expected text"),
        ({"period": 0}, "period 0: expected a whole number of cycles from 1 on"),
        ({"cycles": -1}, "expected a whole number from 0 on"),
        ({"machine": Machine.build({}, {"input": INPUT, "timer": TIMER})}, "no output neuron, so it answers nothing"),
        ({"machine": handcrafted().link("norm.dict", "accum.dict", 1e200).link("dot.dict-2", "accum.dict", 1e200).link("accum.dict-2", "input.char", 1e200)}, "finite"),
    ],
)  # fmt: skip
def test_errors_are_one_line(given, message):
    with pytest.raises(LabError, match=rf"^[^\n]*{message}[^\n]*$"):
        Recording(**{"machine": handcrafted(), "text": "noon", **given})


def test_a_machine_without_links_answers_nothing():
    recording = Recording(handcrafted().with_soft({}), "noon", 10, DUPLICATES)
    assert not recording.answers.any()
    assert recording.error == np.nanmax(recording.targets)
    assert set(links(recording.circuit(3))) <= {"accum.dict-1 <- accum.dict"}
    ElementTree.fromstring(recording.circuit(3))
