"""Certificates: proofs that can be checked independently of the search that found them.

An *exploration* is a table. It has a row for each joint state of machine and target (the outputs of
the neurons, the target's state, the answers that are due), with the machine's answers and the next
joint state for each item. The checker recomputes every entry with the tree engine.

An *induction* is an invariant, which is checked on symbols (:mod:`dmmlab.proofs.invariants`).

The search for certificates is not part of this module. A proof relies on the tree engine in
fractions (:mod:`dmmlab.machines.exact_steps`), on this module, :mod:`dmmlab.proofs.invariants`,
:mod:`dmmlab.proofs.symbols` and :mod:`dmmlab.proofs.plain_steps`, and on z3. A certificate is only
data, and need not be trusted.
"""

import copy
import math
import time
from collections.abc import Mapping, Sequence
from fractions import Fraction
from types import FunctionType
from typing import Any

from ..core.errors import LabError, told
from ..core.machine import Machine
from ..core.neurons import is_built_in
from ..core.vvalues import describe
from ..machines.exact_steps import ExactMachine, relevant
from ..machines.isomorphism import same
from ..problems.automata import STATE_TYPES
from ..problems.problems import Problem
from .invariants import Certificate, CertificateError, Induction, delays_of, expect, number_of

FORM = "dmmlab certificate 1"
SECONDS = 60.0  # for an induction


def check_certificate(
    problem: Problem, machine: Machine, certificate: Certificate, seconds: float = SECONDS, exact: ExactMachine | None = None
) -> str:
    """Checks a certificate, and returns the grade that it proves for a machine.

    Args:
        problem: the problem.
        machine: the machine that answers.
        certificate: of :attr:`~dmmlab.proofs.proofs.Proof.certificate`.
        seconds: the time limit.
        exact: the machine in exact arithmetic, if it exists already.

    Returns:
        The grade: ``identical``, ``proved`` or ``exhaustive``. If the problem has no alphabet,
        ``exhaustive`` refers to the items that the certificate names.

    Raises:
        CertificateError: it proves nothing, or is no certificate.
        LabError: the machine cannot be run exactly, or z3 cannot decide.
    """
    try:
        if not isinstance(certificate, Mapping) or certificate.get("form") != FORM:
            raise CertificateError(f"expected an object with the form {FORM!r}")
        by = certificate["by"]
        if by == "exploration":
            return _check_exploration(problem, exact or ExactMachine(machine), certificate)
        if by == "induction":
            Induction(problem, machine, certificate, time.monotonic() + seconds).check()
            return "proved"
        expect(by == "sameness" and is_the_target(problem, machine), "the machine is not the target")
        return "identical"
    except LabError:
        raise
    except Exception as error:  # a certificate is data: any defect is reported in one line
        raise CertificateError(f"no certificate: {told(error)}") from None


def is_the_target(problem: Problem, machine: Machine) -> bool:
    """Returns whether a machine is the target, up to neuron names and parts without effect."""
    target = problem.target
    if not isinstance(target, Machine) or not same(machine, target, tolerance=0.0):
        return False
    for kind in (*machine.neurons.values(), *target.neurons.values()):  # a type may describe itself wrongly
        plain = isinstance(kind.function, FunctionType) and kind.inputs and not (kind.accumulates or kind.scaling)
        if not (is_built_in(kind) or plain):
            return False
    return relevant(machine) == machine.leading_to({"output"})


def _check_exploration(problem: Problem, exact: ExactMachine, certificate: Certificate) -> str:
    target = problem.target
    other = ExactMachine(target) if isinstance(target, Machine) else None
    delays, length = delays_of(problem, certificate), certificate["length"]
    expect(length is not None or bool(problem.alphabet), "there is no alphabet")
    items = [*(problem.alphabet or certificate["items"]), *([{}] if problem.silence else [])]
    expect(any(items), "there are no items")
    reads = [problem.items_by_neuron(item) for item in [*items, {}]]
    shown = [exact.shown(each) for each in reads]
    last, longest = max(delays), problem.longest if problem.longest is not None else math.inf

    def target_after(state: Any, i: int) -> tuple[Any, Sequence[Any]]:
        if other is not None:
            given, emitted = other.step(state)
            return emitted + other.shown(reads[i]), given
        after, answer = target.step(state, problem.as_read(copy.deepcopy([*items, {}][i])))  # type: ignore[union-attr]
        return after, answer if isinstance(answer, tuple | list) else (answer,)

    def same_state(one: tuple, another: tuple) -> bool:
        same_target = one[1] == another[1] if other is not None else _alike(one[1], another[1])
        return same_target and (one[0], *one[2:]) == (another[0], *another[2:])

    # A joint state: neuron outputs, the target's state, the answers due, cycles since the end.
    start = other.initial if other else target.initial  # type: ignore[union-attr]
    states: list[tuple] = [(exact.initial, start, tuple((Fraction(0),) * d for d in delays), 0)]
    cycles = [0]
    for at, (row, answered) in enumerate(zip(certificate["transitions"], certificate["answers"], strict=True)):
        emitted, state, due, ended = states[at]
        given, after = exact.step(emitted)
        expect(list(given) == [*map(number_of, answered)], f"state {at}: the machine answers otherwise")
        may_end = problem.longest is not None and (0 < ended < last or (ended == 0 < min(cycles[at], last)))
        choices = [*(range(len(items)) if ended == 0 and cycles[at] < longest else ()), *([len(items)] if may_end else [])]
        for i, place in zip(choices, row, strict=True):
            following, answers = target_after(state, i)
            queues = [(*queue, Fraction(answer)) for queue, answer in zip(due, answers, strict=True)]
            expect(all(q[0] == x for q, x in zip(queues, given, strict=True)), f"state {at}: the answer is wrong")
            joint = (after + shown[i], following, tuple(q[1:] for q in queues), ended + (i == len(items)))
            if place == len(states):
                states.append(joint)
                cycles.append(cycles[at] + 1)
            expect(
                0 <= place < len(states) and same_state(joint, states[place]),
                f"state {at}: item {i} does not lead to state {place}",
            )
    rest = range(len(certificate["transitions"]), len(states))
    if length is None:
        expect(not rest and all(cycle < longest for cycle in cycles), "there are states that have no row")
        return "proved"
    expect(length > 0 and all(cycles[at] >= length + last for at in rest), f"not all strings of {length} items were tried")
    return "exhaustive"


def _alike(one: Any, other: Any) -> bool:
    """Tests equality, but 1 and True differ: a target may distinguish types of numbers."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_alike, one, other))
    expect(type(one) in STATE_TYPES, f"a state is {describe(one)}: expected numbers, texts, None, or tuples of them")
    return type(one) is type(other) and repr(one) == repr(other)
