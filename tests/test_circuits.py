import html
import re
from pathlib import Path

import pytest

from dmmlab import Machine
from dmmlab.core.neurons import ACCUM
from dmmlab.drawing.circuits import circuit, graph, layers
from dmmlab.drawing.vvalue_text import as_tree
from dmmlab.machines.detectors import handcrafted, published

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize(
    ("name", "drawing"),
    [
        ("handcrafted", lambda: circuit(handcrafted())),
        ("published-19-links", lambda: circuit(published(), hide=["timer"], title="19 links, 2022")),
        ("vvalue-tree", lambda: as_tree({"a": 1.0, "b c": {"d\\": -2.0, '"': {"e": 0.5}}, ":number": 3.0})),
    ],
)
def test_golden_dot(name, drawing):
    """The DOT text, to the letter. To renew after a deliberate change: delete the file and run twice."""
    path = GOLDEN / f"{name}.gv"
    source = drawing().source
    if not path.exists():
        path.write_text(source)
        pytest.fail(f"{path.name} was written; look at it and run again")
    assert source == path.read_text()


def test_the_order_of_links_does_not_matter():
    machine = handcrafted()
    backwards = Machine(dict(reversed(machine.neurons.items())), soft=dict(reversed(machine.soft.items())), hard=machine.hard)
    assert circuit(backwards).source == circuit(machine).source


def test_graph_carries_every_link():
    g = graph(published())
    assert g.number_of_edges() == published().count() + published().count(hard=True)
    weights = [data["weight"] for _, _, data in g.edges(data=True) if not data["hard"]]
    assert sorted(weights) == sorted(link.weight for link in published().links() if not link.hard)


def test_layers_follow_the_longest_way_from_the_input():
    machine = handcrafted()
    assert layers(machine, graph(machine)) == {
        "timer": -1, "input": 0, "const_1": 0, "eos": 0, "accum": 1, "norm": 2, "dot": 2, "compare": 3, "output": 4,
    }  # fmt: skip


def test_layers_of_a_machine_with_feedback():
    machine = handcrafted().link("accum.dict-2", "compare.false", 0.5)  # accum -> norm -> compare -> accum
    assert layers(machine, graph(machine))["compare"] == 3
    timed_by_itself = handcrafted().link("input.timer", "dot.dot", 1.0)
    assert layers(timed_by_itself, graph(timed_by_itself))["output"] >= 1


def test_dead_parts_are_left_out_on_request():
    machine = handcrafted().with_neuron("accum-2", ACCUM).link("accum-2.dict-2", "input.char", 1.0)
    assert "accum-2" in circuit(machine).source
    assert circuit(machine, only_live=True).source == circuit(handcrafted()).source


def test_hard_links_are_red_and_self_links_there():
    lines = [line for line in circuit(handcrafted()).source.splitlines() if "accum:o_dict:n -> accum:i_dict_2d1:s" in line]
    assert len(lines) == 1
    assert "#d01515" in lines[0]


def test_odd_names_are_drawn():
    machine = Machine.build({'norm-<b>&"q".dict': {"input.char": 1.0}, "output.dict-1": {'norm-<b>&"q".norm': -0.004}})
    svg = html.unescape(circuit(machine).pipe("svg").decode())
    assert 'norm-<b>&"q"' in svg
    assert "−4e−03" in svg  # not −0.00


@pytest.mark.parametrize(("format", "start"), [("svg", b"<?xml"), ("pdf", b"%PDF"), ("png", b"\x89PNG"), ("eps", b"%!PS"), ("gv", b"digraph")])  # fmt: skip
def test_formats(tmp_path, format, start):
    path = circuit(handcrafted()).save_as(tmp_path / f"machine.{format}")
    assert path.read_bytes().startswith(start)


def test_the_font_is_in_the_file(tmp_path):
    pdf = circuit(handcrafted()).pipe("pdf")
    assert b"DejaVuSans" in pdf
    assert b"FontFile2" in pdf


def test_eps_asks_for_what_postscript_has(tmp_path, capfd):
    eps = circuit(published()).pipe("eps")
    assert b"/Helvetica set_font" in eps  # a font's name is one word
    assert b"DejaVu" not in eps
    assert b"-1.26" in eps.replace(b"\\", b"")
    assert capfd.readouterr().err == ""
    greek = Machine.build({"norm-α.dict": {"input.char": 1.0}, "output.dict-1": {"norm-α.norm": 1.0}})
    with pytest.raises(ValueError, match="an EPS drawing has Latin letters alone, not 'α'; write a pdf instead"):
        circuit(greek).save_as(tmp_path / "x.eps")
    assert list(tmp_path.iterdir()) == []


def test_svg_has_all_labels():
    svg = html.unescape(circuit(published(), digits=3).pipe("svg").decode())
    texts = {text.strip() for text in re.findall(r"<text[^>]*>([^<]*)</text>", svg)}
    assert {"compare-5-1", "dict-2", "−1.290"} <= texts


def test_notebooks_get_svg_and_png():
    data, metadata = circuit(handcrafted())._repr_mimebundle_()
    assert set(data) == {"image/svg+xml", "image/png"}
    points = int(re.search(r'<svg width="(\d+)pt"', data["image/svg+xml"])[1])
    assert abs(metadata["image/png"]["width"] - points * 96 / 72) <= 2  # pixels: as large as the SVG


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda folder: circuit(handcrafted(), hide=["tmier"]), "unknown neuron 'tmier'; did you mean 'timer'?"),
        (lambda folder: circuit(handcrafted()).save_as(folder / "x.bmp"), "unknown format 'bmp'"),
        (lambda folder: circuit(handcrafted()).save_as(folder / "no" / "x.svg"), "cannot be written: No such file"),
    ],
)
def test_errors(tmp_path, draw, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        draw(tmp_path)
    assert list(tmp_path.iterdir()) == []
