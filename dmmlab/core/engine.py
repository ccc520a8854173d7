"""The tree engine: the two-stroke cycle, on V-values as they are.

Each cycle has a *down movement*, in which every input becomes a linear combination of the outputs of the cycle
before, and an *up movement*, in which every neuron applies its activation function:

    inputs  = matrix applied to the last outputs          (``apply_matrix`` at level 2)
    outputs = {neuron: activation(inputs[neuron])}

Outputs start as nothing (zero), so every link costs one cycle of delay. (Bukatin and Anthony, arXiv:1712.07447.)

This engine is the reference for what a machine means, and its speed does not matter. All is pure: state in, state
out. It takes nothing for granted that a machine may change while it runs: matrix and neurons are given anew in
every cycle, so a neuron may carry the matrix, and whatever keys turn up, turn up.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

import numpy as np

from .errors import LabError, one_of
from .machine import Machine
from .neurons import NeuronType
from .streams import Stream
from .vvalues import Number, VValue, VValueError, apply_matrix, check, trim

Streams = Stream | Mapping[str, Stream]  # one for all neurons that read a stream, or one for each by name


class RunError(LabError):
    """A run that cannot start, or that left the finite numbers."""


class State(NamedTuple):
    """A machine at the end of a cycle.

    ``inputs`` is ``neuron -> input -> V-value``, what the down movement of this cycle brought; ``outputs`` is
    ``neuron -> output -> V-value``, what the up movement made of it. ``cycle`` counts from 0.
    """

    cycle: int
    inputs: VValue
    outputs: VValue

    def arrived(self, port: str) -> VValue:
        """What the input ``neuron.field`` received in this cycle; ``{}`` if nothing."""
        neuron, name = _port(port)
        return self.inputs.get(neuron, {}).get(name, {})

    def emitted(self, port: str) -> VValue:
        """What the output ``neuron.field`` sent in this cycle; ``{}`` if nothing."""
        neuron, name = _port(port)
        return self.outputs.get(neuron, {}).get(name, {})


INITIAL_STATE = State(cycle=-1, inputs={}, outputs={})


def down(matrix: VValue, outputs: VValue) -> VValue:
    """The down movement: ``inputs[n][i] = sum of matrix[n][i][m][o] * outputs[m][o]``."""
    return apply_matrix(matrix, outputs, level=2)


def up(neurons: Mapping[str, NeuronType], inputs: VValue, streams: Mapping[str, Callable[[Number], VValue]]) -> VValue:
    """The up movement: every neuron's activation function, applied to what has arrived at it."""
    return trim({name: kind.activate(inputs.get(name, {}), streams.get(name)) for name, kind in neurons.items()})


def step(
    state: State,
    matrix: VValue,
    neurons: Mapping[str, NeuronType],
    streams: Mapping[str, Callable[[Number], VValue]],
) -> State:
    """One two-stroke cycle."""
    inputs = down(matrix, state.outputs)
    return State(state.cycle + 1, inputs, up(neurons, inputs, streams))


def run(
    machine: Machine,
    streams: Streams | None = None,
    cycles: int | None = None,
    matrix: Callable[[State], VValue] | None = None,
) -> Iterator[State]:
    """Runs a machine and yields its state after each cycle, for ever or for so many ``cycles``.

    Args:
        machine: what to run.
        streams: the input: one stream for every neuron that reads one, or ``{neuron: stream}``.
        cycles: how many.
        matrix: where the network matrix of a cycle comes from, given the state before it; the machine's own,
            fixed matrix if left out. ``lambda state: state.emitted("self.matrix") or first`` makes a machine that
            rewrites itself, and starts from the matrix ``first``.

    Raises:
        RunError: a neuron has no stream, or a value is no longer finite (with the cycle and the path).
    """
    if cycles is not None and cycles < 0:
        raise RunError(f"{cycles} cycles: expected a whole number from 0 on")
    by_neuron = _streams_by_neuron(machine, streams)
    fixed = machine.matrix

    def states() -> Iterator[State]:
        state = INITIAL_STATE
        while True:
            with np.errstate(over="ignore", invalid="ignore"):  # told below, with the place
                state = step(state, fixed if matrix is None else matrix(state), machine.neurons, by_neuron)
            _check_finite(state)
            yield state

    return islice(states(), cycles)


def answers(machine: Machine, streams: Streams | None, cycles: int, neuron: str = "output") -> list[VValue]:
    """What arrives at a neuron in each cycle: ``[{input: V-value}]``, the machine's answers if it is ``output``."""
    if neuron not in machine.neurons:
        raise RunError(one_of("neuron", neuron, machine.neurons))
    return [state.inputs.get(neuron, {}) for state in run(machine, streams, cycles)]


def _port(text: str) -> tuple[str, str]:
    neuron, dot, name = text.rpartition(".")
    if not dot:
        raise RunError(f"{text!r}: a port is written neuron.field, as in 'output.dict-1'")
    return neuron, name


def _streams_by_neuron(machine: Machine, streams: Streams | None) -> Mapping[str, Stream]:
    readers = [name for name, kind in machine.neurons.items() if kind.reads_stream]
    by_neuron = streams if isinstance(streams, Mapping) else {} if streams is None else dict.fromkeys(readers, streams)
    for name in by_neuron.keys() - set(readers):
        raise RunError(f"a stream for {name!r}: {one_of('stream-reading neuron', name, readers)}")
    for name in readers:
        if name not in by_neuron:
            raise RunError(f"neuron {name!r} reads a stream, and none is given for it")
    return by_neuron


def _check_finite(state: State) -> None:
    for side in ("inputs", "outputs"):
        try:
            check(getattr(state, side))
        except VValueError as error:
            raise RunError(f"cycle {state.cycle}, {side}: {error}") from None
