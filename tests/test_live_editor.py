"""Editing a machine while it runs, without a browser."""

import html
import re

import pytest

from dmmlab.core import LabError
from dmmlab.core.engine import run
from dmmlab.core.network_matrix import matrix_of_links
from dmmlab.core.neuron_type import NeuronType
from dmmlab.core.streams import values
from dmmlab.explorers import LiveEditor, LiveRun
from dmmlab.machines import handcrafted
from dmmlab.machines.rewriting_machines import MATRIX, editing, wave

COUNTER = '{"accum-1": {"dict-1": {"accum-1": {"dict": 1}}, "dict-2": {"timer": {"timer": 2}}}}'


def said(editor):
    return html.unescape(re.sub("<[^>]*>", "", editor.message.value))


def weight(live, to, source):
    links = {
        (f"{link.to_neuron}.{link.to_field}", f"{link.from_neuron}.{link.from_field}"): link for link in live.machine.links()
    }
    return links[to, source].weight


def test_it_is_the_machine_that_reads_the_same_stream():
    live = LiveRun()
    live.run(3)
    live.send(COUNTER)
    live.run(7)
    change = {to: {i: {s: dict(o) for s, o in r.items()} for i, r in rows.items()} for to, rows in matrix_of_links(
        {"accum-1.dict-1": {"accum-1.dict": 1.0}, "accum-1.dict-2": {"timer.timer": 2.0}}
    ).items()}  # fmt: skip
    states = list(run(editing(), values([{}, {}, {}, change]), 10, matrix_from=MATRIX))
    assert [state.outputs for state in live.states] == [state.outputs for state in states]
    assert live.cycle == 10


def test_links_bring_neurons_and_take_them_away():
    live = LiveRun()
    live.link("accum-1.dict-2", "timer.timer", 2.0)
    live.link("norm-1.dict", "accum-1.dict", 1.0)
    live.run(6)
    assert {"accum-1", "norm-1"} < set(live.machine.neurons)
    assert live.states[-1].emitted("accum-1.dict") > 0  # it was born with its memory
    assert live.machine.count() == LiveRun().machine.count() + 3
    live.cut("norm-1.dict", "accum-1.dict")
    live.cut("accum-1.dict-2", "timer.timer")
    live.cut("accum-1.dict-1", "accum-1.dict")
    live.run(6)
    assert live.machine == LiveRun().machine
    assert "accum-2.dict" not in live.outputs


def test_a_change_that_ends_the_run_is_taken_back():
    live = LiveRun()
    live.run(4)
    live.send('{"accum-1": {"dict-1": {"accum-1": {"dict": 3}}, "dict-2": {"timer": {"timer": 1e300}}}}')
    with pytest.raises(LabError, match="expected a finite number, got inf; back in cycle 4, before the last change"):
        live.run(100)
    live.run(5)
    assert live.cycle == 9
    assert live.machine == LiveRun().machine


def test_changes_are_taken_back_one_after_the_other():
    live = LiveRun()
    live.run(5)
    live.send('{"timer": {"timer": {"timer": {"timer": 1e308}}}}')
    live.run(2)
    live.link("accum-1.dict-2", "timer.timer", 1.0)
    with pytest.raises(LabError, match=r"cycle 7, .* back in cycle 7, before the last change"):
        live.run(5)
    with pytest.raises(LabError, match=r"cycle 7, .* back in cycle 5, before the last change"):
        live.run(5)
    live.run(5)
    assert live.machine == LiveRun().machine


def test_what_was_sent_is_known_before_it_arrives():
    live = LiveRun()
    live.link("accum-1.dict-2", "timer.timer", 2.0)
    live.link("accum-1.dict-2", "input.char", 3.0)  # is not born twice
    live.run(4)
    assert weight(live, "accum-1.dict-1", "accum-1.dict") == 1.0
    live.cut("accum-1.dict-2", "timer.timer")
    with pytest.raises(LabError, match="there is no such link"):
        live.cut("accum-1.dict-2", "timer.timer")
    for source in ("input.char", "accum-1.dict"):
        live.cut("accum-1.dict-2" if source == "input.char" else "accum-1.dict-1", source)
    live.run(5)
    assert live.machine == LiveRun().machine
    with pytest.raises(LabError, match="expected a finite number, got nan"):
        live.link("accum-1.dict-2", "timer.timer", float("nan"))
    live.link("accum-1.dict-2", "timer.timer", 1.0)  # born again, with its memory
    live.run(3)
    assert weight(live, "accum-1.dict-1", "accum-1.dict") == 1.0


