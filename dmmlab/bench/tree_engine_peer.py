"""The tree engine as a peer: V-values of scalars, uncompiled, or unrolled and compiled."""

import resource
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax

from ..compiler.compiled import Compiled
from ..core.engine import answers
from ..core.streams import characters
from ..core.vvalues import add, number, scale
from ..june2022.replay import STRING
from ..learning.batches import imitation_batch
from ..learning.losses import squared_error
from ..machines.detectors import handcrafted
from .compiled_machines import run_3
from .measurement import MEMORY_LIMIT, Row, median, numbers_of_another_process, row


def trees() -> Iterator[Row]:
    compiled, _ = run_3()
    for cycles in (5, 140):
        batch = imitation_batch(compiled, [characters(STRING)], cycles, handcrafted())
        string = batch.string(0)
        ours, first = median(partial(jax.jit(jax.value_and_grad(partial(squared_error, compiled))), compiled.weights(), string))
        if cycles == 5:
            started = time.perf_counter()
            jax.value_and_grad(tree_loss(compiled, cycles))(compiled.machine.soft)
            theirs = time.perf_counter() - started
            yield row(f"loss and gradient, {cycles} cycles", ours, "tree engine, JAX not compiled", theirs, compile_s=first)
        else:
            started = time.perf_counter()
            tree_loss(compiled, cycles)(compiled.machine.soft)
            theirs = time.perf_counter() - started
            forward, _ = median(partial(jax.jit(partial(squared_error, compiled)), compiled.weights(), string))
            yield row(f"loss alone, {cycles} cycles", forward, "tree engine, plain Python", theirs)
    seconds, problem = numbers_of_another_process(__spec__.name)
    batch = imitation_batch(compiled, [characters(STRING)], 2, handcrafted())
    string = batch.string(0)
    ours, _ = median(partial(jax.jit(jax.value_and_grad(partial(squared_error, compiled))), compiled.weights(), string))
    note = problem if seconds is None else f"the peer compiles for {seconds[0]:.1f} s"
    theirs_at_2 = None if seconds is None else seconds[1]
    yield row("loss and gradient, 2 cycles", ours, "trees of scalars unrolled under jit", theirs_at_2, note=note)


def tree_loss(compiled: Compiled, cycles: int) -> Callable[[Any], Any]:
    """Returns the tree engine's squared error, as a function of the tree of weights."""
    stream = characters(STRING)
    targets = answers(handcrafted(), stream, cycles)

    def loss(soft: Any) -> Any:
        total = 0.0
        for answer, target in zip(answers(compiled.machine.with_soft(soft), stream, cycles), targets, strict=True):
            difference = add(answer, scale(-1.0, target))
            total = total + sum(number(difference.get(field, 0.0)) ** 2 for _, field in compiled.answer_ports)
        return total

    return loss


def _unrolled() -> list[float]:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    compiled, _ = run_3()
    soft = compiled.machine.soft
    run = jax.jit(jax.value_and_grad(tree_loss(compiled, 2)))
    once, first = median(lambda: run(soft), repeats=5)
    return [first, once]


if __name__ == "__main__":
    print(*_unrolled())
