"""Starting networks: what is linked to what, and in which order."""

import jax
import pytest

from dmmlab.core.neurons import ACCUM, NORM
from dmmlab.machines.networks import LAYER, NetworkError, feedforward, recurrent


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


def test_random_machines_from_a_jax_key():
    network = feedforward(2, 1)
    machine = network.random(jax.random.key(3), scale=0.5)
    assert machine.count() == len(network.links)
    assert machine == network.random(jax.random.key(3), scale=0.5)
    assert machine != network.random(jax.random.key(4), scale=0.5)


def test_impossible_networks():
    with pytest.raises(NetworkError, match="0 layers of 2 copies"):
        feedforward(0, 2)
    with pytest.raises(NetworkError, match="0 copies"):
        recurrent(0)
