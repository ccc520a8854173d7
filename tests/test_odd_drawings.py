"""Drawings of what nobody draws on purpose: letters that no font has, names of megabytes, weights near the largest number."""

import json
import subprocess
import sys
import time

import pytest

from dmmlab import Machine
from dmmlab.core.errors import LabError
from dmmlab.core.neuron_type import NeuronType
from dmmlab.core.neurons import INPUT, OUTPUT, TIMER, constant
from dmmlab.drawing import circuit, draw
from dmmlab.drawing.graphviz_drawing import FORMATS, DrawingError
from dmmlab.drawing.plots import save_matrix
from dmmlab.machines.detectors import handcrafted, published

LARGEST, SMALLEST = 1.7976931348623157e308, 5e-324


def machine(name="middle", field="out", weights=(1.0, -1.0)):
    kind = NeuronType("mine", ("in",), (field,), lambda v: v)
    links = {f"{name}.in": {"input.char": weights[0]}, "output.dict-1": {f"{name}.{field}": weights[1]}}
    return Machine.build(links, {"timer": TIMER, "input": INPUT, name: kind, "output": OUTPUT})


NO_LETTERS = ["\ud800", "\udfff", "\0", "\x1b", "\uffff", "\ufdd0"]


@pytest.mark.parametrize("letter", NO_LETTERS, ids=ascii)
@pytest.mark.parametrize("kind", ["circuit", "bundle"])
def test_letters_that_no_picture_has(kind, letter, tmp_path):
    drawing = draw(handcrafted(), kind, title=f"a{letter}b")
    for format in FORMATS:
        with pytest.raises(DrawingError) as caught:
            drawing.pipe(format)
        assert str(caught.value) == f"a drawing cannot have the letter {letter!r}, which is in a name or a title"
    with pytest.raises(LabError, match="a drawing cannot have the letter"):
        save_matrix(handcrafted(), tmp_path / "x.png", f"a{letter}b")
    with pytest.raises(LabError, match="needs a printable name"):
        machine(f"a{letter}b")


ODD = ["漢字", "\U0001f600", "e\u0301", "العربية", "$x$", '"', "<b>", "&amp;", "{", "%", "y" * 1000]


@pytest.mark.parametrize("text", ["$\\foo$", '"\\"', "a\nb\tc", "\\N", " ".join(ODD[:-1])], ids=ascii)
def test_odd_titles_are_drawn_in_silence(text, tmp_path, capfd):
    """Warnings are errors here; Graphviz and matplotlib write to standard error by themselves, too."""
    for format in ("svg", "pdf", "png", "tex"):
        assert draw(handcrafted(), "circuit", title=text).pipe(format)
    assert draw(handcrafted(), "bundle", title=text).pipe("svg")
    save_matrix(handcrafted(), tmp_path / "x.png", text, dpi=50)
    assert capfd.readouterr() == ("", "")


def test_odd_names_are_drawn_in_silence(tmp_path, capfd):
    odd = machine("middle")
    for name in ODD:
        odd = odd.with_neuron(name, NeuronType("mine", ("in",), (name,), lambda v: v))
        odd = odd.link(f"{name}.in", "middle.out", 1.0).link("output.dict-2", f"{name}.{name}", 1.0)
    for format in ("svg", "png", "tex"):
        assert draw(odd, "circuit").pipe(format)
    assert draw(odd, "bundle").pipe("svg")
    save_matrix(odd, tmp_path / "x.png", dpi=50)
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_texts_beyond_what_graphviz_reads(capfd):
    for kind in ("circuit", "bundle"):
        assert draw(handcrafted(), kind, title="x" * 15_000).pipe("svg")
        for title in ("x" * 16_500, "é" * 9_000, '"' * 9_000, "x" * 2**24):
            with pytest.raises(DrawingError, match=r"a name or a title takes [\d,]+ bytes; a drawing has at most 16,000"):
                draw(handcrafted(), kind, title=title).pipe("svg")
    for long in (machine("&" * 1000, "&" * 1000), machine("漢" * 1000, "字" * 1000)):
        assert drawn_or_told(long, "circuit")
    assert capfd.readouterr() == ("", "")


def test_what_graphviz_refuses_is_a_drawing_error():
    drawing = circuit(handcrafted())
    drawing.body.append("\tthis is no DOT -> -> ;\n")
    with pytest.raises(DrawingError, match="Graphviz cannot draw this"):
        drawing.pipe("svg")


@pytest.mark.slow
def test_names_of_megabytes(tmp_path):
    began = time.monotonic()
    for what in ({"name": "x" * 2**24}, {"field": "x" * 2**24}):
        with pytest.raises(LabError, match="1,000") as caught:
            machine(**what)
        assert len(str(caught.value)) < 200
    assert time.monotonic() - began < 5
    tree = {"output": {"dict-1": {"accum-" + "1" * (2**24 - 1000): {"dict": 1.0}}}}
    (tmp_path / "long.json").write_text(json.dumps(tree))
    with pytest.raises(LabError, match="a neuron's name of 16,776,222 letters; it may have 1,000"):
        Machine.from_json(tmp_path / "long.json")


def test_long_keys_of_constants():
    emitting = Machine.build(
        {"output.dict-1": {"key.char": 1.0}}, {"key": constant("key", "char", {"k" * 2**20: 1.0}), "output": OUTPUT}
    )
    assert drawn_or_told(emitting, "circuit")
    assert drawn_or_told(emitting, "bundle")


def drawn_or_told(machine, kind):
    """Whether a machine is drawn, in no more than a megabyte, or refused for its names."""
    try:
        return len(draw(machine, kind).pipe("svg")) < 2**20
    except DrawingError as error:
        return "a name or a title takes" in str(error)


@pytest.mark.parametrize(
    "weights",
    [(LARGEST, -LARGEST), (LARGEST, SMALLEST), (SMALLEST, SMALLEST), (1e-310, -1e-310), (LARGEST, 1.0), (1.0, SMALLEST)],
    ids=str,
)
def test_weights_at_the_ends_of_the_numbers(weights, tmp_path, capfd):
    save_matrix(machine(weights=weights), tmp_path / "x.png", dpi=50)
    for kind in ("circuit", "bundle"):
        assert draw(machine(weights=weights), kind).pipe("svg")
    assert capfd.readouterr() == ("", "")


def test_a_png_of_too_many_dots(capfd):
    with pytest.raises(
        DrawingError, match=r"a PNG of [\d,]+ x [\d,]+ dots is too large to be drawn: take fewer than 2400 dots"
    ):
        draw(published(), "circuit").pipe("png", dpi=2400)
    with pytest.raises(DrawingError, match=r"a PNG of [\d,]+ x [\d,]+ dots is too large"):
        draw(handcrafted(), "circuit", title="x" * 15_000).pipe("png", dpi=96)
    assert draw(handcrafted(), "circuit").pipe("png", dpi=600)
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["circuit", "bundle", "matrix"])
def test_the_command_line_says_it_in_one_line(kind, tmp_path):
    """A title that is no UTF-8 reaches Python as lone surrogates."""
    command = [sys.executable, "-m", "dmmlab", "draw", "handcrafted", str(tmp_path / "x.png"), "--as", kind, "--title", b"\xff"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "dmmlab draw: a drawing cannot have the letter '\\udcff', which is in a name or a title\n"
    assert not list(tmp_path.iterdir())
