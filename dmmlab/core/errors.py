"""The one kind of error that is the reader's to mend: bad input, told in one line that says where and what to do.

Everything else that goes wrong is a defect of ``dmmlab`` and keeps its traceback.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class LabError(ValueError):
    """A mistake in what was given to ``dmmlab``. Its message is one line; the command line exits with status 2."""


def one_of(what: str, given: str, known: Iterable[str]) -> str:
    """``unknown neuron 'inptu'; did you mean 'input'?``, or the list of what is known where nothing is near."""
    given, known = given[:60], sorted(known)
    near = get_close_matches(given, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"
    return f"unknown {what} {given!r}; {hint}"
