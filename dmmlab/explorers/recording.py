"""Recorded runs of a machine, for the stream stepper and the machine editor.

The tree engine runs the machine once; the recording can then be stepped through in both directions.
The layout of the circuit is fixed. In each cycle, a link's look and label show the V-value that
flows on it.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property

import numpy as np

from ..core.engine import State, run
from ..core.errors import LabError
from ..core.machine import Link, Machine
from ..core.streams import Stream, symbols
from ..core.summaries import Facts, plural, summarised
from ..core.vvalues import VValue, max_norm, number, paths, scale
from ..drawing.bundles import READABLE
from ..drawing.circuits import circuit, idle_neurons
from ..drawing.vvalue_text import show
from ..problems.previews import item_text
from ..problems.problems import Problem
from .svg_curves import SILENCE, answer_curves, flow_paint, inline, painted

MOST_CYCLES = 400  # cycles that are recorded at most
AFTER = 20  # cycles that are recorded after the last item's turn
LONGEST = 200  # characters of a tooltip

Item = tuple[int, str, bool]  # (cycle, text, whether it repeats the last item)


@summarised
class Recording:
    """A run of a machine on a string, or on any streams.

    ``states`` has the state of each cycle. ``answers`` and ``targets`` are (answers, cycles).
    ``items`` has the input as (cycle, text, whether it repeats the last item).

    Args:
        machine: it reads the string at all its reading neurons.
        text: the string.
        period: cycles from one character to the next.
        problem: provides the targets; by default, there are none.
        cycles: the number of cycles to record; by default, those of the targets, or up to 20 after
            the last character's turn, but no more than 400.
        repeat_last: whether the last character repeats until the end.
        streams: the neurons' input instead of a string: one stream, or one for each neuron.
        targets: (answers, cycles), right answers instead of the problem's; NaN where nothing is
            asked.

    Raises :class:`~dmmlab.core.errors.LabError` for an empty string, a machine without answers,
    targets of another shape, and a run with numbers that are not finite.
    """

    def __init__(
        self,
        machine: Machine,
        text: str = "",
        period: int = 10,
        problem: Problem | None = None,
        cycles: int | None = None,
        repeat_last: bool = True,
        streams: Stream | Mapping[str, Stream] | None = None,
        targets: np.ndarray | None = None,
    ):
        self.machine, self.text, self.period = machine, text, period
        self.streams: Stream | Mapping[str, Stream] = symbols(text, period, repeat_last) if streams is None else streams
        read = list(self.streams.values()) if isinstance(self.streams, Mapping) else [self.streams]
        whole = period * len(text) if streams is None else max((max(s.events, default=-1) + 1 for s in read), default=0)
        whole = whole + AFTER if targets is None else np.shape(targets)[-1]
        self.cycles = min(whole, MOST_CYCLES) if cycles is None else cycles
        told = f"{len(text):,} characters: " if streams is None else ""
        self.note = f"{told}the first {self.cycles} of {whole:,} cycles are shown" if whole > MOST_CYCLES else ""
        sinks = [name for name, kind in machine.neurons.items() if not kind.outputs]
        if not sinks:
            raise LabError("the machine has no output neuron, so it answers nothing")
        self.states: list[State] = list(run(machine, self.streams, self.cycles))
        self.names = [f"{name}.{field}" for name in sinks for field in machine.neurons[name].inputs]
        self.answers = np.array([[float(number(state.arrived(port))) for state in self.states] for port in self.names])
        self.items: list[Item] = list(_of_text(text, period, repeat_last, self.cycles) if streams is None else self._read(read))
        self.targets = self._right(targets) if targets is not None else self._answers_of(problem, read)

    def _right(self, targets: np.ndarray) -> np.ndarray:
        given = np.asarray(targets, float)
        if given.ndim != 2 or len(given) != len(self.names) or given.shape[1] < self.cycles:
            raise LabError(
                f"targets of shape {given.shape}: expected ({len(self.names)}, {self.cycles}), "
                f"a row for each of {', '.join(self.names)}"
            )
        return given[:, : self.cycles]

    def _answers_of(self, problem: Problem | None, read: list[Stream]) -> np.ndarray | None:
        if problem is None or len(self.names) != len(problem.answers):
            return None
        every = self.streams if isinstance(self.streams, Mapping) else dict.fromkeys(problem.inputs, read[0])
        if set(problem.inputs) - set(every) or problem.answers_are_vvalues:
            return None
        rows = [{name: v for name in problem.inputs if (v := every[name](t))} for t in range(self.cycles)]
        items = [row.get(problem.inputs[0], {}) for row in rows] if len(problem.inputs) == 1 else rows
        return np.asarray(problem.sample(items).targets, float)

    def _read(self, read: list[Stream]) -> Iterator[Item]:
        """Yields an item per cycle: the neurons' inputs as ``a/b``; silence if all are silent."""
        last = max((max(stream.events, default=-1) for stream in read), default=-1)
        for t in range(self.cycles):
            texts = [item_text(stream(t)) for stream in read]
            quiet = all(text == SILENCE for text in texts)
            yield t, SILENCE if quiet else "/".join(texts), t > last and not quiet

    @property
    def error(self) -> float | None:
        """The largest absolute error in any cycle that counts; None without targets."""
        if self.targets is None:
            return None
        wrong = np.abs(self.answers - self.targets)
        return float(np.nanmax(wrong)) if np.isfinite(wrong).any() else 0.0

    def flow(self, link: Link, t: int) -> VValue:
        """Returns a link's V-value in cycle ``t``: its weight times the output one cycle before."""
        before = self.states[t - 1].outputs if t else {}
        return scale(float(link.weight), before.get(link.from_neuron, {}).get(link.from_field, {}))

    def circuit(self, t: int) -> str:
        """Returns the circuit as SVG, with the flow in cycle ``t``; tooltips show the V-values.

        A link that cannot influence the answers stays grey, whatever it carries.
        """
        state, links = self.states[t], {}
        for link in self.machine.links():
            v = self.flow(link, t)
            tip, label = _short(f"{link}: {show(v, 4)}"), brief(v) if self.labelled else None
            paint = flow_paint(link, float(max_norm(v)), tip, label)
            links[str(link)] = paint if link[:4] in self.live else paint._replace(colour="", width=0.0)
        neurons = {
            name: _short(f"{name}: {_ports(state.inputs.get(name, {}))} → {_ports(state.outputs.get(name, {}))}")
            for name in self.machine.neurons
        }
        return painted(self.plan, links, neurons)

    def curves(self, t: int | None = None) -> str:
        """Returns the answers as SVG, with targets, input, and a cursor at cycle ``t``."""
        return answer_curves(self.names, self.answers, self.targets, t, [(at, text) for at, text, _ in self.items])

    @cached_property
    def live(self) -> frozenset[tuple[str, str, str, str]]:
        """The links that can influence the answers: (to neuron, input, from neuron, output)."""
        return frozenset(link[:4] for link in self.machine.live().links())

    @cached_property
    def labelled(self) -> bool:
        """Whether there is room to write on links the V-values that they carry."""
        return self.machine.count() <= READABLE

    @cached_property
    def plan(self) -> str:
        """The circuit as SVG before anything flows, with room for all later labels."""
        room = {}
        if self.labelled:
            for link in self.machine.links():
                room[str(link)] = max((brief(self.flow(link, t)) for t in range(self.cycles)), key=len, default="")
        return inline(circuit(self.machine, hide=idle_neurons(self.machine), below=room))

    def _summary(self) -> tuple[str, Facts]:
        last = [(f"{name} at last", row[-1]) for name, row in zip(self.names, self.answers, strict=True)]
        error = [] if self.error is None else [("largest error", self.error)]
        return f"Recording: {plural(self.cycles, 'cycle')} on {self.text!r}", [*last, *error]


