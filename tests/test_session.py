"""TrainingSession training: what was done can be done again, bit for bit, and a schedule from a stranger does no harm."""

import json

import jax
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from dmmlab.compiler.weights import flatten
from dmmlab.core.errors import LabError
from dmmlab.core.files import read_json
from dmmlab.learning.session import EVERY, MOST_STEPS, TrainingSession, replay_schedule
from dmmlab.machines.detectors import published
from dmmlab.machines.networks import feedforward
from dmmlab.problems.catalogue import PROBLEMS
from dmmlab.pruning.tasks import Task

BIG = 10**4000
TWICE = [{"checkpoint": 1}, {"checkpoint": 2}]
STRANGERS = [
    *([act] for act in (3, None, "steps", [], {}, ["rate", 1.0], {"steps": 1, "rate": 1}, {"stepz": 1}, {3: 1}, {"x" * 10**5: 1})),
    *([{"steps": amount}] for amount in ("1", [1], {"a": {"b": 1}}, None, True, 0, -1, 1.5, MOST_STEPS + 1, BIG, np.nan, "9" * 10**5)),
    *([{"rate": amount}] for amount in (-1, np.nan, np.inf, BIG, 1e300, [[[]]])),
    *([{"l1": amount}] for amount in (-1e-9, "0", BIG, -BIG)),
    *([{"cut": amount}] for amount in (0, -5, 2.0, BIG)),
    *([*TWICE, {"back": amount}] for amount in (0, 3, -1, 1.5, 1.0, np.nan, "1", BIG)),
    [{"back": 1}],
    *({"steps": 1}, "steps", 5, None),
]  # fmt: skip

acts = st.lists(
    st.builds(lambda n: ("advance", n), st.integers(1, 25))
    | st.builds(lambda x: ("set_learning_rate", x), st.sampled_from([0.0, 1e-3, 1e-2, 0.1]))
    | st.builds(lambda x: ("set_l1", x), st.sampled_from([0.0, 1e-4, 1e-2]))
    | st.builds(lambda n: ("cut", n), st.integers(1, 6))
    | st.just(("checkpoint",))
    | st.builds(lambda n: ("back", n), st.integers(1, 3)),
    max_size=8,
)


@pytest.fixture(scope="module")
def task():
    problem = PROBLEMS["duplicates"]
    return Task(problem, feedforward(2, 1), problem.training(0, strings=4, cycles=24))


@pytest.fixture(scope="module")
def weights(task):
    return task.initial_weights(jax.random.key(1), 0.3)


@pytest.fixture
def begin(task, weights):
    def begin(**options):
        return TrainingSession(task.descent(), task.batch, weights, **options)

    return begin


def same(one, other):
    """Bit for bit. Steps that were done in two acts are done again in one, so that a loss between them is not measured."""
    return set(other.losses) <= set(one.losses) and all(
        np.array_equal(a, b) for a, b in zip(jax.tree.leaves((one.weights, one.mask, one._state)), jax.tree.leaves((other.weights, other.mask, other._state)), strict=True)
    )  # fmt: skip


@given(acts)
@settings(max_examples=5)
def test_a_replay_is_bit_for_bit_the_same(task, weights, acts):
    training = TrainingSession(task.descent(), task.batch, weights, learning_rate=3e-2)
    for name, *amount in acts:
        if name != "back" or amount[0] <= len(training.checkpoints):
            getattr(training, name)(*amount)
    again = replay_schedule(task.descent(), task.batch, weights, json.loads(json.dumps(training.schedule)))
    assert same(training, again)
    assert again.schedule == training.schedule
    assert (again.steps, again.cuts, again.returns, again.links) == (
        training.steps,
        training.cuts,
        training.returns,
        training.links,
    )


