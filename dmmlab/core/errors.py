"""Errors for the user: bad input, told in one line that says what to do.

Everything else that goes wrong is a defect of ``dmmlab`` and keeps its traceback.
"""

import contextlib
import pickle
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

MOST = 1000  # characters of an error that is told in one line


class Pickled:
    """An error that another process can send, whatever its constructor takes.

    It arrives with its message, and with those of its attributes that can be pickled.
    """

    def __reduce__(self) -> tuple:
        kept = {}
        for name, value in vars(self).items():
            with contextlib.suppress(Exception):
                pickle.dumps(value)  # only to see whether it can be sent: nothing is loaded here
                kept[name] = value
        return _again, (type(self), self.args, kept)  # type: ignore[attr-defined]


def _again(kind: type[Exception], arguments: tuple, attributes: Mapping[str, Any]) -> Exception:
    error = kind.__new__(kind, *arguments)
    vars(error).update(attributes)
    return error


class LabError(Pickled, ValueError):
    """A mistake in an argument or a file, told in one line; a command then exits with status 2."""


def one_line(error: BaseException, most: int = MOST) -> str:
    """The message of an error on one line of at most ``most`` printable characters."""
    try:
        text = " ".join(filter(None, map(str.strip, str(error).splitlines())))
    except Exception as broken:  # of an error whose own __str__ raises
        text = f"(its message cannot be told: {type(broken).__name__})"
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[: most + 1])
    return text if len(text) <= most else f"{text[: most - 3]}..."


def told(error: BaseException) -> str:
    """The class of an error that a reader's code raises, and the beginning of its message."""
    return f"{type(error).__name__}: {one_line(error, 200)}"


def one_of(what: str, name: str, known: Iterable[str]) -> str:
    """The message for an unknown name: ``unknown neuron 'inptu'; did you mean 'input'?``.

    Args:
        what: what the name should be the name of, such as ``neuron``.
        name: the unknown name.
        known: the names that there are; all are listed where none is close to ``name``.

    Returns:
        One line.
    """
    name, known = name[:60], sorted(known)
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"
    return f"unknown {what} {name!r}; {hint}"
