"""Benchmarks of compiled machines: steps, gradients, streams, batches.

The timed work is that of feedforward run 3 of 2022: 1486 weights, "test string.", 140 cycles, the
loss, its gradient, Adam.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..compiler.array_operations import on_accelerator
from ..compiler.compilation import compile_machine
from ..compiler.compiled import Compiled
from ..compiler.schedule import positions
from ..core.errors import LabError
from ..core.streams import characters, symbols
from ..june2022.replay import RUNS, STRING, prepare
from ..learning.batches import Batch, imitation_batch
from ..learning.losses import squared_error
from ..learning.training import descent_for
from ..learning.training_loop import GradientDescent
from ..machines.detectors import handcrafted, published
from ..machines.superfluid_machines import superfluid as superfluid_network
from .measurement import Row, median, row, row_of_elsewhere

SEEDS = (8, 32)  # numbers of seeds that are trained together
SEEDS_ON_ACCELERATOR = (8, 32, 512, 4096)  # the same, on an accelerator
L1 = RUNS["feedforward-run-3"].regularizers


def training_steps(descent: GradientDescent, batch: Batch, steps: int) -> Callable[[], Any]:
    """Returns a function that runs ``steps`` recorded training steps in one compiled loop."""
    weights = descent.objective.compiled.weights()
    run = jax.jit(partial(_trained, descent, steps))
    return lambda: run(batch, weights)


def _trained(descent: GradientDescent, steps: int, batch: Batch, weights: Any) -> Any:
    mask, penalties = descent.objective.compiled.mask, dict.fromkeys(descent.objective.regularizers, 1e-3)
    step = partial(descent.step, batch=batch, mask=mask, learning_rate=1e-3, penalties=penalties)
    return jax.lax.scan(lambda state, _: step(state), descent.initial_state(weights), None, length=steps)


def _repeated(function: Callable[..., Any], weights: Any, inputs: Any, times: int) -> Callable[[], Any]:
    """Returns a function that makes ``times`` calls in one compiled loop.

    Each call depends on the whole result of the previous one, so that none is optimized away.
    """

    def run(weights: Any, inputs: Any) -> Any:
        def body(nudge: Any, _: None) -> tuple[Any, None]:
            result = function([w + nudge for w in weights], inputs)
            return 1e-30 * sum(jnp.sum(x) for x in jax.tree.leaves(result)), None

        return jax.lax.scan(body, jnp.asarray(0.0), None, length=times)

    jitted = jax.jit(run)
    return lambda: jitted(weights, inputs)


def run_3() -> tuple[Compiled, Batch]:
    return prepare("feedforward-run-3", "exact")


def training_step() -> Iterator[Row]:
    compiled, batch = run_3()
    descent = descent_for(compiled, L1)
    step, first = median(training_steps(descent, batch, 1000), 1000)
    name, peer = "training step, 1486 weights, 140 cycles", "the 2022 log (12 to 44 s a step)"
    yield row_of_elsewhere(name, step, peer, 12.0, first, "a laptop; Julia, Zygote")
    scan = compile_machine(compiled.machine, characters(STRING), schedule="scan")
    slower = descent_for(scan, L1)
    theirs, _ = median(training_steps(slower, batch, 50), 50)
    yield row("the same", step, "our scan schedule", theirs)
    limit, first = median(_products_alone(compiled, batch.cycles, 1000), 1000)
    note = f"a step takes {step / limit:.1f} times as long"
    yield row("the same", step, "its matrix products alone, the arithmetic limit", limit, compile_s=first, note=note)


def _products_alone(compiled: Compiled, cycles: int, times: int) -> Callable[[], Any]:
    """Returns a function that computes only the matrix products of ``times`` training steps.

    The arrays have the same shapes as in training. For each stage and block of coordinates: the
    arriving values; in the backward pass, the gradients with respect to the weights and, after the
    first stage, to the sent values. All arrays are zero, so that they stay constant.
    """
    pairs = [(stage, b) for stage in compiled.stages for b in range(len(compiled.layout.blocks))]
    arrays = []
    for stage, b in pairs:
        rows, columns = len(positions(stage.rows, b)), len(positions(stage.columns, b))
        arrays.append((jnp.zeros((rows, columns)), jnp.zeros((columns, len(compiled.layout.blocks[b]) * cycles))))

    def step(arrays: Any, _: None) -> tuple[Any, None]:
        following = []
        for (stage, _block), (matrix, sent) in zip(pairs, arrays, strict=True):
            arrived = matrix @ sent
            following.append((arrived @ sent.T, sent if stage is compiled.stages[0] else matrix.T @ arrived))
        return following, None

    jitted = jax.jit(lambda arrays: jax.lax.scan(step, arrays, None, length=times)[0])
    return lambda: jitted(arrays)


def gradient() -> Iterator[Row]:
    compiled, batch = run_3()
    string = batch.string(0)
    loss = partial(squared_error, compiled)

    forward, _ = median(_repeated(loss, compiled.weights(), string, 500), 500)
    both, first = median(_repeated(jax.value_and_grad(loss), compiled.weights(), string, 500), 500)
    yield Row("forward run", forward * 1e3, "loss and gradient", both * 1e3, both / forward, first)


def streams() -> Iterator[Row]:
    compiled, _ = run_3()
    scan = compile_machine(compiled.machine, characters(STRING), schedule="scan")
    in_chunks = partial(compiled.run_in_chunks, blocks=(0,))  # the scalar answers
    for cycles in (1_000, 10_000, 100_000):
        stream, times = symbols(list((STRING * 1000)[: cycles // 10])), max(1, 20_000 // cycles)
        inputs, scan_inputs = compiled.encode(stream, cycles), scan.encode(stream, cycles)
        ours, first = median(_repeated(in_chunks, compiled.weights(), inputs, times), times, repeats=5)
        note = f"{ours / cycles * 1e6:.2f} us a cycle"
        theirs, _ = median(_repeated(compiled.scalar_answers, compiled.weights(), inputs, times), times, repeats=5)
        yield row(
            f"forward, a stream of {cycles} cycles, in chunks", ours, "all cycles at once", theirs, compile_s=first, note=note
        )
        theirs, _ = median(_repeated(scan.scalar_answers, scan.weights(), scan_inputs, times), times, repeats=3)
        yield row("the same", ours, "our scan schedule", theirs)


def batches() -> Iterator[Row]:
    compiled, batch = run_3()
    descent = descent_for(compiled, L1)
    single, _ = median(training_steps(descent, batch, 200), 200)
    for strings in (8, 32):
        rng = np.random.default_rng(0)
        texts = ["".join(rng.permutation(list(STRING))) for _ in range(strings)]
        many = imitation_batch(compiled, [characters(text) for text in texts], 140, handcrafted())
        ours, first = median(training_steps(descent, many, 20), 20 * strings)
        yield row(f"step, per string, {strings} strings", ours, "one string alone", single, compile_s=first)
    for seeds in SEEDS_ON_ACCELERATOR if on_accelerator() else SEEDS:
        weights = [w[None] * jnp.linspace(1.0, 1.3, seeds)[:, None, None] for w in compiled.weights()]
        train = partial(_trained, descent, 20, batch)
        ways = {"loop": partial(jax.lax.map, train), "vmap": jax.vmap(train)}
        if on_accelerator():  # a loop would take minutes
            del ways["loop"]
        for how, run in ways.items():
            ours, first = median(partial(jax.jit(run), weights), 20 * seeds, repeats=3)
            yield row(f"step, per seed, {seeds} seeds, {how}", ours, "one seed alone", single, compile_s=first)


def recurrent() -> Iterator[Row]:
    compiled, _ = prepare("recurrent", "exact")
    batch = imitation_batch(compiled, [characters(STRING)], 140, handcrafted())
    descent = descent_for(compiled, RUNS["recurrent"].regularizers)
    step, first = median(training_steps(descent, batch, 50), 50)
    yield Row("training step, fully recurrent, 20306 weights, 140 cycles", step * 1e3, "no timing published", None, None, first)


def superfluid() -> Iterator[Row]:
    network = superfluid_network()
    compiled = compile_machine(network.random(jax.random.key(0), 0.03), characters(STRING))
    batch = imitation_batch(compiled, [characters(STRING)], 140, handcrafted())
    step, first = median(training_steps(descent_for(compiled, L1), batch, 50), 50)
    name = f"training step, superfluid, {len(network.links)} weights, 140 cycles"
    peer, note = "the author's gradient in 2024, 140 cycles", "a laptop; JAX without jit, 2,906 weights"
    yield row_of_elsewhere(name, step, peer, 2373.0, first, note)
    for cycles, seconds in ((11, 147.0), (2, 19.0)):
        short = imitation_batch(compiled, [characters(STRING)], cycles, handcrafted())
        step, first = median(training_steps(descent_for(compiled, L1), short, 200), 200)
        yield row_of_elsewhere(f"the same, {cycles} cycles", step, "the same", seconds, first, note)


def specialised() -> Iterator[Row]:
    compiled = compile_machine(published(), characters(STRING))
    batch = imitation_batch(compiled, [characters(STRING)], 140, handcrafted())
    descent = descent_for(compiled, L1)
    step, first = median(training_steps(descent, batch, 1000), 1000)
    network, network_batch = run_3()
    theirs, _ = median(training_steps(descent_for(network, L1), network_batch, 500), 500)
    yield row(
        "training step, the 19-link machine compiled by itself",
        step,
        "the network of 1486 weights, masked",
        theirs,
        compile_s=first,
    )


def pytorch() -> Iterator[Row]:
    from .pytorch_peer import loss_and_gradient

    compiled, batch = run_3()
    ours, first = median(
        _repeated(jax.value_and_grad(partial(squared_error, compiled)), compiled.weights(), batch.string(0), 500), 500
    )
    scan = compile_machine(compiled.machine, characters(STRING), schedule="scan")
    try:
        run = loss_and_gradient(scan, batch)
    except ImportError:
        yield row("loss and gradient, 140 cycles", ours, "PyTorch eager", None, note="not installed: pip install torch")
        return
    difference = abs(run() / float(squared_error(compiled, compiled.weights(), batch.string(0))) - 1)
    if difference > 1e-5:
        raise LabError(f"benchmark 'pytorch': its loss differs from ours by {difference:.1e}")
    theirs, _ = median(run, repeats=5)
    yield row("loss and gradient, 140 cycles", ours, "PyTorch eager, cycle by cycle", theirs, compile_s=first)
