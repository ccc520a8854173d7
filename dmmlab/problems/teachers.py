"""Teachers: machines that give the target answers."""

from collections.abc import Mapping, Sequence

import jax
import numpy as np

from ..compiler.chunk_runner import ChunkRunner
from ..compiler.chunks import CHUNK, Chunks, cut_up, join_up
from ..compiler.compilation import compile_machine
from ..compiler.compiled import Compiled
from ..core.machine import Machine
from ..core.streams import Stream, values
from ..core.vvalues import from_paths, paths
from .draws import LETTERS


class Teacher:
    """Runs a machine on strings in double precision; most strings share one compilation.

    Args:
        machine: the machine that answers.
        inputs: the neurons that read.
        names: the names of the answers.
    """

    def __init__(self, machine: Machine, inputs: Sequence[str], names: Sequence[str]):
        self.machine, self.inputs, self.names = machine, inputs, names
        self._compiled: dict[frozenset, tuple[Compiled, ChunkRunner]] = {}  # by the keys in the strings

    def answers(self, streams: Mapping[str, Stream], cycles: int) -> np.ndarray:
        """Returns the answers to a string.

        Args:
            streams: the stream that each neuron reads.
            cycles: the number of cycles.

        Returns:
            An array (answers, cycles).
        """
        keys = frozenset((name, path) for name in streams for v in streams[name].events.values() for path, _ in paths(v))
        if all(len(path) == 1 for _, path in keys):
            keys |= {(name, (letter,)) for name in self.inputs for letter in LETTERS}
        with jax.enable_x64(True):
            if keys not in self._compiled:
                stream = {n: values([from_paths((path, 1.0) for m, path in sorted(keys) if m == n)]) for n in self.inputs}
                compiled = compile_machine(self.machine, stream, 1)
                self._compiled[keys] = compiled, ChunkRunner(compiled, lambda answers, _: answers[0][:, 0], at_once=4)
            compiled, runner = self._compiled[keys]
            inputs = {b: cut_up(np.asarray(x), CHUNK) for b, x in compiled.encode(streams, cycles).items()}
            answers = runner(compiled.weights(), Chunks(inputs, np.arange(len(inputs[0])) == 0))
        rows = dict(zip(compiled.answer_ports, join_up(answers, cycles), strict=True))
        return np.stack([rows["output", name] for name in self.names])
