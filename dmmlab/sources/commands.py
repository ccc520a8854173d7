"""Commands: external programs as targets. A program reads and writes one line per item.

The program is started for each string, and reads all items of the string at once. No shell is
involved: only the program in the arguments is run.
"""

import math
import shlex
import subprocess
from collections.abc import Iterable, Iterator, Sequence

from ..core.errors import LabError
from ..core.vvalues import VValue

SECONDS = 10.0  # for one string
REMEMBERED = 200_000  # strings whose answers are cached, at most
LONGEST = 200  # characters of a program's output in error messages, at most


class Command:
    """A program that answers strings: a target for a :class:`~dmmlab.problems.problems.Problem`.

    The program reads a number as a number, a letter ``{text: 1.0}`` as its text, several inputs
    with spaces between them, and a cycle without an item as an empty line. It writes a line with
    one number for each answer.

    Args:
        arguments: the program and its arguments; a string is split as a shell does.
        seconds: the time limit for a string.

    Raises :class:`~dmmlab.core.errors.LabError` if no program is given. A call raises it if the
    program cannot be run, fails, takes too long, or writes anything but numbers.
    """

    is_slow = True

    def __init__(self, arguments: str | Sequence[str], seconds: float = SECONDS):
        try:
            self.arguments = shlex.split(arguments) if isinstance(arguments, str) else list(arguments)
        except ValueError as error:
            raise LabError(f"command {arguments!r}: {error}") from None
        if not self.arguments:
            raise LabError("no command")
        self.seconds = seconds
        self._known: dict[tuple[str, ...], tuple[float, ...]] = {(): ()}  # the answers to the last item of each string

    @property
    def __name__(self) -> str:
        return shlex.join(self.arguments)

    def __repr__(self) -> str:
        return f"Command({self.__name__!r})"

    def __call__(self, items: Iterable[VValue]) -> Iterator[tuple[float, ...]]:
        """Yields the answers to the items of a string."""
        lines = tuple(_line(item) for item in items)
        if lines not in self._known:
            if len(self._known) > REMEMBERED:
                self._known.clear()
            for t, row in enumerate(self._run(lines), 1):
                if self._known.setdefault(lines[:t], row) != row:
                    raise LabError(f"{self.__name__}: answers one string in two ways; an answer is a function of what was read")
        yield from (self._known[lines[:t]] for t in range(1, len(lines) + 1))

    def _run(self, lines: Sequence[str]) -> Iterator[tuple[float, ...]]:
        try:
            done = subprocess.run(
                self.arguments,
                input="".join(f"{line}\n" for line in lines),
                capture_output=True,
                text=True,
                timeout=self.seconds,
            )
        except subprocess.TimeoutExpired:
            raise LabError(f"{self.__name__}: took longer than {self.seconds:g} s for {len(lines)} items") from None
        except (OSError, ValueError) as error:
            raise LabError(f"{self.__name__}: cannot be run: {getattr(error, 'strerror', None) or error}") from None
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
            raise LabError(f"{self.__name__}: ended with status {done.returncode}: {said[:LONGEST]!r}")
        given = done.stdout.splitlines()
        if len(given) != len(lines):
            raise LabError(f"{self.__name__}: wrote {len(given)} lines for {len(lines)} items: expected one for each")
        for t, line in enumerate(given):
            try:
                row = tuple(map(float, line.split()))
            except ValueError:
                row = ()
            if not row or not all(map(math.isfinite, row)):
                raise LabError(f"{self.__name__}: line {t + 1} is {line[:LONGEST]!r}: expected numbers")
            yield tuple(int(x) if x.is_integer() else x for x in row)


def _line(item: VValue) -> str:
    if not isinstance(item, dict):
        return f"{item:.17g}" if isinstance(item, float) else str(item)
    if all(isinstance(part, dict) or part != 1.0 for part in item.values()) or len(item) > 1:
        return " ".join(_line(part) for part in item.values())
    return next(iter(item))
