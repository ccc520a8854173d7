"""The compiled programs of a network, cached in the process; strings and weights are arguments.

Tasks of one network share these programs, whatever their seeds. So do the evaluations of their
machines. Tracing and compiling take seconds; the programs of the last few networks are cached.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import jax
import jax.flatten_util
import jax.numpy as jnp
import optax

from ..compiler.compilation import compile_machine
from ..compiler.compiled import Compiled
from ..compiler.weights import Weights
from ..core.errors import LabError, one_of
from ..core.machine import Machine
from ..core.neuron_type import Scaling
from ..core.streams import Stream
from ..core.vvalues import paths
from ..learning.batches import Batch
from ..learning.losses import squared_error
from ..learning.objectives import HardConcreteGates, Imitation
from ..learning.proximal import proximal_l1
from ..learning.training_loop import GradientDescent, clip_to_norm

PENALTIES = ("proximal", "gradient", "gates", "none")
CLIP = 1.0  # largest norm of the gradient of machines with loops or products of trees: these make gradients explode
CACHED = 6  # networks in the cache, and as many evaluations

Keys = Mapping[str, Stream]  # neuron that reads -> a stream with all keys that may come; its numbers do not matter
T = TypeVar("T")


class NetworkPrograms:
    """A compiled network, its training loops, and the programs that score its links.

    Args:
        machine: the network, with all links that a trained machine may have.
        keys: for each neuron that reads, a stream with all keys that may come.
        whole: whether answers are whole V-values.
    """

    def __init__(self, machine: Machine, keys: Keys, whole: bool = False):
        self.compiled: Compiled = compile_machine(machine, keys, 1, whole=whole)
        kinds = self.compiled.machine.neurons.values()
        self.multiplies_trees = any(kind.scaling is Scaling.MULTILINEAR for kind in kinds)
        self._loops: dict[str, GradientDescent] = {}
        self.answers = jax.jit(lambda weights, batch: self.compiled.coordinates(self.compiled.run(weights, batch.inputs)))
        self.ablation_errors = jax.jit(self._ablation_errors)
        self.saliency = jax.jit(self._saliency)

    def descent(self, penalty: str) -> GradientDescent:
        """Returns the training loop for a penalty, a way to drive links to zero.

        Args:
            penalty: one of :data:`PENALTIES`; :meth:`dmmlab.pruning.tasks.Task.descent` explains
                them.

        Returns:
            The loop.

        Raises:
            LabError: an unknown penalty.
        """
        if penalty not in PENALTIES:
            raise LabError(one_of("penalty", penalty, PENALTIES))
        if penalty not in self._loops:
            kind, regularizers = HardConcreteGates if penalty == "gates" else Imitation, ("l1",) * (penalty == "gradient")
            adam = optax.scale_by_adam()
            steep = self.compiled.schedule != "time-parallel" or self.multiplies_trees
            self._loops[penalty] = GradientDescent(
                kind(self.compiled, regularizers, relative=True),
                optax.chain(clip_to_norm(CLIP), adam) if steep else adam,
                proximal_l1 if penalty == "proximal" else None,
            )
        return self._loops[penalty]

    def _ablation_errors(self, weights: Weights, places: jax.Array, count: jax.Array, batch: Batch) -> jax.Array:
        """Returns the error with each of the first ``count`` ``places`` in flat weights at zero."""
        array, unravel = jax.flatten_util.ravel_pytree(weights)
        error = self.descent("none").objective.error

        def ablate(i: jax.Array, errors: jax.Array) -> jax.Array:
            return errors.at[i].set(error(unravel(array.at[places[i]].set(0.0)), batch))

        return jax.lax.fori_loop(0, count, ablate, jnp.zeros(len(array)))

    def _saliency(self, weights: Weights, batch: Batch) -> Weights:
        """Returns ``w^2 * mean over strings of g^2``, with g the gradient of a string's error."""

        def gradient(string: Batch) -> Weights:
            return jax.grad(lambda ws: squared_error(self.compiled, ws, string) / batch.sum_of_squares)(weights)

        gradients = jax.vmap(gradient)(batch.by_string())
        return [w * w * jnp.mean(g * g, axis=0) for w, g in zip(weights, gradients, strict=True)]


class ProgramCache(Generic[T]):
    """A cache of the last results of a function.

    Args:
        make: the function, ``(machine, keys, whole) -> anything``.
    """

    def __init__(self, make: Callable[[Machine, Keys, bool], T]):
        self._make, self._lock = make, threading.Lock()
        self._made: OrderedDict[Any, T] = OrderedDict()

    def __call__(self, machine: Machine, keys: Keys, whole: bool = False) -> T:
        """Returns the cached result for this machine and these keys, or makes it.

        The cache key includes JAX's default precision. Neuron types are the same if their functions
        are the same objects.
        """
        leaves = tuple(
            (name, t, path) for name, stream in keys.items() for t, v in stream.events.items() for path, _ in paths(v)
        )
        key = (tuple(machine.neurons.items()), tuple(machine.links()), frozenset(leaves), whole, jnp.result_type(float))
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key]
        made = self._make(machine, keys, whole)
        with self._lock:
            self._made[key] = made
            while len(self._made) > CACHED:
                self._made.popitem(last=False)
        return made

    def clear(self) -> None:
        """Empties the cache."""
        self._made.clear()


network_programs = ProgramCache(NetworkPrograms)
