"""Gradient descent, piece by piece, each against its formula in numpy: the objectives, a step, the loop, the schedules."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dmmlab.compiler.compilation import compile_machine
from dmmlab.compiler.weights import flatten
from dmmlab.core.errors import LabError
from dmmlab.core.streams import characters
from dmmlab.learning import batches
from dmmlab.learning.batches import imitation_batch, sum_over_strings
from dmmlab.learning.losses import REGULARIZERS, squared_error
from dmmlab.learning.objectives import STRETCH, TEMPERATURE, HardConcreteGates, Imitation
from dmmlab.learning.proximal import proximal_l1
from dmmlab.learning.training_loop import RECORDED, GradientDescent, Schedule, clip_to_norm, constantly
from dmmlab.machines.detectors import handcrafted
from dmmlab.machines.networks import feedforward


@pytest.fixture(scope="module")
def compiled():
    return compile_machine(feedforward(1, 1).random(jax.random.key(5), 0.5), characters("ab."))


@pytest.fixture(scope="module")
def batch(compiled):
    streams = [characters("ab.a", period=3), characters("b", period=2), characters("a.ab", period=1)]
    return imitation_batch(compiled, streams, [14, 6, 10], handcrafted())


@pytest.fixture(scope="module")
def descent(compiled):
    return GradientDescent(Imitation(compiled, ("l1",), relative=True), projection=proximal_l1)


def adam(gradients):
    """The direction of the last of these steps, and the bias-corrected mean square of the gradient."""
    mean, square = 0.0, 0.0
    for gradient in gradients:
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
    mean, square = mean / (1 - 0.9 ** len(gradients)), square / (1 - 0.999 ** len(gradients))
    return mean / (np.sqrt(square) + 1e-8), square


def geometric(first, last, steps):
    return Schedule(jnp.asarray(first, float), jnp.asarray(last, float), jnp.asarray(steps))


def numbers(like, seed):
    """Random matrices of the shapes of these."""
    rng = np.random.default_rng(seed)
    return [jnp.asarray(rng.normal(size=np.shape(w)), jnp.asarray(w).dtype) for w in like]


# Schedules


def test_schedules_are_geometric():
    falling = geometric(1e-1, 1e-3, 5)
    assert [float(falling.at(i)) for i in range(5)] == pytest.approx(np.geomspace(1e-1, 1e-3, 5), rel=1e-5)
    assert [float(constantly(0.3).at(i)) for i in (0, 7)] == pytest.approx([0.3, 0.3])
    assert [float(constantly(0.0).at(i)) for i in (0, 7)] == [0.0, 0.0]
    assert float(geometric(2.0, 8.0, 1).at(0)) == pytest.approx(2.0)


def test_schedules_masks_steps_and_weights_compile_nothing_anew(compiled, batch, descent):
    traces = descent.traces
    for steps in (1, 4):
        for rate, penalty in ((geometric(1e-1, 1e-3, steps), constantly(1e-3)), (constantly(0.0), constantly(0.0))):
            for scale, mask in ((1.0, compiled.mask), (-2.0, [0 * m for m in compiled.mask])):
                state = descent.initial_state([scale * w for w in compiled.weights()])
                state = descent.run(state, batch, mask, jnp.asarray(steps), rate, {"l1": penalty})
                assert int(state.step) == steps
    other = batch._replace(targets=2 * batch.targets)
    descent.run(descent.initial_state(compiled.weights()), other, compiled.mask, jnp.asarray(1), rate, {"l1": penalty})
    assert descent.traces - traces == 1


def test_the_loop_is_one_step_after_the_other(compiled, batch, descent):
    rate, penalty = geometric(1e-1, 1e-2, 4), geometric(1e-3, 1e-2, 4)
    first = descent.initial_state(compiled.weights())
    together = descent.run(first, batch, compiled.mask, jnp.asarray(4), rate, {"l1": penalty})
    step, state = jax.jit(descent.step), first
    for i in range(4):
        state, _ = step(state, batch, compiled.mask, rate.at(i), {"l1": penalty.at(i)})
    for ours, theirs in zip(jax.tree.leaves(together), jax.tree.leaves(state), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def test_what_is_recorded_are_the_terms_before_each_step(compiled, batch, descent):
    first = descent.initial_state(compiled.weights())
    state, terms = descent.record(first, batch, compiled.mask, 3, 1e-2, {"l1": 1e-3})
    assert terms.shape == (RECORDED, 3)
    assert descent.columns == ("loss", "l1")
    following = descent.run(first, batch, compiled.mask, jnp.asarray(2), constantly(1e-2), {"l1": constantly(1e-3)})
    for row, weights in ((0, first.parameters), (2, following.parameters)):
        assert float(terms[row, 0]) == pytest.approx(float(descent.error(weights, batch)), rel=1e-5)
        assert float(terms[row, 1]) == pytest.approx(np.abs(flatten(weights)).sum(), rel=1e-5)
    assert np.array_equal(terms[:3, 2], [0.0] * 3)  # all was finite
    assert not np.asarray(terms[3:]).any()
    last = descent.run(following, batch, compiled.mask, jnp.asarray(1), constantly(1e-2), {"l1": constantly(1e-3)})
    np.testing.assert_allclose(flatten(state.parameters), flatten(last.parameters), rtol=1e-5, atol=1e-7)


# The step


def test_a_step_is_adam_and_soft_thresholding(compiled, batch, descent):
    """Two steps of the loop, and the same in numpy."""
    rate, penalty = 3e-2, 2e-2
    gradient = jax.jit(
        lambda weights: descent.objective.value_and_gradient(weights, batch, compiled.mask, {"l1": penalty}, None)[2]
    )
    weights, gradients = np.float64(flatten(compiled.weights())), []
    state = descent.initial_state(compiled.weights())
    for _ in range(2):
        gradients.append(np.float64(flatten(gradient(state.parameters))))
        direction, square = adam(gradients)
        moved = weights - rate * direction
        weights = np.sign(moved) * np.maximum(np.abs(moved) - rate * penalty / (np.sqrt(square) + 1e-9), 0.0)
        weights *= flatten(compiled.mask)
        state = descent.run(state, batch, compiled.mask, jnp.asarray(1), constantly(rate), {"l1": constantly(penalty)})
        np.testing.assert_allclose(flatten(state.parameters), weights, rtol=1e-4, atol=1e-6)
    assert (weights[flatten(compiled.weights()) != 0] == 0).any()


@pytest.mark.slow
def test_the_proximal_step_is_its_formula():
    weights = [jnp.asarray([[0.5, -0.002], [0.0, 1.0]]), jnp.asarray([[-0.3, 0.001]])]
    gradients = [numbers(weights, seed) for seed in (1, 2, 3)]
    optimizer = optax.chain(clip_to_norm(1e9), optax.scale_by_adam())  # its state is nested
    state = optimizer.init(weights)
    for gradient in gradients:
        _, state = optimizer.update(gradient, state)
    after = proximal_l1(weights, state, 0.1, {"l1": 0.2})
    for i, w in enumerate(weights):
        _, square = adam([np.float64(gradient[i]) for gradient in gradients])
        width = 0.1 * 0.2 / (np.sqrt(square) + 1e-9)
        np.testing.assert_allclose(after[i], np.sign(w) * np.maximum(np.abs(w) - width, 0.0), rtol=1e-4, atol=1e-7)
    assert float(after[0][0, 1]) == float(after[1][0, 1]) == 0.0
    assert all(map(np.array_equal, proximal_l1(weights, state, 0.1, {"l1": 0.0}), weights))
    with pytest.raises(LabError, match="the proximal step needs Adam's state"):
        proximal_l1(weights, optax.trace(0.9).init(weights), 0.1, {"l1": 0.2})


def test_gradients_are_clipped_to_a_norm():
    gradient = [jnp.asarray([[3.0, 0.0]]), jnp.asarray([-4.0])]  # of norm 5
    clip = clip_to_norm(2.0)
    clipped, _ = clip.update(gradient, clip.init(gradient))
    np.testing.assert_allclose(flatten(clipped), [1.2, 0.0, -1.6], rtol=1e-6)
    short, _ = clip_to_norm(5.001).update(gradient, clip.init(gradient))
    np.testing.assert_allclose(flatten(short), [3.0, 0.0, -4.0], rtol=1e-6)
    zero, _ = clip.update([0 * g for g in gradient], clip.init(gradient))
    assert not flatten(zero).any()
    for bad in (jnp.inf, -jnp.inf, jnp.nan):
        exploded, _ = clip.update([gradient[0], jnp.asarray([bad])], clip.init(gradient))
        assert not flatten(exploded).any()


def test_masked_links_do_not_move(compiled, batch, descent):
    mask = [m * (np.arange(m.size).reshape(m.shape) % 2) for m in compiled.mask]
    state = descent.initial_state([w * m for w, m in zip(compiled.weights(), mask, strict=True)])
    state = descent.run(state, batch, mask, jnp.asarray(5), constantly(1e-2), {"l1": constantly(0.0)})
    assert not flatten(state.parameters)[flatten(mask) == 0].any()
    (nu,) = [
        flatten(node.nu) for node in jax.tree.leaves(state.optimizer, is_leaf=lambda x: hasattr(x, "nu")) if hasattr(node, "nu")
    ]
    assert not nu[flatten(mask) == 0].any()
    assert nu[flatten(mask) == 1].any()


# Objectives


@pytest.mark.slow
@pytest.mark.parametrize(("relative", "short"), [(False, 64), (True, 0)], ids=["at once", "relative, one by one"])
def test_the_gradient_of_imitation_is_that_of_its_value(compiled, batch, monkeypatch, relative, short):
    monkeypatch.setattr(batches, "ONE_ARRAY_CYCLES", short)
    objective = Imitation(compiled, tuple(REGULARIZERS), relative=relative)
    penalties = {"l1": 0.3, "l2": 0.2, "row_sum": 0.1}

    def value_and_gradient(weights):
        return objective.value_and_gradient(weights, batch, compiled.mask, penalties, None)

    value, terms, gradient = jax.jit(value_and_gradient)(compiled.weights())
    assert float(value) == pytest.approx(
        float(terms[0]) + sum(p * float(t) for p, t in zip(penalties.values(), terms[1:], strict=True)), rel=1e-5
    )
    assert [float(t) for t in terms[1:]] == pytest.approx(
        [float(r(compiled, compiled.weights())) for r in REGULARIZERS.values()], rel=1e-5
    )
    for ours, theirs in zip(
        gradient, jax.jit(jax.grad(lambda weights: value_and_gradient(weights)[0]))(compiled.weights()), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5 * float(jnp.abs(theirs).max()))


def test_an_error_is_relative_to_the_squares_of_the_targets(compiled, batch, descent):
    total = np.asarray(jax.jit(compiled.scalar_answers)(compiled.weights(), batch.inputs)) - np.asarray(batch.targets)
    total = float((np.asarray(batch.loss_mask) * total**2).sum())
    squares = float((np.asarray(batch.loss_mask) * np.asarray(batch.targets) ** 2).sum())
    assert float(descent.error(compiled.weights(), batch)) == pytest.approx(total / squares, rel=1e-5)
    plain = jax.jit(Imitation(compiled).error)
    assert float(plain(compiled.weights(), batch)) == pytest.approx(total, rel=1e-5)
    silent = batch._replace(targets=0 * batch.targets)
    for weights in (compiled.weights(), [0 * w for w in compiled.weights()]):  # divided by 1 where all targets are 0
        assert float(descent.error(weights, silent)) == pytest.approx(float(plain(weights, silent)), rel=1e-5)


def test_an_unknown_regularizer(compiled):
    with pytest.raises(LabError, match="unknown regularizer 'l3'; known: l1, l2, row_sum"):
        Imitation(compiled, ("l3",))


@pytest.mark.slow
def test_sums_over_strings_at_once_and_one_by_one_agree(compiled, batch, monkeypatch):
    def value_and_slope(strings):
        return jax.value_and_grad(lambda weights: squared_error(compiled, weights, strings))(compiled.weights())

    at_once = jax.jit(lambda batch: sum_over_strings(value_and_slope, batch))(batch)
    monkeypatch.setattr(batches, "ONE_ARRAY_CYCLES", 0)
    one_by_one = jax.jit(lambda batch: sum_over_strings(value_and_slope, batch))(batch)
    alone = list(map(jax.jit(value_and_slope), map(batch.string, range(batch.strings))))
    for a, b, *parts in zip(*map(jax.tree.leaves, (at_once, one_by_one, *alone)), strict=True):
        size = 1 + float(jnp.abs(a).max())
        np.testing.assert_allclose(a / size, b / size, atol=1e-5)
        np.testing.assert_allclose(a / size, sum(parts) / size, atol=1e-5)


@pytest.mark.slow
def test_batches_by_string_and_by_their_beginnings(batch):
    assert (batch.strings, batch.cycles) == (3, 14)
    begun, whole = batch.first_cycles(6), batch.first_cycles(None)
    assert (begun.strings, begun.cycles) == (3, 6)
    assert jax.tree.all(jax.tree.map(np.array_equal, whole, batch))
    for i in range(3):
        string = batch.string(i)
        assert jax.tree.all(jax.tree.map(np.array_equal, string, jax.tree.map(lambda x, i=i: x[i], batch.by_string())))
        assert np.array_equal(begun.string(i).targets, string.targets[:, :6])
    assert np.asarray(batch.loss_mask).sum(axis=(0, 2)).tolist() == [28.0, 12.0, 20.0]  # two answers in 14, 6, 10 cycles


# Gates


def open_gates(compiled, weights, batch):
    """A loss: how many weights are not zero, that is, how many gates are open. (The batch is short, so it is asked once.)"""
    return jnp.asarray(sum(jnp.sum(w != 0) for w in weights), weights[0].dtype)


@pytest.fixture(scope="module")
def gated(compiled):
    """Log-alphas of all kinds, beside weights that are 1 where there is a link."""
    log_alpha = [jnp.linspace(-4.0, 4.0, m.size).reshape(m.shape) for m in compiled.mask]
    return compiled.mask, log_alpha


@pytest.mark.slow
def test_the_expected_number_of_open_gates_is_its_formula(compiled, batch, gated):
    gates, mask = HardConcreteGates(compiled, loss=lambda compiled, weights, batch: jnp.zeros(())), compiled.mask
    value, _, (_, slope) = gates.value_and_gradient(gated, batch, mask, {"l1": 0.7}, jax.random.key(0))
    low, high = STRETCH
    log_alpha, there = np.float64(flatten(gated[1])), flatten(mask)
    chances = there / (1 + np.exp(-(log_alpha - TEMPERATURE * np.log(-low / high))))
    assert float(value) == pytest.approx(0.7 * chances.sum(), rel=1e-5)
    np.testing.assert_allclose(flatten(slope), 0.7 * chances * (1 - chances) * there, rtol=1e-4, atol=1e-7)


def test_gates_are_open_as_often_as_the_formula_says(compiled, batch, gated):
    gates = HardConcreteGates(compiled, loss=open_gates)

    def counted(key):
        value, (error,), _ = gates.value_and_gradient(gated, batch, compiled.mask, {"l1": 1.0}, key)
        return error, value - error

    counts, expected = jax.jit(jax.vmap(counted))(jax.random.split(jax.random.key(1), 4000))
    assert float(counts.std()) > 0.5
    assert float(counts.mean()) == pytest.approx(float(expected[0]), abs=4 * float(counts.std()) / np.sqrt(4000))


def test_the_weights_of_gates_are_those_without_noise(compiled, gated):
    gates = HardConcreteGates(compiled)
    low, high = STRETCH
    expected = np.clip(1 / (1 + np.exp(-np.float64(flatten(gated[1])))) * (high - low) + low, 0.0, 1.0)
    weights = flatten(gates.weights_of(gated, compiled.mask))
    np.testing.assert_allclose(weights, expected * flatten(compiled.mask), rtol=1e-5, atol=1e-6)
    there = flatten(compiled.mask) == 1
    assert (weights[there] == 0).any()
    assert (weights[there] == 1).any()
    start = gates.parameters_of(compiled.weights())
    assert (
        np.abs(flatten(gates.weights_of(start, compiled.mask)) / np.where(there, flatten(compiled.weights()), 1.0))[there].min()
        > 0.9
    )
