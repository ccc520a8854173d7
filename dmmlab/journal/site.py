"""The journal as a static site, for reading without running.

Each executed notebook becomes a page (:mod:`dmmlab.journal.pages`). An index lists the pages and
shows the figures.

The set of pages is known only when the last notebook has run. So a page is first written with
placeholders for links to other pages. :func:`write_index` fills them in, and can do so repeatedly,
so that no link is dead.
"""

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from ..core.files import read_text, write_text
from .pages import HEAD, INDEX_STYLE, MAX_BYTES, STYLE, SWITCH, page_of

TITLE = "A lab journal of dataflow matrix machines"
DESCRIPTION = (
    "A dataflow matrix machine is a neural machine in which a single neuron processes streams of vectors whose indices are "
    "trees; here such machines are trained by gradients, and pruned to small programs that one can read."
)
REFERENCE = "reference/dmmlab.html"  # beside the pages, if dmmlab.journal.reference has written it
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
