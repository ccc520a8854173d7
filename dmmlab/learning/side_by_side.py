"""Descents of several threads as one program, by ``vmap``: each waits until all have come.

For an accelerator, on which eight small descents take the time of one. On a CPU threads are faster
(``dmmlab bench restarts``).
"""

import threading
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from .batches import Batch
from .training_loop import DescentState, GradientDescent

LOOK = 0.25  # seconds between two looks whether to stop


@dataclass(eq=False)
class _Descent:
    """A descent that waits for others: ``arguments`` are those of ``run``, without the batch."""

    loop: GradientDescent
    batch: Batch
    arguments: tuple[Any, ...]
    result: DescentState | None = None
    error: BaseException | None = None

    @property
    def alike(self) -> tuple[Any, ...]:
        """What those have in common that can run as one."""
        leaves = jax.tree.leaves(self.arguments)
        return id(self.loop), *map(id, jax.tree.leaves(self.batch)), *((jnp.shape(x), jnp.result_type(x)) for x in leaves)


class SideBySide:
    """Where threads meet to run their descents as one.

    A descent begins when each of the threads has come to one, or has left. So which run together
    depends on what the threads do, not on how fast they are. Every thread has to :meth:`leave`.

    Args:
        threads: how many there are.
    """

    def __init__(self, threads: int):
        self.lanes = self._members = threads
        self._waiting: list[_Descent] = []
        self._changed = threading.Condition()

    def leave(self) -> None:
        """A thread comes no more."""
        with self._changed:
            self._members -= 1
            self._run_if_all_are_here()

    def run(
        self, loop: GradientDescent, state: DescentState, batch: Batch, *arguments: Any, stop: threading.Event | None = None
    ) -> DescentState | None:
        """As ``loop.run(state, batch, *arguments)``, together with the other threads' descents.

        Args:
            loop: the training loop.
            state: before the first step.
            batch: the strings.
            arguments: the others of :meth:`GradientDescent.run_pure`.
            stop: set it, from another thread, to end the waiting.

        Returns:
            The state after the last step; None if it was stopped while it waited.
        """
        mine = _Descent(loop, batch, (state, *arguments))
        with self._changed:
            self._waiting.append(mine)
            self._run_if_all_are_here()
            while mine in self._waiting:
                self._changed.wait(LOOK)
                if stop is not None and stop.is_set() and mine in self._waiting:
                    self._waiting.remove(mine)
        if mine.error is not None:
            raise mine.error
        return mine.result

    def _run_if_all_are_here(self) -> None:
        if not self._waiting or len(self._waiting) < self._members:
            return
        kinds: dict[tuple[Any, ...], list[_Descent]] = {}
        for descent in self._waiting:
            kinds.setdefault(descent.alike, []).append(descent)
        for descents in kinds.values():
            try:
                self._run(descents)
            except BaseException as error:  # each thread is told
                for descent in descents:
                    descent.error = error
        self._waiting.clear()
        self._changed.notify_all()

    def _run(self, descents: list[_Descent]) -> None:
        """One program for any number of descents: what is missing is the last once more."""
        loop, batch = descents[0].loop, descents[0].batch
        if len(descents) == 1:
            state, *rest = descents[0].arguments
            descents[0].result = jax.block_until_ready(loop.run(state, batch, *rest))
            return
        lanes = [*descents, *descents[-1:] * (self.lanes - len(descents))]
        state, *rest = jax.tree.map(lambda *xs: jnp.stack([jnp.asarray(x) for x in xs]), *(each.arguments for each in lanes))
        states = jax.block_until_ready(loop.run_each(state, batch, *rest))
        for i, descent in enumerate(descents):
            descent.result = jax.tree.map(lambda x, i=i: x[i], states)
