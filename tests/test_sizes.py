"""Figures for papers: as wide as one asks, without a margin, and a PNG that says how many dots an inch has."""

import re
import shutil
import subprocess

import pytest
from PIL import Image

from dmmlab.cli.commands import main
from dmmlab.core.errors import LabError
from dmmlab.drawing.bundles import bundle
from dmmlab.drawing.circuits import circuit
from dmmlab.drawing.graphviz_drawing import DrawingError
from dmmlab.drawing.machine_pairs import side_by_side
from dmmlab.drawing.plots import plot_matrix, save_figure, save_matrix
from dmmlab.machines.detectors import handcrafted, published

DRAWINGS = {
    "circuit": circuit(handcrafted()),
    "bundle": bundle(handcrafted()),
    "pair": side_by_side(published(), handcrafted(), ("a", "b")),
}
CM = 72 / 2.54  # points


def points(drawing, format, **options):
    """Width and height in points, as the file itself says."""
    data = drawing.pipe(format, **options)
    patterns = {"pdf": rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+)", "svg": rb'<svg width="([\d.]+)pt" height="([\d.]+)pt"'}
    pattern = patterns.get(format, rb"%%BoundingBox: 0 0 (\d+) (\d+)")
    return tuple(map(float, re.search(pattern, data).groups()))


@pytest.mark.parametrize("name", DRAWINGS)
def test_pdf_and_eps_have_no_margin(name):
    left, low, right, high = map(float, DRAWINGS[name].placed["bb"].split(","))
    for format in ("pdf", "eps", "svg"):
        assert points(DRAWINGS[name], format) == (pytest.approx(right - left + 8, abs=2), pytest.approx(high - low + 8, abs=2))


@pytest.mark.parametrize("name", DRAWINGS)
@pytest.mark.parametrize("width", [4.0, 40.0])
def test_a_drawing_is_as_wide_as_one_asks(name, width):
    plain = points(DRAWINGS[name], "svg")
    for format in ("pdf", "eps", "svg"):
        across, up = points(DRAWINGS[name], format, width=width)
        assert across == pytest.approx(width * CM, abs=1.1)
        assert up / across == pytest.approx(plain[1] / plain[0], rel=0.03)


@pytest.mark.parametrize("width", [None, 8.5])
def test_a_png_says_its_dots_per_inch(tmp_path, width):
    with Image.open(DRAWINGS["circuit"].save_as(tmp_path / "x.png", dpi=200, width=width)) as image:
        image.load()  # the pieces of the file are whole
        assert image.info["dpi"] == (pytest.approx(200, abs=0.1),) * 2
        wide = points(DRAWINGS["circuit"], "svg")[0] / 72 if width is None else width / 2.54
        assert image.width / 200 == pytest.approx(wide, abs=0.02)


def test_dot_text_and_tikz_have_the_width_too():
    drawing = DRAWINGS["circuit"]
    assert drawing.pipe("gv") == drawing.source.encode()
    assert b'size="3.93701,10000!"' in drawing.pipe("gv", width=10)
    assert 'size="3' not in drawing.source  # the drawing stays as it was
    assert b"resizebox" not in drawing.pipe("tex")
    assert rb"\resizebox{10cm}{!}{" in drawing.pipe("tex", width=10)


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("pdflatex") and shutil.which("pdfinfo")), reason="needs pdflatex and pdfinfo")
def test_tikz_of_a_width_compiles_to_that_width(tmp_path):
    DRAWINGS["pair"].save_as(tmp_path / "x.tex", width=12)
    subprocess.run(["pdflatex", "-interaction=batchmode", "x.tex"], cwd=tmp_path, check=True, capture_output=True)
    told = subprocess.run(["pdfinfo", tmp_path / "x.pdf"], capture_output=True, text=True, check=True).stdout
    assert float(re.search(r"Page size: +([\d.]+) x", told)[1]) == pytest.approx(12 * CM, abs=0.5)
    assert "Pages:           1" in told


@pytest.mark.slow
def test_a_matrix_is_as_wide_as_one_asks(tmp_path):
    save_matrix(handcrafted(), tmp_path / "x.png", dpi=100, width=10)
    with Image.open(tmp_path / "x.png") as image:
        assert image.width / 100 * 2.54 == pytest.approx(10, abs=0.05)
    figure = plot_matrix(handcrafted())
    save_figure(figure, tmp_path / "y.pdf", width=10)
    assert figure.get_figwidth() == 8  # the reader's own figure keeps its size


@pytest.mark.parametrize("width", [0, -1, 0.4, 501, float("nan"), float("inf")])
def test_widths_that_are_none(tmp_path, width):
    with pytest.raises(DrawingError, match=r"width: expected from 0\.5 to 500 cm, got"):
        circuit(handcrafted()).save_as(tmp_path / "x.svg", width=width)
    with pytest.raises(LabError, match="width: expected from 4 to 500 cm, got"):
        save_matrix(handcrafted(), tmp_path / "x.svg", width=width)
    assert not list(tmp_path.iterdir())


def test_a_picture_that_no_memory_holds_is_refused(tmp_path):
    with pytest.raises(DrawingError, match=r"a PNG of 472,441 x [\d,]+ dots is too large to be drawn: take fewer"):
        circuit(handcrafted()).save_as(tmp_path / "x.png", dpi=2400, width=500)


def test_the_command_line_has_it(tmp_path, capsys):
    assert main(["draw", "handcrafted", str(tmp_path / "x.png"), "--width", "6", "--dpi", "100"]) == 0
    with Image.open(tmp_path / "x.png") as image:
        assert image.width == pytest.approx(236, abs=1)
    assert main(["draw", "handcrafted", str(tmp_path / "x.svg"), "--as", "matrix", "--width", "6"]) == 0
    assert re.search(r'<svg[^>]* width="170\.0', (tmp_path / "x.svg").read_text())
    with pytest.raises(SystemExit, match="2"):
        main(["draw", "handcrafted", str(tmp_path / "x.svg"), "--width", "wide"])
    assert "'wide': expected a number of centimetres from 0.5 to 500" in capsys.readouterr().err
