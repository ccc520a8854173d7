"""Training: gradient descent on the weights of a compiled machine.

What is minimised is the squared error of the machine's scalar answers, summed over cycles and answers, plus any
regularizers; what minimises it is any optimizer of optax. Steps run inside one compiled loop, a chunk at a time. Between
chunks Python looks after the rest: progress, a request to stop, a checkpoint, a loss that is no longer finite.
"""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..compiler.compiled import Compiled, Weights
from ..core.engine import Streams, run
from ..core.errors import LabError, one_of
from ..core.files import load_arrays, save_arrays
from ..compiler.array_operations import Arrays
from ..core.machine import Machine
from ..core.vvalues import number

if TYPE_CHECKING:
    import pandas as pd

CHUNK = 100  # steps between two looks from Python


class TrainingError(LabError):
    """A training that cannot start or go on."""


class NotFinite(TrainingError):
    """The loss or the weights left the finite numbers.

    ``result`` holds the last good weights, those of the last loss in its history.
    """

    def __init__(self, step: int, result: "Result"):
        self.step, self.result = step, result
        super().__init__(f"step {step}: the loss is no longer finite; the weights before that step are kept")


class Examples(NamedTuple):
    """Strings to learn from, one along the first axis of each array.

    ``data`` is what arrives from the boundary, ``target`` (answers, cycles) what is to be imitated, and ``counts`` (cycles)
    is 1.0 in the cycles that count: strings of different lengths are padded with cycles that do not.
    """

    data: Arrays
    target: jax.Array
    counts: jax.Array


def examples(compiled: Compiled, streams: Sequence[Streams], cycles: int | Sequence[int], teacher: Machine) -> Examples:
    """What the teacher answers to each stream, run by the tree engine, for so many cycles each."""
    each = [int(t) for t in cycles] if isinstance(cycles, Sequence) else [int(cycles)] * len(streams)
    if not streams or len(each) != len(streams) or min(each) < 1:
        raise TrainingError(f"{len(streams)} streams and cycles {each}: expected one positive number for each stream")
    for neuron, name in compiled.answers:
        if neuron not in teacher.neurons or name not in teacher.neurons[neuron].inputs:
            raise TrainingError(f"{neuron}.{name}: the teacher has no such input, so there is nothing to imitate there")
    longest = max(each)
    data, target, counts = [], np.zeros((len(each), len(compiled.answers), longest)), np.zeros((len(each), longest))
    for i, (stream, length) in enumerate(zip(streams, each, strict=True)):
        data.append(compiled.encode(stream, longest))
        counts[i, :length] = 1.0
        for t, state in enumerate(run(teacher, stream, length)):
            for j, (neuron, name) in enumerate(compiled.answers):
                target[i, j, t] = number(state.arrived(f"{neuron}.{name}"))
    dtype = jnp.result_type(float)
    stacked = {b: jnp.stack([arrays[b] for arrays in data]) for b in data[0]}
    return Examples(stacked, jnp.asarray(target, dtype), jnp.asarray(counts, dtype))


def squared_error(compiled: Compiled, weights: Weights, one: Examples) -> jax.Array:
    """``sum over cycles, answers of (answer - target)^2``, for one string."""
    return jnp.sum(one.counts[None, :] * (compiled.numbers(weights, one.data) - one.target) ** 2)


def over_strings(function: Callable[[Examples], Any], given: Examples) -> Any:
    """The sum of ``function(string)`` over all strings.

    They go through a loop, not through ``vmap``, so that the gradients of one string are done with before the next
    begins: on a CPU one string fits the cache, and all of them do not.
    """
    first = function(jax.tree.map(lambda x: x[0], given))
    if len(given.counts) == 1:
        return first
    rest = jax.tree.map(lambda x: x[1:], given)
    return jax.lax.scan(lambda total, one: (jax.tree.map(jnp.add, total, function(one)), None), first, rest)[0]


def l1(compiled: Compiled, weights: Weights) -> jax.Array:
    """``sum of |w|`` over the soft links."""
    return sum(jnp.sum(jnp.abs(w)) for w in weights)  # type: ignore[return-value]


def l2(compiled: Compiled, weights: Weights) -> jax.Array:
    """``sum of w^2`` over the soft links."""
    return sum(jnp.sum(w * w) for w in weights)  # type: ignore[return-value]


def row_sum(compiled: Compiled, weights: Weights) -> jax.Array:
    """``sum over inputs of (sum of the weights of the links into it - 1)^2``, the "novel" regularizer of 2022."""
    return sum(  # type: ignore[return-value]
        jnp.sum(stage.exists.any(axis=1) * (w.sum(axis=1) - 1.0) ** 2)
        for w, stage in zip(weights, compiled.stages, strict=True)
    )


REGULARIZERS: Mapping[str, Callable[[Compiled, Weights], jax.Array]] = {"l1": l1, "l2": l2, "row_sum": row_sum}


class State(NamedTuple):
    """What a training carries from step to step."""

    step: jax.Array  # steps done
    weights: Weights
    optimizer: Any
    best_loss: jax.Array
    best: Weights


