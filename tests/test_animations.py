"""Animations: what is shown when, and what is left in a viewer that shows no SVG."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from dmmlab.core import LabError, run, values
from dmmlab.drawing.animations import animate
from dmmlab.machines.rewriting_machines import MATRIX, growing, wave

SVG = "{http://www.w3.org/2000/svg}"


def frames_of(animation):
    """For each group that is not always there, when it is."""
    groups = ElementTree.fromstring(animation.svg).iter(f"{SVG}g")
    found = {}
    for group in groups:
        animated = group.find(f"{SVG}animate")
        if animated is not None:
            tip = next(a.attrib["{http://www.w3.org/1999/xlink}title"] for a in group.iter(f"{SVG}a"))
            found[tip.rpartition(":")[0] or tip] = [value == "visible" for value in animated.attrib["values"].split(";")]
    return found


def test_links_are_shown_while_they_are_there():
    machine, first = wave()
    matrices = [machine.matrix, *(state.emitted(MATRIX) for state in run(machine, None, 2, first, MATRIX))]
    assert frames_of(animate(matrices, machine.neurons)) == {
        f"self.delta <- update-{k + 1}.single": [t == k for t in range(3)] for k in range(3)
    }


def test_neurons_are_shown_while_they_are_there():
    machine = growing().machine
    matrices = [state.emitted(MATRIX) for state in run(machine, values([]), 5, matrix_from=MATRIX)]
    shown = frames_of(animate(matrices, machine.neurons))
    assert shown["cell-3"] == [False, False, True, True, True]
    assert shown["cell-4.single <- cell-3.single"] == [False, False, False, True, True]
    assert "builder" not in shown


def test_a_cycle_is_named_and_takes_its_time(tmp_path):
    machine = wave().machine
    animation = animate([machine.matrix] * 4, machine.neurons, seconds=0.5)
    assert set(re.findall(r'dur="([^"]*)"', animation.svg)) == {"2s"}
    assert re.findall(r"cycle (\d)", animation.svg) == list("0123")
    animation.save(tmp_path / "wave.svg")
    assert (tmp_path / "wave.svg").read_text() == animation._repr_svg_()
    assert animation._repr_png_().startswith(b"\x89PNG")
    assert repr(animation) == "<Animation, 4 frames>"


@pytest.mark.parametrize(("matrices", "seconds"), [([], 1.0), ([{}], 0.0)])
def test_nothing_to_animate(matrices, seconds):
    with pytest.raises(LabError, match="expected one or more, and a time above 0"):
        animate(matrices, {}, seconds)
