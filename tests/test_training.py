import csv
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dmmlab.compiler.compiled import compile_machine
from dmmlab.core.streams import characters
from dmmlab.june2022.replay import RUNS, prepare, replay
from dmmlab.learning import training
from dmmlab.learning.many_seeds import train_each
from dmmlab.learning.training import NotFinite, Trainer, TrainingError, examples, row_sum, squared_error, train
from dmmlab.machines.detectors import handcrafted, imitation_error, published
from dmmlab.machines.networks import feedforward


@pytest.fixture(scope="module")
def small():
    compiled = compile_machine(feedforward(2, 1).random_2022(0.3), characters("ab."))
    return compiled, examples(compiled, [characters("ab.a", period=3)], 20, handcrafted())


def test_run_3_follows_its_log(reference):
    with (reference / "run-3-first-100-steps.csv").open() as file:
        log = np.array([float(row["prereg_loss"]) for row in csv.DictReader(file)])
    error = np.abs(np.array(replay("feedforward-run-3", 100).history["loss"]) / log - 1)
    assert error[:4].max() < 2e-6
    assert error.max() < 1e-4


def test_exact_gradients_part_from_the_log_at_once():
    """A finding: 414.362 is the second loss with exact gradients; 417.8722 was logged."""
    assert replay("feedforward-run-3", 2, "exact").history["loss"][1] == pytest.approx(414.362, rel=1e-5)
    assert replay("feedforward-run-3", 2, "journal-2022").history["loss"][1] == pytest.approx(417.8722, rel=1e-6)


@pytest.mark.parametrize("name", RUNS)
def test_every_run_starts_as_the_tree_engine_says(name):
    """The first loss, by the compiled machine and by the oracle, in double precision (some are of the order 1e8)."""
    with jax.enable_x64(True):
        compiled, given = prepare(name)
        ours = float(squared_error(compiled, compiled.weights(), jax.tree.map(lambda x: x[0], given)))
    theirs = imitation_error(compiled.machine.astype(np.float64), characters("test string."), RUNS[name].cycles).loss
    assert ours == pytest.approx(theirs, rel=1e-9)


def test_the_loss_is_that_of_the_published_tests():
    compiled = compile_machine(published(), characters("test string."))
    given = examples(compiled, [characters("test string.")], 140, handcrafted())
    loss = squared_error(compiled, compiled.weights(), jax.tree.map(lambda x: x[0], given))
    assert float(loss) == pytest.approx(imitation_error(published(), characters("test string."), 140).loss, rel=1e-4)


def test_regularizers():
    compiled = compile_machine(handcrafted(), characters("a."))
    weights = [2.0 * w for w in compiled.weights()]
    assert float(training.l1(compiled, weights)) == 16.0
    assert float(training.l2(compiled, weights)) == 32.0
    assert float(row_sum(compiled, weights)) == 8.0  # eight inputs, each with a sum of 2
    assert float(row_sum(compiled, compiled.weights())) == 0.0


def test_training_lowers_the_loss_with_any_optimizer(small):
    for optimizer in (optax.adam(1e-2), optax.sgd(1e-6, momentum=0.9), optax.rmsprop(1e-3)):
        history = train(*small, 60, optimizer=optimizer, regularizers={"l1": 1e-3, "l2": 1e-3}).history
        assert history["loss"][-1] < history["loss"][0]
        assert set(history) == {"loss", "l1", "l2"}


def test_several_strings_of_different_lengths_are_a_sum(small):
    compiled, _ = small
    streams = [characters("ab.", period=4), characters("b", period=2), characters("aab.", period=1)]
    together = examples(compiled, streams, [12, 7, 30], handcrafted())
    alone = [
        squared_error(compiled, compiled.weights(), jax.tree.map(lambda x: x[0], examples(compiled, [s], t, handcrafted())))
        for s, t in zip(streams, [12, 7, 30], strict=True)
    ]
    assert train(compiled, together, 1).history["loss"][0] == pytest.approx(float(sum(alone)), rel=1e-5)


