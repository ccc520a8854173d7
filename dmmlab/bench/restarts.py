"""Benchmarks of a synthesis with many restarts.

A step is a step of :meth:`dmmlab.pruning.tasks.Task.descend` for the duplicate detector: 1486
weights, 8 strings of 40 cycles.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp

from ..core.errors import LabError
from ..learning.training_loop import Schedule
from ..problems.catalogue import PROBLEMS
from ..pruning.tasks import Task
from .measurement import Row, median, numbers_of_another_process, row

STEPS, RESTARTS = 300, 8
SPANS = ((1e-2, 1e-2), (1e-6, 1e-5))  # learning rate, penalty


def restarts() -> Iterator[Row]:
    """Compares ways to run eight restarts, per step: in turn, threads, a compiled loop, vmap."""
    task = Task(PROBLEMS["duplicates"])
    weights = [task.initial_weights(jax.random.key(i)) for i in range(RESTARTS)]
    stacked = [jnp.stack(ws) for ws in zip(*weights, strict=True)]
    descent, steps = task.descent(), jnp.asarray(STEPS)
    learning_rate, l1 = (Schedule(*map(jnp.asarray, span), steps) for span in SPANS)  # type: ignore[call-arg]

    def descend(ws: list) -> list:
        state = descent.initial_state(ws)
        return descent.run_pure(state, task.batch, task.mask, steps, learning_rate, {"l1": l1}).parameters

    loop, vmapped = jax.jit(lambda ws: jax.lax.map(descend, ws)), jax.jit(jax.vmap(descend))
    in_turn, first = median(lambda: [task.descend(ws, STEPS, *SPANS) for ws in weights], STEPS * RESTARTS, 3)
    peers = {
        "a loop over restarts in the compiled program": median(lambda: loop(stacked), STEPS * RESTARTS, 3)[0],
        "vmap over restarts": median(lambda: vmapped(stacked), STEPS * RESTARTS, 3)[0],
    }
    for peer, theirs in peers.items():
        yield row("synthesis, step of a restart, one after the other", in_turn, peer, theirs, compile_s=first)
    both, problem = numbers_of_another_process(__spec__.name)
    if both is None:
        raise LabError(f"benchmark 'restarts': {problem}")
    alone, side_by_side = both
    note = f"{os.cpu_count()} threads on {os.cpu_count()} cores"
    yield row("synthesis, step of a restart, side by side", side_by_side, "one after the other", alone, note=note)


def _side_by_side() -> tuple[float, float]:
    """Returns seconds per step of a restart, in turn and in parallel, on all cores."""
    task = Task(PROBLEMS["duplicates"])
    weights = [task.initial_weights(jax.random.key(i)) for i in range(RESTARTS)]

    def descend(ws: list) -> list:
        return jax.block_until_ready(task.descend(ws, STEPS, *SPANS))

    in_turn, _ = median(lambda: [descend(ws) for ws in weights], STEPS * RESTARTS, 5)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return in_turn, median(lambda: list(pool.map(descend, weights)), STEPS * RESTARTS, 5)[0]


if __name__ == "__main__":
    if hasattr(os, "sched_setaffinity"):  # benchmarks run on one core; JAX's threads would stay on it
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    print(*_side_by_side())