def test_advances_that_are_split_are_one(begin):
    once, split = begin(), begin()
    once.advance(47)
    for steps in (3, 1, 20, 16, 7):
        split.advance(steps)
    assert np.array_equal(flatten(once.weights), flatten(split.weights))
    assert once.schedule == split.schedule == [{"rate": 1e-2}, {"l1": 0.0}, {"steps": 47}]
    whole = [(step, loss) for step, loss in split.losses if step % EVERY == 0 or step == 47]
    assert once.losses == whole
    assert [step for step, _ in once.losses] == [0, 10, 20, 30, 40, 47]


def test_it_descends_and_losses_are_those_of_the_task(begin, task, weights):
    training = begin()
    training.advance(200)
    assert training.losses[0] == (0, task.error(weights))
    assert training.losses[-1] == (200, task.error(training.weights))
    assert training.losses[-1][1] < training.losses[0][1] / 2


def test_the_rate_and_the_penalty_are_heeded(begin):
    still, shrunk = begin(learning_rate=0.0), begin(l1=1e-2)
    before = flatten(still.weights)
    still.advance(20)
    assert np.array_equal(flatten(still.weights), before)
    shrunk.advance(200)
    assert shrunk.links < still.links
    shrunk.set_l1(0)
    assert shrunk.l1 == 0.0
    assert shrunk.schedule[-1] == {"l1": 0.0}


def test_cuts_are_of_the_smallest_and_for_good(begin):
    training = begin()
    training.advance(7)
    before, links = flatten(training.weights).copy(), training.links
    training.cut(20)
    after = flatten(training.weights)
    gone = (before != 0) & (after == 0)
    assert gone.sum() == 20 == links - training.links
    assert np.abs(before[gone]).max() <= np.abs(before[after != 0]).min()
    assert np.array_equal(after[after != 0], before[after != 0])
    training.advance(30)
    assert (flatten(training.weights)[gone] == 0).all()
    training.cut(MOST_STEPS)
    training.advance(5)
    assert training.links == 0
    assert training.machine.count() == 0
    assert training.cuts == [7, 37]


def test_what_the_penalty_has_driven_to_zero_is_cut_with_the_rest(begin):
    training = begin(l1=1e-2)
    training.advance(150)
    zero = flatten(training.weights) == 0
    training.cut(1)
    training.set_l1(0)
    training.advance(20)
    assert (flatten(training.weights)[zero] == 0).all()


def test_back_to_a_checkpoint(begin):
    training = begin()
    training.advance(12)
    weights, loss = flatten(training.weights), training.losses[-1][1]
    assert training.checkpoint() == 1
    training.set_learning_rate(0.1)
    training.advance(8)
    training.cut(30)
    training.back(1)
    assert np.array_equal(flatten(training.weights), weights)
    assert training.losses[-1] == (20, loss)
    assert (training.steps, training.learning_rate) == (20, 0.1)
    training.advance(10)
    assert np.count_nonzero(flatten(training.weights)) == np.count_nonzero(weights)  # the cut was taken back, too


def test_cuts_are_taken_back(begin):
    training = begin()
    with pytest.raises(LabError, match="there is no cut to take back"):
        training.undo()
    training.advance(12)
    stages = [(flatten(training.weights), training.links)]
    for links in (20, 30):
        training.cut(links)
        training.advance(3)
        stages.append((flatten(training.weights), training.links))
    assert [each.links for each in training.checkpoints] == [links for _, links in stages[:2]]
    assert str(training.checkpoints[0]) == f"{stages[0][1]} links, loss {training.losses[2][1]:.2g}"
    assert str(training.checkpoints[0]._replace(links=1, loss=1.84e-8)) == "1 link, loss 1.8e-8"
    assert training.undo() == "the cut at step 15"
    assert np.array_equal(flatten(training.weights), stages[1][0])
    assert training.undo() == "the cut at step 12"
    assert np.array_equal(flatten(training.weights), stages[0][0])
    training.advance(10)
    trained = flatten(training.weights)
    assert np.count_nonzero(trained) == stages[0][1]
    training.back(2)
    assert np.array_equal(flatten(training.weights), stages[1][0])
    assert training.undo() == "going back at step 28"
    assert np.array_equal(flatten(training.weights), trained)