def test_seeds_by_vmap(small):
    compiled, given = small
    trainer = Trainer(compiled, optax.adam(1e-2), {})
    seeds = [jnp.stack([w, 2 * w, -w]) for w in compiled.weights()]
    steps = jnp.asarray(5)
    states, _ = jax.jit(jax.vmap(lambda ws: trainer._run(trainer.start(ws), given, compiled.mask, steps)))(seeds)
    for i in range(3):
        alone = train(compiled, given, 5, trainer=trainer, weights=[w[i] for w in seeds])
        for a, b in zip(states.weights, alone.weights, strict=True):
            np.testing.assert_allclose(a[i], b, rtol=1e-4, atol=1e-6)


def test_cut_links_stay_cut_and_nothing_is_compiled_anew(small):
    compiled, given = small
    trainer = Trainer(compiled, optax.adam(1e-2), {"l1": 0.01})
    mask = [m.at[0, 0].set(0.0) for m in compiled.mask]
    first = train(compiled, given, 30, trainer=trainer)
    second = train(compiled, given, 30, trainer=trainer, weights=first.weights, mask=mask)
    assert trainer.traces == 1
    assert all(w[0, 0] == 0 for w in second.weights)
    assert second.machine.count() < first.machine.count()


def test_the_best_weights_are_kept(small):
    result = train(*small, 40, optimizer=optax.adam(0.2))
    losses = result.history["loss"]
    compiled, given = small
    best = squared_error(compiled, compiled.weights(result.best.soft), jax.tree.map(lambda x: x[0], given))
    assert float(best) == pytest.approx(min(losses), rel=1e-4)


def test_a_loss_that_explodes_is_told_with_the_last_good_weights(small):
    with pytest.raises(NotFinite, match=r"step \d+: the loss is no longer finite") as caught:
        train(*small, 500, optimizer=optax.sgd(10.0))
    error = caught.value
    assert len(error.result.history["loss"]) == error.step - 1
    assert all(map(math.isfinite, error.result.history["loss"]))
    assert all(np.isfinite(w).all() for w in error.result.weights)
    compiled, given = small
    again = squared_error(compiled, error.result.weights, jax.tree.map(lambda x: x[0], given))
    assert float(again) == pytest.approx(error.result.history["loss"][-1], rel=1e-3)


def test_the_last_good_weights_across_chunks_and_hidden_infinities(small):
    compiled, given = small

    def explodes_after(steps):
        """A loss that is infinite once the first weight has moved so far: by 0.001 in each step of Adam."""
        limit = compiled.weights()[0][0, 0] - 0.001 * (steps - 0.5)

        def loss(compiled, weights, one):
            return jnp.where(weights[0][0, 0] > limit, weights[0][0, 0], jnp.inf)

        return loss

    for steps in (99, 100, 101):
        loss = explodes_after(steps)
        with pytest.raises(NotFinite) as caught:
            train(compiled, given, 300, loss=loss)
        result = caught.value.result
        assert caught.value.step == len(result.history["loss"]) + 1
        assert float(loss(compiled, result.weights, given)) == pytest.approx(result.history["loss"][-1])

    def bad_slope(compiled, weights, one):
        return sum(jnp.sum(jnp.sqrt(w * 0.0)) for w in weights)

    with pytest.raises(NotFinite, match="step 1: "):
        train(compiled, given, 1, loss=bad_slope)
    with pytest.raises(NotFinite, match="step 1: "):
        train(compiled, given, 1, regularizers={"l1": math.nan})


def test_stop_on_request(small):
    result = train(*small, 1000, stop=lambda result: len(result.history["loss"]) >= 200)
    assert result.stopped
    assert len(result.history["loss"]) == 200 == int(result.state.step)


def test_an_interrupt_keeps_what_was_done(small):
    def interrupt(result):
        if len(result.history["loss"]) >= 300:
            raise KeyboardInterrupt
        return False

    result = train(*small, 1000, stop=interrupt)
    assert result.stopped
    assert len(result.history["loss"]) == 300


