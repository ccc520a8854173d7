"""Rounding, and the verdict on a machine: exact, within a tolerance, or neither.

Validation strings select among several ways to round. Test strings select nothing: their errors are
only reported. The fractions themselves are chosen in :mod:`dmmlab.machines.simplifications`.
"""

from fractions import Fraction
from typing import NamedTuple

from ..core.machine import Machine
from ..core.summaries import Facts, plural, summarised
from ..machines.canonical_form import canonical, narrowed
from ..machines.simplifications import rounded
from .tasks import Task

EXACT = 1e-9  # the largest absolute error of an exact machine, in double precision
TOLERANCE = 1e-3  # the largest absolute error of a machine that is within the tolerance
LARGEST_DENOMINATOR = 64  # of weights that are fractions already
ROUNDED = 1e-12  # the largest relative difference of such a weight from its fraction


@summarised
class Verdict(NamedTuple):
    """A machine and its errors.

    ``train_loss`` is the mean over training strings and cycles of the squared error, summed over
    answers. ``validation_max_abs_error`` and ``test_max_abs_error`` are the largest absolute errors
    of any answer in any cycle; the latter is infinite if it was not measured. ``rounded`` is true
    if all weights are small fractions.
    """

    machine: Machine
    links: int
    train_loss: float
    validation_max_abs_error: float
    rounded: bool
    test_max_abs_error: float = float("inf")

    @property
    def exact_on_validation(self) -> bool:
        """Whether weights are fractions, and the error on validation strings is below 1e-9."""
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
    """Returns a key that sorts verdicts, the best first; only validation strings count.

    Exact machines come first, sorted by the number of links. Machines within the tolerance come
    next, sorted in the same way. All others follow, sorted by their error.
    """
    error = verdict.validation_max_abs_error
    if verdict.exact_on_validation or verdict.within_tolerance_on_validation:
        return (not verdict.exact_on_validation, verdict.links, error)
    return (2, error, verdict.links)


def round_off(task: Task, machine: Machine) -> Verdict:
    """Rounds weights to small fractions if the machine is then exact on validation strings.

    If only a clip pins the scale of a product, rounding is tried both with this scale and with
    scale 1. If all weights are fractions already, the given machine is tried, too. The simplest
    exact machine is selected.

    Args:
        task: has the strings.
        machine: a machine of the task's network.

    Returns:
        The verdict on the rounded machine, or on the given machine if no rounded one is exact; not
        yet tested.

    Raises:
        LayoutError: the machine has a link that the task's network lacks.
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
    """Adds the error on the test strings to a verdict.

    Args:
        task: has the strings.
        verdict: the verdict on a machine of the task's network.

    Returns:
        The same verdict with ``test_max_abs_error``.
    """
    return verdict._replace(test_max_abs_error=task.evaluator.max_abs_error(verdict.machine, "test"))


def _is_rational(machine: Machine) -> bool:
    """Whether all weights are fractions with small denominators, up to float rounding."""
    weights = [float(link.weight) for link in machine.links() if not link.hard]
    return all(abs(float(Fraction(w).limit_denominator(LARGEST_DENOMINATOR)) - w) <= ROUNDED * abs(w) for w in weights)


def _complexity(machine: Machine) -> int:
    """Returns the sum of numerators and denominators of the weights; least if all are 1 or -1."""
    weights = (Fraction(float(link.weight)).limit_denominator(1000) for link in machine.links() if not link.hard)
    return sum(abs(weight.numerator) + weight.denominator for weight in weights)


def _verdict(task: Task, machine: Machine, error: float, is_rounded: bool) -> Verdict:
    machine = narrowed(machine.live(task.problem.inputs))  # neurons that read are kept, used or not
    return Verdict(machine, machine.count(), task.mean_squared_error(task.weights(machine)), error, is_rounded)