def brief(v: VValue) -> str:
    """Formats a V-value briefly, for a link: ``0.68``; ``t 1.52 …`` for ``{t: 1.52, e: 0.76}``.

    Args:
        v: a V-value.

    Returns:
        The number, or the first path with its number, and ``…`` if there are more; empty for zero.
    """
    leaves = [(path, leaf) for path, leaf in paths(v) if leaf]
    if not leaves:
        return ""
    path, leaf = leaves[0]
    keys = " ".join(map(visible, path))
    keys = f"{keys if len(keys) <= 8 else keys[:7] + '…'} " if path else ""
    return f"{keys}{leaf:.3g}{' …' if len(leaves) > 1 else ''}"


def visible(text: str) -> str:
    """Makes white space visible, and unprintable characters replacement characters.

    Args:
        text: any text.

    Returns:
        A text of the same length.
    """
    text = text.replace(" ", "␣").replace("\n", "⏎").replace("\t", "⇥")
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def _of_text(text: str, period: int, repeat_last: bool, cycles: int) -> Iterator[Item]:
    for i in range((cycles + period - 1) // period):
        if i < len(text) or repeat_last:
            yield i * period, visible(text[min(i, len(text) - 1)]), i >= len(text)


def _ports(fields: dict) -> str:
    return ", ".join(f"{field} = {show(v, 4)}" for field, v in fields.items()) or "nothing"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
