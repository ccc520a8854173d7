"""A recorded run: what is painted is what flowed, and no string makes a picture that cannot be shown."""

import gzip
import json
import math
import re
from xml.etree import ElementTree

import jax
import numpy as np
import pytest

from dmmlab import Machine
from dmmlab.core.engine import answers, run
from dmmlab.core.errors import LabError
from dmmlab.core.neurons import INPUT, TIMER
from dmmlab.core.streams import Stream, characters, symbols
from dmmlab.core.vvalues import max_norm, number, scale
from dmmlab.drawing.line_styles import HARD, NEGATIVE, PALE, POSITIVE, mixed
from dmmlab.drawing.vvalue_text import show
from dmmlab.explorers.recording import LONGEST, MOST_CYCLES, Recording, brief
from dmmlab.explorers.run_player import LEAVES, packed_run, run_data
from dmmlab.explorers.svg_curves import SVG, XLINK
from dmmlab.machines.detectors import handcrafted, published
from dmmlab.problems.catalogue import PROBLEMS

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
        assert colour == (sign if max_norm(v) else mixed(sign, 0.5))
        assert width == pytest.approx(1 + min(4, 1.3 * math.log1p(max_norm(v))) if max_norm(v) else 0.8, abs=0.01)


def test_what_flows_is_written_beside_the_weight(recording):
    for t in (0, 34, 139):
        for group in ElementTree.fromstring(recording.circuit(t)).iter(f"{{{SVG}}}g"):
            if group.get("class") == "edge":
                tip = group.find(f".//{{{SVG}}}a").get(f"{{{XLINK}}}title")
                link = next(link for link in published().links() if str(link) == tip.partition(": ")[0])
                written = [text.text for text in group.iter(f"{{{SVG}}}text")][-1:]
                flows = brief(recording.flow(link, t))
                assert (written[0] or "").strip() == flows if written else not flows


@pytest.mark.parametrize(("v", "text"), [(0.0, ""), ({}, ""), (-0.676, "-0.676"), ({"t": 1.52}, "t 1.52"), ({"t": 1.52, "e": 1}, "t 1.52 …"),
    ({"word": {"length": 4.0}}, "word le… 4"), ({"a": 1e-7, ":number": 2}, "a 1e-07 …"), ({" ": 1.0}, "␣ 1")])  # fmt: skip
def test_v_values_in_few_characters(v, text):
    assert brief(v) == text


def test_a_link_that_cannot_matter_is_grey_whatever_it_carries():
    machine = handcrafted().unlink("output.dict-1", "compare.true")
    recording = Recording(machine, "noon.", 2)
    painted, live = links(recording.circuit(8)), {str(link) for link in machine.live().links()}
    assert painted["compare.dict-1 <- norm.norm"][1:] == (PALE, 0.7)
    assert {colour for name, (_, colour, _) in painted.items() if name in live}.isdisjoint({PALE})
    tip, *_ = painted["compare.dict-1 <- norm.norm"]
    assert not tip.endswith(": 0")  # it carries something


def test_what_arrives_is_the_sum_of_what_is_painted():
    recording = Recording(handcrafted(), "noon.", 2)
    assert any(tip.startswith("output: dict-1 = 1, dict-2") for tip in neurons(recording.circuit(12)))
    for t in (3, 9, 12):
        tip, *_ = links(recording.circuit(t))["output.dict-1 <- compare.true"]
        assert tip.partition(": ")[2] == show(recording.states[t].inputs.get("output", {}).get("dict-1", {}), 4)


