"""Tasks: a network compiled for a problem, with strings to learn from and strings to be tested on.

All that synthesis does with numbers is done here: the error and its gradient, many steps of gradient descent that also
shrinks weights, and what each link is worth.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import optax

from ..compiler.array_operations import Arrays
from ..compiler.compiled import Compiled, Weights, compile_machine
from ..core.errors import LabError, one_of
from ..core.machine import Machine
from ..core.vvalues import describe
from ..machines.networks import Network
from .evaluation import HeldOut, all_keys
from .problems import Problem, Sample

PENALTIES = ("proximal", "gradient", "gates", "none")
CLIP = 1.0  # of the gradient's norm, where the schedule is scan: loops make gradients explode
SMALL = 1e-9  # in the denominator of a proximal step
STRETCH = (-0.1, 1.1)  # of a hard-concrete gate, and its temperature: Louizos, Welling, Kingma (2018), arXiv:1712.01312
TEMPERATURE = 2 / 3

Span = tuple[float, float]  # a coefficient at the first and at the last step; geometric in between


class Task:
    """A network compiled for a problem.

    Args:
        problem: what is asked.
        network: what is trained; the problem's own if left out. Of a machine, the links, whatever their weights.
        samples: the strings to learn from; ``problem.training(seed)`` if left out.
        seed: for the strings.
    """

    def __init__(
        self,
        problem: Problem,
        network: Network | Machine | None = None,
        samples: Sequence[Sample] | None = None,
        seed: int = 0,
    ):
        self.problem = problem
        self.samples = list(samples if samples is not None else problem.training(seed))
        if not self.samples:
            raise LabError("no strings to learn from")
        network = problem.network if network is None else network
        self.network = network
        whole = network.machine([1.0] * len(network.links)) if isinstance(network, Network) else network
        self.keys = all_keys(self.samples)  # for each reading neuron, a stream of one V-value that has all keys
        self.compiled = compile_machine(whole, self.keys, 1)
        _check_answers(self.compiled, problem, self.samples)
        self.mask = self.compiled.mask
        cycles = max(sample.cycles for sample in self.samples)
        arrays = [self.compiled.encode(sample.streams, cycles) for sample in self.samples]
        self._data = {b: jnp.stack([each[b] for each in arrays], axis=2) for b in arrays[0]}
        padded = [np.pad(s.target, ((0, 0), (0, cycles - s.cycles)), constant_values=np.nan) for s in self.samples]
        target = np.stack(padded, axis=1)
        self._counts = jnp.asarray(~np.isnan(target), jnp.result_type(float))
        self._target = jnp.asarray(np.nan_to_num(target), jnp.result_type(float))
        self._scale = float(jnp.sum(self._target**2)) or 1.0

    @property
    def fingerprint(self) -> str:
        """What tells one task from another: the links, the neuron types by name, the strings and their right answers."""
        digest = hashlib.sha256()
        machine = self.compiled.machine
        digest.update(repr([(name, kind.name) for name, kind in machine.neurons.items()]).encode())
        digest.update(repr(sorted(str(link) for link in machine.links())).encode())
        for leaf in jax.tree.leaves((self._data, self._target, self._counts)):
            digest.update(np.asarray(leaf).tobytes())
        return digest.hexdigest()[:16]

    def start(self, key: Any, scale: float = 0.01) -> Weights:
        """Initial weights, ``scale * N(0, 1)``."""
        if isinstance(self.network, Machine):
            raise LabError("a machine has its weights; random ones are for networks")
        return self.compiled.weights(self.network.random(key, scale).soft)

    def machine(self, weights: Weights) -> Machine:
        """The machine with these weights; those that are zero are no links."""
        return self.compiled.machine.with_soft(self.compiled.soft(weights))

    def weights(self, machine: Machine) -> Weights:
        """The soft links of a machine as matrices; it may have no other links than the task's network."""
        return self.compiled.weights(machine.soft)

    def error(self, weights: Weights) -> float:
        """The squared error on the strings to learn from, as a part of the sum of squares of the right answers."""
        return float(self._error_jitted(weights))

    def answers(self, weights: Weights) -> np.ndarray:
        """What is answered to the strings to learn from: (answers, strings, cycles)."""
        return np.asarray(self._answers_jitted(weights))

    @property
    def target(self) -> np.ndarray:
        """The right answers, in the shape of :meth:`answers`; NaN where nothing is asked."""
        return np.where(self._counts, self._target, np.nan)

    def mean_squared_error(self, weights: Weights) -> float:
        """The mean over strings and cycles of the squared error, summed over answers."""
        return self.error(weights) * self._scale * len(self._target) / float(jnp.sum(self._counts))

    def descend(
        self,
        weights: Weights,
        steps: int,
        rate: Span,
        l1: Span = (0.0, 0.0),
        mask: Weights | None = None,
        penalty: str = "proximal",
        key: Any = None,
        cycles: int | None = None,
    ) -> Weights:
        """So many steps of Adam, from a fresh state, on ``error + l1 * sum of |w|``.

        Args:
            weights: where to start.
            steps: how many steps. Their number is no reason to compile anew.
            rate: the learning rate, at first and at last; geometric in between, as ``l1`` is.
            l1: the coefficient of the penalty.
            mask: 0.0 for links that are to stay at zero; all may move if left out.
            penalty: how links are driven to zero. ``proximal``: after each step of Adam, weights move towards zero by
                ``rate * l1 / sqrt(v)``, where v is Adam's mean square of the gradient, and stop there. ``gradient``:
                the penalty is part of the loss. ``gates``: each weight has a hard-concrete gate, and the expected
                number of open gates is the penalty. ``none``.
            key: random numbers for the gates.
            cycles: learn from the first cycles of the strings alone.
        """
        if penalty not in PENALTIES:
            raise LabError(one_of("penalty", penalty, PENALTIES))
        mask = self.mask if mask is None else mask
        numbers = jnp.asarray(steps), jnp.maximum(jnp.asarray(rate), 1e-30), jnp.maximum(jnp.asarray(l1), 1e-30)
        if penalty == "gates":
            return self._gates_jitted(weights, mask, *numbers, jax.random.key(0) if key is None else key)
        return self._descend_jitted(weights, mask, *numbers, penalty=penalty, cycles=cycles)

    def removal_errors(self, weights: Weights) -> Weights:
        """The error with each link taken away, one at a time; infinite where there is none. Shaped as the weights."""
        array = flat(weights)
        live = np.nonzero(array)[0]
        places = np.concatenate([live, np.zeros(len(array) - len(live), int)])
        result = np.full(len(array), np.inf)
        result[live] = np.asarray(self._removals_jitted(weights, jnp.asarray(places), jnp.asarray(len(live))))[: len(live)]
        return unflat(result, weights)

    def saliency(self, weights: Weights) -> Weights:
        """``w^2 * mean over strings of g^2`` with g the gradient of one string's error: twice what taking the link away
        costs, to second order and with the empirical Fisher information in place of the curvature."""
        return self._saliency_jitted(weights)

    @cached_property
    def links(self) -> dict[int, str]:
        """The soft links by their place in :func:`flat` weights, as ``to.input <- from.output``."""
        shapes = [stage.exists.shape for stage in self.compiled.stages]
        starts = np.cumsum([0, *(rows * columns for rows, columns in shapes)])
        return {
            int(starts[s] + row * shapes[s][1] + column): f"{to}.{into} <- {source}.{output}"
            for (to, into, source, output), (s, row, column) in self.compiled.places.items()
        }

    @cached_property
    def heldout(self) -> HeldOut:
        """The strings to be tested on."""
        return HeldOut(self.problem, self.compiled.machine)

    def _loss(self, weights: Weights, data: Arrays, target: jax.Array, counts: jax.Array) -> jax.Array:
        return jnp.sum(counts * (self.compiled.numbers(weights, data) - target) ** 2) / self._scale

    def _error(self, weights: Weights, cycles: int | None = None) -> jax.Array:
        data = {b: x[..., :cycles] for b, x in self._data.items()}
        return self._loss(weights, data, self._target[..., :cycles], self._counts[..., :cycles])

    def _gradient(self, function: Callable[..., jax.Array], *arguments: Any) -> Any:
        """The gradient; clipped, and zero instead of infinite, where loops could make it explode."""
        gradient = jax.grad(function)(*arguments)
        if self.compiled.schedule == "time-parallel":
            return gradient
        factor = jnp.minimum(1.0, CLIP / (optax.tree.norm(gradient) + 1e-12))
        return jax.tree.map(lambda g: jnp.where(jnp.isfinite(g * factor), g * factor, 0.0), gradient)

    def adam_step(
        self,
        weights: Weights,
        state: Any,
        mask: Weights,
        rate: Any,
        l1: Any,
        penalty: str = "proximal",
        cycles: int | None = None,
    ) -> tuple[Weights, Any]:
        """One step of :meth:`descend`, from the state of ``optax.scale_by_adam()``; pure, for use under ``jit``."""

        def loss(weights: Weights) -> jax.Array:
            extra = sum(jnp.sum(jnp.abs(w)) for w in weights) if penalty == "gradient" else 0.0
            return self._error(weights, cycles) + l1 * extra

        update, state = optax.scale_by_adam().update(self._gradient(loss, weights), state)
        moved = [w - rate * u for w, u in zip(weights, update, strict=True)]
        if penalty == "proximal":
            mean = optax.tree.bias_correction(state.nu, 0.999, state.count)
            widths = [rate * l1 / (jnp.sqrt(v) + SMALL) for v in mean]
            moved = [jnp.sign(w) * jnp.maximum(jnp.abs(w) - d, 0.0) for w, d in zip(moved, widths, strict=True)]
        return _times(moved, mask), state

    def _descend(
        self, weights: Weights, mask: Weights, steps: Any, rate: Any, l1: Any, penalty: str, cycles: int | None = None
    ) -> Weights:
        def step(i: jax.Array, carried: tuple[Weights, Any]) -> tuple[Weights, Any]:
            return self.adam_step(*carried, mask, _between(rate, i, steps), _between(l1, i, steps), penalty, cycles)

        weights = _times(weights, mask)
        return jax.lax.fori_loop(0, steps, step, (weights, optax.scale_by_adam().init(weights)))[0]

    def _gates(self, weights: Weights, mask: Weights, steps: Any, rate: Any, l1: Any, key: Any) -> Weights:
        adam, (low, high) = optax.scale_by_adam(), STRETCH

        def stretched(x: jax.Array) -> jax.Array:
            return jnp.clip(jax.nn.sigmoid(x) * (high - low) + low, 0.0, 1.0)

        def loss(both: tuple[Weights, Weights], key: Any, l1_now: jax.Array) -> jax.Array:
            weights, openness = both
            noise = [
                jax.random.logistic(k, x.shape) for k, x in zip(jax.random.split(key, len(openness)), openness, strict=True)
            ]
            gates = [stretched((x + n) / TEMPERATURE) for x, n in zip(openness, noise, strict=True)]
            count = sum(
                jnp.sum(m * jax.nn.sigmoid(x - TEMPERATURE * np.log(-low / high))) for x, m in zip(openness, mask, strict=True)
            )
            return self._error(_times(_times(weights, gates), mask)) + l1_now * count

        def step(i: jax.Array, carried: tuple[Any, Any]) -> tuple[Any, Any]:
            both, state = carried
            gradient = self._gradient(loss, both, jax.random.fold_in(key, i), _between(l1, i, steps))
            update, state = adam.update(gradient, state)
            return jax.tree.map(lambda x, u: x - _between(rate, i, steps) * u, both, update), state

        both = (_times(weights, mask), [jnp.full_like(w, 2.0) for w in weights])
        weights, openness = jax.lax.fori_loop(0, steps, step, (both, adam.init(both)))[0]
        return _times(_times(weights, [stretched(x) for x in openness]), mask)

    def _removals(self, weights: Weights, places: jax.Array, count: jax.Array) -> jax.Array:
        array, unravel = jax.flatten_util.ravel_pytree(weights)

        def one(i: jax.Array, errors: jax.Array) -> jax.Array:
            return errors.at[i].set(self._error(unravel(array.at[places[i]].set(0.0))))

        return jax.lax.fori_loop(0, count, one, jnp.zeros(len(array)))

    def _fisher(self, weights: Weights) -> Weights:
        def one(data: Arrays, target: jax.Array, counts: jax.Array) -> Weights:
            alone = [x[:, None] if x.ndim == 2 else x for x in (target, counts)]
            return jax.grad(self._loss)(weights, {b: x[:, :, None] for b, x in data.items()}, *alone)

        gradients = jax.vmap(one, in_axes=(2, 1, 1))(self._data, self._target, self._counts)
        return [w * w * jnp.mean(g * g, axis=0) for w, g in zip(weights, gradients, strict=True)]

    @cached_property
    def _error_jitted(self) -> Callable:
        return jax.jit(self._error)

    @cached_property
    def _answers_jitted(self) -> Callable:
        return jax.jit(lambda weights: self.compiled.numbers(weights, self._data))

    @cached_property
    def _descend_jitted(self) -> Callable:
        return jax.jit(self._descend, static_argnames=("penalty", "cycles"))

    @cached_property
    def _gates_jitted(self) -> Callable:
        return jax.jit(self._gates)

    @cached_property
    def _removals_jitted(self) -> Callable:
        return jax.jit(self._removals)

    @cached_property
    def _saliency_jitted(self) -> Callable:
        return jax.jit(self._fisher)


