"""Memory benchmarks: peak memory of a training process, with a new process for each run."""

import re
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

from ..core.errors import LabError
from ..core.streams import characters
from ..june2022.replay import RUNS, STRING, prepare
from ..learning.batches import imitation_batch
from ..learning.training import descent_for
from ..machines.detectors import handcrafted
from .compiled_machines import training_steps
from .measurement import Row, median, numbers_of_another_process


def memory() -> Iterator[Row]:
    for run, cycles in (("feedforward-run-3", 140), ("feedforward-run-3", 10_000), ("recurrent", 140)):
        seconds, problem = numbers_of_another_process(__spec__.name, run, str(cycles))
        if seconds is None:
            raise LabError(f"benchmark 'memory': {run}: {problem}")
        note = f"peak memory {seconds[0]:.0f} MB, {seconds[1]:.0f} MB of it before compiling"
        yield Row(f"training step, {run}, {cycles} cycles", seconds[2], "", None, None, note=note)


def _memory(run: str, cycles: int) -> list[float]:
    compiled, _ = prepare(run, "exact")
    batch = imitation_batch(compiled, [characters(STRING)], cycles, handcrafted())
    descent = descent_for(compiled, RUNS[run].regularizers)
    before = _peak_memory()
    step, _ = median(training_steps(descent, batch, 10), 10, repeats=3)
    return [_peak_memory(), before, step * 1e3]


def _peak_memory() -> float:
    """Returns the peak memory of this process, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count the memory of the parent process
        return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 1e3  # type: ignore[index]
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


if __name__ == "__main__":
    print(*_memory(sys.argv[1], int(sys.argv[2])))
