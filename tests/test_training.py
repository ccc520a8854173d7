"""Training: losses and regularizers, what is kept, checkpoints, and trainings that explode, are stopped or are many."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dmmlab.bench import compiled_machines
from dmmlab.compiler.compilation import compile_machine
from dmmlab.core.errors import LabError
from dmmlab.core.streams import characters
from dmmlab.june2022.replay import initial_machine, prepare
from dmmlab.learning.batches import imitation_batch, make_batch
from dmmlab.learning.losses import l1, l2, row_sum, squared_error
from dmmlab.learning.objectives import Imitation
from dmmlab.learning.training import NotFinite, TrainingError, descent_for, train
from dmmlab.learning.training_loop import constantly
from dmmlab.machines.detectors import handcrafted, imitation_error, published
from dmmlab.machines.networks import feedforward


@pytest.fixture(scope="module")
def small():
    compiled = compile_machine(initial_machine(feedforward(2, 1), 0.3), characters("ab."))
    return compiled, imitation_batch(compiled, [characters("ab.a", period=3)], 20, handcrafted())


@pytest.fixture(scope="module")
def descent(small):
    """The loop of a training without regularizers, compiled once for all tests."""
    return descent_for(small[0])


@pytest.fixture(scope="module")
def l1_descent(small):
    return descent_for(small[0], {"l1": 0.01})


def loss_of(compiled, weights, batch):
    """By a program that is compiled at once: operation by operation takes longer."""
    return float(jax.jit(lambda weights: squared_error(compiled, weights, batch))(weights))


def test_the_loss_is_that_of_the_published_tests():
    compiled = compile_machine(published(), characters("test string."))
    batch = imitation_batch(compiled, [characters("test string.")], 140, handcrafted())
    for strings in (batch, batch.string(0)):
        loss = loss_of(compiled, compiled.weights(), strings)
        assert loss == pytest.approx(imitation_error(published(), characters("test string."), 140).loss, rel=1e-4)


@pytest.mark.slow
def test_regularizers():
    compiled = compile_machine(handcrafted(), characters("a."))
    weights = [2.0 * w for w in compiled.weights()]
    assert float(l1(compiled, weights)) == 16.0
    assert float(l2(compiled, weights)) == 32.0
    assert float(row_sum(compiled, weights)) == 8.0  # eight inputs, each with a sum of 2
    assert float(row_sum(compiled, compiled.weights())) == 0.0


@pytest.mark.parametrize("optimizer", [optax.adam(1e-2), optax.sgd(1e-6, momentum=0.9), optax.rmsprop(1e-3)], ids=["adam", "sgd", "rmsprop"])  # fmt: skip
def test_training_lowers_the_loss_with_any_optimizer(small, optimizer):
    history = train(*small, 60, optimizer=optimizer, regularizers={"l1": 1e-3, "l2": 1e-3}).history
    assert history["loss"][-1] < history["loss"][0]
    assert set(history) == {"loss", "l1", "l2"}


@pytest.mark.slow
def test_adam_of_optax_is_the_adam_that_is_left_out(small, descent):
    ours = train(*small, 20, learning_rate=1e-2, descent=descent).history["loss"]
    assert train(*small, 20, optimizer=optax.adam(1e-2)).history["loss"] == pytest.approx(ours, rel=1e-4)


@pytest.mark.slow
def test_several_strings_of_different_lengths_are_a_sum(small, descent):
    compiled, _ = small
    streams, lengths = [characters("ab.", period=4), characters("b", period=2), characters("aab.", period=1)], [12, 7, 30]
    together = imitation_batch(compiled, streams, lengths, handcrafted())
    assert (together.strings, together.cycles) == (3, 30)
    alone = [
        loss_of(compiled, compiled.weights(), imitation_batch(compiled, [stream], cycles, handcrafted()))
        for stream, cycles in zip(streams, lengths, strict=True)
    ]
    assert train(compiled, together, 1, descent=descent).history["loss"][0] == pytest.approx(sum(alone), rel=1e-5)


def test_what_is_not_asked_does_not_count(small, descent):
    """Targets that are NaN, and the cycles that fill up a shorter string."""
    compiled, batch = small
    targets = np.array(batch.targets[:, 0])
    asked = targets.copy()
    asked[0, 5:] = asked[1] = np.nan
    partly = make_batch(compiled, [characters("ab.a", period=3)], [asked])
    assert np.asarray(partly.loss_mask).sum() == 5
    wrong = np.asarray(jax.jit(compiled.scalar_answers)(compiled.weights(), batch.inputs))[:, 0] - targets
    error = float(descent.error(compiled.weights(), partly))
    assert error == pytest.approx(float((wrong[0, :5] ** 2).sum()), rel=1e-5)


@pytest.mark.slow
def test_seeds_by_vmap(small, descent):
    compiled, batch = small
    seeds = [jnp.stack([w, 2 * w, -w]) for w in compiled.weights()]

    def run(weights):
        state = descent.initial_state(weights)
        return descent.run_pure(state, batch, compiled.mask, jnp.asarray(5), constantly(1e-2), {})

    states = jax.jit(jax.vmap(run))(seeds)
    for i in range(3):
        alone = train(compiled, batch, 5, learning_rate=1e-2, descent=descent, weights=[w[i] for w in seeds])
        for together, weights in zip(states.parameters, alone.weights, strict=True):
            np.testing.assert_allclose(together[i], weights, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_cut_links_stay_cut_and_nothing_is_compiled_anew(small):
    compiled, batch = small
    descent = descent_for(compiled, {"l1": 0.01})
    mask = [m.at[0, 0].set(0.0) for m in compiled.mask]
    options = {"descent": descent, "regularizers": {"l1": 0.01}}
    first = train(compiled, batch, 30, **options)
    second = train(compiled, batch, 30, weights=first.weights, mask=mask, **options)
    assert all(w[0, 0] == 0 for w in second.weights)
    assert second.machine.count() < first.machine.count()
    other = train(compiled, batch, 17, learning_rate=1e-2, descent=descent, regularizers={"l1": 0.5})
    assert other.history["loss"][0] == first.history["loss"][0] != other.history["loss"][1]
    assert descent.traces == 1


def test_the_best_weights_are_kept(small, descent):
    result = train(*small, 35, learning_rate=0.2, descent=descent)
    losses = result.history["loss"]
    compiled, batch = small
    best = loss_of(compiled, compiled.weights(result.best.soft), batch)
    assert best == pytest.approx(min(losses), rel=1e-4)


def test_a_loss_that_explodes_is_told_with_the_last_good_weights(small):
    with pytest.raises(NotFinite, match=r"step \d+: the loss is no longer finite") as caught:
        train(*small, 500, optimizer=optax.sgd(10.0))
    error = caught.value
    assert len(error.result.history["loss"]) == error.step - 1
    assert all(map(math.isfinite, error.result.history["loss"]))
    assert all(np.isfinite(w).all() for w in error.result.weights)
    compiled, batch = small
    again = loss_of(compiled, error.result.weights, batch)
    assert again == pytest.approx(error.result.history["loss"][-1], rel=1e-3)


@pytest.mark.parametrize("steps", [99, 100, 101])
def test_the_last_good_weights_across_chunks(small, steps):
    """A loss that is infinite once the first weight has moved so far: by 0.001 in each step of Adam."""
    compiled, batch = small
    limit = compiled.weights()[0][0, 0] - 0.001 * (steps - 0.5)

    def loss(compiled, weights, batch):
        return jnp.where(weights[0][0, 0] > limit, weights[0][0, 0], jnp.inf)

    with pytest.raises(NotFinite) as caught:
        train(compiled, batch, 300, loss=loss)
    result = caught.value.result
    assert caught.value.step == len(result.history["loss"]) + 1
    assert float(loss(compiled, result.weights, batch)) == pytest.approx(result.history["loss"][-1])


def test_infinities_that_the_loss_does_not_show(small):
    compiled, batch = small

    def bad_slope(compiled, weights, batch):
        return sum(jnp.sum(jnp.sqrt(w * 0.0)) for w in weights)

    with pytest.raises(NotFinite, match="step 1: "):
        train(compiled, batch, 1, loss=bad_slope)


@pytest.mark.slow
def test_a_penalty_that_is_no_number(small, l1_descent):
    with pytest.raises(NotFinite, match="step 1: "):
        train(*small, 1, regularizers={"l1": math.nan}, descent=l1_descent)


def test_stop_on_request(small, descent):
    result = train(*small, 1000, descent=descent, stop=lambda result: len(result.history["loss"]) >= 200)
    assert result.stopped
    assert len(result.history["loss"]) == 200 == int(result.state.step)


def test_an_interrupt_keeps_what_was_done(small, descent):
    def interrupt(result):
        if len(result.history["loss"]) >= 300:
            raise KeyboardInterrupt
        return False

    result = train(*small, 1000, descent=descent, stop=interrupt)
    assert result.stopped
    assert len(result.history["loss"]) == 300


@pytest.mark.slow
def test_a_resumed_training_is_the_uninterrupted_one_bit_for_bit(small, l1_descent, tmp_path):
    options = {"regularizers": {"l1": 0.01}, "descent": l1_descent}
    whole = train(*small, 350, **options)
    path = tmp_path / "checkpoint.npz"
    train(*small, 350, **options, checkpoint=path, stop=lambda result: len(result.history["loss"]) >= 200)
    resumed = train(*small, 350, regularizers={"l1": 0.01}, checkpoint=path)  # by a loop that was compiled anew
    assert resumed.history == whole.history
    for ours, theirs in zip(jax.tree.leaves(resumed.state), jax.tree.leaves(whole.state), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    odd = tmp_path / "odd.npz"
    train(*small, 130, **options, checkpoint=odd)  # stopped between two chunks
    assert train(*small, 350, **options, checkpoint=odd).history == whole.history


def test_checkpoints_of_other_trainings_are_refused(small, descent, l1_descent, tmp_path):
    path, options = tmp_path / "checkpoint.npz", {"regularizers": {"l1": 0.01}, "descent": l1_descent}
    train(*small, 10, **options, checkpoint=path)
    with pytest.raises(TrainingError, match=r"checkpoint\.npz: holds an array 'history-l1': no checkpoint of this training"):
        train(*small, 20, descent=descent, checkpoint=path)
    other = [2.0 * w for w in small[0].weights()]
    with pytest.raises(TrainingError, match="a checkpoint of a training from other weights"):
        train(*small, 20, **options, weights=other, checkpoint=path)
    path.write_bytes(b"\x80\x04no pickle here")
    with pytest.raises(ValueError, match=r"checkpoint\.npz: (not a file of arrays|cannot be read)"):
        train(*small, 20, descent=descent, checkpoint=path)
    np.savez(path, **{"state-0": np.array([{}], dtype=object)})
    with pytest.raises(TrainingError, match=r"checkpoint\.npz: holds no array"):
        train(*small, 20, descent=descent, checkpoint=path)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("state-0", lambda step: step + 1, "its history is not as long as its training"),
        ("state-1", lambda weights: weights * np.float32(np.nan), "its weights are not finite numbers"),
        ("state-1", lambda weights: weights[:, 1:], r"array 'state-1' has the shape \(.*\), expected \(.*\): no checkpoint of this"),
        ("state-1", lambda weights: weights.astype(float), "array 'state-1' holds float64, expected float32"),
        ("history-loss", lambda losses: losses * np.inf, "array 'history-loss' holds numbers that are not finite"),
        ("history-loss", lambda losses: losses[:-1], "its history is not as long as its training"),
        ("more", lambda nothing: np.zeros(3), "holds an array 'more'"),
    ],
)  # fmt: skip
def test_a_checkpoint_of_arrays_that_cannot_be_is_refused(small, descent, tmp_path, name, change, message):
    path = tmp_path / "checkpoint.npz"
    train(*small, 10, descent=descent, checkpoint=path)
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **{**arrays, name: change(arrays.get(name))})
    with pytest.raises(TrainingError, match=rf"checkpoint\.npz: {message}"):
        train(*small, 20, descent=descent, checkpoint=path)


def test_the_history_is_a_table(small, l1_descent):
    frame = train(*small, 3, regularizers={"l1": 0.01}, descent=l1_descent).frame()
    assert list(frame.columns) == ["loss", "l1"]
    assert list(frame.index) == [1, 2, 3]


def test_errors(small, l1_descent):
    compiled, batch = small
    with pytest.raises(LabError, match="unknown regularizer 'l3'; known: l1, l2, row_sum"):
        train(compiled, batch, 3, regularizers={"l3": 1.0})
    with pytest.raises(TrainingError, match=r"regularizers \['l2'\]: the loop was made for \['l1'\]"):
        train(compiled, batch, 3, regularizers={"l2": 1.0}, descent=l1_descent)
    with pytest.raises(LabError, match="1 streams and cycles"):
        imitation_batch(compiled, [characters("a")], [3, 4], handcrafted())
    with pytest.raises(LabError, match=r"1 streams and targets \[\(1, 4\)\]: expected 2 answers for each"):
        make_batch(compiled, [characters("a")], [np.zeros((1, 4))])
    with pytest.raises(LabError, match="0 streams and targets"):
        make_batch(compiled, [], [])
    with pytest.raises(TrainingError, match="mask: expected a list of matrices like"):
        train(compiled, batch, 3, mask=compiled.mask[:1])
    with pytest.raises(TrainingError, match="weights: expected a list of matrices like"):
        train(compiled, batch, 3, weights=compiled.machine.soft)
    with pytest.raises(LabError, match=r"output\.dict-1: the teacher has no such input"):
        imitation_batch(compiled, [characters("a")], 3, handcrafted().without_neuron("output"))


@pytest.mark.parametrize("gradients", ["journal-2022", "exact"])
def test_on_an_accelerator_strings_go_side_by_side_and_sums_have_no_loop(gradients, monkeypatch):
    compiled, _ = prepare("feedforward-run-3", gradients)
    batch = imitation_batch(compiled, [characters("test string."), characters("tt.")], 80, handcrafted())
    weights = [w + 0.01 for w in compiled.weights()]

    def value_and_gradient() -> tuple:
        return jax.jit(jax.value_and_grad(lambda ws: Imitation(compiled).error(ws, batch)))(weights)

    value, gradient = value_and_gradient()
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    value_there, gradient_there = value_and_gradient()
    assert float(value_there) == pytest.approx(float(value), rel=1e-5)
    for there, here in zip(gradient_there, gradient, strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_the_benchmark_has_rows_for_an_accelerator(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(compiled_machines, "SEEDS_ON_ACCELERATOR", (2,))
    monkeypatch.setattr(compiled_machines, "median", lambda run, *_, **__: (jax.block_until_ready(run()) is not None, 0.0))
    assert [row.name for row in compiled_machines.batches()][-1] == "step, per seed, 2 seeds, vmap"
