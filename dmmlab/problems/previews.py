"""Previews: a drawn string with the target's answers; short text for items and answers."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

from ..core.vvalues import NUMBER, VValue, describe, paths, show_path

WIDTH = 100  # characters per line, at most


@dataclass(frozen=True)
class Preview:
    """A string of a problem, with its items and the target's answers side by side.

    ``items`` has a V-value for each cycle, ``{}`` for silence. ``answers`` has a row for each
    cycle: the answers to its item, one for each of the ``names``. A machine gives them ``delays``
    cycles later; the delays are 0 if the target is a machine.
    """

    question: str
    items: Sequence[VValue]
    answers: Sequence[Sequence[VValue]]
    names: Sequence[str]
    delays: Sequence[int]

    def __repr__(self) -> str:
        table = self._table()
        if sum(2 + max(map(len, column)) for column in table) > WIDTH:
            table = list(zip(*table, strict=True))  # a line for each cycle, not for each answer
        widths = [max(map(len, column)) for column in table]
        lines = ("  ".join(map(str.rjust, row, widths)) for row in zip(*table, strict=True))
        return "\n".join([self.question, *lines, self._note()])

    def _repr_html_(self) -> str:
        cell, name = "text-align:center;min-width:1.2em;padding:2px 4px", "text-align:left;padding:2px 8px 2px 0"
        body = ""
        for title, *texts in zip(*self._table(), strict=True):
            cells = "".join(f'<td style="{cell}">{html.escape(text)}</td>' for text in texts)
            body += f'<tr><th style="{name}">{html.escape(title)}</th>{cells}</tr>'
        table = f'<table style="margin:4px 0">{body}</table>'
        return f'<div style="overflow-x:auto"><b>{html.escape(self.question)}</b>{table}{html.escape(self._note())}</div>'

    def _table(self) -> list[tuple[str, ...]]:
        """Returns a column of row names, then a column for each cycle."""
        columns = zip(self.items, self.answers, strict=True)
        return [("item", *self.names), *((item_text(item), *map(answer_text, row)) for item, row in columns)]

    def _note(self) -> str:
        delays = sorted(set(self.delays))
        if not any(delays):
            return "Answers in the cycle in which the machine to be imitated gives them. · is a cycle without an item."
        due = " to ".join(map(str, dict.fromkeys((delays[0], delays[-1]))))
        return f"A machine gives its answers {due} cycle{'' if due == '1' else 's'} later. · is a cycle without an item."


def item_text(v: VValue) -> str:
    """Returns an item as text: ``a`` for ``{'a': 1.0}``, ``␣`` for space, ``·`` for silence."""
    if isinstance(v, dict):
        if not v:
            return "·"
        if len(v) == 1 and next(iter(v.values())) == 1.0 and len(key := next(iter(v))) <= 12:
            return "␣" if key == " " else key if key.isprintable() else repr(key)
        return describe(v)
    return f"{float(v):g}"


def answer_text(v: VValue) -> str:
    """Returns an answer as text: ``2``, or ``a: 2, b: 1``; ``·`` for the zero V-value."""
    if not isinstance(v, dict):
        return f"{float(v):g}"
    return ", ".join(f"{show_path(path or (NUMBER,))}: {float(x):g}" for path, x in paths(v)) or "·"
