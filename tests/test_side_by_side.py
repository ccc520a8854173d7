"""Descents that threads run as one are each as alone, and nobody waits for those who do not come."""

import threading
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dmmlab as dm
from dmmlab.core.neurons import answering
from dmmlab.learning.side_by_side import SideBySide
from dmmlab.learning.training_loop import constantly
from dmmlab.pruning import Task
from dmmlab.search import search

SPANS = ((1e-2, 1e-3), (1e-6, 1e-5))


@pytest.fixture(scope="module")
def task():
    return Task(dm.PROBLEMS["characters"], dm.feedforward(2, 1, outputs=answering(("answer",))))


def descents(task, i):
    """What one thread does: two descents, the second shorter and of a part of the links; thread 2 only the first."""
    weights = task.descend(task.initial_weights(jax.random.key(i)), 60 + 20 * i, *SPANS)
    if i == 2:
        return weights
    return task.descend(weights, 30, *SPANS, mask=[m.at[0].set(0.0) for m in task.mask])


def together(task, work, count):
    task.together = SideBySide(count)

    def one(i):
        try:
            return work(task, i)
        finally:
            task.together.leave()

    try:
        with ThreadPoolExecutor(count) as pool:
            return [future.result(timeout=120) for future in [pool.submit(one, i) for i in range(count)]]
    finally:
        task.together = None


def test_each_is_as_alone(task):
    alone = [descents(task, i) for i in range(4)]
    traces = task.descent().traces
    both = [together(task, descents, 4) for _ in range(2)]
    assert task.descent().traces == traces + 1  # one program for four, three and less
    for ours, again, theirs in zip(*both, alone, strict=True):
        for w, same, expected in zip(ours, again, theirs, strict=True):
            np.testing.assert_array_equal(w, same)
            np.testing.assert_allclose(w, expected, rtol=1e-3, atol=1e-4)


def test_a_single_thread_runs_what_it_would_run_alone(task):
    (ours,) = together(task, descents, 1)
    for w, expected in zip(ours, descents(task, 0), strict=True):
        np.testing.assert_array_equal(w, expected)


def test_an_error_is_told_to_those_who_ran_it_and_to_no_other(task):
    class Broken:
        def run_each(self, *arguments):
            raise FloatingPointError("broken")

    broken = Broken()

    def work(task, i):
        loop, steps = (task.descent() if i < 2 else broken), 5
        state = task.descent().initial_state(task.initial_weights(jax.random.key(i)))
        rates = constantly(1e-2), {"l1": constantly(0.0)}
        try:
            return task.together.run(loop, state, task.batch, task.mask, jnp.asarray(steps), *rates, None).step
        except FloatingPointError as error:
            return str(error)

    assert together(task, work, 4) == [5, 5, "broken", "broken"]


def test_who_is_stopped_does_not_wait(task):
    meeting, stop = SideBySide(2), threading.Event()
    loop, state = task.descent(), task.descent().initial_state(task.mask)
    stop.set()
    assert meeting.run(loop, state, task.batch, task.mask, stop=stop) is None


@pytest.mark.slow
def test_a_synthesis_with_all_restarts_in_one_program(monkeypatch):
    """As on an accelerator."""
    sizes, run = [], SideBySide._run
    monkeypatch.setattr(search, "on_accelerator", lambda: True)
    monkeypatch.setattr(SideBySide, "_run", lambda self, descents: (sizes.append(len(descents)), run(self, descents))[1])
    problem = dm.PROBLEMS["characters"]
    task = Task(problem, dm.feedforward(2, 1, outputs=answering(("answer",))), seed=3)
    settings = dm.Settings(restarts=4, agreeing=2, ramp_steps=1000, cool_steps=500)
    found = dm.synthesize(problem, seed=3, task=task, settings=settings)
    assert found.best.exact
    assert task.together is None
    assert max(sizes) == 4
