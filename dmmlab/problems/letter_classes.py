"""Letter classes: finds the letters that a target treats alike, by exchanging letters.

A network of uniform neuron types treats all keys alike: if two letters are exchanged in its input,
its answers stay the same. If a target distinguishes letters, a machine needs constants that name
them. There is one constant for each class of interchangeable letters, and none for the largest
class, which means "any other letter". (If all classes are single letters, each gets a constant.)
"""

import itertools
import random
import time
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..core.errors import LabError
from ..core.vvalues import NUMBER, VValue
from .items import LETTERS, Items
from .problems import Problem

ROUNDS, STRINGS, ITEMS = 3, 250, 100  # of the exchange test: rounds, strings per round, items per string
SLOW, FEW_STRINGS = 0.01, 20  # seconds per string above which a target is slow; its strings per round
LETTERS_PER_STRING, MOST_PAIRS = 8, 50  # letters per string, and pairs exchanged per string, at most
MOST_LETTERS, MOST_CLASSES = 64, 12  # with more letters or classes, no constants are made
LONGEST_NAME = 12  # letters in the name of a class, at most
MOST_NAMED, USUAL_LETTERS = 8, 3  # letters of small classes, and other letters, in the training strings


class LetteredProblem(NamedTuple):
    """A problem with constants for its letters; its training strings use ``letters`` letters."""

    problem: Problem
    letters: int


def name_letters(problem: Problem) -> LetteredProblem:
    """Returns the problem with a constant for each letter class except the largest.

    The order of the letters changes: those that the target distinguishes are drawn first.

    Args:
        problem: it is returned unchanged if it has constants, reads several streams, has fewer than
            2 or more than 64 letters, has one letter class or more than 12, or if its answers are
            V-values (exchanging letters also exchanges the keys of such answers).

    Returns:
        The problem, and the number of letters in training strings.
    """
    as_it_is = problem.constants or len(problem.inputs) > 1 or problem.answers_are_vvalues
    classes = [] if as_it_is else letter_classes(problem)
    if not 1 < len(classes) <= MOST_CLASSES:
        return LetteredProblem(problem, USUAL_LETTERS)
    small = classes if len(classes[-1]) == 1 else classes[:-1]
    constants = {_name(letters): dict.fromkeys(letters, 1.0) for letters in small}
    told_apart = [letter for i in range(MOST_NAMED) for letters in small for letter in letters[i : i + 1] if letter in LETTERS]
    order = [*told_apart, *(letter for letter in LETTERS if letter not in told_apart)]

    def draw(rng: random.Random, letters: str, size: int) -> Items:
        renamed = (order[LETTERS.index(letter)] if letter in LETTERS else letter for letter in letters)
        return problem.draw(rng, "".join(renamed), size)

    return LetteredProblem(replace(problem, constants=constants, draw=draw), min(len(told_apart), MOST_NAMED) + USUAL_LETTERS)


def letter_classes(problem: Problem, seed: int = 0) -> list[list[str]]:
    """Returns the letters that a problem draws, in classes of interchangeable letters.

    Letters are exchanged in drawn strings of few letters. The target distinguishes two letters if
    an answer changes. In the next round, each string includes some letters from outside the largest
    class, to reveal effects that depend on them.

    Args:
        problem: the problem; it reads one stream.
        seed: the seed of the strings.

    Returns:
        The classes, smallest first; none if there are more than 64 letters.

    Raises:
        LabError: as :meth:`~dmmlab.problems.problems.Problem.sample`.
    """
    rng = random.Random(f"letters {seed}")
    drawn = [problem.draw(rng, letters, ITEMS) for letters in (LETTERS, LETTERS[:USUAL_LETTERS]) for _ in range(4)]
    letters = _letters(item for items in drawn for item in items)
    if not 1 < len(letters) <= MOST_LETTERS:
        return [letters] if len(letters) == 1 else []
    apart: set[frozenset[str]] = set()
    classes, count = [letters], FEW_STRINGS if is_slow(problem) else STRINGS
    for _ in range(ROUNDS):
        special = [letter for alike in classes[:-1] for letter in alike if letter in LETTERS]
        for _ in range(count):
            few = rng.sample(special, min(len(special), LETTERS_PER_STRING // 2))
            few += rng.sample([letter for letter in LETTERS if letter not in few], LETTERS_PER_STRING - len(few))
            if more := _told_apart(problem, rng, problem.draw(rng, "".join(few), ITEMS), classes):
                apart |= more
                classes = sorted(_classes(letters, apart), key=len)
    return classes


def is_slow(problem: Problem) -> bool:
    """Returns whether a target is so slow on a string that it should be run less often."""
    items = list(problem.draw(random.Random(0), LETTERS, ITEMS if problem.longest is None else min(ITEMS, problem.longest)))

    def seconds() -> float:
        began = time.perf_counter()
        problem.answers_to(items)
        return time.perf_counter() - began

    return problem.reference.is_slow or min(seconds() for _ in range(3)) > SLOW


def _told_apart(problem: Problem, rng: random.Random, items: Items, classes: Sequence[Sequence[str]]) -> set[frozenset[str]]:
    """Returns the pairs of letters of one class whose exchange in a string changes an answer."""
    present, answers = _letters(items), problem.answers_to(items)

    def matters(exchange: dict[str, str]) -> bool:
        try:
            exchanged = problem.answers_to([_exchanged(item, exchange) for item in items])
        except LabError:  # the target may reject such a string
            return True
        return not np.allclose(exchanged, answers)

    alike = [[letter for letter in letters if letter in present] for letters in classes]
    shifts = [
        {old: new for letters in alike for old, new in zip(letters, letters[k:] + letters[:k], strict=True)} for k in (1, 3)
    ]
    if not any(map(matters, shifts)):  # saves testing most pairs
        return set()
    pairs = [pair for letters in alike for pair in itertools.combinations(letters, 2)]
    tried = rng.sample(pairs, min(len(pairs), MOST_PAIRS))
    return {frozenset((one, other)) for one, other in tried if matters({one: other, other: one})}


def _classes(letters: Sequence[str], apart: set[frozenset[str]]) -> list[list[str]]:
    """Groups letters into classes without a distinguished pair, greedily by increasing degree."""
    degree = Counter(letter for pair in apart for letter in pair)
    classes: list[list[str]] = []
    for letter in sorted(letters, key=lambda letter: degree[letter]):
        fitting = (alike for alike in classes if not any(frozenset((letter, each)) in apart for each in alike))
        found = next(fitting, None)
        if found is None:
            classes.append(found := [])
        found.append(letter)
    return [[letter for letter in letters if letter in alike] for alike in classes]


def _letters(items: Iterable[VValue]) -> list[str]:
    keys = {key for item in items if isinstance(item, dict) for key in item if key != NUMBER}
    return sorted(keys, key=lambda key: (key not in LETTERS, LETTERS.find(key), key))


def _exchanged(item: VValue, exchange: dict[str, str]) -> VValue:
    return {exchange.get(key, key): part for key, part in item.items()} if isinstance(item, dict) else item


def _name(letters: list[str]) -> str:
    """Returns a constant neuron's name: ``letter-a``, ``letters-aeiou``, ``letter-full-stop``."""
    words = [x if x.isalnum() else unicodedata.name(x[:1], "mark").lower().replace(" ", "-") for x in letters]
    if len(words) == 1:
        return f"letter-{words[0]}"
    together = "".join(words)
    return f"letters-{together if len(together) <= LONGEST_NAME else f'{words[0]}-and-{len(words) - 1}-more'}"
