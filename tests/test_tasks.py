"""Tasks: the error, descent with every penalty, and what links are worth."""

import copy

import jax
import numpy as np
import pytest

from dmmlab.compiler.weights import count_links, flatten
from dmmlab.core import engine
from dmmlab.core.errors import LabError
from dmmlab.core.vvalues import number
from dmmlab.learning.batches import make_batch
from dmmlab.learning.losses import squared_error
from dmmlab.learning.session import TrainingSession
from dmmlab.machines.networks import feedforward
from dmmlab.problems.catalogue import PROBLEMS
from dmmlab.pruning.network_programs import CACHED, PENALTIES, ProgramCache
from dmmlab.pruning.phases import fit, sparsify
from dmmlab.pruning.pruning import retrain
from dmmlab.pruning.settings import Settings
from dmmlab.pruning.tasks import Task
from dmmlab.pruning.trace import Trace


@pytest.fixture(scope="module")
def task():
    problem = PROBLEMS["duplicates"]
    return Task(problem, feedforward(2, 1), problem.training(0, strings=4, cycles=24))


@pytest.fixture(scope="module")
def weights(task):
    return task.initial_weights(jax.random.key(1), 0.3)


@pytest.mark.slow
def test_the_error_is_relative_to_the_right_answers(task, weights):
    machine, squares, total = task.machine(weights), 0.0, 0.0
    for sample in task.samples:
        answers = engine.answers(machine, sample.streams, sample.cycles)
        scalars = np.array([[number(each.get(name, 0.0)) for each in answers] for name in task.problem.answers])
        total += float(((scalars - sample.targets) ** 2).sum())
        squares += float((sample.targets**2).sum())
    assert task.error(weights) == pytest.approx(total / squares, rel=1e-5)
    assert task.mean_squared_error(weights) == pytest.approx(total / (4 * 24), rel=1e-5)


@pytest.mark.slow
def test_strings_of_different_lengths():
    problem = PROBLEMS["characters"]
    samples = [problem.training(0, strings=1, cycles=n)[0] for n in (10, 24)]
    task = Task(problem, samples=samples)
    weights = [0 * w for w in task.initial_weights(jax.random.key(0))]
    assert task.error(weights) == pytest.approx(1.0)
    assert task.mean_squared_error(weights) == pytest.approx(sum((s.targets**2).sum() for s in samples) / 34, rel=1e-5)


@pytest.mark.slow
def test_lessons_come_before_the_strings():
    problem, network = PROBLEMS["duplicates"], feedforward(2, 1)
    every = [problem.training(0, strings=2, cycles=14 * gap, every=gap) for gap in (1, 2, 5)]
    task, alone = Task(problem, network, every[2], lessons=every[:2]), Task(problem, network, every[2])
    assert [batch.cycles for batch in task.lessons] == [14, 28]
    assert task.fingerprint != alone.fingerprint
    settings, start = (
        Settings(fit_steps=20, ramp_steps=20, cool_steps=20, retrain_steps=20),
        task.initial_weights(jax.random.key(0)),
    )
    rate, l1 = (settings.learning_rate,) * 2, (settings.l1[0],) * 2
    by_hand = start
    for batch in task.lessons:
        by_hand = task.on(batch).descend(by_hand, 20, rate, l1)
    fitted = fit(task, start, settings, trace := Trace())
    assert all(map(np.array_equal, fitted, by_hand))
    assert trace.events[-1].error == pytest.approx(task.on(task.lessons[-1]).error(fitted))
    sparsify(task, fitted, settings, trace, jax.random.key(0))
    assert [event.tried for event in trace.events] == ["", "ramp", "cool", "tidy", "retrain", "70 cycles"]
    assert all(map(np.array_equal, fit(alone, start, settings, Trace()), alone.descend(start, 20, rate, l1)))


@pytest.mark.slow
@pytest.mark.parametrize("penalty", PENALTIES)
def test_descent_learns_and_penalties_shrink(task, weights, penalty):
    free = task.descend(weights, 300, (1e-2, 1e-2), penalty=penalty)
    assert task.error(free) < task.error(weights) / 3
    if penalty != "none":
        shrunk = task.descend(weights, 300, (1e-2, 1e-2), (3e-2, 3e-2), penalty=penalty)
        assert np.abs(flatten(shrunk)).sum() < 0.8 * np.abs(flatten(free)).sum()
    if penalty in ("proximal", "gates"):
        assert count_links(shrunk) < 0.8 * count_links(free)


def test_cut_links_stay_cut(task, weights):
    rng = np.random.default_rng(0)
    mask = [np.asarray(rng.random(w.shape) < 0.5, w.dtype) for w in weights]
    after = task.descend(weights, 20, (1e-2, 1e-2), (1e-3, 1e-3), mask)
    assert all((np.asarray(w)[m == 0] == 0).all() for w, m in zip(after, mask, strict=True))
    assert any(np.asarray(w).any() for w in after)


def test_the_number_of_steps_compiles_nothing_anew(task, weights):
    for steps in (1, 7):
        task.descend(weights, steps, (1e-2, 1e-3), (1e-4, 1e-3))
    traces = task.descent().traces
    task.descend(weights, 11, (1e-1, 1e-3), (1e-5, 1e-3))
    assert task.descent().traces == traces


def test_a_descent_ends_at_the_look_that_is_hopeless(task, weights):
    rate, seen = (1e-2, 1e-2), []

    def is_hopeless(errors):
        seen.append(list(errors))
        return len(errors) == 2

    ended = task.descend(weights, 40, rate, looks=(5, 10, 20, 400), is_hopeless=is_hopeless)
    assert all(map(np.array_equal, ended, task.descend(weights, 10, rate)))
    assert seen == [[errors := task.error(task.descend(weights, 5, rate))], [errors, task.error(ended)]]