@dataclass
class Result:
    """How a training ended. ``history`` has a list for the loss before regularization and one for each regularizer."""

    compiled: Compiled
    state: State
    history: dict[str, list[float]] = field(default_factory=dict)
    stopped: bool = False

    @property
    def weights(self) -> Weights:
        return self.state.weights

    @property
    def machine(self) -> Machine:
        """The machine with the weights of the last step."""
        return self.compiled.machine.with_soft(self.compiled.soft(self.state.weights))

    @property
    def best(self) -> Machine:
        """The machine with the weights of the smallest loss, regularizers included."""
        return self.compiled.machine.with_soft(self.compiled.soft(self.state.best))

    def frame(self) -> "pd.DataFrame":
        """The history as a table: a row for each step, from 1."""
        import pandas as pd

        return pd.DataFrame(self.history, index=pd.RangeIndex(1, len(self.history["loss"]) + 1, name="step"))


class Trainer:
    """One compiled loop of training steps; :func:`train` drives it.

    Args:
        compiled: the machine.
        optimizer: any optax optimizer.
        regularizers: names of :data:`REGULARIZERS` and their coefficients.
        loss: ``(compiled, weights, one string's example) -> number``; it is summed over the strings.
    """

    def __init__(
        self,
        compiled: Compiled,
        optimizer: optax.GradientTransformation,
        regularizers: Mapping[str, float],
        loss: Callable[[Compiled, Weights, Examples], jax.Array] = squared_error,
    ):
        for name in regularizers:
            if name not in REGULARIZERS:
                raise TrainingError(one_of("regularizer", name, REGULARIZERS))
        self.compiled, self.optimizer, self.regularizers, self.loss = compiled, optimizer, dict(regularizers), loss
        self.columns = ("loss", *self.regularizers)
        self.traces = 0
        self.run = jax.jit(self._run)

    def start(self, weights: Weights) -> State:
        infinity = jnp.asarray(jnp.inf, weights[0].dtype)
        return State(jnp.asarray(0), weights, self.optimizer.init(weights), infinity, weights)

    def step(self, state: State, given: Examples, mask: Weights) -> tuple[State, jax.Array]:
        """One step of the optimizer; also returns the loss and the regularizers at the weights before it."""

        def error(one: Examples) -> tuple[jax.Array, Weights]:
            return jax.value_and_grad(lambda ws: self.loss(self.compiled, _masked(ws, mask), one))(state.weights)

        def penalty(weights: Weights) -> tuple[jax.Array, list[jax.Array]]:
            terms = [REGULARIZERS[name](self.compiled, _masked(weights, mask)) for name in self.regularizers]
            weighted = [c * term for c, term in zip(self.regularizers.values(), terms, strict=True)]
            return reduce(jnp.add, weighted), terms

        loss, gradient = over_strings(error, given)
        (extra, terms), slope = (
            jax.value_and_grad(penalty, has_aux=True)(state.weights) if self.regularizers else ((0.0, []), None)
        )
        total = loss + extra
        if slope is not None:
            gradient = jax.tree.map(jnp.add, gradient, slope)
        updates, optimizer = self.optimizer.update(gradient, state.optimizer, state.weights)
        better = total < state.best_loss
        best = jax.tree.map(partial(jnp.where, better), state.weights, state.best)
        best_loss = jnp.where(better, total, state.best_loss)
        following = State(state.step + 1, optax.apply_updates(state.weights, updates), optimizer, best_loss, best)
        finite = jnp.isfinite(total) & jnp.stack([jnp.isfinite(w).all() for w in following.weights]).all()
        return following, jnp.stack([loss, *terms, jnp.where(finite, 0.0, jnp.nan)])  # the last says whether all is well

    def _run(self, state: State, given: Examples, mask: Weights, steps: jax.Array) -> tuple[State, jax.Array]:
        self.traces += 1
        empty = jnp.zeros((CHUNK, len(self.columns) + 1), state.best_loss.dtype)

        def body(i: jax.Array, carried: tuple[State, jax.Array]) -> tuple[State, jax.Array]:
            state, terms = self.step(carried[0], given, mask)
            return state, carried[1].at[i].set(terms)

        return jax.lax.fori_loop(0, steps, body, (state, empty))


