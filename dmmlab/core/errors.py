"""User errors: bad input, reported in one line that says how to fix it.

Any other error is a bug in ``dmmlab`` and keeps its traceback.
"""

import contextlib
import pickle
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

MOST = 1000  # maximum number of characters of a one-line message


class Pickled:
    """A mixin for errors that can be pickled, whatever their constructor takes.

    Another process can send such an error. It keeps its message and its picklable attributes.
    """

    def __reduce__(self) -> tuple:
        kept = {}
        for name, value in vars(self).items():
            with contextlib.suppress(Exception):
                pickle.dumps(value)  # only tests whether it can be pickled; nothing is loaded here
                kept[name] = value
        return _again, (type(self), self.args, kept)  # type: ignore[attr-defined]


def _again(kind: type[Exception], arguments: tuple, attributes: Mapping[str, Any]) -> Exception:
    error = kind.__new__(kind, *arguments)
    vars(error).update(attributes)
    return error


class LabError(Pickled, ValueError):
    """A mistake in an argument or a file, in one line; a command then exits with status 2."""


def one_line(error: BaseException, most: int = MOST) -> str:
    """The message of an error on one line of at most ``most`` printable characters."""
    try:
        text = " ".join(filter(None, map(str.strip, str(error).splitlines())))
    except Exception as broken:  # the error's own __str__ raises
        text = f"(its message cannot be told: {type(broken).__name__})"
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[: most + 1])
    return text if len(text) <= most else f"{text[: most - 3]}..."


def told(error: BaseException) -> str:
    """Describes an error raised by user code: its class and the beginning of its message."""
    return f"{type(error).__name__}: {one_line(error, 200)}"


def one_of(what: str, name: str, known: Iterable[str]) -> str:
    """The message for an unknown name: ``unknown neuron 'inptu'; did you mean 'input'?``.

    Args:
        what: the kind of thing that is named, such as ``neuron``.
        name: the unknown name.
        known: the known names; all are listed if none is close to ``name``.

    Returns:
        One line.
    """
    name, known = name[:60], sorted(known)
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"
    return f"unknown {what} {name!r}; {hint}"
