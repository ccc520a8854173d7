"""Smaller machines: a detour is undone by a shortcut and a cut at once, without training."""

import pytest

from dmmlab.machines.detectors import handcrafted
from dmmlab.machines.isomorphism import same
from dmmlab.problems.catalogue import PROBLEMS
from dmmlab.pruning.rounding import round_off
from dmmlab.pruning.smaller_machines import with_fewer_links
from dmmlab.pruning.tasks import Task
from dmmlab.search.repairs import embed

pytestmark = pytest.mark.slow


def test_a_detour_is_undone():
    """The machine of ten links that seed 10 ended in where vectors are narrow: a look ahead, and a wait that makes up for it."""
    task = Task(PROBLEMS["duplicates"], seed=5)
    by_hand = embed(handcrafted(), task.network)
    detour = (
        by_hand.link("norm-2-1.dict", "input.char", 1.0)
        .unlink("output.dict-1", "compare-3-1.true")
        .link("compare-4-1.dict-1", "compare-3-1.true", 1.0)
        .link("output.dict-1", "compare-4-1.true", 1.0)
    )
    longer = round_off(task, detour)
    assert longer.exact_on_validation
    assert longer.links == 10
    smaller = with_fewer_links(task, longer)
    assert smaller.exact_on_validation
    assert smaller.links == 8
    assert same(smaller.machine, handcrafted())
    assert with_fewer_links(task, smaller) is smaller  # none is smaller
    wrong = round_off(task, by_hand.unlink("norm-2-1.dict", "accum-1-1.dict"))
    assert with_fewer_links(task, wrong) is wrong
