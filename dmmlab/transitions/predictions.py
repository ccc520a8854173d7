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

STRINGS, FEW_STRINGS = 120, 16  # strings after which tests are tried; the second if a run is slow
ITEMS = 6  # items with which a string is continued, at most
SMALL_ALPHABET = 4  # items, at most, for all strings of up to three items to be tests
TESTS = 16  # items that are tests in larger alphabets
REPEATED = 7  # repetitions of one item in a test, at most
COUNTED = 64  # repetitions of an item until an answer is given, at most
VALUES = 4  # values of an answer, at most, for repetitions to be counted for each; else for 0 only
SIZE = 3  # columns, at most, of the sets that are all tried
SETS = 40_000  # sets that are tried, at most
DIGITS = 6  # binary digits of an answer, at most
ONE_HOT = 40  # items, at most, for a one-hot code
UNIQUE = 0.95  # if a column makes more than this share of transitions distinct, its set of one comes later
LINEAR = 1e-6  # relative error of a linear function, at most
GROWN_COLUMNS = 8  # columns of a greedily grown set, at most

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


def closed_sets(
    table: np.ndarray,
    first: Sequence[Sequence[int]],
    rows: tuple[list[int], list[int]],
    items: np.ndarray,
    answers: np.ndarray,
    end: float,
    larger: Sequence[int] = (),
) -> Iterator[list[int]]:
    """Yields closed sets of columns: the empty set, suggested sets, small sets, some larger sets.

    Args:
        table: (strings, columns), whole.
        first: suggested sets, as column indices.
        rows: the indices of the strings before, and after, each transition.
        items: (transitions,), the index of each item.
        answers: (transitions, answers).
        end: when to stop, as a value of ``time.monotonic()``.
        larger: the last columns, if they form one set; it is tried after sets of two other columns.

    Yields:
        The column indices of each closed set.
    """
    ids = np.array([np.unique(column.astype(float), return_inverse=True)[1] for column in table.T])  # (columns, strings)
    if not len(ids):
        ids = np.zeros((0, len(table)), dtype=int)
    known, following = ids[:, rows[0]], ids[:, rows[1]]
    answered = np.unique(answers.astype(float), axis=0, return_inverse=True)[1].ravel()

    def grouped(chosen: Sequence[int]) -> np.ndarray:
        group = items.copy()
        for i in chosen:
            group = np.unique(group * (known[i].max() + 1) + known[i], return_inverse=True)[1]
        return group

    def conflicts(chosen: Sequence[int], group: np.ndarray) -> int:
        """Counts the rows with another answer or next column than the first row of their group."""
        _, one = np.unique(group, return_index=True)
        wrong = answered != answered[one][group]
        for i in chosen:
            wrong |= following[i] != following[i][one][group]
        return int(wrong.sum())

    def grown(count: int) -> list[int]:
        """Grows a set greedily by the column that leaves the fewest conflicts."""
        chosen: list[int] = []
        while len(chosen) < min(GROWN_COLUMNS, count) and conflicts(chosen, grouped(chosen)) and time.monotonic() < end:
            others = [[*chosen, i] for i in range(count) if i not in chosen]
            chosen = min(others, key=lambda each: conflicts(each, grouped(each)))
        return sorted(chosen)

    items, tried, others = np.unique(items, return_inverse=True)[1], 0, len(ids) - len(larger)
    for size in range(SIZE + 1):
        for code in first if size == 1 else ():
            if len(code) and not conflicts(code, grouped(code)):
                yield list(code)
        for code in (larger, grown(others)) if size == SIZE else ():
            if len(code) >= SIZE and not conflicts(code, grouped(code)):
                yield list(code)
        late: list[list[int]] = []
        for chosen in itertools.combinations(range(others), size):
            tried += 1
            if tried > SETS or time.monotonic() > end:
                return
            if not conflicts(chosen, group := grouped(chosen)):
                if size == 1 and group.max() > UNIQUE * len(group):
                    late.append(list(chosen))
                else:
                    yield list(chosen)
        yield from late


def linear_set(table: np.ndarray, rows: tuple[list[int], list[int]], each: np.ndarray, answers: np.ndarray) -> list[int]:
    """Finds columns whose next values are linear functions of these columns and the item.

    Columns that are not linear are removed repeatedly.

    Args:
        table: (strings, columns), whole.
        rows: the indices of the strings before, and after, each transition.
        each: (transitions, numbers) of the item, a 1 among them.
        answers: (transitions, answers).

    Returns:
        Their indices; none if the answer is no linear function of the remaining columns.
    """
    chosen = independent(table)
    while chosen:
        known = np.concatenate([table[rows[0]][:, chosen].astype(float), each], axis=1)
        after = np.concatenate([table[rows[1]][:, chosen], answers], axis=1).astype(float)
        weights, *_ = np.linalg.lstsq(known, after, rcond=None)
        wrong = np.abs(known @ weights - after).max(axis=0) > LINEAR * np.maximum(1.0, np.abs(after).max(axis=0))
        if wrong[len(chosen) :].any():
            return []
        if not wrong.any():
            return chosen
        chosen = [i for i, is_wrong in zip(chosen, wrong, strict=False) if not is_wrong]
    return []


def independent(table: np.ndarray) -> list[int]:
    """Returns the columns that are no linear combination of 1 and of the columns before."""
    columns = np.concatenate([np.ones((len(table), 1)), table.astype(float)], axis=1)
    scaled = columns / np.maximum(1.0, np.abs(columns).max(axis=0))
    chosen: list[int] = []
    basis = np.zeros((len(table), 0))
    for i, column in enumerate(scaled.T):
        rest = column - basis @ (basis.T @ column)
        rest -= basis @ (basis.T @ rest)
        size = float(np.linalg.norm(rest))
        if size > 1e-7 * max(1.0, float(np.linalg.norm(column))):
            chosen.append(i)
            basis = np.column_stack([basis, rest / size])
    return [i - 1 for i in chosen if i]
