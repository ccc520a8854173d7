"""The machines that were written by hand compute their functions."""

import pytest
from machines_by_hand import BY_HAND
from readers_functions import FUNCTIONS, right_on_long_strings


@pytest.mark.parametrize("name", BY_HAND)
def test_a_machine_by_hand_is_right_on_long_strings(name):
    assert right_on_long_strings(*FUNCTIONS[name], *BY_HAND[name])


def test_each_machine_by_hand_has_the_name_of_a_function():
    assert BY_HAND.keys() <= FUNCTIONS.keys()
