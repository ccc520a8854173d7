"""Settings of a synthesis: how many restarts, how many steps, which penalties."""

from dataclasses import dataclass

from ..core.errors import LabError, one_of
from .network_programs import PENALTIES
from .tasks import Span

SCORES = ("magnitude", "saliency", "ablation")  # scores of links; those of the lowest score are cut first


@dataclass(frozen=True)
class Settings:
    """Settings of a synthesis. The defaults are the same for every problem.

    Steps are steps of gradient descent. Penalties, like errors, are relative to the sum of the
    squares of the targets.

    Raises :class:`~dmmlab.core.errors.LabError` for an invalid number or name.
    """

    restarts: int = 8  # per round, each from other random weights
    rounds: int = 2  # rounds of restarts, at most; no further round once a restart is exact
    agreeing: int = 2  # stop when this many exact restarts have the same, smallest number of links; 0: make all
    scale: float = 0.0  # of initial weights; 0: the usual one (Task.initial_weights)
    learning_rate: float = 1e-2
    fit_steps: int = 500
    ramp_steps: int = 8000
    cool_steps: int = 1500
    l1: Span = (4e-7, 1.25e-3)  # the penalty's coefficient, as it grows
    penalty: str = "proximal"
    score: str = "magnitude"
    neurons_first: bool = False
    regrow: int = 0  # how often cut links may grow again after pruning, and are pruned again
    threshold: float = 5e-3  # canonical weights up to this are cut
    retrain_steps: int = 300
    keep_l1: float = 4e-5  # while pruning
    tolerance: float = 2e-4  # largest rise of error + keep_l1 * sum |w| for each link that a cut saves
    fraction: float = 0.34  # of the links, in the first cut
    trials: int = 100  # largest number of cuts that are tried
    finish_steps: int = 1500

    def __post_init__(self):
        for what, name, known in (("penalty", self.penalty, PENALTIES), ("score", self.score, SCORES)):
            if name not in known:
                raise LabError(one_of(what, name, known))
        for what in ("restarts", "rounds", "fit_steps", "ramp_steps", "cool_steps", "retrain_steps", "finish_steps", "trials"):
            if not isinstance(getattr(self, what), int) or getattr(self, what) < 1:
                raise LabError(f"{what} {getattr(self, what)!r}: expected a whole number from 1 on")
        if type(self.agreeing) is not int or self.agreeing < 0:
            raise LabError(f"agreeing {self.agreeing!r}: expected a whole number from 0 on")
        if type(self.scale) not in (int, float) or not 0 <= self.scale <= 1:
            raise LabError(f"scale {self.scale!r}: expected a number from 0 to 1")
        for what in ("learning_rate", "fraction"):
            if not 0 < getattr(self, what) <= 1:
                raise LabError(f"{what} {getattr(self, what)!r}: expected a number above 0, and at most 1")
