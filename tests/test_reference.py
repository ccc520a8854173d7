"""The API reference among the pages: all that the front doors offer, in pages that need nothing else."""

import importlib
import inspect
import pkgutil
import re
from urllib.parse import unquote

import pytest

import dmmlab
from dmmlab.journal import site
from dmmlab.journal.reference import _living, write_reference

PACKAGES = [each.name for each in pkgutil.iter_modules(dmmlab.__path__) if each.ispkg and each.name != "cli"]
DOORS = ["dmmlab", *(f"dmmlab.{name}" for name in PACKAGES)]


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    out = tmp_path_factory.mktemp("journal")
    (out / "html").mkdir()
    assert write_reference(out) == out / "html" / site.REFERENCE
    return out


def page_of(out, name):
    return out / "html" / "reference" / f"{name.replace('.', '/')}.html"


@pytest.mark.slow
@pytest.mark.parametrize("name", DOORS)
def test_a_page_has_what_a_front_door_offers(out, name):
    text, door = page_of(out, name).read_text(encoding="utf-8"), importlib.import_module(name)
    for each in door.__all__:
        if not inspect.ismodule(getattr(door, each)):
            assert f'id="{each}"' in text, each
    assert f"<title>{name}</title>" in text
    assert " at 0x" not in text  # which changes in every run
    assert ":func:" not in text
    assert ":class:" not in text
    assert "<code>~" not in text


@pytest.mark.slow
def test_no_link_is_dead_and_nothing_is_fetched(out):
    site.write_index(out)
    pages = sorted((out / "html").rglob("*.html"))
    assert len(pages) == len(DOORS) + 2  # V-values, and the index
    ids = {page: set(re.findall(r'id="([^"]*)"', page.read_text(encoding="utf-8"))) for page in pages}
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for link in re.findall(r'<a [^>]*href="([^"]*)"', text):
            file, _, part = unquote(link).partition("#")
            target = (page.parent / file).resolve() if file else page
            assert target in ids, f"{page.name}: {link}"
            assert not part or part in ids[target], f"{page.name}: {link}"
        assert not re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=[\"']?(?:https?:)?//", text)
        assert "default-src data: blob: 'unsafe-inline'" in text
        assert text.count('id="theme"') == 1


@pytest.mark.slow
def test_docstrings_become_headings_and_links(out):
    text = page_of(out, "dmmlab.problems").read_text(encoding="utf-8")
    problem = text[text.index('<section id="Problem">') :]
    assert '<h6 id="arguments">Arguments:</h6>' in problem
    assert '<a href="core.html#LabError">LabError</a>' in problem
    assert "Alias for field number" not in text


def test_the_index_and_the_pages_lead_to_it_if_it_is_there(tmp_path):
    (tmp_path / "html" / "reference").mkdir(parents=True)
    assert "Reference" not in site.write_index(tmp_path).read_text()
    (tmp_path / "html" / site.REFERENCE).write_text("x")
    assert (
        f'<h2>Reference</h2>\n<ol><li><span></span><div><a href="{site.REFERENCE}">dmmlab</a>'
        in site.write_index(tmp_path).read_text()
    )
    assert f'<a class="reference" href="{site.REFERENCE}">' in site.linked('<header id="site"></header>', None, None, [], True)


def test_links_to_what_has_no_page_are_text(tmp_path):
    here = tmp_path / "reference" / "dmmlab" / "core.html"
    text = '<a href="vvalues.html#x">V</a> <a href="../../index.html">J</a> <a href="engine.html">~a.b.E</a> <code>~<a href="#x">a.b.c()</a></code>'
    living = '<a href="vvalues.html#x">V</a> <a href="../../index.html">J</a> E <code><a href="#x">c()</a></code>'
    assert _living(text, here, tmp_path, {here.parent / "vvalues.html"}) == living
