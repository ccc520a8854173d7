"""Inductions: finds an invariant that proves a machine right on all strings.

If a machine follows its target, the inputs of the neurons in its loops are linear functions of the
target's recent past: its state some cycles ago, the items since, the states and answers in between.
The functions are read off some runs, exactly, in fractions. Other neurons may start with any input:
its effect passes after some cycles. Bounds on the target's state are guessed from runs. Bounds that
some step violates are dropped, until every step preserves the others (Flanagan and Leino, "Houdini,
an annotation assistant for ESC/Java", FME 2001).

All this is guessing. :mod:`dmmlab.proofs.invariants` decides whether it is a proof.
"""

import itertools
import random
import time
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import networkx
import numpy as np

from ..core.errors import LabError, told
from ..core.machine import Machine
from ..core.vvalues import VValue, number
from ..problems.items import one_of_these
from ..problems.problems import Problem
from .certificates import FORM, Certificate, CertificateError
from .invariants import Induction
from .symbols import UnknownError

RUNS, CYCLES = 12, 40  # runs from which linear functions are read off, and cycles of each
LARGE = 10**9  # larger numbers are ignored
DEEPEST = 4  # cycles to look back, at most
LARGEST = 1000  # denominator of a coefficient, at most

Relation = dict[str, list[tuple[int, Fraction]]]  # by port, indices of numbers in a window, with coefficients


def find_induction(problem: Problem, machine: Machine, delays: Sequence[int], seconds: float) -> Certificate:
    """Finds an induction that proves a machine right on all strings over an alphabet.

    Args:
        problem: the problem; as for :class:`~dmmlab.proofs.invariants.Induction`.
        machine: the machine to check; its neurons exchange only numbers.
        delays: the delay of each answer, in cycles.
        seconds: the time limit.

    Returns:
        Its certificate, already checked.

    Raises:
        LabError: none is found.
    """
    try:
        return _find_induction(problem, machine, delays, seconds)
    except LabError:
        raise
    except Exception as error:  # any error of a user's step, or states that are no numbers
        raise UnknownError(f"no induction: {told(error)}") from error


def _find_induction(problem: Problem, machine: Machine, delays: Sequence[int], seconds: float) -> Certificate:
    end = time.monotonic() + seconds
    empty = {"form": FORM, "by": "induction", "delays": list(delays), "relation": {}, "bounds": [], "whole": False}
    reason: Exception = UnknownError("no linear function of what was says what arrives at the machine's neurons")
    for depth in range(1, DEEPEST + 1):
        base = Induction(problem, machine, {**empty, "depth": depth, "passing": max(delays), "concrete": False}, end)
        runs = [_run(base, problem, i) for i in range(RUNS)]
        relation = _relation(base, runs)
        passing = _cycles_through(base, {port[0] for port in base.ports if ".".join(port) not in relation})
        if passing is None or depth + 1 + passing < max(delays):
            continue
        told = {port: [[i, str(x)] for i, x in terms] for port, terms in relation.items()}
        bounds = _bounds(runs)
        whole = all(isinstance(x, int) for states, *_ in runs for state in states for x in state)
        for concrete in (False, True):
            certificate = {**empty, "depth": depth, "passing": passing, "relation": told, "concrete": concrete, "whole": whole}
            try:
                kept = bounds
                while not all(flags := Induction(problem, machine, {**certificate, "bounds": kept}, end).kept()):
                    kept = [bound for bound, keep in zip(kept, flags, strict=True) if keep]
                certificate["bounds"] = kept
                Induction(problem, machine, certificate, end).check()
                return certificate
            except (UnknownError, CertificateError) as error:
                reason = error
    raise reason


