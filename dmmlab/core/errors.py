"""The one kind of error that is the reader's to mend: bad input, in one line that says what to do.

Everything else that goes wrong is a defect of ``dmmlab`` and keeps its traceback.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class LabError(ValueError):
    """A mistake in an argument or a file, told in one line; a command then exits with status 2."""


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
