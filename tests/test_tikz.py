"""TikZ: every drawing is LaTeX that compiles, alone and in a paper, on a page of the drawing's size."""

import re
import shutil
import subprocess
from pathlib import Path

import jax
import pytest

from dmmlab import Machine
from dmmlab.drawing.bundles import bundle
from dmmlab.drawing.circuits import circuit
from dmmlab.drawing.machine_pairs import side_by_side
from dmmlab.drawing.vvalue_text import as_tree
from dmmlab.machines.detectors import handcrafted, published
from dmmlab.machines.networks import feedforward

GOLDEN = Path(__file__).parent / "golden" / "handcrafted.tex"
ODD = ['norm-<b>&"q"', "norm-$x_1^2~{}%#", "norm-αβΩ", "norm-😀", "norm-`a'|--«Þ»"]
PAPER = r"""\documentclass{article}
\usepackage{tikz} \usetikzlibrary{arrows.meta}
\begin{document}
One, \resizebox{3cm}{!}{\input{drawing}}, and another, \resizebox{3cm}{!}{\input{drawing.tex}}, in one line.
\end{document}
"""
needs_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex, which is not installed here")


def odd_names():
    soft = {f"{name}.dict": {"input.char": 1.0} for name in ODD}
    return Machine.build({**soft, "output.dict-1": {f"{name}.norm": -0.004 for name in ODD}})


DRAWINGS = {
    "handcrafted": lambda: circuit(handcrafted()),
    "published": lambda: circuit(published(), hide=["timer"], merge=True, title="50% of $\\sum$ & more_"),
    "cut": lambda: circuit(handcrafted().unlink("norm.dict", "accum.dict"), cut=handcrafted()),
    "side by side": lambda: side_by_side(published(), handcrafted(), ("2022", "by_hand")),
    "tree": lambda: as_tree({"a": 1.0, "$x_1^2~{}%\\": {"\n": -2.0, '"': {"α😀": 0.5}}, ":number": 3.0, "": 4.0}),
    "bundle": lambda: bundle(feedforward(5, 2).random(jax.random.key(0)), title="1486 links"),
    "odd names": lambda: circuit(odd_names(), title="|α| → β"),
    "odd names, a bundle": lambda: bundle(odd_names()),
    "nothing": lambda: circuit(Machine.build({}, {})),
}


def tex_of(drawing):
    return drawing.pipe("tex").decode()


def compiled(folder, text):
    """The PDF that pdflatex makes of a text, and what it said."""
    (folder / "it.tex").write_text(text)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "it.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=120)
    assert done.returncode == 0, re.findall(r"^!.*(?:\n.*){6}", done.stdout, flags=re.M)
    assert not re.search("Overfull|Missing character", done.stdout)
    return folder / "it.pdf"


def size_and_pages(pdf):
    if shutil.which("pdfinfo") is None:
        pytest.skip("needs pdfinfo, which is not installed here")
    told = subprocess.run(["pdfinfo", str(pdf)], capture_output=True, text=True, check=True).stdout
    return [float(x) for x in re.search(r"Page size: *([\d.]+) x ([\d.]+)", told).groups()], int(
        re.search(r"Pages: *(\d+)", told)[1]
    )


@pytest.mark.slow
@needs_latex
@pytest.mark.parametrize("name", DRAWINGS)
def test_it_compiles_alone_on_a_page_of_its_size(tmp_path, name):
    drawing = DRAWINGS[name]()
    pdf = compiled(tmp_path, tex_of(drawing))
    left, low, right, high = map(float, drawing.placed["bb"].split(","))
    size, pages = size_and_pages(pdf)
    assert size == pytest.approx([right - left + 8, high - low + 8], abs=0.1)
    assert pages == 1


@pytest.mark.slow
@needs_latex
@pytest.mark.parametrize("name", ["handcrafted", "odd names", "tree", "side by side"])
def test_it_compiles_twice_in_a_paper_that_loads_what_it_says(tmp_path, name):
    (tmp_path / "drawing.tex").write_text(tex_of(DRAWINGS[name]()))
    size, pages = size_and_pages(compiled(tmp_path, PAPER))
    assert pages == 1
    assert min(size) > 500  # the paper's size, not the drawing's


def test_golden_tikz():
    """The text to the letter, and numbers to a point. To renew after a deliberate change: delete the file and run twice."""
    text = tex_of(circuit(handcrafted()))
    if not GOLDEN.exists():
        GOLDEN.write_text(text)
        pytest.fail(f"{GOLDEN.name} was written; look at it and run again")
    numbers = re.compile(r"-?\d+(?:\.\d+)?(?=[,)]|bp)")
    golden = GOLDEN.read_text()
    assert numbers.sub("#", text) == numbers.sub("#", golden)
    assert [float(x) for x in numbers.findall(text)] == pytest.approx([float(x) for x in numbers.findall(golden)], abs=1)


def test_every_link_and_every_neuron_is_named_in_a_comment():
    for machine, drawing in ((published(), circuit(published())), (odd_names(), bundle(odd_names()))):
        comments = [line.strip() for line in tex_of(drawing).splitlines() if line.startswith("  % ")]
        named = [comment for comment in comments if " <- " in comment]
        assert sorted(named) == sorted(f"% {link}: {link.weight:g}" for link in machine.links())
        assert {comment.removeprefix("% ") for comment in comments} >= set(machine.neurons)


def test_signs_and_widths_and_what_was_cut():
    text = tex_of(circuit(published()))
    assert text.count(r"\draw[negative") == sum(link.weight < 0 for link in published().links())
    assert text.count(r"\draw[positive") == sum(link.weight > 0 for link in published().links())
    without = published().unlink("accum-1-2.dict-2", "input.char")
    assert tex_of(circuit(without, cut=published())).count(", dotted]") == 1


def test_what_is_filled_has_a_frame_where_the_drawing_has_one():
    text = tex_of(bundle(handcrafted()))
    assert len(re.findall(r"\\path\[draw=dmm333333, [^]]*fill=", text)) == len(handcrafted().neurons)


def test_what_is_shown_is_what_was_meant():
    """A backslash is one backslash, and what LaTeX has no letter for is shown by its number."""
    assert r"{a\textbackslash{}b}" in tex_of(as_tree({"a\\b": 1.0}))
    assert "U+1F600" in tex_of(circuit(odd_names()))
    assert r"{50\% \& \_x}" in tex_of(circuit(handcrafted(), title="50% & _x"))
