"""Batches: training strings and their targets, in one layout of arrays.

Strings of different lengths are padded. The loss mask excludes the cycles of the padding, and the
cycles for which there is no target.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..compiler.array_operations import Inputs, on_accelerator
from ..compiler.compiled import Compiled
from ..core.engine import Streams, run
from ..core.errors import LabError
from ..core.machine import Machine
from ..core.summaries import Facts, names, plural, summarised
from ..core.vvalues import number

STRINGS_TOGETHER = 64  # up to this number of strings run together if they run cycle by cycle
ONE_ARRAY_CYCLES = 64  # up to this length all strings in one array are faster than a loop (dmmlab bench restarts batches)


@summarised
class Batch(NamedTuple):
    """Training strings.

    ``inputs`` are the inputs from the boundary: for each block, (boundary ports, keys, strings,
    cycles). ``targets`` are the right answers; ``loss_mask`` is 1.0 where a target counts and 0.0
    elsewhere. Both have the shape (answers, strings, cycles). A single string, as
    :func:`sum_over_strings` passes it to its function, has no axis of strings.
    """

    inputs: Inputs
    targets: jax.Array
    loss_mask: jax.Array

    @property
    def strings(self) -> int:
        """The number of strings."""
        return self.targets.shape[1]

    @property
    def cycles(self) -> int:
        """The number of cycles of the longest string."""
        return self.targets.shape[-1]

    @property
    def sum_of_squares(self) -> jax.Array:
        """The sum of the squares of the targets that count; 1 if all of them are 0."""
        squares = jnp.sum((self.loss_mask * self.targets) ** 2)
        return jnp.where(squares == 0, 1.0, squares)

    def first_cycles(self, cycles: int | None) -> "Batch":
        """Returns the first cycles of each string; for None, the whole strings."""
        return jax.tree.map(lambda x: x[..., :cycles], self)

    def by_string(self) -> "Batch":
        """Returns the batch with strings along the first axis of each array, e.g. for ``vmap``."""
        return Batch(
            {b: jnp.moveaxis(x, 2, 0) for b, x in self.inputs.items()},
            jnp.moveaxis(self.targets, 1, 0),
            jnp.moveaxis(self.loss_mask, 1, 0),
        )

    def string(self, index: int) -> "Batch":
        """Returns one string, without the axis of strings."""
        return Batch({b: x[:, :, index] for b, x in self.inputs.items()}, self.targets[:, index], self.loss_mask[:, index])

    def _summary(self) -> tuple[str, Facts]:
        answers, *strings, cycles = self.targets.shape
        facts = {
            "answers": answers,
            "blocks": names((" x ".join(map(str, x.shape)) for x in self.inputs.values()), 4),
            "precision": str(self.targets.dtype),
        }
        return f"Batch: {plural(strings[0] if strings else 1, 'string')} of {plural(cycles, 'cycle')}", facts.items()


def make_batch(compiled: Compiled, streams: Sequence[Streams], targets: Sequence[np.ndarray]) -> Batch:
    """Makes a batch from strings and their targets.

    Args:
        compiled: the machine to train.
        streams: its inputs, one for each string.
        targets: the right answers, one array for each string: (answers, cycles), NaN where there is
            no target. If answers are whole V-values, (answer coordinates, cycles).

    Returns:
        The batch.

    Raises:
        LabError: no strings, or not one array of targets for each, with a row for each answer.
    """
    shapes, rows = [np.shape(target) for target in targets], len(compiled.answer_coordinates)
    if not shapes or len(shapes) != len(streams) or any(s[:-1] != (rows,) or not s[-1] for s in shapes):
        raise LabError(f"{len(streams)} streams and targets {shapes}: expected {rows} answers for each")
    cycles = max(length for _, length in shapes)
    arrays = [compiled.encode(stream, cycles) for stream in streams]
    inputs = {b: jnp.stack([each[b] for each in arrays], axis=2) for b in arrays[0]}
    padded = [np.pad(t, ((0, 0), (0, cycles - t.shape[1])), constant_values=np.nan) for t in targets]
    together = np.stack(padded, axis=1)
    dtype = jnp.result_type(float)
    return Batch(inputs, jnp.asarray(np.nan_to_num(together), dtype), jnp.asarray(~np.isnan(together), dtype))


def imitation_batch(compiled: Compiled, streams: Sequence[Streams], cycles: int | Sequence[int], teacher: Machine) -> Batch:
    """Makes a batch with the answers of a teacher machine as targets, run by the tree engine.

    Args:
        compiled: the machine to train.
        streams: the inputs of both machines.
        cycles: the number of cycles: one number for all streams, or one for each.
        teacher: has the inputs that ``compiled`` answers at; their scalar parts are the targets.

    Returns:
        The batch.

    Raises:
        LabError: no streams, no cycles, or a teacher without one of the inputs to imitate.
    """
    each = [int(t) for t in cycles] if isinstance(cycles, Sequence) else [int(cycles)] * len(streams)
    if not streams or len(each) != len(streams) or min(each) < 1:
        raise LabError(f"{len(streams)} streams and cycles {each}: expected one positive number for each stream")
    for neuron, name in compiled.answer_ports:
        if neuron not in teacher.neurons or name not in teacher.neurons[neuron].inputs:
            raise LabError(f"{neuron}.{name}: the teacher has no such input, so there is nothing to imitate there")
    ports = [f"{neuron}.{name}" for neuron, name in compiled.answer_ports]
    targets = []
    for stream, length in zip(streams, each, strict=True):
        states = list(run(teacher, stream, length))
        targets.append(np.array([[number(state.arrived(port)) for state in states] for port in ports], float))
    return make_batch(compiled, streams, targets)


def sum_over_strings(function: Callable[[Batch], Any], batch: Batch, cycle_by_cycle: bool = False) -> Any:
    """Computes the sum of ``function`` over all strings, in the faster of two ways.

    On a CPU, short strings are passed to ``function`` all at once, and long strings one by one in a
    loop. In the loop the gradients of one string are complete before the next string begins: one
    string fits the cache, all strings do not. A function that runs cycle by cycle gets up to 64
    strings at once, because it takes hardly longer for many strings than for one. On an accelerator
    all strings are passed at once.

    Args:
        function: ``batch -> pytree of arrays``, itself a sum over the strings of its batch.
        batch: the strings.
        cycle_by_cycle: whether ``function`` runs the cycles one by one.

    Returns:
        The sum, a pytree of arrays.
    """
    together = batch.cycles <= ONE_ARRAY_CYCLES or (cycle_by_cycle and batch.strings <= STRINGS_TOGETHER) or on_accelerator()
    if batch.strings > 1 and together:
        return function(batch)
    first = function(batch.string(0))
    if batch.strings == 1:
        return first
    rest = jax.tree.map(lambda x: x[1:], batch.by_string())
    return jax.lax.scan(lambda total, string: (jax.tree.map(jnp.add, total, function(string)), None), first, rest)[0]