def _check_answers(compiled: Compiled, problem: Problem, samples: Sequence[Sample]) -> None:
    wanted = [("output", name) for name in problem.answers]
    for sample in samples:
        if len(sample.target) != len(wanted):
            raise LabError(f"a string with {len(sample.target)} answers: the problem asks for {len(wanted)}")
    if list(compiled.answers) != wanted:
        raise LabError(f"the network answers {compiled.answers}, the problem asks for {tuple(wanted)}")


def _between(span: Any, i: jax.Array, steps: jax.Array) -> jax.Array:
    return span[0] * (span[1] / span[0]) ** (i / jnp.maximum(steps - 1, 1))


def _times(one: Weights, other: Weights) -> Weights:
    return [x * y for x, y in zip(one, other, strict=True)]


def flat(weights: Weights) -> np.ndarray:
    """All weights in one array."""
    return np.concatenate([np.asarray(w).ravel() for w in weights])


def unflat(array: np.ndarray, like: Weights) -> Weights:
    """The inverse of :func:`flat`, in the shapes and the precision of other weights."""
    parts = np.split(array, np.cumsum([w.size for w in like])[:-1])
    return [jnp.asarray(part.reshape(w.shape), w.dtype) for part, w in zip(parts, like, strict=True)]


def random_key(key: Any) -> Any:
    """A JAX key, of a seed from 0 to 2^32 - 1 or as it is. Raises :class:`~dmmlab.core.errors.LabError` for anything else."""
    if isinstance(key, int | np.integer) and not isinstance(key, bool) and 0 <= key < 2**32:
        return jax.random.key(int(key))
    if isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.shape == ():
        return key
    raise LabError(f"key {describe(key)}: expected a JAX key, or a seed from 0 to 2^32 - 1")
