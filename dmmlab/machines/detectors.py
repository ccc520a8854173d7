"""The duplicate character detector: the handwritten machine, and the one trained in 2022.

The detector reads a string one character at a time. ``output.dict-1`` is the number of occurrences
of the most frequent character so far, minus 1 (nothing while there is no duplicate).
``output.dict-2`` is the number of full stops so far, up to 4.
"""

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..core.engine import RunError, Streams, answers
from ..core.machine import Links, Machine
from ..core.neurons import constant
from ..core.vvalues import number

# A published fact: the weights to two decimals, as shown in the author's talk at JuliaCon 2023.
PUBLISHED_19: Links = {
    "accum-1-2.dict-2": {"input.char": 0.76},
    "compare-1-2.dict-1": {"const_1.const_1": -0.45},
    "compare-1-2.dict-2": {"const_1.const_1": 0.44},
    "norm-2-1.dict": {"accum-1-2.dict": 0.68, "input.char": -0.5},
    "dot-2-2.dict-1": {"accum-1-2.dict": -0.68, "input.char": -0.52},
    "dot-2-2.dict-2": {"eos.char": -1.29},
    "compare-3-1.dict-1": {"compare-1-2.false": -0.44, "norm-2-1.norm": 0.26},
    "compare-3-1.dict-2": {"compare-1-2.false": 0.45, "norm-2-1.norm": -0.25},
    "compare-4-2.dict-1": {"norm-2-1.norm": -0.6},
    "compare-4-2.dict-2": {"norm-2-1.norm": 0.6},
    "compare-5-1.dict-1": {"dot-2-2.dot": 0.68},
    "compare-5-1.dict-2": {"dot-2-2.dot": -0.69},
    "output.dict-1": {"compare-3-1.false": -1.26, "compare-4-2.false": 1.07},
    "output.dict-2": {"compare-5-1.true": 1.09},
}


def handcrafted(end_mark: str = ".") -> Machine:
    """Returns the machine of section 3 of Bukatin, Matthews and Radul (arXiv:1606.09470).

    It has 8 soft links, all of weight 1. ``end_mark`` is the item that ``output.dict-2`` counts.
    """
    machine = Machine.build(
        {
            "accum.dict-2": {"input.char": 1.0},
            "norm.dict": {"accum.dict": 1.0},
            "dot.dict-1": {"accum.dict": 1.0},
            "dot.dict-2": {"eos.char": 1.0},
            "compare.dict-1": {"norm.norm": 1.0},
            "compare.dict-2": {"const_1.const_1": 1.0},
            "output.dict-1": {"compare.true": 1.0},
            "output.dict-2": {"dot.dot": 1.0},
        }
    )
    if end_mark == ".":
        return machine
    eos = constant(f"eos {end_mark}", "char", {end_mark: 1.0})  # a separate type needs its own name
    return replace(machine, neurons={**machine.neurons, "eos": eos})


def published() -> Machine:
    """Returns the 19-link machine trained and pruned in June 2022, with weights to two decimals."""
    return Machine.build(PUBLISHED_19)


class ImitationError(NamedTuple):
    """The error of a machine against its teacher.

    ``loss`` is the sum of the squared differences over all cycles and outputs.
    ``max_squared_error`` is the largest squared difference.
    """

    loss: float
    max_squared_error: float


def imitation_error(machine: Machine, streams: Streams, cycles: int, teacher: Machine | None = None) -> ImitationError:
    """Runs a machine and its teacher and compares their answers at ``output`` in each cycle.

    It compares the scalar parts, as in 2022. The tests published then used single precision:
    ``imitation_error(machine.astype(np.float32), characters("test string."), 140)``.

    Args:
        machine: the machine to measure.
        streams: the input of both machines, as for :func:`~dmmlab.core.engine.run`.
        cycles: the number of cycles.
        teacher: gives the target answers; the handcrafted detector if left out.

    Returns:
        The sum of the squared errors, and the largest squared error.

    Raises:
        RunError: as :func:`~dmmlab.core.engine.run`; or the errors are too large to be squared.
    """
    teacher = teacher or handcrafted()
    pairs = zip(answers(machine, streams, cycles), answers(teacher, streams, cycles), strict=True)
    fields = teacher.neurons["output"].inputs
    with np.errstate(over="ignore"):
        squares = [(number(a.get(f, 0.0)) - number(b.get(f, 0.0))) ** 2 for a, b in pairs for f in fields]
        result = ImitationError(loss=float(sum(squares)), max_squared_error=float(max(squares, default=0.0)))
    if not math.isfinite(result.loss):
        raise RunError("the errors are too large to be squared in this precision")
    return result
