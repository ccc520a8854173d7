"""Circuits as papers print them: no label on a label, a box or a line, few crossings, letters that can be read."""

import pytest
from drawn_circuits import COLUMN, PAGE, SMALLEST, by_hand, measure, tasks

from dmmlab import draw

MOST_LINKS = 20
NARROW = 8  # links: circuits of more may take the width of the page
CHOSEN = [
    "Abs_Current", "Add_Mod_7", "Balanced_Parenthesis", "Base_4_Addition", "Div_3", "Dithering", "Max_Seen", "Min_Seen",
    "Newton_Magnetic", "Newton_Spring", "Parity_All", "Parity_Zeros", "Previous_Equals_Current", "Sum_Last4",
]  # fmt: skip
WRITTEN = {name: machine for name, machine in by_hand().items() if machine.count() <= MOST_LINKS}
TASKS = {name: machine for name, machine in tasks().items() if name in CHOSEN}
LOOPS = ["Add_Mod_7", "Base_4_Addition", "Div_3", "Dithering", "Newton_Magnetic", "Newton_Spring", "Parity_All", "Parity_Zeros"]
MACHINES = {**WRITTEN, **TASKS}


@pytest.fixture(scope="module")
def counted():
    return {name: measure(machine, draw(machine)) for name, machine in MACHINES.items()}


def test_the_circuits_are_those_of_the_journal():
    assert len(TASKS) == len(CHOSEN)
    assert len(WRITTEN) > 20


@pytest.mark.parametrize("name", MACHINES)
def test_every_label_can_be_read(counted, name):
    found = counted[name]
    assert (found.label_on_label, found.label_on_box, found.line_through_label, found.line_through_box) == (0, 0, 0, 0)


@pytest.mark.parametrize("name", MACHINES)
def test_letters_are_large_enough_for_a_paper(counted, name):
    width = COLUMN if MACHINES[name].count() <= NARROW else PAGE
    assert counted[name].points * min(1.0, width / counted[name].width) >= SMALLEST


def test_feedback_seldom_crosses(counted):
    """With feedback drawn as links around the neurons, these circuits had 118 such crossings."""
    assert sum(counted[name].feedback_crossings for name in LOOPS) <= 10