def test_types_of_the_readers_own():
    live = LiveRun(types=(NeuronType("echo", ("x",), ("y",), lambda v: v),))
    live.run(2)
    live.link("echo-1.x", "timer.timer", 1.0)
    live.run(5)
    assert live.states[-1].emitted("echo-1.y") == 6.0


def test_a_tree_that_explodes_ends_the_run():
    live = LiveRun()
    for source in ("self.single", "self.single"), ("nest-1.dict", "nest-1.dict"):
        for to, out in zip(("nest-1.dict-1", "nest-1.dict-2"), source, strict=True):
            live.link(to, out, 1.0)
        live.run(2)
    with pytest.raises(LabError, match="neuron 'nest-1': nest makes a tree of more than 1,000,000 leaves"):
        live.run(5)


@pytest.mark.parametrize("machine", [handcrafted(), wave().machine])
def test_machines_that_cannot_be_edited(machine):
    with pytest.raises(LabError, match=r"one neuron that reads a stream, linked to self\.delta"):
        LiveRun(machine)


@pytest.mark.parametrize("cycles", [0, 1001, 1.5, "a", True])
def test_cycles_that_cannot_be(cycles):
    with pytest.raises(LabError, match="expected 1 to 1,000"):
        LiveRun().run(cycles)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"x": 3}', "a link is to_neuron / to_input / from_neuron / from_output"),
        ("[" * 100_000, "this is no JSON"),
        ("nonsense", "this is no JSON"),
        ("1" * 5000, "this is no JSON"),
        ('{"accum-1.x": {"dict-1": {"timer": {"timer": 1}}}}', "a neuron needs a printable name"),
        ('{"accum-1": {"dict-1": {"timer": {"timer": {"a": 1}}}}}', "a link is four keys deep"),
        ('{"a": "b"}', "expected a finite number"),
        ('{"nothing-1": {"x": {"timer": {"timer": 1}}}}', "nothing"),
        ('{"norm-1": {"x": {"timer": {"timer": 1}}}}', "has no input 'x'"),
    ],
)
def test_what_is_no_change_is_said(text, problem):
    editor = LiveEditor()
    editor.text.value = text
    editor.buttons["send"].click()
    assert problem in said(editor)
    editor.buttons["run"].click()
    assert editor.live.cycle == 10


def test_clicks_and_buttons():
    editor = LiveEditor()
    before = editor.picture.svg
    for neuron in ("timer", "input"):
        editor._clicked(neuron)
    editor.buttons["run"].click()
    assert editor.picture.svg != before
    editor.buttons["anew"].click()
    assert editor.picture.svg == before
    editor.source.value, editor.to.value, editor.weight.value = "timer.timer", "accum-1.dict-2", 2.0
    editor.buttons["link"].click()
    editor.buttons["step"].click()
    assert said(editor) == "after 1 cycle: 2 outputs beside the matrix"
    editor.buttons["run"].click()
    assert "accum-1.dict" in editor.curves.value
    editor.guarded_pick("accum-1.dict-2 <- timer.timer")
    editor.buttons["run"].click()
    assert "accum-1.dict-2" not in str(editor.live.matrix.get("accum-1", {}).get("dict-2", ""))
    editor.guarded_pick("accum-1.dict-2 <- timer.timer")
    assert "there is no such link" in said(editor)


def test_a_machine_without_its_matrix_can_begin_anew():
    editor = LiveEditor()
    editor.text.value = '{"self": {"accum": {"self": {"single": -1}}}}'
    editor.buttons["send"].click()
    editor.buttons["run"].click()
    assert "begin anew" in said(editor)
    editor.buttons["anew"].click()
    assert editor.live.machine.count() == LiveRun().machine.count()
