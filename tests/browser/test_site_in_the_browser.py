"""The site as a reader meets it: opened from a disk, offline, by day and by night."""

import http.server
import threading

import nbformat
import pytest
from nbformat import v4

from dmmlab.journal import pages, site

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="90"><rect width="90" height="90" fill="white"/></svg>'
GREEDY = """<img src="http://HOST/a.png"><link rel="stylesheet" href="http://HOST/b.css"><iframe src="http://HOST/c"></iframe>
<div style="background: url(http://HOST/d.png)">x</div><script>fetch("http:" + "//HOST/e")</script>"""
PAPER = "() => getComputedStyle(document.body).backgroundColor"
LIGHT, DARK = "rgb(255, 255, 255)", "rgb(31, 31, 31)"
INKS = """() => [".jp-RenderedMarkdown p", ".highlight .kn", ".highlight .c1", ".highlight .o", "td", "#site a"]
    .map(name => getComputedStyle(document.querySelector(name)).color)"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The pages of a small journal."""
    out = tmp_path_factory.mktemp("a journal")
    for name in ("notebooks", "html", "figures"):
        (out / name).mkdir()
    for name, other in (("01_one", "02_two"), ("02_two", "01_one")):
        data = [{"image/svg+xml": SVG}, {"text/html": "<table><tr><td>1</td></tr></table>"}]
        cells = [
            v4.new_markdown_cell(f"# {name[:2]} · Title\n\n**Question.** Which?\n\n[the other]({other}.ipynb)", id="a"),
            v4.new_code_cell("import x  # why\n1 + 1", outputs=[v4.new_output("display_data", d) for d in data], id="b"),
        ]
        notebook = v4.new_notebook(cells=cells)
        nbformat.write(notebook, out / "notebooks" / f"{name}.ipynb")
        pages.page_of(out, name).write_text(pages.page(notebook, name), encoding="utf-8")
        (out / "figures" / f"{name[:2]}-a-figure.svg").write_text(SVG)
    return site.write_index(out).parent


@pytest.fixture
def opened(browser, request):
    """An offline page by the reader's preference, ``light`` or ``dark``, and the addresses that it asks for."""
    context = browser.new_context(offline=True, color_scheme=getattr(request, "param", "light"))
    page, requests = context.new_page(), []
    page.on("request", lambda request: requests.append(request.url))
    yield page, requests
    context.close()


def luminance(colour):
    """Relative luminance of ``rgb(r, g, b)``, as in WCAG."""
    parts = [float(x) / 255 for x in colour.partition("(")[2].rstrip(")").split(",")[:3]]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("name", ["index", "01_one"])
def test_a_page_is_one_file(opened, folder, name):
    page, requests = opened
    page.goto((folder / f"{name}.html").as_uri())
    page.wait_for_timeout(300)
    assert requests[0].startswith("file:")
    assert [url for url in requests[1:] if not url.startswith(("data:", "blob:"))] == []
    assert page.evaluate("() => [...document.querySelectorAll('img[src^=data]')].every(i => i.complete && i.naturalWidth)")


def test_what_an_output_would_fetch_is_refused(browser, tmp_path):
    asked = []

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        greedy = GREEDY.replace("HOST", f"127.0.0.1:{server.server_port}")
        cell = v4.new_code_cell("x", outputs=[v4.new_output("display_data", {"text/html": greedy})])
        (tmp_path / "bare.html").write_text(greedy)
        (tmp_path / "page.html").write_text(pages.page(v4.new_notebook(cells=[cell]), "greedy"), encoding="utf-8")
        page = browser.new_page()
        for name, fetches in (("bare", {"/a.png", "/b.css", "/c", "/d.png", "/e"}), ("page", set())):
            asked.clear()
            page.goto((tmp_path / f"{name}.html").as_uri())
            page.wait_for_timeout(500)
            assert set(asked) == fetches
        page.close()
        server.shutdown()


def test_one_can_walk_through_the_site(opened, folder):
    page, _ = opened
    page.goto((folder / "index.html").as_uri())
    page.click("li a >> nth=0")
    assert page.title() == "01_one"
    page.click("a[rel=next]")
    assert page.title() == "02_two"
    page.click("text=the other")
    assert page.title() == "01_one"
    page.click("#site >> text=Journal")
    page.click(".gallery a >> nth=1")
    assert page.title() == "02_two"


@pytest.mark.parametrize("name", ["index", "01_one"])
def test_the_button_makes_it_dark_and_light_again(opened, folder, name):
    page, _ = opened
    page.goto((folder / f"{name}.html").as_uri())
    assert page.evaluate(PAPER) == LIGHT
    page.click("#theme")
    assert page.evaluate(PAPER) == DARK
    for _ in range(20):  # a browser writes down what it is to remember when it has time
        page.reload()
        if page.evaluate(PAPER) == DARK:
            break
        page.wait_for_timeout(250)
    assert page.evaluate(PAPER) == DARK  # it is remembered
    page.emulate_media(media="print")
    assert page.evaluate(PAPER) == LIGHT
    page.emulate_media(media="screen")
    page.click("#theme")
    assert page.evaluate(PAPER) == LIGHT


@pytest.mark.parametrize("name", ["index", "01_one"])
@pytest.mark.parametrize("opened", ["dark"], indirect=True)
def test_who_prefers_dark_gets_dark(opened, folder, name):
    page, _ = opened
    page.goto((folder / f"{name}.html").as_uri())
    assert page.evaluate(PAPER) == DARK
    assert "invert" in page.evaluate("() => getComputedStyle(document.querySelector('img[src^=data]')).filter")
    page.emulate_media(color_scheme="light")  # the reader's day breaks
    page.wait_for_function(f"({PAPER})() === '{LIGHT}'", timeout=5000)


@pytest.mark.parametrize("opened", ["light", "dark"], indirect=True)
def test_text_stands_out_from_its_paper(opened, folder):
    page, _ = opened
    page.goto((folder / "01_one.html").as_uri())
    paper = luminance(page.evaluate("() => getComputedStyle(document.querySelector('.jp-InputArea-editor')).backgroundColor"))
    for ink in page.evaluate(INKS):
        low, high = sorted([paper, luminance(ink)])
        assert (high + 0.05) / (low + 0.05) > 4, ink


@pytest.mark.parametrize("width", [1400, 1280, 1100, 600])
def test_contents_stand_beside_or_above_the_text(browser, tmp_path, width):
    cells = [
        v4.new_markdown_cell(f"# 01 · A\n\n## First\n\n{'word ' * 300}\n\n## Second"),
        v4.new_code_cell("import x\nassert x\nx"),
    ]
    (tmp_path / "page.html").write_text(pages.page(v4.new_notebook(cells=cells), "a"), encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto((tmp_path / "page.html").as_uri())
    contents, text = page.locator("#contents").bounding_box(), page.locator("main").bounding_box()
    assert contents["x"] + contents["width"] <= text["x"] + 1 or contents["y"] + contents["height"] <= text["y"] + 1
    assert (contents["x"] + contents["width"] <= text["x"] + 1) == (width >= 1280)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    imports = page.locator("details.fold >> nth=0")
    assert not imports.locator(".kn").is_visible()
    assert imports.locator("summary").inner_text() == "imports"
    imports.locator("summary").click()
    assert imports.locator(".kn").is_visible()
    page.click("#contents >> text=Second")
    page.wait_for_function("() => location.hash === '#Second'")
    page.close()
