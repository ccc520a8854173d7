"""V-values as text, and as a tree that unfolds."""

import html
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from vvalue_strategies import vvalues

from dmmlab.core.vvalues import paths, trim
from dmmlab.drawing.vvalue_text import as_lines, pretty
from dmmlab.machines.detectors import published

V = {"letters": {"a": 3.0, "b": -0.5, "long one": 1e-9, "d": 1286.25}, ":number": 0.5, "none": {}, " ": {"x": {"y": 2.0}}}
LARGE = {f"n{i}": {f"f{j}": {f"m{k}": {"o": i + j + k / 7} for k in range(31)} for j in range(2)} for i in range(24)}


def test_as_lines():
    assert as_lines(V).splitlines() == [
        "letters",
        "  a            3",
        "  b           -0.5",
        "  long one     1e-09",
        "  d         1286.25",
        ":number  0.5",
        "none     0",
        "' '",
        "  x",
        "    y  2",
    ]
    assert as_lines({"a": 2 / 3}, digits=2) == "a  0.67"
    assert (as_lines(2.0), as_lines({})) == ("2", "0")


def test_long_texts_are_cut():
    lines = as_lines(LARGE).splitlines()
    assert len(lines) == 201
    assert lines[-1] == f"... {24 + 48 + 2 * 48 * 31 - 200:,} more"
    assert len(as_lines(LARGE, most=10**6).splitlines()) == 24 + 48 + 2 * 48 * 31
    assert as_lines({"a": 1.0, "b": 2.0}, most=2) == "a  1\nb  2"


@given(vvalues)
def test_every_number_has_a_line(v):
    lines = as_lines(trim(v), most=10**6).splitlines()
    numbers = [float(number[1]) for line in lines if (number := re.search(r"(?:^|\S  +)(-?\d\S*)$", line))]
    assert numbers == ([leaf for _, leaf in paths(trim(v))] or [0.0])
    assert not any(line != line.rstrip() for line in lines)


def test_numbers_of_other_libraries():
    v = {"j": jnp.float32(2.5), "n": np.float64(3), "many": jnp.ones((2, 3))}
    assert as_lines(v).splitlines() == ["j     2.5", "n     3", "many  float32[2,3]"]
    seen = []
    jax.grad(lambda x: (seen.append(repr(pretty({"x": x, "y": 1.0}))), x)[1])(1.0)
    assert seen == ["x  float32[]\ny  1"]


def test_pretty_in_a_terminal():
    assert repr(pretty(V)) == as_lines(V)


@pytest.mark.parametrize("v", [V, LARGE, published().matrix, {}, 1.5, {"j": jnp.float32(2.5), "many": jnp.ones((2, 3))}])
def test_pretty_in_a_notebook(v):
    pytest.importorskip("treescope")
    bundle = pretty(v)._repr_mimebundle_()
    assert bundle["text/plain"] == as_lines(v)
    page = bundle["text/html"]
    assert f'<pre class="dmmlab-plain">{html.escape(bundle["text/plain"])}</pre>' in page  # where scripts are not trusted
    assert page == pretty(v)._repr_html_()
    assert "treescope" in page
    assert not re.search(r"""https?://|<link|\bsrc=|@import""", page)  # it fetches nothing


def test_deep_levels_are_folded():
    treescope = pytest.importorskip("treescope")
    from dmmlab.drawing.vvalue_text import _Branch

    with treescope.using_expansion_strategy(max_height=30):
        shown = treescope.render_to_text(_Branch("V-value", LARGE)).splitlines()
    assert len(shown) <= 30
    assert shown[-1].strip() == "n23: 62 numbers"


def test_pretty_without_treescope(monkeypatch):
    monkeypatch.setitem(sys.modules, "treescope", None)
    assert pretty(V)._repr_html_() is None
    assert pretty(V)._repr_mimebundle_() == {"text/plain": as_lines(V)}


def test_the_import_is_light():
    loaded = "import dmmlab.drawing.vvalue_text, dmmlab.drawing.programs, sys; print({'jax', 'pandas', 'treescope'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout == "set()\n"
