"""A machine that is watched while it runs: what the stream stepper and the machine editor do.

The tree engine runs the machine on a string once; then one steps to and fro in the recording. The
circuit stands still, and what flows on a link in a cycle is painted on it.
"""

import html
from functools import cached_property

import numpy as np

from ..core.engine import State, run
from ..core.errors import LabError
from ..core.machine import Machine
from ..core.streams import symbols
from ..core.summaries import Facts, plural, summarised
from ..core.vvalues import max_norm, number, paths, scale
from ..drawing.circuits import circuit, idle_neurons
from ..drawing.vvalue_text import show
from ..synthesis.problems import Problem
from .svg_curves import answer_curves, flow_paint, inline, painted

MOST = 400  # cycles that are recorded
LONGEST = 200  # characters of a tooltip
AROUND = 30  # characters of the string that are shown before and after the cursor


@summarised
class Recording:
    """A run of a machine on a string.

    ``states`` has the state of each cycle; ``answers`` and ``targets`` are (answers, cycles).

    Args:
        machine: it reads the string at all its reading neurons.
        text: the string.
        period: cycles from one character to the next.
        problem: has the targets; there are none if left out.
        cycles: how many cycles to record; 20 after the last character's turn, but no more than 400,
            if left out.
        repeat_last: whether the last character comes again and again.

    Raises :class:`~dmmlab.core.errors.LabError` for an empty string, a machine without answers, and
    a run that leaves the finite numbers.
    """

    def __init__(
        self,
        machine: Machine,
        text: str,
        period: int = 10,
        problem: Problem | None = None,
        cycles: int | None = None,
        repeat_last: bool = True,
    ):
        self.machine, self.text, self.period = machine, text, period
        stream = symbols(text, period, repeat_last)
        whole = period * len(text) + 20
        self.cycles = min(whole, MOST) if cycles is None else cycles
        self.note = f"{len(text):,} characters: the first {self.cycles} of {whole:,} cycles are shown" if whole > MOST else ""
        sinks = [name for name, kind in machine.neurons.items() if not kind.outputs]
        if not sinks:
            raise LabError("the machine has no output neuron, so it answers nothing")
        self.states: list[State] = list(run(machine, stream, self.cycles))
        self.names = [f"{name}.{field}" for name in sinks for field in machine.neurons[name].inputs]
        self.answers = np.array([[float(number(state.arrived(port))) for state in self.states] for port in self.names])
        self.targets = self._targets(problem, stream)

    def _targets(self, problem: Problem | None, stream: object) -> np.ndarray | None:
        if problem is None or len(self.names) != len(problem.answers):
            return None
        items = [stream(t) for t in range(self.cycles)]  # type: ignore[operator]
        return np.asarray(problem.sample(items).targets, float)

    @property
    def error(self) -> float | None:
        """The largest absolute error in any cycle that counts; None without targets."""
        if self.targets is None:
            return None
        wrong = np.abs(self.answers - self.targets)
        return float(np.nanmax(wrong)) if np.isfinite(wrong).any() else 0.0

    def circuit(self, t: int) -> str:
        """The circuit as SVG, with what flows in cycle ``t``; tooltips have the V-values."""
        state, before = self.states[t], self.states[t - 1].outputs if t else {}
        links = {}
        for link in self.machine.links():
            v = scale(float(link.weight), before.get(link.from_neuron, {}).get(link.from_field, {}))
            links[str(link)] = flow_paint(link, float(max_norm(v)), _short(f"{link}: {show(v, 4)}"))
        neurons = {
            name: _short(f"{name}: {_ports(state.inputs.get(name, {}))} → {_ports(state.outputs.get(name, {}))}")
            for name in self.machine.neurons
        }
        return painted(self._plan, links, neurons)

    def curves(self, t: int | None = None) -> str:
        """The answers as SVG, all or those up to cycle ``t``, with all targets."""
        answers = self.answers if t is None else np.where(np.arange(self.cycles) <= t, self.answers, np.nan)
        return answer_curves(self.names, answers, self.targets, t)

    def cursor(self, t: int) -> str:
        """The string as HTML, with the character of cycle ``t`` marked."""
        at = min(t // self.period, len(self.text) - 1)
        low, high = max(0, at - AROUND), at + AROUND + 1
        before, here, after = (_visible(part) for part in (self.text[low:at], self.text[at], self.text[at + 1 : high]))
        dots = "…" if low else "", "…" if high < len(self.text) else ""
        return f"{dots[0]}{before}<mark>{here}</mark>{after}{dots[1]}"

    def values(self, t: int) -> list[tuple[str, str]]:
        """What every output emits in cycle ``t``, where it is not zero: (port, text)."""
        return [
            (f"{name}.{field}", show(v, 4))
            for name, fields in sorted(self.states[t].outputs.items())
            for field, v in sorted(fields.items())
            if any(True for _ in paths(v))
        ]

    @cached_property
    def _plan(self) -> str:
        return inline(circuit(self.machine, dead="show", hide=idle_neurons(self.machine)))

    def _summary(self) -> tuple[str, Facts]:
        last = [(f"{name} at last", row[-1]) for name, row in zip(self.names, self.answers, strict=True)]
        error = [] if self.error is None else [("largest error", self.error)]
        return f"Recording: {plural(self.cycles, 'cycle')} on {self.text!r}", [*last, *error]


def _ports(fields: dict) -> str:
    return ", ".join(f"{field} = {show(v, 4)}" for field, v in fields.items()) or "nothing"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _visible(text: str) -> str:
    text = text.replace(" ", "␣").replace("\n", "⏎").replace("\t", "⇥")
    return html.escape("".join(c if c.isprintable() else "\ufffd" for c in text))
