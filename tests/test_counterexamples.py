"""Counterexamples: the shortest string that is found, what is wrong on it, and what to try."""

import numpy as np
import pytest

from dmmlab.core.engine import answers
from dmmlab.core.vvalues import number
from dmmlab.machines.detectors import handcrafted, published
from dmmlab.synthesis.catalogue import PROBLEMS
from dmmlab.synthesis.counterexamples import counterexample
from dmmlab.synthesis.repairs import DAMAGES

DUPLICATES = PROBLEMS["duplicates"]


def test_a_machine_that_is_right_has_none():
    assert counterexample(DUPLICATES, handcrafted()) is None


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_is_found_on_a_short_string(damage):
    machine = DAMAGES[damage](handcrafted())
    found = counterexample(DUPLICATES, machine)
    assert sum(v != {} for v in found.items[: found.cycle + 1]) <= 4
    told = answers(machine, found.streams, len(found.items))
    again = [[number(v.get(name, {})) for v in told] for name in found.names]
    assert np.array_equal(again, found.answers)
    wrong = np.abs(found.answers - found.targets).max(axis=0) > 1e-9
    assert wrong[found.cycle]
    assert not wrong[: found.cycle].any()
    name, answer, right = found.worst
    assert abs(answer - right) > 1e-9
    assert f"it answers {answer:.4g} for {name} in cycle {found.cycle}, where {right:.4g} is right" in repr(found)
    assert found._repr_html_().count("background") == 2 + 2 * len(found.names)  # the row of that cycle


def test_what_goes_wrong_late_is_found_in_the_strings_that_are_given():
    """The machine of 2022 is right on short strings of few letters, within its roundings."""
    machine = published()
    found = counterexample(DUPLICATES, machine, DUPLICATES.validation(lengths=(14,)))
    assert found is not None
