"""Tasks: a network compiled for a question, with strings to train, validate and test on.

A task provides the array operations of a synthesis: the error, gradient descent that also shrinks
weights, and scores of the links.
"""

import copy
import hashlib
import threading
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..compiler.compiled import Compiled
from ..compiler.weights import Weights, flatten, masked, unflatten
from ..core.errors import LabError
from ..core.machine import Machine
from ..core.summaries import Facts, names, plural, summarised
from ..core.vvalues import describe
from ..learning.batches import Batch, make_batch
from ..learning.training_loop import GradientDescent, Schedule
from ..machines.networks import Network
from .evaluation import Evaluator, all_keys, targets_of
from .network_programs import network_programs
from .samples import Question, Sample, coordinate_name

PIECE = 500  # steps between two checks of ``stop`` in a descent
SCALE, SCALE_OF_PRODUCTS = 0.01, 0.1  # of initial weights
QUICK_LENGTHS = (14, 200)  # items of the strings of a quick evaluation; far fewer than in a synthesis

Span = tuple[float, float]  # a number at the first and at the last step; geometric in between


class Stopped(Exception):
    """The descent was stopped by the event ``stop`` of its task."""


@summarised
class Task:
    """A network compiled for a question, such as a problem.

    ``batch`` has the training strings; ``mask`` is 1.0 for the links of the network. If there is an
    event ``stop`` and it is set, a running descent raises :class:`Stopped`.

    Args:
        problem: the question.
        network: the network to train; the problem's own if left out. A machine stands for the
            network of its links; its weights do not matter.
        samples: the training strings; ``problem.training(seed)`` if left out.
        seed: the seed of the training and the test strings.
        lessons: a curriculum: sets of shorter strings, the shortest first, for training before
            ``samples``. Only lessons of about the usual length drive links to zero
            (:func:`~dmmlab.pruning.phases.sparsify`).

    Raises :class:`~dmmlab.core.errors.LabError` if there are no strings, or the network does not
    have the answers of the question.
    """

    def __init__(
        self,
        problem: Question,
        network: Network | Machine | None = None,
        samples: Sequence[Sample] | None = None,
        seed: int = 0,
        lessons: Sequence[Sequence[Sample]] = (),
    ):
        self.problem: Any = problem
        self.seed = seed
        self.stop: threading.Event | None = None
        self.queries: int | None = None  # number of strings that a black-box target was asked
        self.samples = list(samples if samples is not None else problem.training(seed))
        if not self.samples or not all(map(len, lessons)):
            raise LabError("no strings to learn from")
        self.network = problem.network if network is None else network
        whole = self.network
        if isinstance(whole, Network):
            whole = whole.machine([1.0] * len(whole.links))
        every = [*self.samples, *(sample for lesson in lessons for sample in lesson)]
        self.keys = all_keys(every)  # for each neuron that reads, a stream of one V-value that has all keys
        self.programs = network_programs(whole, self.keys, any(sample.rows for sample in every))
        self.compiled = self.programs.compiled
        _check_answers(self.compiled, problem, every)
        self.mask = self.compiled.mask
        self.lessons, self.batch = [self._batch(lesson) for lesson in lessons], self._batch(self.samples)

    def on(self, batch: Batch) -> "Task":
        """Returns the same task with other training strings, such as those of a lesson."""
        other = copy.copy(self)
        other.batch, other.lessons = batch, []
        return other

    def _batch(self, samples: Sequence[Sample]) -> Batch:
        right = [targets_of(self.compiled, sample) for sample in samples]
        return make_batch(self.compiled, [sample.streams for sample in samples], right)

    @property
    def fingerprint(self) -> str:
        """A hash that identifies the task: links, neuron types by name, strings and targets."""
        digest = hashlib.sha256()
        machine = self.compiled.machine
        digest.update(repr([(name, kind.name) for name, kind in machine.neurons.items()]).encode())
        digest.update(repr(sorted(str(link) for link in machine.links())).encode())
        for leaf in jax.tree.leaves([self.batch, *self.lessons]):
            digest.update(np.asarray(leaf).tobytes())
        return digest.hexdigest()[:16]

    def initial_weights(self, key: Any, scale: float = 0.0) -> Weights:
        """Returns random weights, ``scale * N(0, 1)``, a matrix for each stage.

        A scale of 0 means 0.01, as in 2022; or 0.1 if neurons multiply trees, because a product of
        several small weights has almost no gradient.

        Raises :class:`~dmmlab.core.errors.LabError` for a task of a machine, not of a network.
        """
        if isinstance(self.network, Machine):
            raise LabError("a machine has its weights; random ones are for networks")
        usual = SCALE_OF_PRODUCTS if self.programs.multiplies_trees else SCALE
        return self.compiled.weights(self.network.random(key, scale or usual).soft)

    def machine(self, weights: Weights) -> Machine:
        """Returns the machine with these weights; a weight of zero is no link."""
        return self.compiled.machine.with_soft(self.compiled.soft(weights))

    def weights(self, machine: Machine) -> Weights:
        """Returns the soft links of a machine as matrices, one for each stage.

        Raises :class:`~dmmlab.compiler.layout.LayoutError` for a link that the network lacks.
        """
        return self.compiled.weights(machine.soft)

    def error(self, weights: Weights) -> float:
        """Returns the squared error on the training strings, relative to the targets' squares."""
        return float(self.descent("none").error(weights, self.batch))

    def answers(self, weights: Weights) -> np.ndarray:
        """Returns the answers to the training strings: (answers, strings, cycles).

        :attr:`answer_names` names the rows.
        """
        return np.asarray(self.programs.answers(weights, self.batch))

    @property
    def answer_names(self) -> list[str]:
        """The names of the answers; if they are V-values, of their coordinates, ``answer/path``."""
        return [coordinate_name(name, path) for (_, name), path in self.compiled.answer_coordinates]

    @property
    def targets(self) -> np.ndarray:
        """The targets, (answers, strings, cycles); NaN where there is no target."""
        return np.where(self.batch.loss_mask, self.batch.targets, np.nan)

    def mean_squared_error(self, weights: Weights) -> float:
        """Returns the mean squared error over training strings and cycles, summed over answers."""
        squares, asked = float(self.batch.sum_of_squares), float(jnp.sum(self.batch.loss_mask))
        return self.error(weights) * squares * len(self.batch.targets) / asked

    def descent(self, penalty: str = "proximal") -> GradientDescent:
        """Returns the training loop for a penalty, a way to drive links to zero.

        Args:
            penalty: ``proximal``: weights move towards zero after each step, and stop there
                (:func:`~dmmlab.learning.proximal.proximal_l1`). ``gradient``: L1 is part of the
                objective. ``gates``: each weight has a hard-concrete gate
                (:class:`~dmmlab.learning.objectives.HardConcreteGates`). ``none``: no penalty.

        Returns:
            The loop; its penalty is called ``l1``.

        Raises:
            LabError: an unknown penalty.
        """
        return self.programs.descent(penalty)

    def descend(
        self,
        weights: Weights,
        steps: int,
        learning_rate: Span,
        l1: Span = (0.0, 0.0),
        mask: Weights | None = None,
        penalty: str = "proximal",
        key: Any = None,
        looks: Sequence[int] = (),
        is_hopeless: Callable[[Sequence[float]], bool] = lambda errors: False,
    ) -> Weights:
        """Runs Adam, from a fresh state, on ``error + l1 * sum of |w|``.

        Args:
            weights: the initial weights, a matrix for each stage.
            steps: the number of steps. Another number does not cause a new compilation.
            learning_rate: at the first and at the last step; geometric in between, like ``l1``.
            l1: the penalty.
            mask: 0.0 for links that must stay at zero; all may move if left out.
            penalty: how links are driven to zero; see :meth:`descent`.
            key: a JAX key, for the gates.
            looks: the numbers of steps after which the error is checked.
            is_hopeless: whether to stop at the latest check, given the errors at all checks so far.

        Returns:
            The weights after the last step.

        Raises:
            LabError: an unknown penalty.
            Stopped: the task's ``stop`` was set, at most 500 steps ago.
        """
        loop, mask, count = self.descent(penalty), self.mask if mask is None else mask, jnp.asarray(steps)
        rates, penalties = (
            Schedule(jnp.asarray(span[0], float), jnp.asarray(span[1], float), count) for span in (learning_rate, l1)
        )
        random = (jax.random.key(0) if key is None else key) if penalty == "gates" else None
        state = loop.initial_state(masked(weights, mask))
        done, errors = 0, list[float]()
        looks = [look for look in looks if look < steps]
        for end in sorted({*looks, *range(PIECE, steps, PIECE), steps}):
            if self.stop is not None and self.stop.is_set():
                raise Stopped
            piece = jnp.asarray(end - done)
            state = jax.block_until_ready(loop.run(state, self.batch, mask, piece, rates, {"l1": penalties}, random))
            done = end
            if end in looks:
                errors.append(self.error(loop.objective.weights_of(state.parameters, mask)))
                if is_hopeless(errors):
                    break
        return loop.objective.weights_of(state.parameters, mask)

    def ablation_errors(self, weights: Weights) -> Weights:
        """Returns the error with each link ablated, one at a time; infinite where there is no link.

        The result has the shapes of the weights.
        """
        array = flatten(weights)
        live = np.nonzero(array)[0]
        places = np.concatenate([live, np.zeros(len(array) - len(live), int)])
        errors = self.programs.ablation_errors(weights, jnp.asarray(places), jnp.asarray(len(live)), self.batch)
        result = np.full(len(array), np.inf)
        result[live] = np.asarray(errors)[: len(live)]
        return unflatten(result, weights)

    def saliency(self, weights: Weights) -> Weights:
        """Returns ``w^2 * mean over strings of g^2``, with g the gradient of one string's error.

        This is twice the cost of ablating the link, to second order and with the empirical Fisher
        information in place of the curvature. The result has the shapes of the weights.
        """
        return self.programs.saliency(weights, self.batch)

    @cached_property
    def links(self) -> dict[int, str]:
        """Maps places in flattened weights to soft links, written ``to.input <- from.output``."""
        shapes = [stage.exists.shape for stage in self.compiled.stages]
        offsets = np.cumsum([0, *(rows * columns for rows, columns in shapes)])
        return {
            int(offsets[s] + row * shapes[s][1] + column): f"{to}.{into} <- {source}.{output}"
            for (to, into, source, output), (s, row, column) in self.compiled.places.items()
        }

    @cached_property
    def unseen(self) -> dict[str, list[Sample]]:
        """The ``validation`` strings, and the ``test`` strings of this seed."""
        return {
            "validation": self.problem.validation(apart_from=self.samples),
            "test": self.problem.test(self.seed, apart_from=self.samples),
        }

    @cached_property
    def evaluator(self) -> Evaluator:
        """Measures the errors of the network's machines on the :attr:`unseen` strings."""
        return Evaluator(self.compiled.machine, self.unseen)

    @cached_property
    def quick_evaluator(self) -> Evaluator:
        """Measures errors on fewer and shorter validation strings: fast enough for a slider."""
        samples = self.problem.validation(apart_from=self.samples, lengths=QUICK_LENGTHS)
        return Evaluator(self.compiled.machine, {"validation": samples})

    def _summary(self) -> tuple[str, Facts]:
        facts = {
            "network": f"{plural(self.compiled.machine.count(), 'soft link')}, {self.compiled.schedule}",
            "training strings": f"{self.batch.strings:,} of {plural(self.batch.cycles, 'cycle')}",
            "seed": self.seed,
        }
        return f"Task: {self.problem.question}", facts.items()


