"""Predictions: the future answers of a black box represent its state.

A target that can only be run hides its state. But two strings have led to the same state if the
target gives the same answers to everything that may follow. So its answers to some *tests* are a
state: a predictive state representation (Littman, Sutton and Singh, "Predictive representations of
state", NIPS 2001); for finitely many states, this is the theorem of Myhill and Nerode.

A *test* is a short string of items that follow. A *column* is a number for each string: the answer
after a test, or a sum of such answers, or how often an item must be repeated until an answer is
given; always minus its value for the empty string. With few items, the count of each item is a
column, too. A set of columns is *closed* if, in all observations, the columns after an item, and
the answer, are functions of the columns before it and of the item. A machine can keep such a state.
"""

import itertools
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..core.errors import LabError
from .closed_sets import closed_sets, linear_set

STRINGS, FEW_STRINGS = 120, 16  # strings after which tests are tried; the second if a run is slow
ITEMS = 6  # items with which a string is continued, at most
SMALL_ALPHABET = 4  # items, at most, for all strings of up to three items to be tests
TESTS = 16  # items that are tests in larger alphabets
REPEATED = 7  # repetitions of one item in a test, at most
COUNTED = 64  # repetitions of an item until an answer is given, at most
VALUES = 4  # values of an answer, at most, for repetitions to be counted for each; else for 0 only
DIGITS = 6  # binary digits of an answer, at most
ONE_HOT = 40  # items, at most, for a one-hot code

String = tuple[int, ...]  # of items, by their indices in the alphabet


class OutOfTime(LabError):
    """Raised if the time is over and nothing was found."""


class States(NamedTuple):
    """A closed set of columns, before and after each transition: (transitions, columns)."""

    before: np.ndarray
    after: np.ndarray


class BlackBox:
    """A target that can only be run. Its answers are cached.

    Args:
        run: takes a string, and returns for each of its items one whole number per answer.
        items: the size of the alphabet.
        answers: the number of answers to each item.
        end: when to stop, as a value of ``time.monotonic()``.
        known: the known answers; new ones are added.
        is_slow: whether a run takes so long that there should be few.
    """

    def __init__(
        self,
        run: Callable[[String], Iterable[tuple[int, ...]]],
        items: int,
        answers: int,
        end: float,
        known: dict[String, tuple[int, ...]] | None = None,
        is_slow: bool = False,
    ):
        self.run, self.items, self.count, self.end, self.queries = run, items, answers, end, 0
        self.is_slow = is_slow
        self._known = {} if known is None else known
        self._known[()] = (0,) * answers

    def some_items(self, rng: random.Random) -> Sequence[int]:
        """Returns items that may follow a string: all of a small alphabet, else a random sample."""
        return range(self.items) if self.items <= ITEMS else rng.sample(range(self.items), ITEMS)

    def answers(self, string: String) -> tuple[int, ...]:
        """Returns the answers to the last item of a string; zeros for the empty string.

        Raises :class:`~dmmlab.core.errors.LabError` if the target is no function of the string, and
        :class:`OutOfTime` if the time is over.
        """
        if string not in self._known:
            if time.monotonic() > self.end:
                raise OutOfTime("the time is over")
            self.queries += 1
            for t, given in enumerate(self.run(string), 1):
                if self._known.setdefault(string[:t], given) != given:
                    raise LabError("the target is no function of the string: it answers one string in two ways")
        return self._known[string]


def prefixes(box: BlackBox, rng: random.Random, drawn: Sequence[String], longest: int) -> list[String]:
    """Returns strings after which tests are tried: short, random, and prefixes of drawn strings.

    Args:
        box: the target.
        rng: for random strings.
        drawn: typical strings.
        longest: the largest number of items, including the item that follows.

    Returns:
        The strings, the empty one first.
    """
    some, most = range(box.items), STRINGS
    if box.is_slow:
        drawn, most = drawn[:FEW_STRINGS], FEW_STRINGS
    found = [s for n in range(min(4, longest)) if box.items**n <= most for s in itertools.product(some, repeat=n)]
    found += [s[: rng.randint(0, len(s) - 1)] for s in drawn if s]
    found += [tuple(rng.choices(some, k=rng.randint(0, longest - 1))) for _ in range(max(0, most - len(found)))]
    return list(dict.fromkeys(found))