def train(
    compiled: Compiled,
    given: Examples,
    steps: int,
    *,
    optimizer: optax.GradientTransformation | None = None,
    regularizers: Mapping[str, float] | None = None,
    loss: Callable[[Compiled, Weights, Examples], jax.Array] = squared_error,
    weights: Weights | None = None,
    mask: Weights | None = None,
    trainer: Trainer | None = None,
    stop: Callable[[Result], bool] | None = None,
    progress: bool = False,
    checkpoint: str | os.PathLike | None = None,
) -> Result:
    """Trains a compiled machine.

    Args:
        compiled: the machine.
        given: the examples.
        steps: steps to do in all; a resumed training does what is left of them.
        optimizer: Adam with a learning rate of 0.001, as in 2022, if left out.
        regularizers: ``{"l1": 0.001}``; names of :data:`REGULARIZERS`.
        loss: what to minimise beside them, as :func:`squared_error`; it is summed over the strings.
        weights: where to start; the machine's own if left out.
        mask: 0.0 for the links that are cut; all there are if left out. To cut more is no reason to compile anew.
        trainer: the compiled loop of an earlier call, to use it again (the three arguments before are then its own).
        stop: called after every ``CHUNK`` steps; training stops where it returns true. So it does on an interrupt
            (Ctrl-C, the notebook's stop button). The result is that of the steps done.
        progress: a progress bar.
        checkpoint: a file that the state is saved to after every chunk and resumed from if it is there. A resumed
            training goes on bit for bit as if it had not been interrupted, on the same machine. A checkpoint from
            other weights, examples, masks or regularizers is refused; another optimizer of the same kind is not noticed.

    Raises:
        NotFinite: with the step, and the last good weights.
        TrainingError: a checkpoint of another training, or weights or a mask of another shape.
    """
    trainer = trainer or Trainer(compiled, optimizer or optax.adam(1e-3), regularizers or {}, loss)
    mask = compiled.mask if mask is None else mask
    shapes = [stage.exists.shape for stage in compiled.stages]
    for name, matrices in (("mask", mask), ("weights", compiled.weights() if weights is None else weights)):
        if not isinstance(matrices, list) or [np.shape(m) for m in matrices] != shapes:
            raise TrainingError(f"{name}: expected a list of matrices like compiled.weights(), of shapes {shapes}")
    start = _masked(compiled.weights() if weights is None else weights, mask)
    fingerprint = _fingerprint(trainer, start, given, mask)
    result = Result(compiled, trainer.start(start), {name: [] for name in trainer.columns})
    if checkpoint is not None and Path(checkpoint).exists():
        _resume(result, checkpoint, fingerprint)
    bar = _bar(steps, progress)
    earlier: tuple[State, int] | None = None  # the chunk before: its first state and its number of steps
    done = int(result.state.step)
    bar.update(min(done, steps))
    try:
        while done < steps and not result.stopped:
            now = min(CHUNK - done % CHUNK, steps - done)
            before = result.state
            state, terms = trainer.run(before, given, mask, jnp.asarray(now))
            table = np.asarray(terms)[:now]
            bad = np.nonzero(~np.isfinite(table).all(axis=1))[0]
            if len(bad):
                now = int(bad[0])
                again, count = (before, now) if now or earlier is None else earlier
                state, _ = trainer.run(again, given, mask, jnp.asarray(max(count - 1, 0)))
            earlier, result.state, done = (before, now), state, done + now
            for name, column in zip(trainer.columns, table[:now].T[:-1], strict=True):
                result.history[name] += column.tolist()
            if len(bad):
                raise NotFinite(done + 1, result)
            bar.update(now)
            bar.set_postfix(loss=f"{result.history['loss'][-1]:.4g}")
            if checkpoint is not None:
                _save(result, checkpoint, fingerprint)
            result.stopped = done < steps and stop is not None and bool(stop(result))
    except KeyboardInterrupt:
        result.stopped = True
    finally:
        bar.close()
    return result


def _masked(weights: Weights, mask: Weights) -> Weights:
    return [w * m for w, m in zip(weights, mask, strict=True)]


def _save(result: Result, path: str | os.PathLike, fingerprint: np.ndarray) -> None:
    leaves = {f"state-{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(result.state))}
    history = {f"history-{name}": np.asarray(column) for name, column in result.history.items()}
    save_arrays(path, leaves | history | {"fingerprint": fingerprint})


def _fingerprint(trainer: "Trainer", weights: Weights, given: Examples, mask: Weights) -> np.ndarray:
    """What tells one training from another, as far as it can be told: an optimizer is a function."""
    digest = hashlib.sha256(repr(trainer.regularizers).encode())
    for leaf in jax.tree.leaves((weights, given, mask)):
        digest.update(np.asarray(leaf).tobytes())
    return np.frombuffer(digest.digest(), np.uint8)


def _resume(result: Result, path: str | os.PathLike, fingerprint: np.ndarray) -> None:
    arrays = load_arrays(path)
    leaves, structure = jax.tree.flatten(result.state)
    saved = [arrays.get(f"state-{i}") for i in range(len(leaves))]
    columns = {f"history-{name}" for name in result.history}
    matches = all(
        s is not None and s.shape == leaf.shape and s.dtype == leaf.dtype for s, leaf in zip(saved, leaves, strict=True)
    )
    if not matches or arrays.keys() != {f"state-{i}" for i in range(len(leaves))} | columns | {"fingerprint"}:
        raise TrainingError(f"{path}: a checkpoint of another training; delete it, or name another file")
    if not np.array_equal(arrays["fingerprint"], fingerprint):
        raise TrainingError(f"{path}: a checkpoint of a training from other weights or examples, or with other regularizers")
    result.state = jax.tree.unflatten(structure, [jnp.asarray(s) for s in saved])
    result.history = {name: arrays[f"history-{name}"].tolist() for name in result.history}


def _bar(steps: int, shown: bool) -> Any:
    from tqdm.auto import tqdm

    return tqdm(total=steps, unit="step", disable=not shown)