def _check_answers(compiled: Compiled, problem: Question, samples: Sequence[Sample]) -> None:
    wanted = [("output", name) for name in problem.answers]
    for sample in samples:
        if not sample.rows and len(sample.targets) != len(wanted):
            raise LabError(f"a string with {len(sample.targets)} answers: the problem asks for {len(wanted)}")
    if list(compiled.answer_ports) != wanted:
        raise LabError(f"the network answers {compiled.answer_ports}, the problem asks for {tuple(wanted)}")
    reached = [(port[1], path) for port, path in compiled.answer_coordinates] if compiled.whole else ()
    for sample in samples if reached else ():
        if beyond := sample.beyond(reached):
            asked = names((coordinate_name(*row) for row in beyond), 4)
            raise LabError(f"the target has {asked}, which no neuron of this network can emit: give other types, or constants")


def random_key(key: Any) -> Any:
    """Returns a JAX key for a seed from 0 to 2^32 - 1; a JAX key is returned unchanged.

    Raises :class:`~dmmlab.core.errors.LabError` for anything else.
    """
    if isinstance(key, int | np.integer) and not isinstance(key, bool) and 0 <= key < 2**32:
        return jax.random.key(int(key))
    if isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.shape == ():
        return key
    raise LabError(f"key {describe(key)}: expected a JAX key, or a seed from 0 to 2^32 - 1")
