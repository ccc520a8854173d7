"""The result of a synthesis: the best machine, its verdict in words, and all restarts."""

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..core.machine import Machine
from ..core.summaries import plural
from ..drawing.drawing_machines import draw
from ..drawing.programs import program
from ..machines.detectors import handcrafted
from ..problems.problems import Problem
from ..proofs.counterexamples import Counterexample, counterexample
from ..proofs.proofs import Proof, verify
from ..pruning.rounding import Verdict
from ..pruning.tasks import Task
from .restart_files import Restart

if TYPE_CHECKING:
    import pandas as pd

HEIGHT = 420  # maximum height of a circuit, in pixels
MOST_LINES = 40  # maximum number of links of a machine that is printed as a program
FITS = {
    "transitions": "made of the target's transitions",
    "tests": "fitted to the answers to tests",
    "rows": "fitted to the rows",
}  # by start
LEARNED = 1e-4  # training strings count as learned below this relative squared error


@dataclass(frozen=True, repr=False)
class Synthesis:
    """The result of a synthesis: the verdict on its best machine, and all its restarts."""

    problem: Problem
    task: Task
    best: Verdict
    restarts: Sequence[Restart]
    seconds: float
    ended_early: str = ""  # the reason, if it did
    start: str = ""  # the attempt that gave the best machine, if there were several
    tried: Sequence[str] = ()  # the attempts in order, each with its outcome
    queries: int | None = None  # number of strings on which a black-box target was run

    @property
    def machine(self) -> Machine:
        """The best machine."""
        return self.best.machine

    @property
    def best_restart(self) -> Restart:
        """The restart that led to the best machine."""
        return next(restart for restart in self.restarts if restart.verdict is self.best)

    @property
    def verdict(self) -> str:
        """The verdict on the best machine, in words."""
        best, reference = self.best, self.problem.reference
        error = max(best.validation_max_abs_error, best.test_max_abs_error)
        links = f"{best.links} link{'' if best.links == 1 else 's'}"
        if self.problem.is_recorded:
            return f"{links}, {self._sentence}"
        if not best.exact:
            how = "within 0.001, not exact" if best.within_tolerance else "not exact"
            early = f" ({self.ended_early})" if self.ended_early else ""
            return f"{links}, {how}: off by up to {error:.3g} on validation or test strings{early}"
        sizes = {abs(float(link.weight)) for link in best.machine.links() if not link.hard}
        kind = "all of weight 1 or -1, " if sizes == {1.0} else "weights small fractions, " if sizes else ""
        if reference.is_same_as(best.machine):
            name = "handcrafted detector" if reference.is_same_as(handcrafted()) else "machine to be imitated"
            return f"{links}, {kind}exact: this is the {name}"
        return f"{links}, {kind}exact on all validation and test strings"

    @cached_property
    def _sentence(self) -> str:
        return self.problem.sentence(self.machine)

    @property
    def delays(self) -> tuple[int, ...]:
        """The delay of each answer, in cycles after an item; 0 if the target is a machine."""
        return self.problem.delays

    @cached_property
    def proof(self) -> Proof:
        """How certain it is that the best machine is right (:mod:`dmmlab.proofs.proofs`)."""
        return verify(self.problem, self.machine)

    @cached_property
    def counterexample(self) -> Counterexample | None:
        """A short string on which the best machine errs; None if it is exact, or none was found."""
        return (
            None
            if self.best.exact or self.problem.is_recorded
            else counterexample(self.problem, self.machine, self.task.unseen["validation"])
        )

    @property
    def advice(self) -> list[str]:
        """Suggestions if the best machine is not exact, one sentence each."""
        return [] if self.best.exact or self.problem.is_recorded else list(_advice(self))

    def events(self) -> list[dict[str, Any]]:
        """Returns the events of all restarts, one restart after the other."""
        return [{"restart": restart.index, **event._asdict()} for restart in self.restarts for event in restart.trace.events]

    def outcomes(self) -> list[dict[str, Any]]:
        """Returns the verdict on each restart, without its machine."""
        rows = []
        for restart in self.restarts:
            if (verdict := restart.verdict) is not None:
                measures = {name: value for name, value in verdict._asdict().items() if name != "machine"}
                seconds = restart.trace.events[-1].seconds
                rows.append({"restart": restart.index, **measures, "exact": verdict.exact, "seconds": seconds})
        return rows

    def trace(self) -> "pd.DataFrame":
        """Returns :meth:`events` as a table."""
        import pandas as pd

        return pd.DataFrame(self.events())

    def frame(self) -> "pd.DataFrame":
        """Returns :meth:`outcomes` as a table, with a row for each restart."""
        import pandas as pd

        return pd.DataFrame(self.outcomes()).set_index("restart")

    def __repr__(self) -> str:
        lines = [self.problem.question, self.verdict, f"{self._how}, {self.seconds:.0f} s"]
        if self.counterexample is not None:
            lines.append(f"for example, {self.counterexample}")
        lines += [f"tried: {sentence}" for sentence in self.tried if len(self.tried) > 1]
        lines += [f"to try: {sentence}" for sentence in self.advice]
        if self.best.links <= MOST_LINES:
            lines.append(program(self.machine))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = [f"<b>{html.escape(self.problem.question)}</b>", html.escape(self.verdict)]
        machine = self.machine.live()
        picture = draw(machine, hide={"timer"} & machine.neurons.keys()).pipe("svg").decode()
        picture = picture[picture.index("<svg") :]
        if float(re.findall(r'height="([\d.]+)', picture)[0]) > HEIGHT:
            picture = picture.replace("max-width: 100%; height: auto", f"width: auto; height: {HEIGHT}px", 1)
        rows.append(f'<div style="overflow-x:auto">{picture}</div>')
        if self.counterexample is not None:
            rows.append(self.counterexample._repr_html_())
        rows += [f"Tried: {html.escape(sentence)}" for sentence in self.tried if len(self.tried) > 1]
        rows += [f"To try: {html.escape(sentence)}" for sentence in self.advice]
        if self.best.links <= MOST_LINES:
            rows.append(f"<details><summary>program</summary><pre>{html.escape(program(self.machine))}</pre></details>")
        table = self.frame().to_html(float_format=lambda x: f"{x:.3g}", border=0)
        rows.append(f"<details><summary>{self._how}, {self.seconds:.0f} s</summary>{table}</details>")
        return "".join(f"<div>{row}</div>" for row in rows)

    @property
    def _how(self) -> str:
        """Returns how the best machine was found, in a few words."""
        if self.start in FITS:
            return FITS[self.start]
        return f"{plural(len(self.restarts), 'restart')}, {sum(verdict.exact for verdict in self._verdicts)} exact"

    @property
    def _verdicts(self) -> list[Verdict]:
        return [restart.verdict for restart in self.restarts if restart.verdict is not None]


def _advice(synthesis: Synthesis) -> Iterator[str]:
    problem, verdicts = synthesis.problem, synthesis._verdicts
    if synthesis.ended_early:
        yield "a larger budget"
    batch = synthesis.task.batch
    learned = [v for v in verdicts if v.train_loss * batch.targets.size < LEARNED * float(batch.sum_of_squares)]
    if any(v.within_tolerance_on_validation for v in verdicts):
        yield "more restarts, or more steps (ramp_steps, finish_steps): a machine is close, but no fractions fit its weights"
    elif learned:
        yield (
            "strings that say more: what was trained is right on the training strings, and wrong on others; "
            "a Task with more, longer or denser strings, such as problem.training(seed, strings=16, cycles=80)"
        )
    else:
        yield "a look at the question: no restart learned the training strings (problem.preview() shows some)"
        if any(problem.delays):
            yield f"another delay: {problem.delays} cycles is how deep the machine may be"
        if not problem.recurrent:
            yield "recurrent=True, if the answer needs a loop that an accumulator does not give"
        yield "other types or constants, if the four types cannot express the answer"
