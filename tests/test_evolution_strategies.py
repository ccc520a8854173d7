"""Evolution strategies: an estimate of the gradient, and training where there is no gradient."""

import json
import os
import socket
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dmmlab as dm
from dmmlab.core import answering
from dmmlab.core.errors import LabError
from dmmlab.core.vvalues import is_plain, number
from dmmlab.learning import EvolutionStrategy, GradientDescent, Imitation, constantly, make_batch


@pytest.fixture(scope="module")
def imitated():
    """A small network that is to imitate a machine of its own kind, and a batch."""
    network = dm.feedforward(1, 1)
    machine = network.machine(np.linspace(-1, 1, len(network.links)))
    compiled = dm.compile_machine(machine, dm.characters("ab.", 3), 12)
    batch = dm.imitation_batch(compiled, [dm.characters("ab.", 3)], 12, teacher=dm.handcrafted())
    return compiled, batch


def cosine(a, b):
    flat = [np.concatenate([np.ravel(x) for x in each]) for each in (a, b)]
    return float(flat[0] @ flat[1] / np.linalg.norm(flat[0]) / np.linalg.norm(flat[1]))


def test_the_estimate_is_the_mean_over_pairs(imitated):
    """Against the formula, spelled out in NumPy for the noise that it draws."""
    compiled, batch = imitated
    strategy, weights, key = EvolutionStrategy(compiled, 3, 0.1), compiled.weights(), jax.random.key(0)
    _, _, gradient = jax.jit(strategy.value_and_gradient)(weights, batch, compiled.mask, {}, key)
    error = jax.jit(strategy.error)
    expected = [np.zeros(w.shape) for w in weights]
    for each in jax.random.split(key, 3):
        keys = jax.random.split(each, len(weights))
        noise = [m * jax.random.normal(k, w.shape, w.dtype) for k, w, m in zip(keys, weights, compiled.mask, strict=True)]
        up, down = (error([w + s * 0.1 * e for w, e in zip(weights, noise, strict=True)], batch) for s in (1, -1))
        expected = [x + float(up - down) / (2 * 0.1 * 3) * np.asarray(e) for x, e in zip(expected, noise, strict=True)]
    for got, wanted in zip(gradient, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=2e-3, atol=2e-3 * np.abs(wanted).max())
    assert all((np.asarray(g)[np.asarray(m) == 0] == 0).all() for g, m in zip(gradient, compiled.mask, strict=True))


@pytest.mark.slow
def test_its_cosine_with_the_gradient_is_as_theory_says(imitated):
    """``1 / sqrt(1 + (d + 1) / n)``, within three standard errors of the mean of eight estimates."""
    compiled, batch = imitated
    weights, mask = compiled.weights(), compiled.mask
    exact = Imitation(compiled).value_and_gradient(weights, batch, mask, {}, None)[2]
    exact = [g * m for g, m in zip(exact, mask, strict=True)]
    trained = int(sum(float(m.sum()) for m in mask))
    for pairs in (32, 512):
        estimate = jax.jit(EvolutionStrategy(compiled, pairs, 1e-3).value_and_gradient)
        found = [cosine(estimate(weights, batch, mask, {}, jax.random.key(k))[2], exact) for k in range(8)]
        theory = 1 / np.sqrt(1 + (trained + 1) / pairs)
        assert abs(np.mean(found) - theory) < 3 * np.std(found) / np.sqrt(8) + 0.02


def _step(v):
    x = number(v)
    return float(x > 1.0) if is_plain(x) else jnp.where(x > 1.0, 1.0, 0.0)


STEP = dm.NeuronType("step", ("dict",), ("step",), _step)


