"""Benchmarks that compare dmmlab with peers, on the same work, in one run.

Each figure is the median of several repetitions, on one core, or on an accelerator if JAX finds
one. Compilation is measured separately. ``dmmlab bench`` prints the table.
"""

import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping, Sequence

from ..core.errors import LabError, one_of
from .compiled_machines import (
    batches,
    gradient,
    pytorch,
    recurrent,
    specialised,
    streams,
    superfluid,
    training_step,
)
from .measurement import Row
from .peak_memory import memory
from .restarts import restarts
from .tree_engine_peer import trees

BENCHMARKS: Mapping[str, Callable[[], Iterator[Row]]] = {
    "step": training_step,
    "gradient": gradient,
    "streams": streams,
    "batches": batches,
    "restarts": restarts,
    "recurrent": recurrent,
    "specialised": specialised,
    "superfluid": superfluid,
    "trees": trees,
    "pytorch": pytorch,
    "memory": memory,
}


def bench(names: Sequence[str] = ()) -> Iterator[Row]:
    """Runs the named benchmarks, or all, and yields their rows one by one.

    Raises :class:`~dmmlab.core.errors.LabError` for an unknown name.
    """
    for name in names:
        if name not in BENCHMARKS:
            raise LabError(one_of("benchmark", name, BENCHMARKS))
    if hasattr(os, "sched_setaffinity") and not _accelerator_installed():  # more cores only disturb the timing
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    return (row for name in names or BENCHMARKS for row in BENCHMARKS[name]())


def _accelerator_installed() -> bool:
    """Returns whether an accelerator is installed, without starting JAX.

    JAX's threads keep to the cores that the process has when JAX starts.
    """
    return os.environ.get("JAX_PLATFORMS") != "cpu" and importlib.util.find_spec("jax_plugins") is not None
