"""The tree engine: runs machines directly on V-values, in two-stroke cycles.

A *cycle* is a time step; cycles are counted from 0. It has two strokes. In the *down movement*
every input of every neuron becomes a linear combination of the previous cycle's outputs. In the
*up movement* every neuron applies its activation function to its inputs::

    inputs  = matrix applied to the last outputs          (``apply_matrix`` at level 2)
    outputs = {neuron: activation(inputs[neuron])}

Before cycle 0 all outputs are zero, so every link costs one cycle of delay. (Bukatin and Anthony,
arXiv:1712.07447.)

This engine defines the semantics of a machine; it is not optimized for speed. It is pure: state in,
state out. A machine may change while it runs, because matrix and neurons are arguments of every
cycle. So a neuron may emit the matrix (:mod:`dmmlab.core.named_neurons`), and new keys may appear
at any time.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

import numpy as np

from .errors import LabError, one_of
from .machine import Machine
from .named_neurons import neurons_of
from .network_matrix import MachineError, port_of
from .neuron_type import NeuronType, Port
from .neurons import TYPES
from .streams import Inbox, Stream
from .summaries import Facts, summarised
from .vvalues import Number, VValue, VValueError, apply_matrix, check, paths, trim

MOST = 1_000_000  # default limit on the number of leaves of all outputs of a machine
Combine = Callable[[int, VValue, VValue], VValue]  # (cycle, matrix, outputs) -> inputs
Source = Stream | Inbox
Streams = Source | Mapping[str, Source]  # one for all neurons that read a stream, or one for each by name


class RunError(LabError):
    """A run cannot start or continue; ``state`` is that of the last cycle, if there was one."""

    def __init__(self, problem: str, state: "State | None" = None):
        super().__init__(problem)
        self.state = state


@summarised
class State(NamedTuple):
    """A machine at the end of a cycle.

    ``inputs`` is ``neuron -> input -> V-value``, the result of this cycle's down movement.
    ``outputs`` is ``neuron -> output -> V-value``, the result of its up movement. ``cycle`` counts
    from 0.
    """

    cycle: int
    inputs: VValue
    outputs: VValue

    def arrived(self, port: str) -> VValue:
        """The V-value at the input ``neuron.field``.

        Raises :class:`~dmmlab.core.network_matrix.MachineError` if ``port`` is malformed.
        """
        neuron, name = port_of(port)
        return self.inputs.get(neuron, {}).get(name, {})

    def emitted(self, port: str) -> VValue:
        """The V-value of the output ``neuron.field``.

        Raises :class:`~dmmlab.core.network_matrix.MachineError` if ``port`` is malformed.
        """
        neuron, name = port_of(port)
        return self.outputs.get(neuron, {}).get(name, {})

    def _summary(self) -> tuple[str, Facts]:
        ports = [(f"at {n}.{f}", v) for n, fields in self.inputs.items() for f, v in fields.items()]
        ports += [(f"from {n}.{f}", v) for n, fields in self.outputs.items() for f, v in fields.items()]
        return f"State of cycle {self.cycle}: what arrives at inputs, what comes from outputs", ports


INITIAL_STATE = State(cycle=-1, inputs={}, outputs={})


def down(matrix: VValue, outputs: VValue) -> VValue:
    """The down movement: ``inputs[n][i] = sum over m, o of matrix[n][i][m][o] * outputs[m][o]``.

    Args:
        matrix: ``to_neuron -> to_input -> from_neuron -> from_output -> weight``.
        outputs: ``neuron -> output -> V-value``, of the previous cycle.

    Returns:
        ``neuron -> input -> V-value``.
    """
    return apply_matrix(matrix, outputs, level=2)


def up(neurons: Mapping[str, NeuronType], inputs: VValue, streams: Mapping[str, Callable[[Number], VValue]]) -> VValue:
    """The up movement: every neuron's activation function, applied to its inputs.

    Args:
        neurons: the types, by name.
        inputs: ``neuron -> input -> V-value``.
        streams: for each neuron that reads a stream, ``cycle -> V-value``.

    Returns:
        ``neuron -> output -> V-value``, in canonical form.

    Raises:
        LabError: the number of V-values that an activation function returned is not the number of
            its type's outputs.
        RunError: an activation function raised :class:`~dmmlab.core.vvalues.VValueError`, for
            example because its result would be too large.
    """
    return trim({name: _activated(name, kind, inputs, streams) for name, kind in neurons.items()})


def _activated(
    name: str, kind: NeuronType, inputs: VValue, streams: Mapping[str, Callable[[Number], VValue]]
) -> dict[str, VValue]:
    try:
        return kind.activate(inputs.get(name, {}), streams.get(name))
    except VValueError as error:
        raise RunError(f"neuron {name!r}: {error.problem}") from error


def step(
    state: State,
    matrix: VValue,
    neurons: Mapping[str, NeuronType],
    streams: Mapping[str, Callable[[Number], VValue]],
    combine: Combine | None = None,
) -> State:
    """One two-stroke cycle: :func:`down`, then :func:`up`.

    Args:
        state: at the end of the previous cycle; :data:`INITIAL_STATE` before the first one.
        matrix: the network matrix of this cycle.
        neurons: the types, by name.
        streams: for each neuron that reads a stream, ``cycle -> V-value``.
        combine: a replacement for the down movement, as for :func:`run`.

    Returns:
        The state at the end of this cycle.
    """
    inputs = down(matrix, state.outputs) if combine is None else combine(state.cycle + 1, matrix, state.outputs)
    return State(state.cycle + 1, inputs, up(neurons, inputs, streams))


def run(
    machine: Machine,
    streams: Streams | None = None,
    cycles: int | None = None,
    initial_outputs: VValue | None = None,
    matrix_from: str | None = None,
    *,
    types: Iterable[NeuronType] = TYPES,
    most: int = MOST,
    combine: Combine | None = None,
) -> Iterator[State]:
    """Runs a machine and yields its state after each cycle.

    Args:
        machine: the machine to run.
        streams: one stream for all neurons that read one, or ``{neuron: stream}``.
        cycles: the number of cycles; unlimited if left out.
        initial_outputs: ``neuron -> output -> V-value``, the outputs before cycle 0; zero if left
            out.
        matrix_from: for a machine that rewrites itself, the output, ``neuron.field``, that emits
            the network matrix of the next cycle. Before cycle 0 its value is the machine's own
            matrix, unless ``initial_outputs`` sets it. A neuron exists as long as the matrix names
            it; see :func:`~dmmlab.core.named_neurons.neurons_of`.
        types: types, found by name, for neurons that the matrix names but the machine lacks.
        most: the maximum number of leaves of all outputs together. It stops a machine that grows
            without limit before memory runs out.
        combine: a down movement, ``(cycle, matrix, outputs) -> inputs``, that replaces the linear
            combination :func:`down`; for example a stochastic one
            (:class:`~dmmlab.core.signed_samples.StochasticDown`).

    Returns:
        An iterator over the states, starting with cycle 0.

    Raises:
        RunError: a negative number of cycles; a neuron without a stream; a value that is no longer
            finite, with its cycle and path; an invalid matrix; or too many leaves. From cycle 0 on,
            its ``state`` is that of the previous cycle.
    """
    if cycles is not None and cycles < 0:
        raise RunError(f"{cycles} cycles: expected a whole number from 0 on")
    by_neuron = _streams_by_neuron(machine, streams)
    state = INITIAL_STATE._replace(outputs=check({} if initial_outputs is None else initial_outputs, ("initial outputs",)))
    if matrix_from is not None:
        state = state._replace(outputs=with_output(state.outputs, port_of(matrix_from), machine.matrix))
    types = tuple(types)

    def states(state: State) -> Iterator[State]:
        matrix, neurons = machine.matrix, machine.neurons
        while True:
            try:
                if matrix_from is not None and state.emitted(matrix_from) is not matrix:
                    matrix = state.emitted(matrix_from)
                    neurons = neurons_of(matrix, machine.neurons, types)
                    _check_streams(neurons, by_neuron)
                with np.errstate(over="ignore", invalid="ignore"):  # reported below, with the place
                    following = step(state, matrix, neurons, by_neuron, combine)
                _check(following, most)
            except (RunError, MachineError) as error:
                raise RunError(f"cycle {state.cycle + 1}, {error}", state) from error
            state = following
            yield state

    return islice(states(state), cycles)


def answers(machine: Machine, streams: Streams | None, cycles: int, neuron: str = "output") -> list[VValue]:
    """Runs a machine and collects the inputs of one neuron.

    Args:
        machine: the machine to run.
        streams: as for :func:`run`.
        cycles: the number of cycles.
        neuron: the neuron whose inputs to collect; ``output`` receives the machine's answers.

    Returns:
        For each cycle, ``{input: V-value}``.

    Raises:
        RunError: as :func:`run`; or there is no such neuron.
    """
    if neuron not in machine.neurons:
        raise RunError(one_of("neuron", neuron, machine.neurons))
    return [state.inputs.get(neuron, {}) for state in run(machine, streams, cycles)]


def _streams_by_neuron(machine: Machine, streams: Streams | None) -> Mapping[str, Source]:
    readers = [name for name, kind in machine.neurons.items() if kind.reads_stream]
    by_neuron = streams if isinstance(streams, Mapping) else {} if streams is None else dict.fromkeys(readers, streams)
    for name in by_neuron.keys() - set(readers):
        raise RunError(f"a stream for {name!r}: {one_of('stream-reading neuron', name, readers)}")
    _check_streams(machine.neurons, by_neuron)
    return by_neuron


def _check_streams(neurons: Mapping[str, NeuronType], by_neuron: Mapping[str, Source]) -> None:
    for name, kind in neurons.items():
        if kind.reads_stream and name not in by_neuron:
            raise RunError(f"neuron {name!r} reads a stream, and none is given for it")


def with_output(outputs: VValue, port: Port, v: VValue) -> VValue:
    """Returns the outputs with ``v`` at the port, unless the port already has a V-value."""
    neuron, field = port
    emitted = outputs.get(neuron, {})
    return outputs if field in emitted else {**outputs, neuron: {**emitted, field: v}}


def _check(state: State, most: int) -> None:
    for side in ("inputs", "outputs"):
        try:
            check(getattr(state, side))
        except VValueError as error:
            raise RunError(f"{side}: {error}") from None
    leaves = sum(1 for _ in paths(state.outputs))
    if leaves > most:
        raise RunError(f"the machine has grown to {leaves:,} numbers; to go on, allow more than most={most:,}")