def test_a_hard_threshold_is_trained_where_gradients_are_zero():
    """Items above 0.4 are to be told: the weight before a threshold at 1 is to become 2.5."""
    rng = np.random.default_rng(0)
    items = rng.uniform(0, 1, 50)
    neurons = {"timer": dm.core.TIMER, "input": dm.core.INPUT, "step-1": STEP, "output": answering(("answer",))}
    links = {"step-1.dict": {"input.char": 0.5}, "output.answer": {"step-1.step": 1.0}}
    machine = dm.Machine.build(links, neurons)
    stream = dm.values([float(x) for x in items])
    compiled = dm.compile_machine(machine, stream, 4)
    right = np.concatenate([[np.nan] * 2, (items[:-2] > 0.4).astype(float)])[None]
    batch = make_batch(compiled, [stream], [right])
    ends = {}
    for name, objective in {"gradient": Imitation(compiled), "strategy": EvolutionStrategy(compiled, 16, 0.5)}.items():
        loop = GradientDescent(objective)
        state = loop.initial_state(compiled.weights())
        state = loop.run(state, batch, compiled.mask, jnp.asarray(200), constantly(0.03), {}, jax.random.key(1))
        ends[name] = float(loop.error(state.parameters, batch))
    assert ends["gradient"] == float(np.nansum(right))  # no answer, ever
    assert ends["strategy"] <= 0.2 * ends["gradient"]


def test_what_it_needs(imitated):
    compiled, batch = imitated
    for pairs, scale in ((0, 0.1), (1.5, 0.1), (4, 0.0), (4, float("nan"))):
        with pytest.raises(LabError, match="expected one pair or more"):
            EvolutionStrategy(compiled, pairs, scale)
    with pytest.raises(LabError, match="give a key"):
        EvolutionStrategy(compiled, 4).value_and_gradient(compiled.weights(), batch, compiled.mask, {}, None)


ESTIMATE = """
import json, sys
import jax
import numpy as np
import dmmlab as dm
from dmmlab.learning import EvolutionStrategy, on_all

port, rank = sys.argv[1:]
if rank != "alone":
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(f"127.0.0.1:{port}", 2, int(rank))
network = dm.feedforward(1, 1)
compiled = dm.compile_machine(network.machine(np.linspace(-1, 1, len(network.links))), dm.characters("ab.", 3), 12)
batch = dm.imitation_batch(compiled, [dm.characters("ab.", 3)], 12, teacher=dm.handcrafted())
arguments = on_all(jax.devices(), (compiled.weights(), batch, compiled.mask, {}, jax.random.key(5)))
strategy = EvolutionStrategy(compiled, 8, 0.05, devices=jax.devices())
gradient = jax.jit(strategy.value_and_gradient)(*arguments)[2]
estimate = [float(x) for g in gradient for x in np.ravel(g.addressable_data(0))]
print(json.dumps([len(jax.devices()), len(jax.local_devices()), estimate]))
"""


def _estimates(devices, ranks):
    """What processes say that each has ``devices`` devices: (all devices, its own, the estimate)."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = str(server.getsockname()[1])
    environment = os.environ | {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
    started = [
        subprocess.Popen([sys.executable, "-c", ESTIMATE, port, rank], stdout=subprocess.PIPE, text=True, env=environment)
        for rank in ranks
    ]
    try:
        return [json.loads(process.communicate(timeout=600)[0].splitlines()[-1]) for process in started]
    finally:
        for process in started:
            process.kill()
            process.communicate()


@pytest.mark.slow
def test_pairs_are_spread_over_devices_and_processes(imitated):
    """One device here, two devices in a process, and two processes on the loopback address: one estimate."""
    compiled, batch = imitated
    strategy = EvolutionStrategy(compiled, 8, 0.05)
    gradient = jax.jit(strategy.value_and_gradient)(compiled.weights(), batch, compiled.mask, {}, jax.random.key(5))[2]
    here = np.concatenate([np.ravel(g) for g in gradient])
    (together,) = _estimates(2, ["alone"])
    apart = _estimates(1, ["0", "1"])
    assert together[:2] == [2, 2]
    assert [each[:2] for each in apart] == [[2, 1], [2, 1]]
    for each in (together, *apart):
        np.testing.assert_allclose(each[2], here, rtol=1e-4, atol=1e-5 * np.abs(here).max())


def test_devices_share_evenly(imitated):
    compiled, _ = imitated
    with pytest.raises(LabError, match="3 pairs on 2 devices: each needs as many"):
        EvolutionStrategy(compiled, 3, 0.1, devices=jax.devices() * 2)
