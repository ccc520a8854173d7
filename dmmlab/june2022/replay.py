"""The training runs of 2022, replayed from their seeds.

Each run is a network, a scale for its initial weights, a number of cycles and regularizers; the random numbers are those
of 2022 (:mod:`dmmlab.june2022.random_numbers`), the training string is "test string.", the optimizer Adam with a learning rate of 0.001.
In the gradient mode ``journal-2022`` the losses follow the published logs; ``exact`` is what would have been.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..compiler.compiled import Compiled, compile_machine
from ..machines.detectors import handcrafted
from ..core.errors import LabError, one_of
from ..machines.networks import LAYER, RECURRENT, Network, feedforward, recurrent_2022
from ..core.neurons import ACCUM, CUT_2022, DOT, ID, NORM, NeuronType
from ..core.streams import characters
from ..learning.training import Examples, Result, examples, train

STRING = "test string."
GRADIENTS = ("exact", "journal-2022")
Types = Sequence[NeuronType]


@dataclass(frozen=True)
class Run:
    """One of the runs of 2022. ``network`` takes neuron types: those that ``types`` names, in a gradient mode."""

    network: Callable[[Types], Network]
    types: Types
    scale: float
    cycles: int
    regularizers: Mapping[str, float]


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


def prepare(name: str, gradients: str = "journal-2022", seed: int = 123) -> tuple[Compiled, Examples]:
    """The compiled machine of a run, with its initial weights, and its one example.

    Raises :class:`~dmmlab.core.errors.LabError` for an unknown run or gradient mode.
    """
    if name not in RUNS:
        raise LabError(one_of("run", name, RUNS))
    if gradients not in GRADIENTS:
        raise LabError(one_of("gradient mode", gradients, GRADIENTS))
    run = RUNS[name]
    types = [CUT_2022.get(kind.name, kind) if gradients == "journal-2022" else kind for kind in run.types]
    machine = run.network(types).random_2022(run.scale, seed)
    compiled = compile_machine(machine, characters(STRING))
    return compiled, examples(compiled, [characters(STRING)], run.cycles, handcrafted())


def replay(name: str, steps: int, gradients: str = "journal-2022", **options: Any) -> Result:
    """Repeats the first steps of a run. ``options`` go to :func:`dmmlab.learning.training.train`."""
    compiled, given = prepare(name, gradients)
    return train(compiled, given, steps, regularizers=RUNS[name].regularizers, **options)