def test_a_resumed_training_is_the_uninterrupted_one_bit_for_bit(small, tmp_path):
    whole = train(*small, 350, regularizers={"l1": 0.01})
    path = tmp_path / "checkpoint.npz"
    train(*small, 350, regularizers={"l1": 0.01}, checkpoint=path, stop=lambda result: len(result.history["loss"]) >= 200)
    resumed = train(*small, 350, regularizers={"l1": 0.01}, checkpoint=path)
    assert resumed.history == whole.history
    for a, b in zip(jax.tree.leaves(resumed.state), jax.tree.leaves(whole.state), strict=True):
        np.testing.assert_array_equal(a, b)
    odd = tmp_path / "odd.npz"
    train(*small, 130, regularizers={"l1": 0.01}, checkpoint=odd)  # stopped between two chunks
    assert train(*small, 350, regularizers={"l1": 0.01}, checkpoint=odd).history == whole.history


def test_checkpoints_of_other_trainings_are_refused(small, tmp_path):
    path = tmp_path / "checkpoint.npz"
    train(*small, 10, regularizers={"l1": 0.01}, checkpoint=path)
    with pytest.raises(TrainingError, match=r"checkpoint\.npz: a checkpoint of another training"):
        train(*small, 20, checkpoint=path)
    other = [2.0 * w for w in small[0].weights()]
    with pytest.raises(TrainingError, match="a checkpoint of a training from other weights"):
        train(*small, 20, regularizers={"l1": 0.01}, weights=other, checkpoint=path)
    path.write_bytes(b"\x80\x04no pickle here")
    with pytest.raises(ValueError, match=r"checkpoint\.npz: (not a file of arrays|cannot be read)"):
        train(*small, 20, checkpoint=path)
    np.savez(path, **{"state-0": np.array([{}], dtype=object)})
    with pytest.raises(ValueError, match=r"checkpoint\.npz: not a file of arrays"):
        train(*small, 20, checkpoint=path)


def test_the_history_is_a_table(small):
    frame = train(*small, 3, regularizers={"l1": 0.01}).frame()
    assert list(frame.columns) == ["loss", "l1"]
    assert list(frame.index) == [1, 2, 3]


def test_errors(small):
    compiled, given = small
    with pytest.raises(TrainingError, match="unknown regularizer 'l3'; known: l1, l2, row_sum"):
        train(compiled, given, 3, regularizers={"l3": 1.0})
    with pytest.raises(TrainingError, match="1 streams and cycles"):
        examples(compiled, [characters("a")], [3, 4], handcrafted())
    with pytest.raises(TrainingError, match="mask: expected a list of matrices like"):
        train(compiled, given, 3, mask=compiled.mask[:1])
    with pytest.raises(TrainingError, match="weights: expected a list of matrices like"):
        train(compiled, given, 3, weights=compiled.machine.soft)
    with pytest.raises(TrainingError, match=r"output\.dict-1: the teacher has no such input"):
        examples(compiled, [characters("a")], 3, handcrafted().without_neuron("output"))
    with pytest.raises(ValueError, match="unknown run 'feedforward-run-4'; did you mean"):
        replay("feedforward-run-4", 3)
    with pytest.raises(ValueError, match="unknown gradient mode 'exakt'; did you mean 'exact'"):
        replay("feedforward-run-3", 3, "exakt")


def test_each_of_many_seeds(small):
    compiled, given = small
    starts = [[w * scale for w in compiled.weights()] for scale in (1.0, 0.5, 2.0)]
    together = train_each(compiled, given, 30, starts, regularizers={"l1": 1e-3})
    for start, result in zip(starts, together, strict=True):
        alone = train(compiled, given, 30, weights=start, regularizers={"l1": 1e-3})
        assert result.history["loss"] == pytest.approx(alone.history["loss"], rel=1e-4)
        assert result.history["l1"] == pytest.approx(alone.history["l1"], rel=1e-4)
        assert result.machine.count() == alone.machine.count()
    with pytest.raises(TrainingError, match="0 starts and 5 steps"):
        train_each(compiled, given, 5, [])


def test_a_seed_that_explodes_does_not_stop_the_others(small):
    compiled, given = small
    starts = [compiled.weights(), [w * 1e30 for w in compiled.weights()]]
    good, bad = train_each(compiled, given, 5, starts)
    assert (len(good.history["loss"]), good.stopped) == (5, False)
    assert (bad.history["loss"], bad.stopped) == ([], True)
    assert all(np.isfinite(np.asarray(w)).all() for w in bad.weights)