def test_the_circuit_stands_still(recording):
    """Whatever flows, the same shapes in the same places."""
    pictures = set()
    for t in (0, 5, 60, 139):
        shapes = ElementTree.fromstring(recording.circuit(t)).iter()
        pictures.add(tuple((shape.tag, *map(shape.get, ("d", "points", "x", "y"))) for shape in shapes))
    assert len(pictures) == 1


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_any_string_gives_pictures_that_are_xml(text):
    recording = Recording(published(), text, 3, DUPLICATES)
    for t in range(0, recording.cycles, max(1, recording.cycles // 6)):
        for picture in (recording.circuit(t), recording.curves(t), recording.curves()):
            ElementTree.fromstring(picture)
        tips = [tip for tip, *_ in links(recording.circuit(t)).values()] + neurons(recording.circuit(t))
        assert all(0 < len(tip) <= LONGEST for tip in tips)
    json.dumps(run_data(recording), allow_nan=False)


@pytest.mark.slow
def test_a_string_of_10_000_characters():
    recording = Recording(published(), "noon" * 2500, 10, DUPLICATES)
    assert recording.cycles == MOST_CYCLES == recording.answers.shape[1]
    assert recording.note == "10,000 characters: the first 400 of 100,020 cycles are shown"
    assert len(recording.circuit(MOST_CYCLES - 1)) < 100_000
    many = Recording(handcrafted(), "".join(map(chr, range(0x4E00, 0x4E00 + 10_000))), 1)
    assert all(len(tip) <= LONGEST for tip, *_ in links(many.circuit(399)).values())
    assert Recording(published(), "noon").note == ""


def test_what_was_read(recording):
    assert [item for item in recording.items if not item[2]] == [(10 * i, c, False) for i, c in enumerate("test␣string.")]
    assert recording.items[12:] == [(120, ".", True), (130, ".", True)]
    assert Recording(handcrafted(), "no", 10, repeat_last=False).items == [(0, "n", False), (10, "o", False)]
    assert [text for _, text, _ in Recording(handcrafted(), "\n\x00\u202e", repeat_last=False).items] == [
        "⏎",
        "\ufffd",
        "\ufffd",
    ]


def test_curves_show_all_and_a_veil_over_what_is_to_come(recording):
    for t in (0, 40, 139, None):
        svg = recording.curves(t)
        wide, line, *_ = re.findall(r'<path d="([^"]*)"', svg)
        assert (wide.count("H"), line.count("H")) == (np.isfinite(recording.targets[0]).sum(), 140)
        assert svg.count("data-now") == svg.count("data-future") == (t is not None)
    assert "right answer</text>" in svg
    assert "right answer" not in Recording(published(), "noon").curves()
    assert re.findall(r'text-anchor="middle">(.)</text>', svg) == list("test␣string...")
    assert "leaves the frame" not in svg  # -7.51e-06 is no news


def test_any_streams_and_targets():
    silent = Stream({1: {"a": 1.0}, 3: {"b": 1.0}, 4: {"a": 1.0}})
    recording = Recording(handcrafted(), streams={"input": silent}, targets=np.full((2, 12), np.nan))
    assert recording.cycles == 12
    assert [text for _, text, _ in recording.items] == list("·a·ba·······")
    assert recording.states == list(run(handcrafted(), silent, 12))
    assert recording.error == 0.0
    found = Recording(handcrafted(), streams=silent, problem=DUPLICATES)
    assert (found.cycles, found.error) == (25, 0.0)
    assert found.answers[0].max() == 1.0
    again = Recording(handcrafted(), streams=symbols("ab", 3), cycles=9)
    assert [(t, text, again) for t, text, again in again.items if text != "·"] == [
        (0, "a", False),
        (3, "b", False),
        (6, "b", True),
    ]
    for targets, shape in ((np.zeros(12), r"\(12,\)"), (np.zeros((1, 12)), r"\(1, 12\)")):
        with pytest.raises(LabError, match=rf"targets of shape {shape}: expected \(2, 12\), a row for each of output.dict-1"):
            Recording(handcrafted(), streams=silent, targets=targets)


def test_a_stream_for_each_of_several_neurons():
    problem = next(problem for problem in PROBLEMS.values() if len(problem.inputs) > 1)
    sample = problem.training(0, strings=1)[0]
    machine = problem.network.random(jax.random.key(0), 0.1)
    recording = Recording(machine, streams=sample.streams, problem=problem, cycles=8)
    assert recording.targets == pytest.approx(sample.targets[:, :8], nan_ok=True)
    assert any("/" in text for _, text, _ in recording.items)
    assert Recording(machine, "ab", 2, problem).targets.shape == (len(problem.answers), 24)  # all read the same


def test_the_data_of_a_run_are_what_the_engine_did(recording):
    data = run_data(recording, 30, 20)
    assert (data["first"], data["cycles"], data["whole"]) == (30, 20, 140)
    for port in data["ports"]:
        assert len(port["at"]) == 21  # and the cycle before
        for t, place in zip(range(29, 50), port["at"], strict=True):
            side = recording.states[t].outputs if port["side"] == "out" else recording.states[t].inputs
            v = side.get(port["neuron"], {}).get(port["field"], {})
            pairs, size = data["values"][place]
            assert pairs == (
                [[key if key.strip() else repr(key), pytest.approx(x)] for key, x in v.items()]
                if isinstance(v, dict) and v
                else pytest.approx(number(v))
            )
            assert size == pytest.approx(max_norm(v))
    assert {link["name"] for link in data["links"]} == {str(link) for link in published().links()}


@pytest.mark.slow
def test_a_page_holds_what_there_is_room_for():
    many = Recording(handcrafted(), "".join(map(chr, range(0x4E00, 0x4E00 + 400))), 1)
    whole, part = (json.loads(gzip.decompress(packed_run(many, 300, most))) for most in (10**9, 13_000))
    assert (whole["first"], whole["cycles"]) == (0, 400)
    assert part["cycles"] < 400
    assert part["first"] <= 300 < part["first"] + part["cycles"]
    assert len(packed_run(many, 300, 13_000)) <= 13_000
    assert packed_run(many, 0, 100) == b""
    assert max(len(pairs) for pairs, _ in whole["values"] if isinstance(pairs, list)) == LEAVES


@pytest.mark.parametrize("period", [1, 2, 100])
def test_periods(period):
    recording = Recording(handcrafted(), "noon.", period, DUPLICATES)
    assert recording.cycles == min(MOST_CYCLES, 5 * period + 20)
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
