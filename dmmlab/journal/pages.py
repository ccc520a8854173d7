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

HEAD = """<meta http-equiv="Content-Security-Policy" content="default-src data: blob: 'unsafe-inline' 'unsafe-eval'">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<script>
(() => {
  const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)");
  const stored = () => { try { return localStorage.getItem("dmmlab-theme"); } catch { return null; } };
  const show = () => {
    const chosen = stored();
    root.dataset.theme = chosen === "dark" || chosen === "light" ? chosen : dark.matches ? "dark" : "light";
  };
  show();
  dark.addEventListener("change", show);
  addEventListener("storage", show);
  addEventListener("pageshow", show);
  addEventListener("click", event => {
    if (!event.target.closest("#theme")) return;
    root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
    try { localStorage.setItem("dmmlab-theme", root.dataset.theme); } catch {}
  });
})();
</script>"""

STYLE = """
:root { --paper: #fff; --ink: #1f1f1f; --quiet: #666; --line: #e2e2e2; --accent: #1b6ca8; color-scheme: light; }
@media screen { :root[data-theme="dark"] {
  --paper: #1f1f1f; --ink: #e0e0e0; --quiet: #a0a0a0; --line: #3a3a3a; --accent: #7ab8e8; color-scheme: dark; } }
html { background: var(--paper); }
body { margin: 0; background: var(--paper); color: var(--ink); }
#site { display: flex; align-items: center; gap: 1.5rem; max-width: 66rem; margin: 0 auto; padding: .6rem 1.25rem;
  box-sizing: border-box; font: 14px/1.4 system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; }
#site nav { display: flex; flex: 1; gap: 1.5rem; min-width: 0; }
#site a { color: var(--quiet); text-decoration: none; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
#site a:hover { color: var(--accent); }
#site a:first-child { color: var(--ink); font-weight: 600; flex: none; }
#site a.reference { flex: none; }
#site a:is(.reference, :first-child:not(:has(+ .reference))) { margin-right: auto; }
#theme { display: none; flex: none; width: 2rem; height: 2rem; padding: 0; border: 0; border-radius: 50%; background: none;
  color: var(--quiet); cursor: pointer; }
#theme svg { display: block; margin: auto; }
#theme:hover { color: var(--accent); }
:root[data-theme] #theme { display: block; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
@media screen { :root[data-theme="dark"] :is(.jp-OutputArea-output, .jp-RenderedMarkdown, figure) :is(img, svg):not(svg *) {
  filter: invert(.88) hue-rotate(180deg); } }
@media (max-width: 48rem) { #site a span { display: none; } }
@media print { #site { display: none; } }
"""

PAGE_STYLE = """
:root, :root[data-theme="dark"] { --jp-layout-color0: var(--paper); --jp-content-link-color: var(--accent);
  --jp-content-font-size1: 15px; }
:root { --jp-mirror-editor-comment-color: #357070; --jp-rendermime-error-background: #fdf0ef; }
@media screen { :root[data-theme="dark"] { --jp-layout-color1: #272727; --jp-content-font-color0: var(--ink);
  --jp-content-font-color1: var(--ink); --jp-rendermime-table-row-background: #272727; --jp-cell-editor-border-color: #3a3a3a;
  --jp-mirror-editor-operator-color: #c792ea; --jp-mirror-editor-meta-color: #c792ea;
  --jp-mirror-editor-comment-color: #8ab0b0; --jp-mirror-editor-def-color: #7ab8e8; --jp-mirror-editor-builtin-color: #7fc783;
  --jp-mirror-editor-keyword-color: #7fc783; --jp-layout-color2: #333;
  --jp-rendermime-error-background: #35211f; --jp-cell-prompt-not-active-font-color: #8a8a8a; } }
body.jp-Notebook { padding: 0; overflow: visible; }
main { max-width: 66rem; margin: 0 auto; padding: 0 1.25rem 4rem .25rem; box-sizing: border-box; }
.jp-RenderedMarkdown { max-width: 46rem; }
.jp-InputArea-editor, .jp-OutputArea-output { overflow-x: auto; }
.jp-RenderedHTMLCommon :is(h1, h2, h3) { line-height: 1.2; text-wrap: balance; }
#contents { font: 14px/1.4 system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; max-width: 66rem;
  margin: 0 auto; padding: .5rem 1.25rem; box-sizing: border-box; }
#contents ol { list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: .15rem 1.5rem; }
#contents a { color: var(--quiet); text-decoration: none; }
#contents a:hover { color: var(--accent); }
@media screen and (min-width: 80rem) {
  #site, main { margin-left: max(15rem, calc(50% - 33rem + 3.5rem)); }
  #contents { position: fixed; left: max(0rem, calc(50% - 33rem + 3.5rem - 15rem)); top: 3.6rem; width: 14.5rem; margin: 0;
    max-height: calc(100vh - 5rem); overflow-y: auto; }
  #contents ol { display: block; border-left: 1px solid var(--line); padding-left: .9rem; }
  #contents li { margin: 0 0 .55rem; } }
.jp-RenderedHTMLCommon :is(h2, h3) { scroll-margin-top: 1rem; }
details.fold { display: block; }
details.fold > summary { color: var(--quiet); cursor: pointer; font: 13px/1.6 system-ui, -apple-system, "Segoe UI", Helvetica,
  Arial, sans-serif; }
details.fold > summary:hover { color: var(--accent); }
details.fold > summary::after { content: " · " attr(data-lines); }
@media print { #contents { display: none; } }
.jp-RenderedSVG, .jp-RenderedImage { padding: .4rem 0; }
.jp-RenderedMarkdown table { margin-left: 0; }
:root:not([data-theme="dark"]) .jp-RenderedText pre { & .ansi-red-fg { color: #b3261e; } & .ansi-green-fg { color: #00703a; }
  & .ansi-cyan-fg { color: #007070; } & .ansi-blue-fg { color: #1b6ca8; } & .ansi-yellow-fg { color: #7a5c00; } }
.jp-RenderedText pre .ansi-yellow-bg { background: none; text-decoration: underline; }
.jp-OutputPrompt:empty { padding: var(--jp-code-padding); border: 1px solid transparent; }
.jp-OutputArea-output img { max-width: 100%; height: auto; }
a:not([href]) { color: inherit !important; text-decoration: none !important; }
@media screen and (max-width: 48rem) { main { padding-left: 1.25rem; }
  main :is(.jp-InputPrompt, .jp-OutputPrompt) {
  display: none; } }
@media print { pre { white-space: pre-wrap !important; } }
"""

SWITCH = (
    '<button id="theme" type="button" aria-label="Dark or light" title="Dark or light"><svg width="16" height="16" '
    'viewBox="0 0 16 16" aria-hidden="true">'
    '<circle cx="8" cy="8" r="6.5" fill="none" stroke="currentColor" stroke-width="1.5"/>'
    '<path d="M8 1.5a6.5 6.5 0 0 1 0 13z" fill="currentColor"/></svg></button>'
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
