"""Superfluid machines: every neuron is a linear combination of all functions."""

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from two_engines import HASTY, check_engines_agree

import dmmlab as dm
from dmmlab.core import SUPERFLUID, answering
from dmmlab.core.errors import LabError
from dmmlab.machines.superfluid_machines import FUNCTIONS, functions, plain, superfluid
from dmmlab.search import synthesize_superfluid


def test_the_published_network_has_2906_weights_and_4606_once_mended():
    published = superfluid(published=True)
    assert len(published.links) == 2906
    assert len(superfluid().links) == 4606
    fed = {to[0] for to, source in published.links if source[0] not in (to[0], "const_1")}
    assert not any(name.startswith("superfluid-1-") for name in fed)
    feeding = {source[0] for to, source in published.links if to[0] != source[0]}
    assert not any(name.startswith("superfluid-5-") for name in feeding)


@pytest.mark.parametrize("part", FUNCTIONS)
def test_a_neuron_of_one_function_is_an_ordinary_neuron(part):
    u, v = {"a": 0.5, "b": -2.0}, {"a": 1.0, ":number": 1.5}
    kind, inputs, outputs = FUNCTIONS[part]
    got = SUPERFLUID.activate({**dict.fromkeys(inputs, u), list(inputs)[-1]: v, part: 2.0})
    expected = kind.activate({**dict.fromkeys(inputs.values(), u), list(inputs.values())[-1]: v})
    for mine, its in outputs.items():
        for path, x in dm.vvalues.paths(expected[its]):
            assert dict(dm.vvalues.paths(got[mine]))[path] == 2.0 * x
    others = {name: v for name, v in got.items() if name not in outputs}
    assert all(not x for v in others.values() for _, x in dm.vvalues.paths(v))


@st.composite
def small_machines(draw):
    """A few superfluid neurons in two layers, with some of the links of their network."""
    network = superfluid(2, draw(st.integers(1, 2)))
    weights = draw(
        st.lists(st.sampled_from([0.0, 0.0, 1.0, -0.5, 0.75]), min_size=len(network.links), max_size=len(network.links))
    )
    return network.machine(weights)


STREAM = dm.characters("ab.a", period=1, repeat_last=False)


@settings(max_examples=15, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(small_machines())
def test_a_plain_machine_gives_the_same_answers(machine):
    same = plain(machine)
    assert not any(kind is SUPERFLUID for kind in same.neurons.values())
    for mine, its in zip(dm.answers(machine, STREAM, 6), dm.answers(same, STREAM, 6), strict=True):
        np.testing.assert_allclose(
            [dm.vvalues.number(v) for v in mine.values()], [dm.vvalues.number(v) for v in its.values()], rtol=1e-9, atol=1e-9
        )


@pytest.mark.slow
@settings(max_examples=5, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(case=small_machines())
def test_engines_agree(float64, case):
    check_engines_agree(case, STREAM, 1e-10, HASTY)


def test_functions_are_named_and_a_coefficient_is_a_number():
    network = superfluid(1, 1)
    machine = dm.Machine.build({"superfluid-1-1.of-norm": {"const_1.const_1": 0.5}}, network.neurons)
    assert functions(machine) == {"superfluid-1-1": {"of-norm": 0.5}}
    assert "norm-1-1" in plain(machine).neurons
    odd = machine.link("superfluid-1-1.of-dot", "input.char", 1.0)
    with pytest.raises(LabError, match=r"superfluid-1-1\.of-dot: a coefficient comes from const_1\.const_1 alone"):
        plain(odd)


def test_a_name_that_is_taken_is_told():
    network = superfluid(1, 1)
    machine = dm.Machine.build(
        {"superfluid-1-1.of-norm": {"const_1.const_1": 0.5}}, {**network.neurons, "norm-1-1": dm.core.NORM}
    )
    with pytest.raises(LabError, match="there is a neuron 'norm-1-1' already"):
        plain(machine)


def test_a_machine_on_disk(tmp_path):
    network = superfluid(1, 1)
    machine = network.machine([0.5] * len(network.links))
    machine.to_json(tmp_path / "machine.json")
    assert dm.Machine.from_json(tmp_path / "machine.json").soft == machine.soft


def test_a_network_needs_layers_and_a_constant():
    for options in ({"layers": 0}, {"neurons": 0}, {"sources": {}}):
        with pytest.raises(LabError, match="one of each is needed"):
            superfluid(**options)


@pytest.mark.slow
def test_functions_are_pruned_down_to_an_exact_machine():
    problem = dm.PROBLEMS["characters"]
    network = superfluid(2, 1, answering(problem.answers), problem.sources)
    found = synthesize_superfluid(problem, network, seed=1)
    assert found.best.exact
    assert not any(kind is SUPERFLUID for kind in found.machine.neurons.values())
    assert found.best_restart.verdict is found.best
    assert "exact on all validation and test strings" in found.verdict


def test_a_synthesis_needs_a_restart():
    with pytest.raises(LabError, match="0 restarts: at least one is needed"):
        synthesize_superfluid(dm.PROBLEMS["sum"], restarts=0)
