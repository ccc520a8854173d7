from itertools import islice

import jax
import numpy as np
import pytest

from dmmlab.core.neurons import ACCUM, COMPARE, DOT, ID, NORM
from dmmlab.june2022.random_numbers import normal_numbers
from dmmlab.june2022.replay import RUNS
from dmmlab.machines.networks import LAYER, NetworkError, all_fields, feedforward, recurrent, recurrent_2022


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("first-feedforward-run", 7521),
        ("feedforward-run-1.1", 2102),
        ("feedforward-run-2", 950),
        ("feedforward-run-3", 1486),
        ("compare-free", 942),
        ("recurrent", 20306),
        ("recurrent-with-id", 20306),  # 4 copies of 5 types have as many ports as 5 copies of 4
    ],
)
def test_the_published_numbers_of_weights(name, weights):
    run = RUNS[name]
    assert len(run.network(run.types).links) == weights


def test_the_weights_of_2022_bit_for_bit(reference):
    """The log of run 3 gives the sum of absolute values and of squares at the first step, in single precision."""
    weights = np.array([link.weight for link in feedforward(5, 2).random_2022(0.01).links() if not link.hard])
    assert weights.dtype == np.float32
    first = (reference / "run-3-first-100-steps.csv").read_text().splitlines()[1].split(",")
    assert np.abs(weights).sum(dtype=np.float64) == pytest.approx(float(first[2]), rel=1e-7)
    assert np.square(weights).sum(dtype=np.float64) == pytest.approx(float(first[3]), rel=1e-6)


def test_normal_numbers_are_normal():
    x = np.array(list(islice(normal_numbers(7), 100_000)))
    assert abs(x.mean()) < 0.01
    assert abs(x.std() - 1) < 0.01
    assert abs((np.abs(x) > 3.6541528853610088).mean() / 2.58e-4 - 1) < 0.4  # the tail is drawn too
    assert list(islice(normal_numbers(7), 3)) == x[:3].tolist()
    assert x[0] != next(normal_numbers(8))


def test_layers_are_fed_by_earlier_layers_alone():
    network = feedforward(3, 2, (ACCUM, NORM))
    layer = {name: int(name.split("-")[1]) if "-" in name else 0 for name in network.neurons} | {"output": 4}
    assert all(layer[source[0]] < layer[to[0]] for to, source in network.links)
    assert len(set(network.links)) == len(network.links)
    assert not any(field == "dict-1" and to.startswith("accum") for (to, field), _ in network.links)


def test_the_order_of_links():
    links = feedforward(1, 1, LAYER).links
    assert links[:4] == [
        (("accum-1-1", "dict-2"), ("input", "char")),
        (("accum-1-1", "dict-2"), ("eos", "char")),
        (("accum-1-1", "dict-2"), ("const_1", "const_1")),
        (("norm-1-1", "dict"), ("input", "char")),
    ]
    assert recurrent_2022(1).links[0] == (("output", "dict-1"), ("input", "char"))


def test_random_machines_from_a_jax_key():
    network = feedforward(2, 1)
    machine = network.random(jax.random.key(3), scale=0.5)
    assert machine.count() == len(network.links)
    assert machine == network.random(jax.random.key(3), scale=0.5)
    assert machine != network.random(jax.random.key(4), scale=0.5)


def test_all_fields_keep_the_function():
    values = {"dict-1": {"a": 2.0}, "dict-2": {"a": 3.0}}
    for kind, field in ((ACCUM, "dict"), (DOT, "dot")):
        result = all_fields(kind).activate(values)
        assert result[field] == kind.activate(values)[field]
        assert all(v == {} for name, v in result.items() if name != field)
    assert set(all_fields(COMPARE).inputs) == set(all_fields(COMPARE).outputs)
    assert all_fields(ID) is ID


def test_impossible_networks():
    with pytest.raises(NetworkError, match="0 layers of 2 copies"):
        feedforward(0, 2)
    with pytest.raises(NetworkError, match="0 copies"):
        recurrent(0)