def _run(base: Induction, problem: Problem, i: int) -> tuple[list[tuple], list[tuple], list[tuple], list[list[Any]]]:
    """Runs a drawn string; returns states (the first included), letters, answers, and inputs."""
    draw = (problem.draw, one_of_these(problem.alphabet))[i % 2]  # uniform items show what a draw seldom shows
    by_item = dict(zip(map(repr, map(problem.as_read, problem.alphabet)), base.letters, strict=False))
    drawn = draw(random.Random(f"induction {i}"), "abc", CYCLES)
    letters = [by_item[repr(problem.as_read(item))] for item in drawn]
    states, answers = base.window(base.initial, letters)
    emitted: VValue = {}
    arrivals = []
    for letter in letters:
        emitted = base.exact.emit(base.exact.arrive(emitted), base.reads(letter))
        inputs = base.exact.arrive(emitted)
        arrived = [inputs.get(name, {}).get(field, {}) for name, field in base.ports]
        if any(isinstance(v, dict) and v for v in arrived):
            raise UnknownError("something else than numbers flows in the machine")
        arrivals.append([number(v) for v in arrived])
    return states, letters, answers, arrivals


def _relation(base: Induction, runs: Sequence[tuple]) -> Relation:
    """Returns the neuron inputs that are linear functions of the numbers of a window, by port."""
    rows, values = [], []
    for states, letters, answers, arrivals in runs:
        for t in range(base.depth - 1, len(letters)):
            numbers = base.numbers(states, letters, answers, t + 1 - base.depth)
            if all(abs(x) < LARGE for x in (*numbers, *arrivals[t])):
                rows.append(numbers)
                values.append(arrivals[t])
    if not rows:
        raise UnknownError("all numbers are too large to be looked at")
    table, wanted = np.array(rows, dtype=object), np.array(values, dtype=object)
    chosen = _independent(table.astype(float))
    basis = table[:, chosen].astype(float)
    size = np.abs(basis).max(axis=0)
    solved = np.linalg.lstsq(basis / size, wanted.astype(float), rcond=None)[0] / size[:, None]
    found: Relation = {}
    for port, column, right in zip(base.ports, solved.T, wanted.T, strict=True):
        rounded = [(i, Fraction(float(x)).limit_denominator(LARGEST)) for i, x in zip(chosen, column, strict=True)]
        terms = [(i, x) for i, x in rounded if x]
        if all(sum((x * row[i] for i, x in terms), Fraction(0)) == v for row, v in zip(table, right, strict=True)):
            found[".".join(port)] = terms
    return found


def _cycles_through(base: Induction, inside: set[str]) -> int | None:
    """Returns the longest way of a value through these neurons, in cycles; None if it may loop."""
    graph = networkx.DiGraph()
    graph.add_nodes_from(inside)
    for to, fields in base.exact.matrix.items():
        graph.add_edges_from((source, to) for row in fields.values() for source in row if {source, to} <= inside)
    if not networkx.is_directed_acyclic_graph(graph):
        return None
    return int(networkx.dag_longest_path_length(graph)) + 1 if inside else 0


def _bounds(runs: Sequence[tuple]) -> list[tuple[tuple[int, ...], str]]:
    """Returns the extreme values, in these runs, of the state's numbers and their differences."""
    seen = np.array([s for states, *_ in runs for s in states if all(abs(x) < LARGE for x in s)], dtype=object)
    width = seen.shape[1]
    vectors = [tuple(int(i == j) for j in range(width)) for i in range(width)]
    if width <= 4:
        vectors += [tuple(a - b for a, b in zip(u, v, strict=True)) for u, v in itertools.combinations(vectors, 2)]
    both = [sign for vector in vectors for sign in (vector, tuple(-x for x in vector))]
    return [(vector, str(Fraction((seen @ np.array(vector, dtype=object)).max()))) for vector in both]


def _independent(table: np.ndarray) -> list[int]:
    """Returns columns, from last to first, that are linearly independent of those chosen before."""
    chosen: list[int] = []
    basis: list[np.ndarray] = []
    for i in reversed(range(table.shape[1])):
        column = table[:, i] / (np.abs(table[:, i]).max() or 1.0)
        rest = column.copy()
        for _ in range(2):
            for each in basis:
                rest -= np.dot(each, rest) * each
        if np.linalg.norm(rest) > 1e-7 * max(1.0, float(np.linalg.norm(column))):
            basis.append(rest / np.linalg.norm(rest))
            chosen.append(i)
    return chosen
