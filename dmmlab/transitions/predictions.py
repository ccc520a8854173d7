"""Predictions: the state of a black box is what it will answer.

A target that can only be run hides what it remembers. But two strings after which it answers
whatever may follow alike have led to the same state, so its answers to some *tests* are a state: a
predictive state representation (Littman, Sutton and Singh, "Predictive representations of state",
NIPS 2001); for finitely many states, the theorem of Myhill and Nerode.

A *column* is a number for each string: the answer after a test has followed it, or a sum of such
answers, or how often an item has to come until an answer is given; less what it is for the empty
string. Where there are few items, how often each has come is a column, too. A set of columns is
*closed* if, in all that was seen, the columns after an item, and the answer, are functions of the
columns before it and of the item. A machine can keep such a state.
"""

import itertools
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..core.errors import LabError

STRINGS, FEW_STRINGS = 120, 16  # after which tests are tried; and where a run is slow
ITEMS = 6  # with which a string is continued, at most
FEW = 4  # items of an alphabet of which all strings of three are tests
TESTS = 16  # items of larger alphabets that are tests
REPEATED = 7  # times that one item is a test
COUNTED = 64  # times, at most, that an item is repeated until an answer is given
VALUES = 4  # of an answer, at most, for which this is counted; of more, for 0 alone
SIZE = 3  # columns of the sets of which all are tried
SETS = 40_000  # that are tried
DIGITS = 6  # of an answer, at most
MANY = 40  # items, of which each may have a number of its own
UNIQUE = 0.95  # of the transitions: where so many differ from all others, a set of one column comes later
LINEAR = 1e-6  # relative error of a linear function
GROWN = 8  # columns of a set that is grown, at most

String = tuple[int, ...]  # of items, by their places in the alphabet


class OutOfTime(LabError):
    """The time is over, and nothing was found."""


class States(NamedTuple):
    """A closed set of columns, before and after each transition: (transitions, columns)."""

    before: np.ndarray
    after: np.ndarray


class BlackBox:
    """A target that can only be run. What it answered is remembered.

    Args:
        run: takes a string, and returns whole numbers, one for each answer, for each of its items.
        items: how many the alphabet has.
        answers: how many there are to each item.
        end: of the time, as of ``time.monotonic()``.
        known: what it is known to answer; more is added.
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
        """Items that may follow a string: all of a small alphabet."""
        return range(self.items) if self.items <= ITEMS else rng.sample(range(self.items), ITEMS)

    def answers(self, string: String) -> tuple[int, ...]:
        """The answers to the last item of a string; 0 for the empty one.

        Raises :class:`~dmmlab.core.errors.LabError` for a target that is no function of the string,
        and :class:`OutOfTime`.
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
    """Strings after which tests are tried: all short ones, and beginnings of drawn and random ones.

    Args:
        box: the target.
        rng: for random strings.
        drawn: strings as they usually are.
        longest: items of a string, at most, less one for the item that follows.

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
    """Closed sets of columns, the smaller ones first.

    Args:
        box: the target.
        transitions: strings, each with an item that follows; the empty string is among them.
        read: the numbers that are read of the items that follow, (transitions, features), if there
            are so many items that each cannot have a number of its own.

    Returns:
        For each closed set, one after the other, its columns before and after each transition.
        They are zero for the empty string.

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
    came = [[s.count(i) for s in strings] for i in range(box.items)] if box.items <= FEW else []
    table = _table([*digits, *(columns[i] for i in order), *came], len(strings))
    all_counts = range(table.shape[1] - len(came), table.shape[1])
    each = np.eye(box.items)[items] if read is None or box.items <= MANY else np.column_stack([read, np.ones(len(items))])
    stays = linear_set(_table(tested, len(strings)), rows, each.astype(float), answers)
    linear = [len(digits) + order.index(i) for i in stays]
    for chosen in closed_sets(table, [linear, range(len(digits))], rows, items, answers, box.end, all_counts):
        yield States(table[rows[0]][:, chosen], table[rows[1]][:, chosen])


def _table(columns: Sequence[Sequence[int]], strings: int) -> np.ndarray:
    return np.array([[0] * strings, *columns], dtype=object)[1:].T