def test_a_cut_right_after_a_checkpoint_keeps_no_second_one(begin):
    training = begin()
    training.checkpoint()
    training.cut(5)
    assert len(training.checkpoints) == 1
    training.cut(5)
    assert len(training.checkpoints) == 2
    with pytest.raises(LabError, match="cut 0"):
        training.cut(0)
    assert len(training.checkpoints) == 2
    assert training.schedule[-3:] == [{"cut": 5}, {"checkpoint": 2}, {"cut": 5}]


def test_a_schedule_from_before_cuts_kept_checkpoints_is_done_as_it_was(task, weights):
    acts = [{"rate": 1e-2}, {"l1": 0.0}, {"steps": 5}, {"cut": 20}, {"checkpoint": 1}, {"cut": 5}, {"back": 1}]
    again = replay_schedule(task.descent(), task.batch, weights, acts)
    assert again.links == np.count_nonzero(flatten(weights)) - 20
    assert again.schedule == acts


def test_a_schedule_as_a_file(tmp_path, begin, task, weights):
    training = begin(learning_rate=1 / 3)
    training.advance(33)
    training.set_l1(1e-4 / 7)
    training.cut(2)
    training.advance(1)
    training.save_schedule(tmp_path / "schedule.json")
    assert read_json(tmp_path / "schedule.json") == training.schedule
    assert same(replay_schedule(task.descent(), task.batch, weights, read_json(tmp_path / "schedule.json")), training)
    with pytest.raises(LabError, match="cannot be written"):
        training.save_schedule(tmp_path / "no" / "schedule.json")


@pytest.mark.parametrize("schedule", STRANGERS, ids=range(len(STRANGERS)))
def test_schedules_from_strangers_are_refused_in_one_line(task, weights, schedule):
    with pytest.raises(LabError) as error:
        replay_schedule(task.descent(), task.batch, weights, schedule)
    assert "\n" not in str(error.value)
    assert 0 < len(str(error.value)) < 300


def test_an_act_that_cannot_be_is_told_by_its_number(task, weights):
    with pytest.raises(
        LabError, match=r"act 2, .*stepz.*: expected one of steps, rate, l1, cut, checkpoint, back, with a number"
    ):
        replay_schedule(task.descent(), task.batch, weights, [{"rate": 1.0}, {"stepz": 1}])


def test_a_schedule_without_rate_and_penalty_begins_with_the_usual_ones(task, weights):
    again = replay_schedule(task.descent(), task.batch, weights, [{"steps": 2}])
    assert again.schedule == [{"rate": 1e-2}, {"l1": 0.0}, {"steps": 2}]
    assert replay_schedule(task.descent(), task.batch, weights, []).steps == 0


def test_training_that_explodes_keeps_the_weights_before(begin):
    training = begin()
    training.advance(10)
    before, schedule, losses = flatten(training.weights), json.dumps(training.schedule), list(training.losses)
    training.set_learning_rate(1e30)
    with pytest.raises(LabError, match="step 20: the loss is no longer finite; a smaller rate may help"):
        training.advance(10)
    assert np.array_equal(flatten(training.weights), before)
    assert training.losses == losses
    assert json.loads(schedule) == training.schedule[:-1]
    training.set_learning_rate(1e-2)
    training.advance(10)
    assert np.isfinite(training.losses[-1][1])


def test_a_machine_can_be_attended_to(task):
    problem = PROBLEMS["duplicates"]
    small = Task(problem, published(), problem.training(0, strings=2, cycles=12))
    training = TrainingSession(small.descent(), small.batch, small.weights(published()))
    assert (training.links, training.steps, training.checkpoints) == (19, 0, [])
    assert {str(link) for link in training.machine.links()} == {str(link) for link in published().links()}