def states(box: BlackBox, transitions: Sequence[tuple[String, int]], read: np.ndarray | None = None) -> Iterator[States]:
    """Yields closed sets of columns, smaller ones first.

    Args:
        box: the target.
        transitions: strings, each with an item that follows; the empty string is among them.
        read: the features of the items that follow, (transitions, features); used instead of a
            one-hot code if there are more than 40 items.

    Returns:
        For each closed set its columns before and after each transition. They are zero for the
        empty string.

    Raises:
        LabError: as :meth:`BlackBox.answers`.
    """
    before, items = [s for s, _ in transitions], np.array([i for _, i in transitions])
    after = [(*s, i) for s, i in transitions]
    strings = list(dict.fromkeys([*before, *after]))
    place = {string: i for i, string in enumerate(strings)}
    rows = [place[s] for s in before], [place[s] for s in after]
    answers = np.array([box.answers(string) for string in after])
    digits, tested = _digits([box.answers(s) for s in strings]), _distinct(_tested(box, strings))
    columns = _distinct([*tested, *_counted(box, strings)])
    order = sorted(range(len(columns)), key=lambda i: len(set(columns[i])))
    came = [[s.count(i) for s in strings] for i in range(box.items)] if box.items <= SMALL_ALPHABET else []
    table = _table([*digits, *(columns[i] for i in order), *came], len(strings))
    all_counts = range(table.shape[1] - len(came), table.shape[1])
    each = np.eye(box.items)[items] if read is None or box.items <= ONE_HOT else np.column_stack([read, np.ones(len(items))])
    stays = linear_set(_table(tested, len(strings)), rows, each.astype(float), answers)
    linear = [len(digits) + order.index(i) for i in stays]
    for chosen in closed_sets(table, [linear, range(len(digits))], rows, items, answers, box.end, all_counts):
        yield States(table[rows[0]][:, chosen], table[rows[1]][:, chosen])


def _table(columns: Sequence[Sequence[int]], strings: int) -> np.ndarray:
    return np.array([[0] * strings, *columns], dtype=object)[1:].T


def _distinct(columns: Iterable[Sequence[int]]) -> list[list[int]]:
    """Subtracts from each column its first value, for the empty string; drops copies up to sign."""
    found: dict[tuple[int, ...], list[int]] = {}
    for values in columns:
        column = [x - values[0] for x in values]
        sign = next((1 if x > 0 else -1 for x in column if x), 0)
        if sign:
            found.setdefault(tuple(sign * x for x in column), column)
    return list(found.values())


def _tested(box: BlackBox, strings: Sequence[String]) -> Iterator[list[int]]:
    """Yields the answers after tests, and sums of them, each for all strings."""
    tests = _tests(box)
    for string in strings if box.is_slow else ():  # one run answers all tests of one item
        for (i,) in [test for test in tests if len(test) == 1]:
            box.answers((*string, *[i] * (COUNTED - 1)))
    for test in sorted(tests, key=len, reverse=True):  # runs of the longest ones answer shorter ones, too
        for string in strings:
            box.answers((*string, *test))
    single = [test for test in tests if len(test) == 1]
    for j in range(box.count):
        raw = {test: [box.answers((*s, *test))[j] for s in strings] for test in tests}
        yield [box.answers(s)[j] for s in strings]
        for weights in ([1] * len(single), range(len(single))):
            yield [sum(w * raw[t][i] for w, t in zip(weights, single, strict=True)) for i in range(len(strings))]
        yield from raw.values()


def _counted(box: BlackBox, strings: Sequence[String]) -> Iterator[list[int]]:
    """Yields how often an item must be repeated until an answer is given, each for all strings."""
    tests = _tests(box)
    single = [test for test in tests if len(test) == 1]
    for j in range(box.count):
        values = sorted({box.answers((*s, *test))[j] for s in strings for test in tests})
        ends = single if len(single) <= SMALL_ALPHABET else [single[0], single[-1]]
        for (i,) in ends:  # until something else is answered
            changes = [_count(box, s, i, j, None) % COUNTED for s in strings]
            now = [box.answers(s)[j] for s in strings]
            yield from (changes, *([c + sign * x for c, x in zip(changes, now, strict=True)] for sign in (1, -1)))
        for (i,), value in itertools.product(ends, values if len(values) <= VALUES else [0]):
            counts = [_count(box, s, i, j, value) for s in strings]
            yield from ([c % COUNTED for c in counts], [c // COUNTED for c in counts])


def _count(box: BlackBox, string: String, item: int, answer: int, value: int | None) -> int:
    """Returns how often an item must be repeated until an answer is ``value``, or changes if None.

    Returns ``COUNTED`` if that never happens.
    """
    box.answers((*string, *[item] * (COUNTED - 1)))  # one run for all of them
    now = box.answers(string)[answer]
    for n in range(1, COUNTED):
        given = box.answers((*string, *[item] * n))[answer]
        if given == value or (value is None and given != now):
            return n
    return COUNTED


def _digits(answers: Sequence[tuple[int, ...]]) -> list[list[int]]:
    """Returns the binary digits of those answers that are below 2**6 and not all bits."""
    columns = []
    for values in zip(*answers, strict=True):
        if min(values) >= 0 and 1 < max(values) < 1 << DIGITS:
            columns += [[x >> n & 1 for x in values] for n in range(max(values).bit_length())]
    return columns


def _tests(box: BlackBox) -> list[String]:
    count = box.items
    few = range(count) if count <= TESTS else sorted({*range(0, count, -(-count // TESTS)), count - 1})
    tests: list[String] = [(i,) for i in few]
    if count <= SMALL_ALPHABET:
        tests += [t for n in (() if box.is_slow else (2, 3)) for t in itertools.product(few, repeat=n)]
    ends = few if count <= SMALL_ALPHABET else [few[0], few[-1]]
    tests += [(i,) * n for n in range(2, REPEATED + 1) for i in ends]
    return list(dict.fromkeys(tests))
