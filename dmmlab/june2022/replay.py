"""The training runs of 2022, replayed from their seeds.

Each run has a network, a scale for its initial weights, a number of cycles and regularizers. The
random numbers are those of 2022 (:mod:`dmmlab.june2022.random_numbers`), the training string is
"test string.", and the optimizer is Adam with a learning rate of 0.001. In the gradient mode
``journal-2022`` the losses follow the published logs. The mode ``exact`` uses exact gradients.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from ..compiler.compilation import compile_machine
from ..compiler.compiled import Compiled
from ..core.errors import LabError, one_of
from ..core.machine import Machine, customary_links
from ..core.neuron_type import NeuronType
from ..core.neurons import ACCUM, DOT, ID, ID_FIELDS, NORM, OUTPUT, TIMER
from ..core.streams import characters
from ..core.summaries import Facts, names, summarised
from ..learning.batches import Batch, imitation_batch
from ..learning.training import TrainingResult, train
from ..machines.detectors import handcrafted
from ..machines.networks import LAYER, RECURRENT, SOURCES, Network, copies_of, feedforward, output_ports, with_fields
from .random_numbers import normal_numbers
from .truncated_gradients import truncated

STRING = "test string."
GRADIENTS = ("exact", "journal-2022")
Types = Sequence[NeuronType]


@summarised
@dataclass(frozen=True)
class Run:
    """One of the runs of 2022.

    ``network`` makes the network from neuron types: those of ``types``, in either gradient mode.
    ``scale`` is the scale of the initial weights. ``regularizers`` has the penalties by name.
    """

    network: Callable[[Types], Network]
    types: Types
    scale: float
    cycles: int
    regularizers: Mapping[str, float]

    def _summary(self) -> tuple[str, Facts]:
        facts = {"types": names(kind.name for kind in self.types), "scale": self.scale, "cycles": self.cycles}
        return "Run of 2022", [*facts.items(), *((f"penalty {name}", x) for name, x in self.regularizers.items())]


def initial_machine(network: Network, scale: float, seed: int = 123) -> Machine:
    """Returns a machine with the initial weights of 2022.

    They are ``Float32(scale * randn())`` in Julia, after ``Random.seed!(seed)``.

    Args:
        network: its links get the random numbers in order.
        scale: the scale of the weights.
        seed: 123 in all runs of 2022.

    Returns:
        The machine.

    Raises:
        LabError: a seed that is no 32-bit number.
    """
    draws = islice(normal_numbers(seed), len(network.links))
    return network.machine(np.float32(np.float64(scale) * x) for x in draws)


def recurrent_2022(copies: int, types: Types = RECURRENT) -> Network:
    """Returns the recurrent network of 2022: all neurons have seven fields as inputs and outputs.

    Fields that a neuron's function does not use carry nothing, and count only in the regularizers.

    Args:
        copies: the number of neurons of each type.
        types: the neuron types.

    Returns:
        The network.

    Raises:
        NetworkError: no copies.
    """
    inner = copies_of([with_fields(kind, ID_FIELDS) for kind in types], copies)
    neurons = {"timer": TIMER, **SOURCES, **inner, "output": OUTPUT}
    ports = [(name, field) for name in inner for field in ("dict", "dict-1", "dict-2", "norm", "dot", "true", "false")]
    to_ports = [("output", field) for field in OUTPUT.inputs] + ports
    from_ports = output_ports(SOURCES.items()) + ports
    return Network(neurons, [(to, source) for to in to_ports for source in from_ports], customary_links(neurons))


_SPARSE = {"l1": 0.001}
_SPARSE_ROWS = {"l1": 0.001, "row_sum": 0.001}
RUNS: Mapping[str, Run] = {
    "first-feedforward-run": Run(lambda types: feedforward(6, 3, types, skip_links=False), (*LAYER, ID), 0.2, 35, _SPARSE_ROWS),
    "feedforward-run-1.1": Run(lambda types: feedforward(4, 2, types, skip_links=False), (*LAYER, ID), 0.01, 35, _SPARSE),
    "feedforward-run-2": Run(lambda types: feedforward(4, 2, types), LAYER, 0.2, 35, _SPARSE),
    "feedforward-run-3": Run(lambda types: feedforward(5, 2, types), LAYER, 0.01, 140, _SPARSE),
    "compare-free": Run(lambda types: feedforward(6, 2, types), (ACCUM, NORM, DOT), 0.01, 140, _SPARSE),
    "recurrent": Run(lambda types: recurrent_2022(5, types), RECURRENT, 0.2, 35, _SPARSE_ROWS),
    "recurrent-with-id": Run(lambda types: recurrent_2022(4, types), (*RECURRENT, ID), 0.2, 35, _SPARSE_ROWS),
}


def prepare(name: str, gradients: str = "journal-2022", seed: int = 123) -> tuple[Compiled, Batch]:
    """Returns the initial machine and the training batch of a run of 2022.

    Args:
        name: a key of :data:`RUNS`.
        gradients: ``journal-2022``, truncated as in 2022, or ``exact``.
        seed: the seed of the initial weights.

    Returns:
        The compiled machine with its initial weights, and the batch of its one string.

    Raises:
        LabError: an unknown run or gradient mode.
    """
    if name not in RUNS:
        raise LabError(one_of("run", name, RUNS))
    if gradients not in GRADIENTS:
        raise LabError(one_of("gradient mode", gradients, GRADIENTS))
    run = RUNS[name]
    types = truncated(run.types) if gradients == "journal-2022" else run.types
    compiled = compile_machine(initial_machine(run.network(types), run.scale, seed), characters(STRING))
    return compiled, imitation_batch(compiled, [characters(STRING)], run.cycles, handcrafted())


def replay(name: str, steps: int, gradients: str = "journal-2022", **options: Any) -> TrainingResult:
    """Repeats the first steps of a run.

    Args:
        name: a key of :data:`RUNS`.
        steps: the number of steps.
        gradients: ``journal-2022`` or ``exact``.
        options: for :func:`dmmlab.learning.training.train`.

    Returns:
        The history, and the machine after the last step.

    Raises:
        LabError: an unknown run or gradient mode.
        NotFinite: the loss became infinite or NaN.
    """
    compiled, batch = prepare(name, gradients)
    return train(compiled, batch, steps, regularizers=RUNS[name].regularizers, **options)
