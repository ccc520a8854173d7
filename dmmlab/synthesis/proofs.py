"""Proofs: how sure it is that a machine answers what is asked.

=============  =================================================================================
identical      it is the target itself, up to the names of its neurons
proved         it is right on all strings over the problem's alphabet, of any length: all joint
               states of machine and target were explored in exact arithmetic
               (:mod:`dmmlab.synthesis.explorations`), or it follows by induction
               (:mod:`dmmlab.synthesis.inductions`)
exhaustive     it is right on every string over an alphabet up to some length
tested         it is right on so many strings that were drawn
wrong          it errs on a string, which is shown
=============  =================================================================================

Weights count as the fractions that they stand for. A problem's alphabet is what its items are taken
from; where it has none, the letters ``a`` and ``b`` and the marks that its draw gives with them.
"""

import time
from dataclasses import dataclass
from typing import Any

from ..core.errors import LabError
from ..core.machine import Machine
from ..core.summaries import Facts, summarised
from ..machines.exact_steps import ExactMachine, InexactError
from ..machines.isomorphism import same
from .counterexamples import Counterexample, counterexample, on_string
from .evaluation import Evaluator
from .explorations import MOST, AutomatonTarget, alphabet_of, explore, target_of
from .inductions import prove
from .letter_classes import name_letters
from .problems import Problem
from .rounding import EXACT

GRADES = ("identical", "proved", "exhaustive", "tested", "wrong")
SECONDS = 20.0  # that a proof may take
FEW = 2000  # joint states, of a first exploration
MANY = 20  # items of an alphabet: all strings of two would take long, so that some are drawn before
DELAYS = range(1, 9)  # cycles that are tried where none is given


@summarised
@dataclass(frozen=True)
class Proof:
    """How sure it is that a machine is right.

    ``grade`` is one of :data:`GRADES`; ``how`` says in words by what; ``delays`` are those of the
    answers, in cycles; ``length`` is that of the strings, for what is ``exhaustive``;
    ``counterexample`` is there for what is ``wrong``.
    """

    grade: str
    how: str
    delays: tuple[int, ...] = ()
    length: int | None = None
    counterexample: Counterexample | None = None
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether it is right on all strings of any length."""
        return self.grade in ("identical", "proved")

    def __str__(self) -> str:
        grade = f"exhaustive to length {self.length}" if self.grade == "exhaustive" else self.grade
        return f"{grade}: {self.how}"

    def _summary(self) -> tuple[str, Facts]:
        facts: dict[str, Any] = {"how": self.how, "delays": self.delays, "seconds": round(self.seconds, 2)}
        if self.counterexample is not None:
            facts["counterexample"] = str(self.counterexample)
        return f"Proof: {str(self).split(':')[0]}", facts.items()


def verify(problem: Problem, machine: Machine, seconds: float = SECONDS, seed: int = 0) -> Proof:
    """How sure it is that a machine answers what is asked.

    Args:
        problem: what is asked. If it gives no delay, the smallest at which the machine is right on
            drawn strings is taken.
        machine: what answers.
        seconds: to spend on exploring and on an induction, each.
        seed: of the strings that are drawn where nothing can be proved.

    Returns:
        The proof, of the best grade that was reached.

    Raises:
        LabError: the machine does not give the problem's answers.
    """
    began = time.monotonic()
    fields = machine.neurons["output"].inputs if "output" in machine.neurons else ()
    if tuple(fields) != tuple(problem.answers):
        raise LabError(f"the machine does not answer {', '.join(f'output.{name}' for name in problem.answers)}")
    problem = with_delay(name_letters(problem).problem, machine)
    delays = (0,) * len(problem.answers) if isinstance(problem.target, Machine) else problem.delays

    def made(grade: str, how: str, **more: Any) -> Proof:
        return Proof(grade, how, delays, seconds=time.monotonic() - began, **more)

    if isinstance(problem.target, Machine) and same(machine, problem.target, tolerance=1e-12):
        return made("identical", "it is the target, up to the names of neurons")
    if problem.answers_are_vvalues:
        return _tested(problem, machine, seed, made, "; answers are V-values")
    target = target_of(problem)
    try:
        exact = ExactMachine(machine)
    except InexactError as error:
        return _tested(problem, machine, seed, made, f"; {error}")
    if target is None:
        return _tested(problem, machine, seed, made, "; the target shows no state: write it as an Automaton")
    alphabet, over = alphabet_of(problem)
    if len(alphabet) > MANY and (short := counterexample(problem, machine)) is not None:
        return made("wrong", "a short string on which it errs", counterexample=short)
    reason = ""
    for most in (FEW, MOST):
        found = explore(exact, problem, target, alphabet, delays, most, seconds)
        if found.refuted is not None:
            return made(
                "wrong", "a shortest string on which it errs", counterexample=on_string(problem, machine, found.refuted)
            )
        if found.complete and problem.alphabet:
            return made("proved", f"all {found.states:,} joint states of machine and target were explored")
        if most == FEW and isinstance(target, AutomatonTarget) and problem.alphabet:
            try:
                return made("proved", prove(exact, problem, target, delays, seconds))
            except LabError as error:
                reason = f"; {error}"
        if found.complete or found.length == problem.longest:
            break
    if found.complete or found.length > 1:
        return made("exhaustive", f"every string over {over}{reason}", length=found.length)
    return _tested(problem, machine, seed, made, reason)


def with_delay(problem: Problem, machine: Machine) -> Problem:
    """The problem with a delay: its own, or the one at which the machine is right for longest."""
    if isinstance(problem.target, Machine) or problem.delay is not None:
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
    samples = [*problem.validation(), *problem.test(seed)]
    error = Evaluator(machine, {"all": samples}).max_abs_error(machine, "all")
    if error < EXACT:
        longest = max(len(problem.items_of(sample)) for sample in samples)
        return made("tested", f"{len(samples)} strings of up to {longest:,} cycles, in double precision{reason}")
    return made("wrong", f"off by up to {error:.3g} on drawn strings", counterexample=counterexample(problem, machine, samples))
