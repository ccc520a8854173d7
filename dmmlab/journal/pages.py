"""The pages of the journal's site: an executed notebook as one file.

A page can be mailed, or opened from a disk: it contains its pictures, styles and a short script.
Its content security policy makes the browser block anything that a notebook's output might try to
fetch.

A page is dark if its reader prefers dark, or switched to it. nbconvert's light theme is the base;
its dark theme is a second set of values for the same variables, here bound to
``data-theme="dark"``. Pictures are drawn on white. In the dark theme they are inverted and their
hues rotated back, so that blue stays blue and white becomes the page's colour. Print is always
light.
"""

import base64
import copy
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.files import read_text
from .folding import as_details, folding

MAX_BYTES = 2**28  # maximum size of a page or figure; a page usually has about half a megabyte
FOLDER_ALONE = re.compile(r"# Parameters\nfigures = .*\n?")  # a cell injected by papermill that tells a reader nothing

PARTS = Path(__file__).parent / "site_page"
HEAD, SWITCH = ((PARTS / name).read_text(encoding="utf-8").rstrip("\n") for name in ("head.html", "switch.html"))
STYLE, PAGE_STYLE, INDEX_STYLE = (
    "\n" + (PARTS / name).read_text(encoding="utf-8") for name in ("site.css", "notebook.css", "index.css")
)


def page_of(out: Path, name: str) -> Path:
    """Returns the path of a notebook's page; ``index.html`` is reserved for the site's index."""
    return out / "html" / f"{'index-notebook' if name.lower() == 'index' else name}.html"


def page(notebook: Any, name: str, figures: Sequence[Path] = ()) -> str:
    """Returns an executed notebook as an HTML page, with placeholders for links to others.

    The page needs no network.
    """
    from nbconvert import HTMLExporter
    from nbconvert.filters.highlight import Highlight2HTML

    notebook = copy.deepcopy(notebook)
    notebook.cells = [cell for cell in notebook.cells if not FOLDER_ALONE.fullmatch(cell.source)]
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "image/svg+xml" in output.get("data", {}):
                output["data"].pop("image/png", None)
    exporter = HTMLExporter(filters={"highlight_code": folding(Highlight2HTML(pygments_lexer="ipython3"))})
    body, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": name}})
    body = _with_figures(as_details(body), figures)
    # Remove scripts that would be fetched: typesetting of formulas and diagrams, and widgets; the
    # pages of the journal have none of these.
    body = re.sub(
        r"<script[^>]*https?://.*?</script>|<script[^>]*>(?:(?!</script>).)*https?://.*?</script>",
        "",
        body,
        flags=re.S,
    )
    body = re.sub(r'<a href="(?:\./)?([^"/:#]+)\.ipynb(#[^"]*)?"', r'<a data-notebook="\1\2"', body)
    dark, _, _ = exporter.environment.loader.get_source(exporter.environment, "static/theme-dark.css")
    dark = "@media screen {\n" + dark.replace(":root", ':root[data-theme="dark"]') + "}\n"
    body = body.replace("<head>", f"<head>\n{HEAD}", 1)
    body = body.replace("</head>", f"<style>\n{dark}{STYLE}{PAGE_STYLE}</style>\n</head>", 1)
    body = _with_distinct_anchors(body)
    header = f'<header id="site"><nav></nav>{SWITCH}</header>\n'
    return body.replace("<main>", f"{header}{_contents(body)}<main>", 1)


def _with_figures(body: str, folders: Sequence[Path]) -> str:
    """Embeds figures that the text names as ``../figures/NAME.svg``, since a page loads no files.

    A figure is taken from the first of the folders that has it.
    """

    def embedded(match: re.Match) -> str:
        there = [folder / match[1] for folder in folders if (folder / match[1]).is_file()]
        if not there:
            return match[0]
        return f'src="data:image/svg+xml;base64,{base64.b64encode(read_text(there[0], MAX_BYTES).encode()).decode()}"'

    return re.sub(r'src="\.\./figures/([\w-]+\.svg)"', embedded, body)


def _with_distinct_anchors(body: str) -> str:
    """Numbers headings with the same text, so that each can be linked to."""
    seen: Counter[str] = Counter()

    def numbered(match: re.Match) -> str:
        name = match[1]
        seen[name] += 1
        if seen[name] == 1:
            return match[0]
        return re.sub(rf'(?<=d="|="#){re.escape(name)}"', f'{name}-{seen[name]}"', match[0])

    return re.sub(r'<h[1-6] id="([^"]*)".*?</h[1-6]>', numbered, body, flags=re.S)


def _contents(body: str) -> str:
    """Returns a table of contents: second-level headings, if there are several."""
    headings = re.findall(r'<h2 id="([^"]*)">(.*?)<a class="anchor-link"', body, flags=re.S)
    links = "".join(f'<li><a href="#{name}">{text.strip()}</a></li>' for name, text in headings)
    return f'<nav id="contents" aria-label="Contents"><ol>{links}</ol></nav>\n' if len(headings) > 1 else ""
