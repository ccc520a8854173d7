"""Generators: a target that is a plain loop over the items shows its state after all.

A target such as ::

    def longest_gap(stream):
        gap = longest = 0
        for item in stream:
            gap = 0 if "a" in item else gap + 1
            longest = max(longest, gap)
            yield longest

remembers what its variables hold from one item to the next. Its source says which they are, so the
step of an automaton can be made of the body of the loop. Whether it is the same function is tried
out; where it is not, or the source has another form, the target stays what it is, a function.
"""

import ast
import inspect
import random
import textwrap
from collections.abc import Sequence
from typing import Any

from .automata import Automaton
from .problems import Problem

STRINGS, ITEMS = 6, 60  # on which the automaton must give the target's answers
LEAVING = (ast.Return, ast.Break, ast.Continue, ast.Yield, ast.YieldFrom, ast.Nonlocal, ast.Global)
TEMPLATE = """
def make({closure}):
    def begin():
{before}
        return {state}
    def step(state, {item}):
        {state} = state
{body}
        return {state}, {answer}
    return begin(), step
"""


def automaton_of(problem: Problem) -> Automaton | None:
    """The problem's target, if its state can be seen.

    Args:
        problem: what is asked.

    Returns:
        The target, if it is an automaton; an automaton that is the same function, if the target is
        a generator of one plain loop whose variables hold numbers, strings, None, or tuples of
        them; else None.
    """
    if isinstance(problem.target, Automaton):
        return problem.target
    if not inspect.isgeneratorfunction(problem.target):
        return None
    try:
        automaton = _translated(problem.target)
        return automaton if automaton is not None and _agree(automaton, problem) else None
    except Exception:  # whatever a reader's function raises when it is run in another way
        return None


def _translated(target: Any) -> Automaton | None:
    function = ast.parse(textwrap.dedent(inspect.getsource(target.__code__))).body[0]
    if not isinstance(function, ast.FunctionDef) or len(function.args.args) != 1:
        return None
    *before, loop = function.body
    if not isinstance(loop, ast.For) or ast.unparse(loop.iter) != function.args.args[0].arg or loop.orelse:
        return None
    *body, last = loop.body
    if not (isinstance(last, ast.Expr) and isinstance(last.value, ast.Yield) and last.value.value):
        return None
    nodes = [node for statement in (*before, *body) for node in ast.walk(statement)]
    item, state = ast.unparse(loop.target), list(dict.fromkeys(_assigned(before)))
    if any(isinstance(node, LEAVING) for node in nodes) or "state" in {item, *_assigned([*before, *body])}:
        return None
    closure = inspect.getclosurevars(target).nonlocals
    source = TEMPLATE.format(
        closure=", ".join(closure),
        before=_indented(before),
        body=_indented(body),
        state=f"({''.join(f'{name}, ' for name in state)})",
        item=item,
        answer=ast.unparse(last.value.value),
    )
    names: dict[str, Any] = {}
    exec(compile(source, "<the target's step>", "exec"), dict(target.__globals__), names)
    return Automaton(*names["make"](**closure))


def _agree(automaton: Automaton, problem: Problem) -> bool:
    """Whether the automaton gives the target's answers on drawn strings, in plain states."""
    rng, state = random.Random("generator"), automaton.initial
    for _ in range(STRINGS):
        drawn = problem.draw(rng, "abc", ITEMS)
        items = [each for item in drawn for each in ([{}, item] if problem.silence and rng.random() < 0.5 else [item])]
        state = automaton.initial
        for item, expected in zip(items, problem.target(map(problem.as_read, items)), strict=True):  # type: ignore[operator]
            state, answer = automaton.step(state, problem.as_read(item))
            if answer != expected or not _is_plain(state):
                return False
    return True


def _assigned(statements: Sequence[ast.stmt]) -> list[str]:
    """The names that statements assign to."""
    nodes = [node for statement in statements for node in ast.walk(statement)]
    return [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]


def _indented(statements: Sequence[ast.stmt]) -> str:
    return textwrap.indent("\n".join(map(ast.unparse, statements)) or "pass", " " * 8)


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, int | float | str)
