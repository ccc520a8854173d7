"""The catalogue: the duplicate detector's problem, eleven others, and one whose answers are trees.

A target is a plain Python function of the stream; ``draw`` draws the items of strings. The command
line uses the same problem names.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from ..core.neurons import ACCUM, PRODUCT
from ..core.summaries import Facts, plural, summarised
from ..core.tree_neurons import LOOKUP, PAIR, UPDATE
from ..core.vvalues import VValue, number
from ..machines.attention_machines import INDUCTION_DELAY
from ..machines.detectors import handcrafted
from ..machines.networks import RECURRENT
from .items import Items, text
from .problems import Problem


@summarised
class Catalogue(dict[str, Problem]):
    """A dictionary of problems by name; its repr is a table of names and questions."""

    def _summary(self) -> tuple[str, Facts]:
        return f"Catalogue of {plural(len(self), 'problem')}", ((name, each.question) for name, each in self.items())


def _count(chosen: Callable[[str], bool]) -> Callable[[Iterable[VValue]], Iterator[float]]:
    def count(stream: Iterable[VValue]) -> Iterator[float]:
        total = 0.0
        for v in stream:
            total += sum(chosen(key) for key in v)
            yield total

    return count


def _once_repeated(stream: Iterable[VValue]) -> Iterator[float]:
    seen: set[str] = set()
    flag = 0.0
    for v in stream:
        if seen & v.keys():
            flag = 1.0
        seen |= v.keys()
        yield flag


def _longest_run(stream: Iterable[VValue]) -> Iterator[float]:
    longest, run, last = 0.0, 0.0, None
    for v in stream:
        run, last = (run + 1 if v == last else 1.0), v
        longest = max(longest, run)
        yield longest


def _difference(plus: str, minus: str) -> Callable[[Iterable[VValue]], Iterator[float]]:
    def difference(stream: Iterable[VValue]) -> Iterator[float]:
        total = 0.0
        for v in stream:
            total += v.get(plus, 0.0) - v.get(minus, 0.0)
            yield total

    return difference


def _running_maximum(stream: Iterable[VValue]) -> Iterator[float]:
    largest = 0.0
    for v in stream:
        largest = max(largest, number(v))
        yield largest


def _seen_before(stream: Iterable[VValue]) -> Iterator[float]:
    counts: dict[str, float] = {}
    for v in stream:
        yield min(4.0, sum(counts.get(key, 0.0) for key in v))
        for key in v:
            counts[key] = counts.get(key, 0.0) + 1


def _followers(stream: Iterable[VValue]) -> Iterator[VValue]:
    seen: dict[str, Counter[str]] = {}
    before: Iterable[str] = ()
    for v in stream:
        for key in before:
            seen.setdefault(key, Counter()).update(v.keys())
        before = v.keys()
        yield {follower: float(n) for follower, n in sum((seen.get(key, Counter()) for key in v), Counter()).items()}


def _words(rng: random.Random, letters: str, size: int) -> Items:
    """Draws words of one to five letters with single spaces between them."""
    string = ""
    while len(string) < size:
        string += "".join(rng.choices(letters, k=rng.randint(1, 5))) + " "
    return [{character: 1.0} for character in string[:size]]


def _brackets(rng: random.Random, letters: str, size: int) -> Items:
    """Draws letters and brackets; every closing bracket has an opening one before it."""
    items: Items = []
    depth = 0
    for _ in range(size):
        character = rng.choice(["(", ")" if depth else "(", rng.choice(letters)])
        depth += {"(": 1, ")": -1}.get(character, 0)
        items.append({character: 1.0})
    return items


def _runs(rng: random.Random, letters: str, size: int) -> Items:
    string = ""
    while len(string) < size:
        string += rng.choice(letters) * rng.choice([1, 1, 2, 3, 5, 8])
    return [{character: 1.0} for character in string[:size]]


def _number_items(rng: random.Random, letters: str, size: int) -> Items:
    """Draws multiples of 1/8, from 0 to the number of letters."""
    return [_eighths(rng, 0, len(letters)) for _ in range(size)]


def _pairs(rng: random.Random, letters: str, size: int) -> Items:
    n = len(letters)
    return [{"left": _eighths(rng, -n, n), "right": _eighths(rng, -n, n)} for _ in range(size)]


def _eighths(rng: random.Random, low: int, high: int) -> float:
    return rng.randint(8 * low, 8 * high) / 8


DUPLICATES = Problem(
    "How often has the most frequent character come, less 1? And how many full stops, up to 4?",
    handcrafted(),
    text("."),
    constants={"eos": {".": 1.0}},
)

PROBLEMS = Catalogue(
    {
        "duplicates": DUPLICATES,
        "characters": Problem("How many characters so far?", _count(lambda key: True)),
        "words": Problem("How many words have ended so far?", _count(" ".__eq__), _words, {"space": {" ": 1.0}}),
        "sentences": Problem(
            "How many sentences have ended so far?",
            _count(set(".!?").__contains__),
            text(".!?"),
            {"end": dict.fromkeys(".!?", 1.0)},
        ),
        "repetition": Problem("Has any character come again? 1 from then on.", _once_repeated, delay=4),
        "longest-run": Problem(
            "How long is the longest run of one character so far?",
            _longest_run,
            _runs,
            delay=4,
            types=(*RECURRENT, PRODUCT),
            recurrent=True,
            silence=False,
        ),
        "margin": Problem("By how much does a lead over b?", _difference("a", "b"), text(), {"a": {"a": 1.0}, "b": {"b": 1.0}}),
        "running-maximum": Problem(
            "What is the largest number so far?", _running_maximum, _number_items, delay=2, recurrent=True, silence=False
        ),
        "sum": Problem(
            "What do the two numbers add up to?",
            lambda stream: (number(v.get("left", {})) + number(v.get("right", {})) for v in stream),
            _pairs,
            delay=1,
            inputs=("left", "right"),
        ),
        "difference": Problem(
            "By how much is the first number larger than the second?",
            lambda stream: (number(v.get("left", {})) - number(v.get("right", {})) for v in stream),
            _pairs,
            delay=1,
            inputs=("left", "right"),
        ),
        "bracket-depth": Problem(
            "How many brackets are open?", _difference("(", ")"), _brackets, {"open": {"(": 1.0}, "close": {")": 1.0}}
        ),
        "seen-before": Problem("How often was this character seen before, up to 4?", _seen_before, delay=2),
    }
)

TREE_PROBLEMS = Catalogue(
    {
        "followers": Problem(
            "What has followed this item before, and how often?",
            _followers,
            types=(UPDATE, PAIR, ACCUM, LOOKUP),
            delay=INDUCTION_DELAY,
            recurrent=False,
            answers=("next",),
            silence=False,
            letters=(4, 8),
        )
    }
)
