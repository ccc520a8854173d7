"""Sixty-two streaming tasks: a published benchmark, each as an automaton over a finite alphabet.

From arXiv:2402.05110, "Opening the AI black box: program synthesis via mechanistic
interpretability" (definitions: the public repository ejmichaud/neural-verification). An item is a
whole number, or two; items before the first count as 0. Nothing here says how to solve a task. A
problem has a question, a target and an alphabet; it has its own draw if uniformly random items
would rarely exercise the question.
"""

import itertools
import random
from collections.abc import Callable, Sequence
from typing import Any

from .automata import Automaton
from .catalogue import Catalogue
from .items import Items
from .problems import Problem

BIT, DIGIT, SMALL, NUMBER, SIGNED, FORCE = range(2), range(10), range(8), range(100), range(-100, 100), range(-10, 11)
PAIR = ("first", "second")  # the two inputs of a task that has two

Next = Callable[..., tuple[Any, Any]]  # (state, number) or (state, first, second) -> (next state, answer)


def _one(question: str, numbers: Sequence[int], initial: Any, step: Next, **options: Any) -> Problem:
    """A task whose items are numbers."""
    return Problem(question, Automaton(initial, step), alphabet=tuple(numbers), silence=False, **options)


def _two(question: str, numbers: Sequence[int], initial: Any, step: Next, **options: Any) -> Problem:
    """A task whose items are pairs of numbers."""
    automaton = Automaton(initial, lambda state, item: step(state, item["first"], item["second"]))
    pairs = tuple({"first": x, "second": y} for x in numbers for y in numbers)
    return Problem(question, automaton, alphabet=pairs, inputs=PAIR, silence=False, **options)


def _stateless(answer: Callable[[int], Any]) -> Next:
    return lambda state, x: (state, answer(x))


def _stateless_pair(answer: Callable[[int, int], Any]) -> Next:
    return lambda state, x, y: (state, answer(x, y))


def _window(size: int, answer: Callable[[Sequence[int]], Any]) -> tuple[tuple[int, ...], Next]:
    """Returns the initial state and a step that answers the last ``size`` numbers, latest last."""

    def step(before: tuple[int, ...], x: int) -> tuple[tuple[int, ...], Any]:
        last = (*before, x)
        return last[1:], answer(last)

    return (0,) * (size - 1), step


