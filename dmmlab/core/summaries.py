"""Short summaries of objects: their ``repr``, and the table that a notebook shows.

The default ``repr`` of a dataclass includes everything that it holds: hundreds of kilobytes for the
result of a synthesis. Public classes of ``dmmlab`` instead show a title and a few named facts; the
other facts are only counted.
"""

import html
import numbers
import reprlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Protocol, TypeVar

import numpy as np

MOST_FACTS = 12
LONGEST = 100  # characters of a line
Facts = Iterable[tuple[str, object]]


class HasSummary(Protocol):
    """An object with ``_summary``, which returns a title and facts: pairs (name, value)."""

    def _summary(self) -> tuple[str, Facts]: ...


T = TypeVar("T", bound=type[HasSummary])


def summarised(cls: T) -> T:
    """A class decorator that makes ``repr`` and a notebook's HTML from ``_summary``."""
    cls.__repr__ = _text  # type: ignore[method-assign, assignment]
    cls._repr_html_ = summary_html  # type: ignore[attr-defined]
    return cls


def _text(self: HasSummary) -> str:
    title, facts = self._summary()
    rows = list(_shown(facts))
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join([_short(title), *(_short(f"  {name:<{width}}  {value}".rstrip()) for name, value in rows)])


def summary_html(self: HasSummary) -> str:
    """Returns the title and facts as HTML, for a notebook."""
    title, facts = self._summary()
    cells = "".join(
        f'<tr><td style="text-align:left">{html.escape(name)}</td><td style="text-align:left">{html.escape(value)}</td></tr>'
        for name, value in _shown(facts)
    )
    return f"<div><b>{html.escape(_short(title))}</b>{f'<table>{cells}</table>' if cells else ''}</div>"


def _shown(facts: Facts) -> Iterator[tuple[str, str]]:
    rest = iter(facts)
    for name, value in islice(rest, MOST_FACTS):
        yield _short(name, LONGEST // 2), _short(fact(value))
    more = sum(1 for _ in rest)
    if more:
        yield "…", f"{more:,} more"


def fact(value: object) -> str:
    """Formats a value on one line: numbers with six digits, text unchanged, containers cut."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int):
        return f"{value:,}" if type(value) is int else str(value)
    if isinstance(value, numbers.Real | np.generic):
        return f"{float(value):.6g}"
    return " ".join(reprlib.repr(value).split())


def plural(count: int, what: str) -> str:
    """Formats a count with its noun: ``1 link``, ``1,486 links``."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def names(of: Iterable[Any], most: int = 8) -> str:
    """Joins the first few names: ``input, accum, norm and 5 more``."""
    every = [str(name) for name in of]
    return ", ".join(every[:most]) + (f" and {len(every) - most:,} more" if len(every) > most else "") or "none"


def _short(text: str, most: int = LONGEST) -> str:
    text = text if text.isprintable() else "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return text if len(text) <= most else f"{text[: most - 1]}…"
