"""The site: pages that ask nothing of the network, the links between them, the index."""

import re

import nbformat
import pytest
from nbformat import v4

from dmmlab.core.files import FileError
from dmmlab.journal import pages, site

PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><circle cx="4" cy="4" r="3"/></svg>'


def add(out, name, text, *outputs):
    """A notebook as a run leaves it, with its page."""
    cells = [v4.new_markdown_cell(text), v4.new_code_cell("f(x)", outputs=list(outputs))]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
    notebook = v4.new_notebook(cells=cells)
    for folder in ("notebooks", "html", "figures"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, out / "notebooks" / f"{name}.ipynb")
    page = pages.page_of(out, name)
    page.write_text(pages.page(notebook, name), encoding="utf-8")
    return page


def shown(kind, data):
    return v4.new_output("display_data", {kind: data})


def hrefs(page):
    return re.findall(r'<a[^>]* href="([^"#]+)[^"]*"', page.read_text(encoding="utf-8"))


@pytest.fixture
def three(tmp_path):
    add(tmp_path, "01_first", "# 01 · The *first*\n\n**Question.** What is\n`x`, and **why**?\n\nMore.")
    add(tmp_path, "02_second", "# 02 · <b>Second</b> & last\n\nBack to [01](01_first.ipynb#More), on to [04](04_never.ipynb).")
    add(tmp_path, "10 tenth", "no heading, see [the second](./02_second.ipynb) and [it](10%20tenth.ipynb)")
    return tmp_path


def test_the_index_lists_titles_and_questions(three):
    index = site.write_index(three)
    assert index == three / "html" / "index.html"
    text = index.read_text(encoding="utf-8")
    assert '<span>01</span><div><a href="01_first.html">The <em>first</em></a>' in text
    assert "<p>What is <code>x</code>, and <strong>why</strong>?</p>" in text
    assert '<a href="02_second.html">&lt;b&gt;Second&lt;/b&gt; &amp; last</a>' in text
    assert '<span>10</span><div><a href="10%20tenth.html">10 tenth</a>' in text
    assert hrefs(index) == ["01_first.html", "02_second.html", "10%20tenth.html"]
    assert "Figures" not in text


def test_the_index_tells_what_was_learned(tmp_path):
    add(tmp_path, "01_first", "# 01 · First\n\n**Question.** Why?\n\n## What was learned\n\n* *This*\n  and `that`.\n* More.")
    text = site.write_index(tmp_path).read_text(encoding="utf-8")
    assert '<p>Why?</p><p class="answer"><em>This</em> and <code>that</code>.</p>' in text


def test_a_page_leaves_out_the_folder_of_figures(tmp_path):
    sources = ["# Parameters\nfigures = 'a'", "# Parameters\nfigures = 'a'\nword = 'b'"]
    page = pages.page(v4.new_notebook(cells=[v4.new_code_cell(each, id=f"c{i}") for i, each in enumerate(sources)]), "01")
    assert page.count("# Parameters") == 1


def test_pages_embed_the_figures_of_their_text(tmp_path):
    (tmp_path / "a-circuit.svg").write_text("<svg/>")
    text = "![a](../figures/a-circuit.svg) ![b](../figures/gone.svg) ![c](../../secret.svg)"
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell(text, id="a")])
    page = pages.page(notebook, "01", [tmp_path / "none", tmp_path])
    assert re.findall(r'<img [^>]*src="([^"]*)"', page) == [
        "data:image/svg+xml;base64,PHN2Zy8+",
        "../figures/gone.svg",
        "../../secret.svg",
    ]


def test_links_lead_to_pages_that_are_there(three):
    site.write_index(three)
    first, second, tenth = (three / "html" / f"{name}.html" for name in ("01_first", "02_second", "10 tenth"))
    assert hrefs(first) == ["index.html", "02_second.html"]
    assert hrefs(second) == ["index.html", "01_first.html", "10%20tenth.html", "01_first.html"]
    assert hrefs(tenth) == ["index.html", "02_second.html", "02_second.html", "10%20tenth.html"]
    assert 'href="01_first.html#More"' in second.read_text(encoding="utf-8")
    assert '<a data-notebook="04_never">04</a>' in second.read_text(encoding="utf-8")
    header = site.HEADER.search(second.read_text(encoding="utf-8"))[0]
    assert '<a rel="prev" href="01_first.html">← 01 <span>The <em>first</em></span></a>' in header
    assert '<a rel="next" href="10%20tenth.html">10 <span>10 tenth</span> →</a>' in header


