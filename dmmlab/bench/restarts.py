"""Benchmarks of synthesis: many strings at once, and many starts.

A step is one of :meth:`dmmlab.synthesis.tasks.Task.descend` for the duplicate detector: 1486 weights, 8 strings of 40 cycles.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp

from ..synthesis.problems import PROBLEMS
from ..synthesis.tasks import Task
from .measurement import Row, median, row

STEPS, STARTS = 300, 8
SPANS = ((1e-2, 1e-2), (1e-6, 1e-5))  # learning rate, penalty


def starts() -> Iterator[Row]:
    """A step of each of eight starts: threads beside a loop and vmap inside the compiled program."""
    task = Task(PROBLEMS["duplicates"])
    weights = [task.start(jax.random.key(i)) for i in range(STARTS)]
    stacked = [jnp.stack(ws) for ws in zip(*weights, strict=True)]
    steps, rate, l1 = jnp.asarray(STEPS), jnp.asarray(SPANS[0]), jnp.asarray(SPANS[1])

    def one(ws: list) -> list:
        return task._descend(ws, task.mask, steps, rate, l1, penalty="proximal")

    loop, vmapped = jax.jit(lambda ws: jax.lax.map(one, ws)), jax.jit(jax.vmap(one))
    in_turn, first = median(lambda: [task.descend(ws, STEPS, *SPANS) for ws in weights], STEPS * STARTS, 3)
    peers = {
        "a loop over starts in the compiled program": median(lambda: loop(stacked), STEPS * STARTS, 3)[0],
        "vmap over starts": median(lambda: vmapped(stacked), STEPS * STARTS, 3)[0],
    }
    for peer, theirs in peers.items():
        yield row("synthesis, step of a start, one after the other", in_turn, peer, theirs, compile_s=first)
    both = subprocess.run([sys.executable, "-m", "dmmlab.bench.restarts"], capture_output=True, text=True, timeout=600)
    alone, side_by_side = (float(text) for text in both.stdout.split())
    note = f"{os.cpu_count()} threads on {os.cpu_count()} cores"
    yield row("synthesis, step of a start, side by side", side_by_side, "one after the other", alone, note=note)


def _side_by_side() -> tuple[float, float]:
    """Seconds of a step of a start, one after the other and side by side, on all cores."""
    task = Task(PROBLEMS["duplicates"])
    weights = [task.start(jax.random.key(i)) for i in range(STARTS)]

    def one(ws: list) -> list:
        return jax.block_until_ready(task.descend(ws, STEPS, *SPANS))

    in_turn, _ = median(lambda: [one(ws) for ws in weights], STEPS * STARTS, 5)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return in_turn, median(lambda: list(pool.map(one, weights)), STEPS * STARTS, 5)[0]


if __name__ == "__main__":
    if hasattr(os, "sched_setaffinity"):  # the benchmarks keep to one core, and JAX's threads to that of their process
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    print(*_side_by_side())
