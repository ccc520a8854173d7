"""The journal as a static site, for reading without running.

Each executed notebook becomes a page, and an index lists the pages and shows the figures. A page is
one file that can be mailed, or opened from a disk: it contains its pictures, styles and a short
script. Its content security policy makes the browser block anything that a notebook's output might
try to fetch.

A page is dark if its reader prefers dark, or switched to it. nbconvert's light theme is the base;
its dark theme is a second set of values for the same variables, here bound to
``data-theme="dark"``. Pictures are drawn on white. In the dark theme they are inverted and their
hues rotated back, so that blue stays blue and white becomes the page's colour. Print is always
light.

The set of pages is known only when the last notebook has run. So a page is first written with
placeholders for links to other pages. :func:`write_index` fills them in, and can do so repeatedly,
so that no link is dead.
"""

import base64
import copy
import html
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from ..core.files import read_text, write_text
from .folding import as_details, folding

TITLE = "A lab journal of dataflow matrix machines"
DESCRIPTION = (
    "A dataflow matrix machine is a neural machine in which a single neuron processes streams of vectors whose indices are "
    "trees; here such machines are trained by gradients, and pruned to small programs that one can read."
)
REFERENCE = "reference/dmmlab.html"  # beside the pages, if dmmlab.journal.reference has written it
PARTS = Path(__file__).parent / "site_page"
HEAD, SWITCH = ((PARTS / name).read_text(encoding="utf-8").rstrip("\n") for name in ("head.html", "switch.html"))
STYLE, PAGE_STYLE, INDEX_STYLE = (
    "\n" + (PARTS / name).read_text(encoding="utf-8") for name in ("site.css", "notebook.css", "index.css")
)
MAX_BYTES = 2**28  # maximum size of a page or figure; a page usually has about half a megabyte

FOLDER_ALONE = re.compile(r"# Parameters\nfigures = .*\n?")  # a cell injected by papermill that tells a reader nothing
LEARNED = re.compile(r"^## What was learned\n+(?:\* )?(.+?)(?=\n\s*\n|\n\* |\Z)", flags=re.M | re.S)
HEADER = re.compile(r'<header id="site">.*?</header>', flags=re.S)
LINK = re.compile(r'<a data-notebook="([^"#]*)(#[^"]*)?"(?: href="[^"]*")?')


@dataclass(frozen=True)
class Entry:
    """A page, for the index and for links from its neighbours. All texts but ``name`` are HTML."""

    name: str
    page: Path
    title: str
    question: str = ""
    answer: str = ""
    failed: bool = False

    @property
    def number(self) -> str:
        """The number at the start of the notebook's name, or an empty text."""
        return (re.match(r"\d*", self.name) or [""])[0]


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


def write_index(out: Path, figures: Path | None = None) -> Path:
    """Writes ``out/html/index.html``, and fills in the links between the pages beside it.

    Args:
        out: where :func:`dmmlab.journal.execution.execute` left notebooks and pages. Only notebooks
            that have a page are listed.
        figures: the folder of the figures to show; ``out/figures`` if left out.

    Returns:
        The path of the index.

    Raises:
        FileError: a file cannot be read or written.
    """
    notebooks = sorted(path for path in (out / "notebooks").glob("*.ipynb") if not path.name.startswith("."))
    reference = (out / "html" / REFERENCE).is_file()
    entries = [_entry(path, page_of(out, path.stem)) for path in notebooks if page_of(out, path.stem).is_file()]
    for i, each in enumerate(entries):
        before = read_text(each.page, MAX_BYTES)
        after = linked(
            before, entries[i - 1] if i else None, entries[i + 1] if i + 1 < len(entries) else None, entries, reference
        )
        if after != before:
            write_text(each.page, after)
    pictures = sorted((figures or out / "figures").glob("[!.]*.svg"), key=lambda path: path.stem)
    index = out / "html" / "index.html"
    write_text(index, _index(entries, pictures, reference))
    return index


def linked(text: str, before: Entry | None, after: Entry | None, there: Sequence[Entry], reference: bool = False) -> str:
    """Adds links to a page: to the index, to the pages before and after, and in its text.

    Links in its text lead only to pages that exist.
    """
    addresses = {each.name: quote(each.page.name) for each in there}

    def link(match: re.Match) -> str:
        name, part = match[1], match[2] or ""
        address = addresses.get(unquote(html.unescape(name)))
        return f'<a data-notebook="{name}{part}"' + (f' href="{address}{part}"' if address else "")

    neighbours = [
        f'<a rel="{rel}" href="{quote(each.page.name)}">{left}{each.number or each.title} <span>{each.title}</span>{right}</a>'
        for rel, each, left, right in (("prev", before, "← ", ""), ("next", after, "", " →"))
        if each
    ]
    api = f'<a class="reference" href="{REFERENCE}">Reference</a>' if reference else ""
    header = f'<header id="site"><nav><a href="index.html">Journal</a>{api}{"".join(neighbours)}</nav>{SWITCH}</header>'
    return HEADER.sub(lambda _: header, LINK.sub(link, text), count=1)


