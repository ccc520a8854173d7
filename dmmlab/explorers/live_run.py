"""A machine that is edited while it runs: the live editor without its browser part.

The machine adds each input to its own matrix (:func:`~dmmlab.machines.rewriting_machines.editing`).
A link exists two cycles after the machine has read it. A neuron exists as long as a link names it.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from ..core.engine import RunError, State, run
from ..core.errors import LabError, one_of
from ..core.files import MAX_BYTES
from ..core.machine import Machine
from ..core.named_neurons import neurons_of
from ..core.network_matrix import matrix_of_links, port_of
from ..core.neuron_type import NeuronType
from ..core.neurons import ACCUM, COMPARE, DOT, NORM, TYPES
from ..core.streams import Inbox
from ..core.summaries import Facts, names, plural, summarised
from ..core.tree_neurons import EVENTS, GATE, LOOKUP, NEST, UPDATE
from ..core.vvalues import VValue, add, check, scale
from ..drawing.vvalue_text import show
from ..machines.rewriting_machines import MATRIX, editing

OFFERED = (ACCUM, NORM, DOT, COMPARE, GATE, UPDATE, NEST, LOOKUP, EVENTS)
KEPT = 200  # cycles that are remembered
POINTS = 50  # changes that can be undone
MOST_AT_ONCE = 1000  # cycles
ARRIVES_AFTER = 2  # cycles from reading a change to having it in the matrix
EDITED = "self.delta"


class _Snapshot(NamedTuple):
    """The state of a run at the time when a change was sent."""

    cycle: int
    states: list[State]
    sent: list[tuple[int, VValue]]


@summarised
class LiveRun:
    """A running machine, with an inbox for edits.

    Args:
        machine: it reads edits at one neuron, which feeds ``self.delta``, and emits its matrix at
            ``self.single``; by default, the machine that does nothing else.
        types: the types of new neurons on offer.

    Raises :class:`~dmmlab.core.errors.LabError` for a machine that cannot be edited in this way.
    """

    def __init__(self, machine: Machine | None = None, types: Sequence[NeuronType] = OFFERED):
        self.first = machine or editing()
        readers = [name for name, kind in self.first.neurons.items() if kind.reads_stream]
        fed = {link.from_neuron for link in self.first.links() if f"{link.to_neuron}.{link.to_field}" == EDITED}
        if len(readers) != 1 or readers[0] not in fed:
            raise LabError(f"to be edited, a machine needs one neuron that reads a stream, linked to {EDITED}; see editing()")
        self.types, self.inbox = tuple(types), Inbox()
        self.cycle = 0  # the number of cycles so far
        self.states: list[State] = []
        self._sent: list[tuple[int, VValue]] = []  # changes not in the matrix yet: (cycle that reads it, change)
        self._points = [_Snapshot(0, [], [])]
        self._running = self._resumed()

    @property
    def matrix(self) -> VValue:
        """The network matrix of the next cycle."""
        return self.states[-1].emitted(MATRIX) if self.states else self.first.matrix

    @property
    def machine(self) -> Machine:
        """The machine of the next cycle."""
        return self._machine(self.matrix)

    @property
    def outputs(self) -> list[str]:
        """The outputs at which a link may start, those of new neurons last."""
        return [f"{name}.{field}" for name, kind in self._neurons().items() for field in kind.outputs]

    @property
    def inputs(self) -> list[str]:
        """The inputs at which a link may end, those of new neurons last."""
        return [f"{name}.{field}" for name, kind in self._neurons().items() for field in kind.inputs]

    def send(self, text: str) -> None:
        """Sends a V-value, written as JSON, which is added to the matrix.

        Raises :class:`~dmmlab.core.errors.LabError` for an invalid V-value or matrix change.
        """
        if len(text) > MAX_BYTES:
            raise LabError(f"{len(text):,} characters: expected {MAX_BYTES:,} at most")
        try:
            read = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise LabError(f"this is no JSON: {error}") from None
        self._send(check(read))

    def link(self, to: str, source: str, weight: float) -> None:
        """Sends a link; its weight is added to the matrix.

        ``to`` is a ``neuron.input``, and ``source`` a ``neuron.output``. Raises
        :class:`~dmmlab.core.errors.LabError` for an unknown port, or a weight that is not a finite
        number.
        """
        if source not in self.outputs:
            raise LabError(one_of("output", source, self.outputs))
        if to not in self.inputs:
            raise LabError(one_of("input", to, self.inputs))
        change: dict[str, dict[str, float]] = {}
        for name in {port_of(to)[0], port_of(source)[0]} - self._machine(self._matrix_to_be).neurons.keys():
            for into, out in self._neurons()[name].feedback:  # a new neuron gets its feedback links
                change[f"{name}.{into}"] = {f"{name}.{out}": 1.0}
        row = change.setdefault(to, {})
        row[source] = row.get(source, 0.0) + check(weight, (f"{to} <- {source}",))
        self._send(matrix_of_links(change))

    def cut(self, to: str, source: str) -> None:
        """Sends the removal of a link, even of one that was sent and does not exist yet.

        Raises :class:`~dmmlab.core.errors.LabError` if there is no such link.
        """
        for link in self._machine(self._matrix_to_be).links():
            if (f"{link.to_neuron}.{link.to_field}", f"{link.from_neuron}.{link.from_field}") == (to, source):
                self._send(scale(-1.0, matrix_of_links({to: {source: float(link.weight)}})))
                return
        raise LabError(f"{to} <- {source}: there is no such link")

    def run(self, cycles: int = 1) -> None:
        """Runs further cycles.

        Args:
            cycles: the number of cycles, up to 1000.

        Raises:
            LabError: a change makes an invalid machine, or numbers are no longer finite. The run
                then returns to its state before the last change was sent; if it fails again, before
                the previous change.
        """
        if type(cycles) is not int or not 0 < cycles <= MOST_AT_ONCE:
            raise LabError(f"{cycles!r} cycles: expected 1 to {MOST_AT_ONCE:,}")
        try:
            for state in islice(self._running, cycles):
                self.cycle += 1
                self.states = [*self.states[-KEPT + 1 :], state]
        except RunError as error:
            problem = f"cycle {self.cycle}, {error.__cause__ or error}"  # counted from the very first cycle
            self._take_back()
            raise LabError(f"{problem}; back in cycle {self.cycle}, before the last change") from error

    def table(self, last: int = 8) -> dict[str, list[str]]:
        """Returns the last values as text, by output, without the matrix and silent outputs."""
        shown, names = self.states[-last:], dict.fromkeys(out for out in self.outputs if out != MATRIX)
        rows = {name: [show(state.emitted(name)) for state in shown] for name in names}
        return {name: texts for name, texts in rows.items() if set(texts) - {"0"}}

    def _summary(self) -> tuple[str, Facts]:
        facts = {"neurons": names(self.machine.neurons), "links": self.machine.count(), "inbox": repr(self.inbox).strip("<>")}
        return f"Machine under way, after {plural(self.cycle, 'cycle')}", facts.items()

    def _neurons(self) -> dict[str, NeuronType]:
        """Returns the existing neurons, and a new one of each type on offer."""
        there = dict(self.machine.neurons)
        for kind in self.types:
            n = next(n for n in range(1, len(there) + 2) if f"{kind.name}-{n}" not in there)
            there[f"{kind.name}-{n}"] = kind
        return there

    @property
    def _matrix_to_be(self) -> VValue:
        """The matrix with all pending changes."""
        matrix = self.matrix
        for _, change in self._on_their_way():
            matrix = add(matrix, change)
        return matrix

    def _on_their_way(self) -> list[tuple[int, VValue]]:
        return [(read, change) for read, change in self._sent if read + ARRIVES_AFTER > self.cycle]

    def _machine(self, matrix: VValue) -> Machine:
        return Machine(neurons_of(matrix, self.first.neurons, (*self.types, *TYPES)), matrix)

    def _send(self, change: VValue) -> None:
        self._machine(add(self._matrix_to_be, change))  # raises if that is no valid machine
        self._sent = self._on_their_way()
        self._points = [self._points[0], *self._points[1:][1 - POINTS :], _Snapshot(self.cycle, self.states, self._sent)]
        self._sent = [*self._sent, (max([self.cycle, *(read + 1 for read, _ in self._sent)]), change)]
        self.inbox.send(change)

    def _take_back(self) -> None:
        """Returns to the state before the last change was sent."""
        self.cycle, self.states, self._sent = self._points.pop() if len(self._points) > 1 else self._points[0]
        self.inbox = Inbox()
        for read, change in self._sent:
            if read >= self.cycle:
                self.inbox.send(change)
        self._running = self._resumed()

    def _resumed(self) -> Iterator[State]:
        outputs = self.states[-1].outputs if self.states else None
        return run(self.first, self.inbox, initial_outputs=outputs, matrix_from=MATRIX, types=(*self.types, *TYPES))