def _addition(base: int) -> Next:
    return lambda carry, x, y: ((carry + x + y) // base, (carry + x + y) % base)


def _division(k: int) -> Next:
    return lambda rest, bit: ((2 * rest + bit) % k, (2 * rest + bit) // k)


def _remainder(k: int) -> Next:
    return lambda rest, x: ((rest + x) % k,) * 2


def _more_ones(counts: tuple[int, int], x: int) -> tuple[tuple[int, int], int]:
    zeros, ones = counts[0] + (x == 0), counts[1] + (x == 1)
    return (zeros, ones), 1 if ones > zeros else 0


def _majority(kinds: int) -> tuple[tuple[int, ...], Next]:
    if kinds == 2:
        return (0, 0), _more_ones

    def step(counts: tuple[int, ...], x: int) -> tuple[tuple[int, ...], int]:
        counts = tuple(count + (kind == x) for kind, count in enumerate(counts))
        return counts, counts.index(max(counts))

    return (0,) * kinds, step


def _dithering(rest: int, x: int) -> tuple[int, int]:
    return (rest + x) % 15, (rest + x) // 15


def _newton(gravity: int, spring: int) -> Next:
    def step(state: tuple[int, int], force: int) -> tuple[tuple[int, int], int]:
        position, velocity = state
        velocity += force - gravity - spring * position
        return (position + velocity, velocity), position + velocity

    return step


def _magnetic(state: tuple[int, int, int, int], x: int, y: int) -> tuple[tuple[int, int, int, int], tuple[int, int]]:
    p1, p2, v1, v2 = state
    v1, v2 = v1 + x - v2, v2 + y + v1
    return (p1 + v1, p2 + v2, v1, v2), (p1 + v1, p2 + v2)


def _palindrome(state: tuple[int, int, int], bit: int) -> tuple[tuple[int, int, int], int]:
    forwards, backwards, place = state
    forwards, backwards = 2 * forwards + bit, backwards + place * bit
    return (forwards, backwards, 2 * place), int(forwards == backwards)


def _parentheses(state: tuple[int, int], closes: int) -> tuple[tuple[int, int], int]:
    depth, lowest = state
    depth += 1 - 2 * closes
    lowest = min(lowest, depth)
    return (depth, lowest), 1 if depth == lowest == 0 else 0


def _half_palindromes(rng: random.Random, letters: str, size: int) -> Items:
    """Draws bits; half of the strings begin with a palindrome."""
    bits = [rng.randrange(2) for _ in range(size)]
    if rng.random() < 0.5:
        half = bits[: rng.randint(1, max(1, size // 2))]
        bits = [*half, *half[::-1], *bits][:size]
    return list(bits)


def _nearly_balanced(rng: random.Random, letters: str, size: int) -> Items:
    """Draws parentheses; a closing one rarely lacks its opening one."""
    depth, mistakes, items = 0, rng.random() < 0.5, []
    for _ in range(size):
        closes = rng.random() < 0.5 and (depth > 0 or (mistakes and rng.random() < 0.1))
        depth += -1 if closes else 1
        items.append(int(closes))
    return items


def _alternate(last: Sequence[int]) -> int:
    return int(all(x != y for x, y in itertools.pairwise(last)))


def _tasks() -> dict[str, Problem]:
    tasks = {}
    for base in range(2, 8):
        name = "Binary_Addition" if base == 2 else f"Base_{base}_Addition"
        tasks[name] = _two(f"The sum of two numbers in base {base}, least digit first", range(base), 0, _addition(base))
    for name, bits in {"Xor": lambda x, y: x ^ y, "Or": lambda x, y: x | y, "And": lambda x, y: x & y}.items():
        tasks[f"Bitwise_{name}"] = _two(f"{name} of two bits", BIT, 0, _stateless_pair(bits))
    tasks["Bitwise_Not"] = _one("Not this bit", BIT, 0, _stateless(lambda x: 1 - x))
    for k in (2, 3, 4):
        tasks[f"Parity_Last{k}"] = _one(f"The parity of the last {k} bits", BIT, *_window(k, lambda last: sum(last) % 2))
    tasks["Parity_All"] = _one("The parity of the ones so far", BIT, 0, _remainder(2))
    tasks["Parity_Zeros"] = _one("The parity of the zeros so far", BIT, 0, lambda odd, x: ((odd + 1 - x) % 2,) * 2)
    tasks["Parity_Bits_Mod2"] = _one("The parity of the number of bits before", BIT, 0, lambda odd, x: (1 - odd, odd))
    tasks["Evens_Detector"] = _one("Is it even?", DIGIT, 0, _stateless(lambda x: 1 - x % 2))
    tasks["Evens_Counter"] = _one("How many even ones so far?", DIGIT, 0, lambda n, x: (n + 1 - x % 2,) * 2)
    tasks["Sum_All"] = _one("The sum of all so far", NUMBER, 0, lambda total, x: (total + x,) * 2)
    for k in range(2, 8):
        tasks[f"Sum_Last{k}"] = _one(f"The sum of the last {k}", NUMBER, *_window(k, sum))
    tasks["Current_Number"] = _one("This number", NUMBER, 0, _stateless(lambda x: x))
    for k in range(1, 6):
        tasks[f"Prev{k}"] = _one(f"The number {k} before", NUMBER, *_window(k + 1, lambda last: last[0]))
    tasks["Previous_Equals_Current"] = _one("Is it the one before?", SMALL, 0, lambda last, x: (x, int(x == last)))
    tasks["Diff_Last2"] = _one("This one less the one before", SIGNED, 0, lambda last, x: (x, x - last))
    tasks["Abs_Diff"] = _one("How far from the one before?", SIGNED, 0, lambda last, x: (x, abs(x - last)))
    tasks["Abs_Current"] = _one("Its absolute value", SIGNED, 0, _stateless(abs))
    tasks["Diff_Abs_Values"] = _one("How much larger than the one before?", SIGNED, 0, lambda last, x: (abs(x), abs(x) - last))
    tasks["Min_Seen"] = _one("The smallest so far", NUMBER, 99, lambda least, x: (min(least, x),) * 2)
    tasks["Max_Seen"] = _one("The largest so far", NUMBER, 0, lambda most, x: (max(most, x),) * 2)
    for k in (1, 2, 3):
        tasks[f"Majority_0_{k}"] = _one("Which came most often so far?", range(k + 1), *_majority(k + 1))
    tasks["Perfect_Square_Detector"] = _one("Is it a square?", range(20), 0, _stateless(lambda x: int(x in (0, 1, 4, 9, 16))))
    tasks["Bit_Palindrome"] = _one(
        "Are the bits so far a palindrome?", BIT, (0, 0, 1), _palindrome, draw=_half_palindromes, longest=10
    )
    tasks["Balanced_Parenthesis"] = _one("Is all closed that was opened?", BIT, (0, 0), _parentheses, draw=_nearly_balanced)
    for k in (3, 4):
        tasks[f"Alternating_Last{k}"] = _one(f"Do the last {k} bits alternate?", BIT, *_window(k, _alternate))
    tasks["Bit_Shift_Right"] = _one("The bit before", BIT, 0, lambda last, x: (x, last))
    tasks["Bit_Dot_Prod_Mod2"] = _two("The parity of the ones in both", BIT, 0, lambda odd, x, y: ((odd + x * y) % 2,) * 2)
    for k in (3, 5, 7):
        tasks[f"Div_{k}"] = _one(f"Divided by {k}, greatest bit first", BIT, 0, _division(k))
    for k in range(3, 9):
        tasks[f"Add_Mod_{k}"] = _one(f"The sum modulo {k}", range(k), 0, _remainder(k))
    tasks["Dithering"] = _one("Does the sum pass a multiple of 15?", range(16), 0, _dithering)
    for name, gravity, spring in (("Freebody", 0, 0), ("Gravity", 1, 0), ("Spring", 0, 1)):
        tasks[f"Newton_{name}"] = _one("Where is the body?", FORCE, (0, 0), _newton(gravity, spring))
    tasks["Newton_Magnetic"] = _two(  # it spirals outwards: after about a hundred items floats are inexact
        "Where is the charge?", FORCE, (0, 0, 0, 0), _magnetic, answers=("x", "y"), longest=80
    )
    return tasks


STREAMING_TASKS = Catalogue(_tasks())
