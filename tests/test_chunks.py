"""Chunks of cycles, one after the other, are one run over the whole string; a string that begins forgets the one before."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from two_engines import HASTY

from dmmlab.compiler.chunk_runner import ChunkRunner
from dmmlab.compiler.chunks import Chunks, cut_up, join_up
from dmmlab.compiler.compilation import compile_machine
from dmmlab.core.errors import LabError
from dmmlab.core.streams import characters
from dmmlab.machines.detectors import handcrafted, published

LENGTHS = (90, 31, 1)  # cycles of strings that lie one behind the other
STRINGS = ("test string.", "nnn.", ".")
MACHINES = {
    "time-parallel": published(),
    "time-parallel, an accumulator that forgets": published().link("accum-1-2.dict-2", "accum-1-2.dict", -0.25),
    "scan": handcrafted().link("accum.dict-2", "compare.false", 0.01),
}


@pytest.fixture(scope="module", params=MACHINES)
def compiled(request):
    compiled = compile_machine(MACHINES[request.param], characters("test string."))
    assert compiled.schedule == request.param.split(",")[0]
    return compiled


@pytest.fixture(scope="module")
def whole(compiled):
    """For each string, what arrives from the boundary and what is answered in one run over all its cycles."""
    run = jax.jit(compiled.run)
    inputs = [compiled.encode(characters(string), cycles) for string, cycles in zip(STRINGS, LENGTHS, strict=True)]
    return [(each, run(compiled.weights(), each)) for each in inputs]


def close(array, other):
    np.testing.assert_allclose(array, other, rtol=1e-5, atol=1e-5)


def chunks_of(whole, chunk):
    """The strings, cut up, one behind the other; what belongs to a chunk besides is the number of its string."""
    parts = [{b: cut_up(np.asarray(x), chunk) for b, x in inputs.items()} for inputs, _ in whole]
    counts = [len(part[0]) for part in parts]
    return Chunks(
        {b: np.concatenate([part[b] for part in parts]) for b in parts[0]},
        np.concatenate([np.arange(count) == 0 for count in counts]),
        np.repeat(np.arange(len(counts)), counts),
    )


@pytest.mark.parametrize("shape", [(7,), (2, 3, 10), (1, 1, 1)])
@pytest.mark.parametrize("chunk", [1, 3, 5, 10, 11])
@pytest.mark.parametrize("array", [np.asarray, jnp.asarray], ids=["numpy", "jax"])
def test_cutting_up_and_joining_is_nothing(shape, chunk, array):
    numbers = array(np.arange(1.0, np.prod(shape) + 1).reshape(shape))
    parts = cut_up(numbers, chunk, filler=-1.0)
    assert parts.shape == (-(-shape[-1] // chunk), *shape[:-1], chunk)
    assert (np.asarray(parts) == -1).sum() == (parts.size - numbers.size)
    np.testing.assert_array_equal(join_up(parts, shape[-1]), numbers)


def test_chunks_of_no_cycles_are_refused():
    for chunk in (0, -3):
        with pytest.raises(LabError, match=f"chunks of {chunk} cycles: expected a whole number from 1 on"):
            cut_up(np.zeros(5), chunk)


def test_a_run_continues_where_the_last_one_ended(compiled, whole):
    inputs, answers = whole[0]
    run_from, carry, parts = jax.jit(compiled.run_from), None, []
    for start in (0, 30, 60):
        carry, part = run_from(compiled.weights(), {b: x[..., start : start + 30] for b, x in inputs.items()}, carry)
        parts.append(part)
    for b in answers:
        close(jnp.concatenate([part[b] for part in parts], axis=-1), answers[b])


@pytest.mark.parametrize("chunk", [40, 200])
def test_a_run_in_chunks_is_one_run(compiled, whole, chunk):
    """40 does not divide 90; 200 is longer than the string."""
    inputs, answers = whole[0]
    runs = (partial(compiled.run_in_chunks, chunk=chunk, blocks=blocks) for blocks in (None, (0,)))
    in_chunks, scalars = jax.jit(lambda weights: [run(weights, inputs) for run in runs])(compiled.weights())
    assert in_chunks.keys() == answers.keys()
    for b in answers:
        close(in_chunks[b], answers[b])
    assert list(scalars) == [0]
    close(scalars[0], answers[0])


@pytest.mark.parametrize("chunk", [16, 31])
def test_strings_one_behind_the_other_are_each_as_alone(compiled, whole, chunk):
    """Neither length is a multiple of 16; 31 is that of the second string."""
    chunks = chunks_of(whole, chunk)

    def summary(answers, string):
        return answers[0], string

    _, (scanned, strings) = jax.jit(lambda weights: compiled.scan_chunks(summary, weights, chunks))(compiled.weights())
    np.testing.assert_array_equal(strings, chunks.more)
    for i, (_, answers) in enumerate(whole):
        close(join_up(np.asarray(scanned)[strings == i], LENGTHS[i]), answers[0])
    kept, strings = ChunkRunner(compiled, summary, at_once=2)(compiled.weights(), chunks)  # an odd number of chunks
    np.testing.assert_array_equal(strings, chunks.more)
    close(kept, scanned)


def test_one_compilation_runs_any_number_of_chunks(compiled, whole):
    runner = ChunkRunner(compiled, lambda answers, _: answers[0], at_once=3)
    for strings in (whole, whole[:1], whole[1:]):
        runner(compiled.weights(), chunks_of(strings, 20))
    assert runner._scan._cache_size() == 1


def test_the_carry_is_what_the_last_chunk_ended_in(compiled, whole):
    chunks = chunks_of(whole[:1], 30)
    scan = jax.jit(lambda chunks, carry: compiled.scan_chunks(lambda answers, _: answers[0], compiled.weights(), chunks, carry))
    carry, first = scan(jax.tree.map(lambda x: x[:2], chunks), compiled.initial_carry(whole[0][0]))
    _, second = scan(jax.tree.map(lambda x: x[2:], chunks), carry)
    close(join_up(np.concatenate([first, second]), 90), whole[0][1][0])


@pytest.mark.slow
def test_gradients_flow_from_chunk_to_chunk(compiled, whole):
    inputs, _ = whole[0]

    def total(run):
        gradient = jax.grad(lambda weights: jnp.sum(run(weights)[0][:, 0] ** 2))
        return jax.jit(gradient, compiler_options=HASTY)(compiled.weights())

    at_once = total(lambda weights: compiled.run(weights, inputs))
    in_chunks = total(lambda weights: compiled.run_in_chunks(weights, inputs, 40))
    for one_run, chunked in zip(at_once, in_chunks, strict=True):
        np.testing.assert_allclose(chunked, one_run, rtol=1e-4, atol=1e-3)
