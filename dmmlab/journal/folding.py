"""Folds imports and checks in the code of a page; a click unfolds them.

A notebook checks in code what its text claims. Readers rarely need these checks, or the imports.
Each run of such statements becomes one line that unfolds.
"""

import ast
import re
from collections.abc import Callable, Iterator
from typing import Any

IMPORTS, CHECKS = "imports", "checks"
FOLD = re.compile(r'<div class="fold (\w+) lines-(\d+)">(.*?)</div>', flags=re.S)  # it contains only spans
SET_UP = "journal_style"  # a call that is folded with the imports


def folding(highlight: Callable[..., str]) -> Callable[..., str]:
    """Wraps a function that highlights code, so that it marks imports and checks.

    Args:
        highlight: ``(source, metadata=...) -> HTML``. Each line of the source has to be a line of
            one ``<pre>``, as in the output of Pygments.

    Returns:
        The same function, with a ``<div>`` around folded lines. nbconvert removes ``<details>``, so
        :func:`as_details` makes them later.
    """

    def highlight_and_fold(source: str, *args: Any, **kwargs: Any) -> str:
        page = highlight(source, *args, **kwargs)
        folds = list(foldable(source))
        begin, end = page.find("<pre"), page.rfind("</pre>")
        if not folds or begin < 0 or end < 0:
            return page
        begin = page.index(">", begin) + 1
        lines = page[begin:end].split("\n")
        if len(lines) < folds[-1][1]:
            return page  # lines do not correspond: fold nothing
        for first, last, what in reversed(folds):
            folded = "\n".join(lines[first - 1 : last])
            lines[first - 1 : last] = [f'<div class="fold {what} lines-{last - first + 1}">{folded}</div>']
        return page[:begin] + _joined(lines) + page[end:]

    return highlight_and_fold


def as_details(page: str) -> str:
    """Folds the lines of a page that :func:`folding` has marked."""

    def details(match: re.Match) -> str:
        what, count, code = match.groups()
        lines = "1 line" if count == "1" else f"{count} lines"
        return f'<details class="fold"><summary data-lines="{lines}">{what}</summary>{code}</details>'

    return FOLD.sub(details, page)


def foldable(source: str) -> Iterator[tuple[int, int, str]]:
    """Yields the line ranges to fold in a piece of code.

    Args:
        source: Python code. In code that only IPython understands, nothing is folded.

    Returns:
        The first line, the last line (both from 1), and the kind of each range, from top to bottom.
    """
    try:
        statements = ast.parse(source).body
    except (SyntaxError, ValueError):
        return
    kept = {line for each in statements if not _kind(each) for line in _lines(each)}
    runs: list[tuple[int, int, str]] = []
    before = ""
    for statement in statements:
        what = "" if kept.intersection(_lines(statement)) else _kind(statement)
        if what and what == before:
            runs[-1] = (runs[-1][0], _lines(statement)[-1], what)
        elif what:
            runs.append((_lines(statement)[0], _lines(statement)[-1], what))
        before = what
    yield from runs


def _lines(statement: ast.stmt) -> range:
    return range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)


def _kind(statement: ast.stmt) -> str:
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return IMPORTS
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        function = statement.value.func
        return IMPORTS if isinstance(function, ast.Attribute) and function.attr == SET_UP else ""
    if isinstance(statement, ast.For | ast.With | ast.If):
        otherwise = [] if isinstance(statement, ast.With) else statement.orelse
        return CHECKS if all(_kind(each) == CHECKS for each in (*statement.body, *otherwise)) else ""
    return CHECKS if isinstance(statement, ast.Assert) else ""


def _joined(lines: list[str]) -> str:
    """Joins the lines of a ``<pre>``; a fold is a block, so there is no line break beside it."""
    text = ""
    for line, after in zip(lines, [*lines[1:], None], strict=True):
        text += line
        if after is not None and not line.endswith("</div>") and not after.startswith("<div"):
            text += "\n"
    return text