def _entry(notebook: Path, page: Path) -> Entry:
    """Reads a notebook's heading and question from its first cell, and its answer from later ones.

    The question is the paragraph that begins with **Question.** The answer is the first paragraph,
    or the first item, under the heading "What was learned".
    """
    import nbformat

    try:
        cells = nbformat.read(notebook, as_version=4).cells
    except Exception:  # nbformat and jsonschema raise errors of various types; the page is readable anyway
        return Entry(notebook.stem, page, html.escape(notebook.stem))
    text = next((cell.source for cell in cells if cell.cell_type == "markdown"), "")
    heading = re.search(r"^# +(?:\d+ · )?(.+)$", text, flags=re.M)
    question = re.search(r"^\*\*Question\.\*\* *(.+?)(?=\n\s*\n|\Z)", text, flags=re.M | re.S)
    failed = any(output.output_type == "error" for cell in cells for output in cell.get("outputs", []))
    title = _inline(heading[1] if heading else notebook.stem)
    learned = next((found for cell in cells if cell.cell_type == "markdown" and (found := LEARNED.search(cell.source))), None)
    answer = _inline(learned[1]) if learned else ""
    return Entry(notebook.stem, page, title, _inline(question[1]) if question else "", answer, failed)


def _inline(markdown: str) -> str:
    """Converts a line of markdown to HTML: emphasis and code; of links, only the text."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", html.escape(" ".join(markdown.split())))
    for mark, tag in ((r"\*\*", "strong"), (r"\*", "em"), ("`", "code")):
        text = re.sub(rf"{mark}(\S|\S.*?\S){mark}", rf"<{tag}>\1</{tag}>", text)
    return text


def _index(entries: Sequence[Entry], figures: Sequence[Path], reference: bool) -> str:
    items = [
        f'<li><span>{each.number}</span><div><a href="{quote(each.page.name)}">{each.title}</a>'
        + (" <em>(stopped at a cell that failed)</em>" if each.failed else "")
        + (f"<p>{each.question}</p>" if each.question else "")
        + (f'<p class="answer">{each.answer}</p>' if each.answer else "")
        + "</div></li>"
        for each in entries
    ]
    api = (
        f'<h2>Reference</h2>\n<ol><li><span></span><div><a href="{REFERENCE}">dmmlab</a><p>What the package offers: functions '
        "and classes, what they take, return and raise.</p></div></li></ol>\n"
    )
    pages = {each.number: quote(each.page.name) for each in reversed(entries) if each.number}
    gallery = f'<h2>Figures</h2>\n<div class="gallery">\n{"".join(_figure(path, pages) for path in figures)}</div>\n'
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n{HEAD}\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{TITLE}</title>\n<style>{STYLE}{INDEX_STYLE}</style>\n</head>\n<body>\n"
        f'<header id="site"><nav></nav>{SWITCH}</header>\n<main>\n<h1>{TITLE}</h1>\n<p class="about">{DESCRIPTION}</p>\n'
        f"<h2>Notebooks</h2>\n<ol>\n{chr(10).join(items)}\n</ol>\n"
        f"{api if reference else ''}{gallery if figures else ''}</main>\n</body>\n</html>\n"
    )


def _figure(path: Path, pages: dict[str, str]) -> str:
    """Returns a figure with a caption from its name, linked to the page of its notebook.

    Names look like ``03-handcrafted-detector.svg``.
    """
    number, words = re.match(r"(?:(\d+)-)?(.*)", path.stem).groups(default="")  # type: ignore[union-attr]
    words = html.escape((words[:1].upper() + words[1:]).replace("-", " "))
    data = base64.b64encode(read_text(path, MAX_BYTES).encode()).decode()
    figure = (
        f'<figure><div><img alt="{words}" src="data:image/svg+xml;base64,{data}"></div>'
        f"<figcaption><span>{number}</span>{words}</figcaption></figure>"
    )
    return f'<a href="{pages[number]}">{figure}</a>\n' if number in pages else f"{figure}\n"
