"""Code to read: in a page, imports and checks are folded away until one asks for them.

A notebook asserts in code what it says in words. That holds it together, and is not what a reader
comes for; nor are imports. Each run of such statements becomes one line that unfolds.
"""

import ast
import re
from collections.abc import Callable, Iterator
from typing import Any

IMPORTS, CHECKS = "imports", "checks"
FOLD = re.compile(r'<div class="fold (\w+) lines-(\d+)">(.*?)</div>', flags=re.S)  # in it there are spans alone
SET_UP = "journal_style"  # a call that belongs to the imports


def folding(highlight: Callable[..., str]) -> Callable[..., str]:
    """A function that highlights code, with imports and checks folded.

    Args:
        highlight: ``(source, metadata=...) -> HTML``, in which each line of the source is a line of
            one ``<pre>`` that ends as it does, as Pygments makes it.

    Returns:
        The same with a ``<div>`` around what is folded, since nbconvert lets no ``<details>`` pass;
        :func:`as_details` makes them of it.
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
            return page  # not a line for a line: better all than a part
        for first, last, what in reversed(folds):
            folded = "\n".join(lines[first - 1 : last])
            lines[first - 1 : last] = [f'<div class="fold {what} lines-{last - first + 1}">{folded}</div>']
        return page[:begin] + _joined(lines) + page[end:]

    return highlight_and_fold


def as_details(page: str) -> str:
    """A page in which what :func:`folding` marked is folded."""

    def details(match: re.Match) -> str:
        what, count, code = match.groups()
        lines = "1 line" if count == "1" else f"{count} lines"
        return f'<details class="fold"><summary data-lines="{lines}">{what}</summary>{code}</details>'

    return FOLD.sub(details, page)


def foldable(source: str) -> Iterator[tuple[int, int, str]]:
    """What is folded in a piece of code.

    Args:
        source: Python, or what IPython makes of it: then nothing is folded.

    Returns:
        The first line, the last line (both from 1), and what they are, from top to bottom.
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
    if isinstance(statement, ast.For | ast.With):
        return CHECKS if all(_kind(each) == CHECKS for each in statement.body) else ""
    return CHECKS if isinstance(statement, ast.Assert) else ""


def _joined(lines: list[str]) -> str:
    """Lines of a ``<pre>``; a fold is a block of its own, so no line ends beside it."""
    text = ""
    for line, after in zip(lines, [*lines[1:], None], strict=True):
        text += line
        if after is not None and not line.endswith("</div>") and not after.startswith("<div"):
            text += "\n"
    return text
