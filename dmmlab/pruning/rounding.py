"""Rounding, and the verdict on a machine: exact, within a tolerance, or neither.

Of several ways to round, validation strings choose. Test strings choose nothing: what they say is
reported.
"""

from fractions import Fraction
from typing import NamedTuple

from ..core.machine import Machine
from ..core.summaries import Facts, plural, summarised
from ..machines.canonical_form import canonical, narrowed
from ..machines.simplifications import rounded
from .tasks import Task

EXACT = 1e-9  # the largest absolute error of an exact machine, in double precision
TOLERANCE = 1e-3  # and of one that is within the tolerance
SMALL, NEARLY = 64, 1e-12  # denominators of weights that are fractions as they stand, and how nearly they are


@summarised
class Verdict(NamedTuple):
    """A machine and how good it is.

    ``train_loss`` is the mean over training strings and cycles of the squared error, summed over
    answers; ``validation_max_abs_error`` and ``test_max_abs_error`` are the largest absolute errors
    of any answer in any cycle, the latter infinite where it was not measured. ``rounded`` says that
    all weights are small fractions.
    """

    machine: Machine
    links: int
    train_loss: float
    validation_max_abs_error: float
    rounded: bool
    test_max_abs_error: float = float("inf")

    @property
    def exact_on_validation(self) -> bool:
        """Whether it is exact on validation strings: fractions, and an error below 1e-9."""
        return self.rounded and self.validation_max_abs_error < EXACT

    @property
    def exact(self) -> bool:
        """Whether weights are fractions, and errors below 1e-9 on validation and test strings."""
        return self.exact_on_validation and self.test_max_abs_error < EXACT

    @property
    def within_tolerance_on_validation(self) -> bool:
        """Whether the error on validation strings is below 1e-3, whatever the weights."""
        return self.validation_max_abs_error < TOLERANCE

    @property
    def within_tolerance(self) -> bool:
        """Whether errors are below 1e-3 on validation and test strings, whatever the weights."""
        return max(self.validation_max_abs_error, self.test_max_abs_error) < TOLERANCE

    def _summary(self) -> tuple[str, Facts]:
        known = "exact" if self.exact else "within 0.001" if self.within_tolerance else "not exact"
        facts = {
            "weights": "small fractions" if self.rounded else "as trained",
            "training loss": self.train_loss,
            "largest error, validation": self.validation_max_abs_error,
            "largest error, test": self.test_max_abs_error,
        }
        return f"Verdict: {plural(self.links, 'link')}, {known}", facts.items()


def rank(verdict: Verdict) -> tuple:
    """A key to sort verdicts by, the best first; validation strings alone count.

    Those that are exact come first, the fewest links before others; then those within the
    tolerance, likewise; then all others, the smallest error before others.
    """
    error = verdict.validation_max_abs_error
    if verdict.exact_on_validation or verdict.within_tolerance_on_validation:
        return (not verdict.exact_on_validation, verdict.links, error)
    return (2, error, verdict.links)


def round_off(task: Task, machine: Machine) -> Verdict:
    """Rounds weights to small fractions if the machine is then exact on validation strings.

    Where the scale of a product is pinned by a clip alone, it is tried both as it is and at 1. So
    is the machine as it stands, if all its weights are fractions already. The simpler machine that
    is exact counts.

    Args:
        task: has the strings.
        machine: a machine of the task's network.

    Returns:
        The verdict on the rounded machine, or on the machine as it is; not yet tested.

    Raises:
        LayoutError: the machine has a link that the task's network has not.
    """
    forms = [rounded(canonical(machine, pinned)) for pinned in (True, False)]
    if _is_rational(machine):
        forms.append(machine)
    for form in sorted([form for i, form in enumerate(forms) if form not in forms[:i]], key=_complexity):
        error = task.evaluator.max_abs_error(form, "validation")
        if error < EXACT:
            return _verdict(task, form, error, is_rounded=True)
    return _verdict(task, machine, task.evaluator.max_abs_error(machine, "validation"), is_rounded=False)


def tested(task: Task, verdict: Verdict) -> Verdict:
    """The verdict with the error on the test strings.

    Args:
        task: has the strings.
        verdict: of a machine of the task's network.

    Returns:
        The same, with ``test_max_abs_error``.
    """
    return verdict._replace(test_max_abs_error=task.evaluator.max_abs_error(verdict.machine, "test"))


def _is_rational(machine: Machine) -> bool:
    """Whether all weights are fractions, not too large and up to the rounding of a float."""
    weights = [float(link.weight) for link in machine.links() if not link.hard]
    return all(abs(float(Fraction(w).limit_denominator(SMALL)) - w) <= NEARLY * abs(w) for w in weights)


def _complexity(machine: Machine) -> int:
    """The sum of numerators and denominators of the weights; least if all are 1 or -1."""
    weights = (Fraction(float(link.weight)).limit_denominator(1000) for link in machine.links() if not link.hard)
    return sum(abs(weight.numerator) + weight.denominator for weight in weights)


def _verdict(task: Task, machine: Machine, error: float, is_rounded: bool) -> Verdict:
    machine = narrowed(machine.live(task.problem.inputs))  # what reads stays, used or not
    return Verdict(machine, machine.count(), task.mean_squared_error(task.weights(machine)), error, is_rounded)
