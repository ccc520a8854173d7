"""The notebooks as a reader meets them: opened in JupyterLab, untrusted as from a fresh clone, and run there."""

import subprocess
import sys
from pathlib import Path

import pytest
from real_browser import open_notebook

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PROJECT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((PROJECT / "notebooks").glob("[0-9]*.ipynb"))

# Pictures load lazily as one scrolls; every one must have come, with a size.
BROKEN = "() => [...document.querySelectorAll('.jp-OutputArea img')].filter(i => !i.complete || !i.naturalWidth).length"
PICTURES = ".jp-OutputArea-output img, .jp-OutputArea-output svg"


def scroll_through(page):
    for cell in page.locator(".jp-Notebook .jp-Cell").all():
        cell.scroll_into_view_if_needed()
    page.wait_for_timeout(300)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_pictures_are_visible_in_a_fresh_clone(browser, lab, path):
    page = open_notebook(browser, lab, f"notebooks/{path.name}")
    text = path.read_text()
    expected = text.count('"image/png": "') + text.count('src=\\"data:image/')
    scroll_through(page)
    page.wait_for_function(f"() => document.querySelectorAll('{PICTURES}').length >= {expected}", timeout=20_000)
    assert expected >= 1
    assert page.evaluate(BROKEN) == 0
    page.close()


def test_a_notebook_runs_in_the_lab(browser, lab):
    page = open_notebook(browser, lab, "notebooks/02_two_stroke_cycle.ipynb")
    run = "name => window.jupyterapp.commands.execute(name)"
    page.evaluate(run, "notebook:clear-all-cell-outputs")
    page.wait_for_function(f"() => document.querySelectorAll('{PICTURES}').length === 0")
    page.evaluate(run, "notebook:run-all-cells")
    page.wait_for_function(
        """() => { const model = window.jupyterapp.shell.currentWidget.content.model;
                   const cells = [...model.cells].filter(c => c.type === 'code');
                   return cells.length && cells.every((c, i) => c.executionCount === i + 1); }""",
        timeout=90_000,
    )
    outputs = page.evaluate(
        """() => [...window.jupyterapp.shell.currentWidget.content.model.cells].filter(c => c.type === 'code')
                 .flatMap(c => c.outputs.toJSON().map(o => o.output_type))"""
    )
    assert "error" not in outputs
    assert "execute_result" in outputs
    page.close()


def test_the_html_pages_need_no_network(browser, tmp_path):
    """A page of the journal opens without a single request beyond itself, and its drawings are SVG."""
    subprocess.run([sys.executable, "-m", "dmmlab", "journal", "02", "--out", tmp_path], cwd=PROJECT, check=True)
    html = tmp_path / "html" / f"{NOTEBOOKS[2].stem}.html"
    context = browser.new_context(offline=True)
    page, requests = context.new_page(), []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(html.as_uri())
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert page.locator(".jp-OutputArea-output svg, .jp-OutputArea-output img").count() >= 1
    assert page.evaluate("() => document.title") == NOTEBOOKS[2].stem
    context.close()