def _distinct(columns: Iterable[Sequence[int]]) -> list[list[int]]:
    """The columns, less what they are for the empty string, the first; each once, but for signs."""
    found: dict[tuple[int, ...], list[int]] = {}
    for values in columns:
        column = [x - values[0] for x in values]
        sign = next((1 if x > 0 else -1 for x in column if x), 0)
        if sign:
            found.setdefault(tuple(sign * x for x in column), column)
    return list(found.values())


def _tested(box: BlackBox, strings: Sequence[String]) -> Iterator[list[int]]:
    """The answers after tests, and sums of them, each for all strings."""
    tests = _tests(box)
    for string in strings if box.is_slow else ():  # one run answers all tests of one item
        for (i,) in [test for test in tests if len(test) == 1]:
            box.answers((*string, *[i] * (COUNTED - 1)))
    for test in sorted(tests, key=len, reverse=True):  # a run of the longest ones answers the others
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
    """How often an item has to come until something is answered, each for all strings."""
    tests = _tests(box)
    single = [test for test in tests if len(test) == 1]
    for j in range(box.count):
        values = sorted({box.answers((*s, *test))[j] for s in strings for test in tests})
        ends = single if len(single) <= FEW else [single[0], single[-1]]
        for (i,) in ends:  # until something else is answered
            changes = [_count(box, s, i, j, None) % COUNTED for s in strings]
            now = [box.answers(s)[j] for s in strings]
            yield from (changes, *([c + sign * x for c, x in zip(changes, now, strict=True)] for sign in (1, -1)))
        for (i,), value in itertools.product(ends, values if len(values) <= VALUES else [0]):
            counts = [_count(box, s, i, j, value) for s in strings]
            yield from ([c % COUNTED for c in counts], [c // COUNTED for c in counts])


def _count(box: BlackBox, string: String, item: int, answer: int, value: int | None) -> int:
    """How often an item has to come until an answer has a value, or another one than now if None.

    ``COUNTED`` for never.
    """
    box.answers((*string, *[item] * (COUNTED - 1)))  # one run for all of them
    now = box.answers(string)[answer]
    for n in range(1, COUNTED):
        given = box.answers((*string, *[item] * n))[answer]
        if given == value or (value is None and given != now):
            return n
    return COUNTED


def _digits(answers: Sequence[tuple[int, ...]]) -> list[list[int]]:
    """The binary digits of answers that are not all bits, and below 2 to the power of 6."""
    columns = []
    for values in zip(*answers, strict=True):
        if min(values) >= 0 and 1 < max(values) < 1 << DIGITS:
            columns += [[x >> n & 1 for x in values] for n in range(max(values).bit_length())]
    return columns


def _tests(box: BlackBox) -> list[String]:
    count = box.items
    few = range(count) if count <= TESTS else sorted({*range(0, count, -(-count // TESTS)), count - 1})
    tests: list[String] = [(i,) for i in few]
    if count <= FEW:
        tests += [t for n in (() if box.is_slow else (2, 3)) for t in itertools.product(few, repeat=n)]
    ends = few if count <= FEW else [few[0], few[-1]]
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
    """Closed sets of columns: the smallest, those that may be of use, small ones, some of any size.

    Args:
        table: (strings, columns), whole.
        first: sets that may be of use, by places of columns.
        rows: the places of the strings before, and after, each transition.
        items: (transitions,), which item each is.
        answers: (transitions, answers).
        end: of the time, as of ``time.monotonic()``.
        larger: the last columns, if they are a set, for where no small one of the others is closed.

    Yields:
        The places of the columns of a closed set, one set after the other.
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
        """Of how many rows something that follows is not that of the first row of their group."""
        _, one = np.unique(group, return_index=True)
        wrong = answered != answered[one][group]
        for i in chosen:
            wrong |= following[i] != following[i][one][group]
        return int(wrong.sum())

    def grown(count: int) -> list[int]:
        """A set that takes the column that leaves the fewest conflicts, again and again."""
        chosen: list[int] = []
        while len(chosen) < min(GROWN, count) and conflicts(chosen, grouped(chosen)) and time.monotonic() < end:
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
    """The columns that stay linear functions of one another, and of numbers of the item.

    Those that do not are left out again and again.

    Args:
        table: (strings, columns), whole.
        rows: the places of the strings before, and after, each transition.
        each: (transitions, numbers) of the item, a 1 among them.
        answers: (transitions, answers).

    Returns:
        Their places; none if the answer is no linear function of what is left.
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
    """The columns that are no linear combination of 1 and of those before."""
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
