"""Proofs: grades of certainty that a machine answers a problem correctly.

=============  =================================================================================
identical      the machine is the target itself, up to the names of its neurons
proved         it is right on all strings over the problem's alphabet, of any length: all joint
               states of machine and target were explored (:mod:`dmmlab.proofs.explorations`), or
               it follows by induction (:mod:`dmmlab.proofs.inductions`)
exhaustive     it is right on every string over an alphabet up to some length
tested         it is right on a number of drawn strings
wrong          it errs on a string, which is shown
=============  =================================================================================

A machine is proved right only if :mod:`dmmlab.proofs.certificates` accepts the certificate. The
tree engine runs it, on fractions; weights count as the fractions that they stand for. Other
assumptions are listed with the grade. Items are taken from the problem's alphabet; if it has none,
they are the letters ``a`` and ``b`` and the marks that its draw adds.
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..core.engine import run
from ..core.errors import LabError
from ..core.machine import Machine
from ..core.neurons import is_built_in
from ..core.streams import values
from ..core.summaries import Facts, plural, summarised
from ..core.vvalues import VValue, max_norm
from ..machines.exact_steps import LARGEST_WHOLE, ExactMachine, InexactError
from ..problems.letter_classes import name_letters
from ..problems.problems import Problem
from ..pruning.evaluation import Evaluator
from ..pruning.rounding import EXACT
from .certificates import FORM, Certificate, check_certificate, is_the_target
from .counterexamples import Counterexample, counterexample, on_string, short_strings
from .explorations import FUNCTION_SECONDS, MOST_STATES, Outcome, alphabet_of, explore
from .inductions import find_induction

GRADES = ("identical", "proved", "exhaustive", "tested", "wrong")
SECONDS = 20.0  # for an exploration, and for an induction
FIRST_STATES = 2000  # joint states of a first exploration, at most
LARGE_ALPHABET = 20  # with more items, all strings of two take long, so that some strings are drawn first
DELAYS = range(1, 9)  # delays to try if none is given, in cycles
SEARCHED_CYCLES = 200  # cycles to search for numbers that double precision does not represent


@summarised
@dataclass(frozen=True)
class Proof:
    """The certainty that a machine is right.

    ``grade`` is one of :data:`GRADES`; ``how`` describes the evidence. ``delays`` are those of the
    answers, in cycles. ``length`` is the length of the strings if the grade is ``exhaustive``;
    ``counterexample`` is set if it is ``wrong``. ``assumes`` lists the conditions of the grade.
    ``certificate`` is the JSON data that :func:`~dmmlab.proofs.certificates.check_certificate`
    checks; it is set if the grade is ``identical`` or ``proved``, or if it is ``exhaustive`` and
    the target shows its states.
    """

    grade: str
    how: str
    delays: tuple[int, ...] = ()
    length: int | None = None
    counterexample: Counterexample | None = None
    seconds: float = 0.0
    assumes: tuple[str, ...] = ()
    certificate: Certificate | None = None

    @property
    def holds(self) -> bool:
        """Whether the machine is right on all strings of any length."""
        return self.grade in ("identical", "proved")

    def __str__(self) -> str:
        grade = f"exhaustive to length {self.length}" if self.grade == "exhaustive" else self.grade
        return f"{grade}: {self.how}"

    def _summary(self) -> tuple[str, Facts]:
        facts: dict[str, Any] = {"how": self.how, "delays": self.delays, "seconds": round(self.seconds, 2)}
        if self.assumes:
            facts["assumes"] = "; ".join(self.assumes)
        if self.counterexample is not None:
            facts["counterexample"] = str(self.counterexample)
        return f"Proof: {str(self).split(':')[0]}", facts.items()


def verify(problem: Problem, machine: Machine, seconds: float = SECONDS, seed: int = 0) -> Proof:
    """Verifies that a machine answers a problem, by the strongest proof that succeeds.

    Args:
        problem: the problem. If it gives no delay, the smallest delay at which the machine is right
            on drawn strings is used.
        machine: the machine that answers.
        seconds: the time limit of an exploration, and of an induction.
        seed: the seed of the strings that are drawn if nothing can be proved.

    Returns:
        The proof, with the best grade that was reached.

    Raises:
        LabError: the machine does not give the problem's answers, or reads a stream that the
            problem does not have; or the target fails on every string.
    """
    began = time.monotonic()
    fields = machine.neurons["output"].inputs if "output" in machine.neurons else ()
    if tuple(fields) != tuple(problem.answers):
        raise LabError(f"the machine does not answer {', '.join(f'output.{name}' for name in problem.answers)}")
    if strange := [n for n, kind in machine.neurons.items() if kind.reads_stream and n not in problem.inputs]:
        raise LabError(f"neuron {strange[0]!r} reads a stream, and the problem has {', '.join(problem.inputs)}")
    if problem.is_recorded:
        how, is_right = problem.sentence(machine), problem.reproduces(machine)
        return Proof(
            "tested" if is_right else "wrong", f"it is {how}" if how.startswith("right") else f"it {how}", problem.delays
        )
    the_target = is_the_target(problem, machine)
    if not (the_target or problem.alphabet):
        with contextlib.suppress(LabError):  # a target that fails on some string is reported below
            problem = name_letters(problem).problem
    problem = problem if the_target else with_delay(problem, machine)
    delays = problem.delays

    def made(grade: str, how: str, **more: Any) -> Proof:
        return Proof(grade, how, delays, seconds=time.monotonic() - began, **more)

    def tested(reason: str) -> Proof:
        return _tested(problem, machine, seed, made, reason)

    if the_target:
        return made("identical", "it is the target, up to the names of neurons", certificate={"form": FORM, "by": "sameness"})
    if problem.answers_are_vvalues:
        return tested("; answers are V-values")
    alphabet, over = alphabet_of(problem)
    if len(alphabet) > LARGE_ALPHABET and (short := counterexample(problem, machine)) is not None:
        return made("wrong", "a short string on which it errs", counterexample=short)
    try:
        exact = ExactMachine(machine)
        found, proof, reason = _explored(problem, exact, machine, alphabet, delays, seconds, made)
    except InexactError as error:
        return tested(f"; {error}")
    if proof is not None:
        return proof
    if found.refuted is not None:
        wrong = on_string(problem, machine, found.refuted)
        if wrong.is_wrong:
            return made("wrong", "a shortest string on which it errs", counterexample=wrong)
        return tested("; in fractions it errs where in double precision it does not")
    drawn = tested(reason)
    if drawn.grade == "wrong" or not (found.complete or found.length >= min(2, problem.longest or 2)):
        return drawn
    table = _table(problem, alphabet, delays, found) if problem.reference.shows_state else None
    conditions = _assumptions(problem, machine, found, over)
    return made("exhaustive", f"every string over {over}{reason}", length=found.length, certificate=table, assumes=conditions)


def _explored(
    problem: Problem,
    exact: ExactMachine,
    machine: Machine,
    alphabet: Sequence[VValue],
    delays: Sequence[int],
    seconds: float,
    made: Any,
) -> tuple[Outcome, Proof | None, str]:
    """Explores, and tries an induction; returns the last outcome, a proof, or why there is none."""
    target, reason = problem.reference.exact(), ""
    if not problem.reference.shows_state:
        found = explore(exact, problem, target, alphabet, delays, MOST_STATES, min(seconds, FUNCTION_SECONDS))
        return found, None, f"; {found.reason or 'the target shows no state: write it as an Automaton'}"
    _, over = alphabet_of(problem)
    for most in (FIRST_STATES, MOST_STATES):
        found = explore(exact, problem, target, alphabet, delays, most, seconds)
        if found.complete and problem.alphabet:
            certificate: Certificate = {**_table(problem, alphabet, delays, found), "length": None}
            check_certificate(problem, machine, certificate, exact=exact)
            how = f"all {found.states:,} joint states of machine and target were explored"
            conditions = _assumptions(problem, machine, found, over)
            return found, made("proved", how, certificate=certificate, assumes=conditions), ""
        if found.refuted is not None:
            break
        if most == FIRST_STATES and problem.reference.automaton is not None and problem.alphabet:
            try:
                certificate = find_induction(problem, machine, delays, seconds)
                how = f"induction over cycles, looking back {certificate['depth']}"
                conditions = _assumptions(problem, machine, found, over)
                return found, made("proved", how, certificate=certificate, assumes=conditions), ""
            except LabError as error:
                reason = f"; {error}"
        if found.reason:
            reason = f"; {found.reason}"
        if found.complete or found.reason or found.length == problem.longest:
            break
    return found, None, reason


def _table(problem: Problem, alphabet: Sequence[VValue], delays: Sequence[int], found: Outcome) -> dict[str, Any]:
    """Returns the certificate of an exploration."""
    answers = [[x.numerator if x.denominator == 1 else str(x) for x in map(Fraction, row)] for row in found.answers]
    head = {"form": FORM, "by": "exploration", "delays": list(delays), "length": found.length}
    items = {} if problem.alphabet else {"items": list(alphabet[: len(alphabet) - problem.silence])}
    return {**head, **items, "answers": answers, "transitions": found.transitions}


def _assumptions(problem: Problem, machine: Machine, found: Outcome, over: str) -> tuple[str, ...]:
    def each() -> Iterator[str]:
        if problem.reference.is_code:
            yield "the target is a function of the string"
        if not all(map(is_built_in, machine.neurons.values())):
            yield "a neuron of a type that is not built in is a function of what arrives"
        yield f"items are of {over}"
        if problem.longest is not None:
            yield f"strings have at most {plural(problem.longest, 'item')}, and silence follows them"
        if found.complete and found.in_doubles:
            yield "none of its numbers is rounded in double precision"
        elif (cycle := _rounded_from(problem, machine)) is not None:
            yield f"exact arithmetic: in double precision numbers pass 2^53 after {plural(cycle, 'item')}"
        else:
            yield "exact arithmetic, where double precision may round"

    return tuple(each())


def _rounded_from(problem: Problem, machine: Machine) -> int | None:
    """Returns the cycle when numbers pass 2^53 on strings of one item; None if late or never."""
    items = sorted(alphabet_of(problem)[0], key=lambda item: (float(max_norm(item)), str(item)))
    cycles = []
    for item in items[-1:] + items[:1]:
        reads = problem.items_by_neuron(item)
        streams = {name: values([v] * SEARCHED_CYCLES) for name, v in reads.items() if name in machine.neurons}
        cycle = 0
        try:
            for cycle, state in enumerate(run(machine, streams, SEARCHED_CYCLES)):
                if float(max_norm(state.outputs)) > LARGEST_WHOLE:
                    cycles.append(cycle)
                    break
        except Exception:  # a number that is not finite, or any error of a user's neuron type
            cycles.append(cycle)
    return min(cycles, default=None)


def with_delay(problem: Problem, machine: Machine) -> Problem:
    """Returns the problem with its own delay, or the one at which the machine is right longest."""
    if not problem.delay_is_open:
        return problem
    best, right_for = problem, -1
    for delay in DELAYS:
        tried = problem.with_delay(delay)
        wrong = counterexample(tried, machine)
        if wrong is None:
            return tried
        if wrong.cycle - delay > right_for:
            best, right_for = tried, wrong.cycle - delay
    return best


def _tested(problem: Problem, machine: Machine, seed: int, made: Any, reason: str) -> Proof:
    try:
        samples = [*problem.validation(), *problem.test(seed)]
        error = Evaluator(machine, {"all": samples}).max_abs_error(machine, "all")
    except LabError as told:  # the target fails on long strings, or only the tree engine runs the machine
        if not any(True for _ in short_strings(problem)):
            raise
        if (wrong := counterexample(problem, machine)) is not None:
            return made("wrong", "a short string on which it errs", counterexample=wrong)
        return made("tested", f"short strings that were drawn, on the tree engine{reason}; {told}")
    if error < EXACT:
        longest = max(len(problem.items_of(sample)) for sample in samples)
        return made("tested", f"{len(samples)} strings of up to {longest:,} cycles, in double precision{reason}")
    return made("wrong", f"off by up to {error:.3g} on drawn strings", counterexample=counterexample(problem, machine, samples))
