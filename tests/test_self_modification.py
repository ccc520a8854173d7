"""Learning to learn: gradients of a whole episode, with respect to the matrix at its beginning."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import dmmlab as dm
from dmmlab.compiler import compile_rewriting
from dmmlab.compiler.layout import LayoutError
from dmmlab.learning import GradientDescent, Schedule, SelfModification, clip_to_norm, make_batch

CYCLES = 40


def shown(items, answers):
    """What the learner of one number reads."""
    trees = [{"x-1": {"char": float(x)}} for x in items]
    return {"x": dm.values(trees), "y": dm.values(answers), "x-1": dm.values([float(x) for x in items])}


@pytest.fixture(scope="module")
def learner():
    machine, trained = dm.machines.learner(1)
    return compile_rewriting(machine, trained, shown([1.0, 1.0], [1.0, 1.0]), 4), trained


def episodes(compiled, seed, count):
    rng, streams, targets = np.random.default_rng(seed), [], []
    for _ in range(count):
        items, slope = rng.normal(size=CYCLES), rng.normal()
        streams.append(shown(items, (slope * items).tolist()))
        targets.append(np.concatenate([[np.nan] * 2, slope * items[:-2]])[None])
    return make_batch(compiled.compiled, streams, targets)


def test_what_is_trained_is_what_was_named(learner):
    compiled, trained = learner
    objective = SelfModification(compiled, trained)
    names = {(to, source) for to, sources in trained.items() for source in sources}
    assert sum(float(x.sum()) for x in objective.mask_of_links.values()) == len(names) == 14
    machine = objective.machine(objective.random(jax.random.key(0)))
    weights = {f"{a}.{b}": row for a, fields in machine.matrix.items() for b, row in fields.items()}
    for to, row in weights.items():
        for neuron, fields in row.items():
            for field, weight in fields.items():
                assert (weight == 1.0) == ((to, f"{neuron}.{field}") not in names)
    with pytest.raises(LayoutError):
        SelfModification(compiled, {"prediction.single": {"y.char": 1.0}})


@pytest.mark.slow
def test_the_compiled_episode_is_that_of_the_tree_engine(float64):
    machine, trained = dm.machines.learner(1)
    items, answers = [0.5, -1.0, 2.0, 1.0, 0.25, -0.5], [1.0, -2.0, 4.0, 2.0, 0.5, -1.0]
    compiled = compile_rewriting(machine, trained, shown(items, answers), 4)
    objective = SelfModification(compiled, trained)
    parameters = objective.random(jax.random.key(1))
    batch = make_batch(compiled.compiled, [shown(items, answers)], [np.zeros((1, len(items)))])
    begun = objective.machine(parameters)
    states = dm.run(begun, shown(items, answers), len(items), {"self": {"single": begun.matrix}}, "self.single")
    expected = [dm.vvalues.number(state.arrived("output.guess")) for state in states]
    np.testing.assert_allclose(np.asarray(objective.errors(parameters, batch))[0, 0], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_gradients_of_an_episode_against_finite_differences(float64):
    machine, trained = dm.machines.learner(1)
    compiled = compile_rewriting(machine, trained, shown([1.0, 1.0], [1.0, 1.0]), 4)
    objective, batch = SelfModification(compiled, trained), episodes(compiled, 0, 2)
    parameters = objective.random(jax.random.key(2))
    gradient = jax.grad(objective.error)(parameters, batch)
    error = jax.jit(objective.error)
    for b, mask in objective.mask_of_links.items():
        for place in zip(*np.nonzero(np.asarray(mask)), strict=True):
            step = 1e-6
            up, down = ({**parameters, b: parameters[b].at[place].add(s)} for s in (step, -step))
            slope = (error(up, batch) - error(down, batch)) / (2 * step)
            np.testing.assert_allclose(gradient[b][place], slope, rtol=1e-5, atol=1e-8)


@pytest.mark.slow
def test_a_rule_is_learned(learner):
    """Within an episode that it has not seen the error falls tenfold; with a fixed matrix it cannot."""
    compiled, trained = learner
    objective = SelfModification(compiled, trained, lambda e: jnp.log1p(e * e))
    loop = GradientDescent(objective, optax.chain(clip_to_norm(1.0), optax.scale_by_adam()))
    training, unseen, steps = episodes(compiled, 1, 32), episodes(compiled, 2, 32), jnp.asarray(400)
    state = loop.initial_state(objective.random(jax.random.key(0)))
    rate = Schedule(jnp.asarray(1e-2), jnp.asarray(1e-3), steps)
    state = loop.run(state, training, objective.mask_of_links, steps, rate, {}, None)
    errors = np.mean(np.asarray(objective.errors(state.parameters, unseen))[0] ** 2, axis=0)
    assert errors[-5:].mean() < errors[2:5].mean() / 10