def test_training_after_a_cut_ends_early_where_it_will_not_mend_it(task, weights):
    learned = task.descend(weights, 600, (1e-2, 1e-2))
    last = np.zeros_like(learned[-1])
    last.flat[last.size // 2] = 0.1
    ruined = [*(0 * w for w in learned[:-1]), last]
    spared = [np.where(np.abs(w) < 1e-3, 0, w) for w in learned]
    steps = []

    def descend(start, count, *arguments, looks=(), is_hopeless=None):
        def noted(errors):
            steps[-1] = looks[len(errors) - 1] if is_hopeless(errors) else steps[-1]
            return is_hopeless(errors)

        steps.append(count)
        return Task.descend(task, start, count, *arguments, looks=looks, is_hopeless=noted)

    watched = copy.copy(task)
    watched.descend = descend
    for after in (ruined, spared):
        retrain(watched, after, Settings(), learned)
    assert steps == [50, 300]


def test_ablation_errors_are_those_of_taking_links_away(task, weights):
    worth = flatten(task.ablation_errors(weights))
    array = flatten(weights)
    assert np.isinf(worth[array == 0]).all()
    machine = task.machine(weights)
    links = [link for link in machine.links() if not link.hard][:3]
    for link in links:
        without = task.weights(machine.unlink(f"{link[0]}.{link[1]}", f"{link[2]}.{link[3]}"))
        place = np.nonzero((array != 0) & (flatten(without) == 0))[0]
        assert worth[place] == pytest.approx(task.error(without), rel=1e-4)


def test_links_by_their_place(task, weights):
    array, machine = flatten(weights), task.machine(weights)
    by_name = {str(link): link.weight for link in machine.links() if not link.hard}
    assert {name: array[place] for place, name in task.links.items() if array[place]} == pytest.approx(by_name)


def alone(task, sample):
    """One string of a task, as a batch."""
    return make_batch(task.compiled, [sample.streams], [sample.targets])


def test_saliency_is_the_mean_square_of_the_gradient_of_each_string(task, weights):
    gradient = jax.jit(jax.grad(lambda weights, string: squared_error(task.compiled, weights, string)))
    saliency = flatten(task.saliency(weights))
    total = np.zeros_like(saliency)
    squares = sum(float((s.targets**2).sum()) for s in task.samples)
    for sample in task.samples:
        slope = flatten(gradient(weights, alone(task, sample).string(0)))
        total += (flatten(weights) * slope / squares) ** 2 / len(task.samples)
    assert saliency == pytest.approx(total, rel=1e-3, abs=1e-12)
    assert (saliency > 0).any()


def test_errors_of_strings_alone_are_relative_to_their_own_targets(task, weights):
    squares = [float((sample.targets**2).sum()) for sample in task.samples]
    errors = [float(task.descent("none").error(weights, alone(task, sample))) for sample in task.samples]
    assert 0 in squares  # then an error is not relative
    total = np.dot(errors, [each or 1.0 for each in squares])
    assert total / sum(squares) == pytest.approx(task.error(weights), rel=1e-5)
    assert len(set(errors)) == len(errors)


def test_a_session_and_a_task_share_a_compiled_loop(task, weights):
    """So that an explorer compiles it once."""
    task.descend(weights, 2, (1e-2, 1e-3), (1e-4, 1e-3))
    traces = task.descent().traces
    TrainingSession(task.descent(), task.batch, weights, 1e-2, 1e-4).advance(3)
    assert task.descent().traces == traces


def test_unknown_penalty(task, weights):
    with pytest.raises(LabError, match="unknown penalty 'proximall'; did you mean 'proximal'"):
        task.descend(weights, 1, (1.0, 1.0), penalty="proximall")


def test_what_is_compiled_serves_all_strings_of_a_network():
    """The same network made twice, with other strings: nothing is traced anew, and the results are those of its strings."""
    problem = PROBLEMS["duplicates"]
    one, other = (Task(problem, feedforward(2, 1, sources=problem.sources), seed=seed) for seed in (1, 2))
    assert one.programs is other.programs
    assert not np.array_equal(one.batch.targets, other.batch.targets)
    weights = one.initial_weights(jax.random.key(0), 0.3)
    traces = one.descent().traces
    first = [task.descend(weights, 3, (1e-2, 1e-2)) for task in (one, other)]
    assert one.descent().traces == traces + 1
    assert not np.array_equal(flatten(first[0]), flatten(first[1]))
    for task in (one, other):
        assert task.saliency(weights)[0].shape == weights[0].shape
        assert np.isclose(flatten(task.ablation_errors([0 * w for w in weights])), np.inf).all()
    with jax.enable_x64(True):
        assert Task(problem, feedforward(2, 1, sources=problem.sources), seed=1).programs is not one.programs


def test_the_last_networks_are_kept():
    made, problem = [], PROBLEMS["sum"]

    def make(machine, keys, whole):
        made.append(machine.count())
        return made[-1]

    kept = ProgramCache(make)
    machines = [feedforward(n, 1).random(jax.random.key(0)) for n in range(1, CACHED + 2)]
    keys = {"input": problem.training(0)[0].streams["input"]} if "input" in problem.inputs else {}
    for machine in (*machines, machines[-1], machines[0]):
        assert kept(machine, keys) == machine.count()
    assert made == [machine.count() for machine in (*machines, machines[0])]
    kept.clear()
    kept(machines[0], keys)
    assert len(made) == CACHED + 3