def test_links_follow_what_is_there(three):
    site.write_index(three)
    second, before = three / "html" / "02_second.html", (three / "html" / "02_second.html").read_bytes()
    site.write_index(three)
    assert second.read_bytes() == before  # nothing new: nothing changes
    (three / "html" / "01_first.html").unlink()
    add(three, "04_never", "# 04 · After all")
    assert "01_first" not in site.write_index(three).read_text(encoding="utf-8")
    assert hrefs(second) == ["index.html", "04_never.html", "04_never.html"]
    assert '<a data-notebook="01_first#More">01</a>' in second.read_text(encoding="utf-8")


def test_before_the_index_no_link_leads_anywhere(three):
    assert not any(hrefs(page) for page in (three / "html").iterdir())


def test_nothing_is_fetched(tmp_path):
    html = f'<img src="{PIXEL}"><script src="https://cdn.example/x.js"></script><script>import("http://cdn.example/y")</script>'
    page = add(tmp_path, "01_a", "# 01 · A", shown("text/html", html), shown("image/svg+xml", SVG))
    for file in (page, site.write_index(tmp_path)):
        text = file.read_text(encoding="utf-8")
        assert not re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=[\"']?(?:https?:)?//", text)
        assert "cdn" not in text
        assert "default-src data: blob: 'unsafe-inline'" in text.split("<script", 1)[0]
    assert f'src="{PIXEL}"' in page.read_text(encoding="utf-8")


def test_a_picture_that_is_there_as_svg_is_not_there_as_png():
    output = v4.new_output("display_data", {"image/svg+xml": SVG, "image/png": PIXEL.partition(",")[2]})
    notebook = v4.new_notebook(cells=[v4.new_code_cell("x", outputs=[output])])
    page = pages.page(notebook, "a")
    assert "data:image/svg+xml;base64," in page
    assert PIXEL not in page
    assert "image/png" in notebook.cells[0].outputs[0].data  # the notebook itself keeps it


def test_both_themes_are_there(three):
    site.write_index(three)
    for page in (three / "html").iterdir():
        text = page.read_text(encoding="utf-8")
        assert ':root[data-theme="dark"] {' in text
        assert text.count('id="theme"') == 1
    light, dark = text.split("@media screen {", 1)  # of a notebook's page: nbconvert's own two themes
    for theme in (light, dark):
        assert "--jp-mirror-editor-keyword-color:" in theme
        assert "--jp-layout-color1:" in theme


def test_figures_lead_to_the_page_that_made_them(three):
    for name in ("02-some-figure", "07-of-no-page", "loose & <free>"):
        (three / "figures" / f"{name}.svg").write_text(SVG)
    text = site.write_index(three).read_text(encoding="utf-8")
    assert re.search(
        r'<a href="02_second.html"><figure><div><img alt="Some figure" src="data:image/svg\+xml;base64,[^"]*"></div>'
        r"<figcaption><span>02</span>Some figure</figcaption></figure></a>",
        text,
    )
    assert "<span>07</span>Of no page</figcaption></figure>\n" in text
    assert "<span></span>Loose &amp; &lt;free&gt;" in text
    assert text.count("<a ") == 4
    elsewhere = three / "elsewhere"
    elsewhere.mkdir()
    assert "Figures" not in site.write_index(three, elsewhere).read_text(encoding="utf-8")


def test_notebooks_out_of_the_ordinary(three):
    add(three, "index", "# An index\n\nof [the first](01_first.ipynb)")
    add(three, "11_failed", "# 11 · Failed", v4.new_output("error", ename="E", evalue="e", traceback=["E: e"]))
    add(three, "12_broken", "# 12 · Broken")
    (three / "notebooks" / "12_broken.ipynb").write_text("{")
    text = site.write_index(three).read_text(encoding="utf-8")
    assert '<a href="index-notebook.html">An index</a>' in text
    assert '<a href="11_failed.html">Failed</a> <em>(stopped at a cell that failed)</em>' in text
    assert '<a href="12_broken.html">12_broken</a>' in text


def test_an_index_of_nothing(tmp_path):
    (tmp_path / "html").mkdir()
    assert "<ol>" in site.write_index(tmp_path).read_text(encoding="utf-8")


def test_the_index_is_written_whole_or_not_at_all(three):
    before = site.write_index(three).read_bytes()
    (three / "figures" / "01-not-text.svg").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(FileError, match="01-not-text"):
        site.write_index(three)
    assert (three / "html" / "index.html").read_bytes() == before
    assert not list((three / "html").glob(".*"))
