"""PruningSession by hand: what is kept follows its definition, and every move can be taken back."""

import json

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from dmmlab import Machine
from dmmlab.compiler.compilation import compile_machine
from dmmlab.compiler.weights import flatten
from dmmlab.core.errors import LabError
from dmmlab.explorers.pruning_session import PruningSession, Quality
from dmmlab.machines.detectors import handcrafted, published
from dmmlab.machines.networks import feedforward
from dmmlab.problems.catalogue import PROBLEMS
from dmmlab.pruning.tasks import Task
from dmmlab.pruning.trace import Trace

LINKS = sorted(str(link) for link in published().links() if not link.hard)
INPUT = "accum-1-2.dict-2 <- input.char"
SMALLEST = "compare-3-1.dict-2 <- norm-2-1.norm"  # -0.25

thresholds = st.sampled_from([0.0, 1e-6, 0.25, 0.26, 0.44, 0.5, 0.68, 1.0, 1.29, 2.0, 1e30, np.inf])
moves = st.lists(
    st.tuples(st.just("move_threshold"), thresholds)
    | st.tuples(st.sampled_from(["cut", "pin", "restore"]), st.sampled_from(LINKS))
    | st.tuples(st.just("go_to"), st.integers(0, 2)),
    max_size=8,
)


@pytest.fixture(scope="module")
def task():
    return Task(PROBLEMS["duplicates"], published(), seed=1)


@pytest.fixture(scope="module")
def history(task):
    """Three moments: all links; without the smallest; and all of another size."""
    weights = flatten(task.weights(published()))
    return Trace([], [weights, np.where(np.abs(weights) < 0.3, 0.0, weights), 2 * weights])


@pytest.fixture
def pruning(task):
    return PruningSession(task)


def cut_smallest(pruning, count):
    for name in pruning.links[:count]:
        pruning.cut(name)


def there(pruning):
    return {name for place, name in pruning.names.items() if pruning.kept[place]}


def do(pruning, move, argument):
    """Whether the move was made: what is not cut cannot be restored."""
    refused = move == "restore" and pruning.status(argument) in ("kept", "pinned", "gone")
    if refused:
        with pytest.raises(LabError, match=r"is not cut|has no weight any more"):
            pruning.restore(argument)
    else:
        getattr(pruning, move)(argument)
    return not refused


def same(one, other):
    return one._replace(weights=0) == other._replace(weights=0) and np.array_equal(one.weights, other.weights)


@given(moves)
@settings(max_examples=60)
def test_undoing_all_moves_ends_where_it_began_and_passes_where_it_was(task, history, moves):
    pruning = PruningSession(task, history=history)
    places = [pruning.place]
    for move, argument in moves:
        do(pruning, move, argument)
        places.append(pruning.place)
    while pruning._done:
        pruning.undo()
        assert any(same(pruning.place, place) for place in places)
    assert same(pruning.place, places[0])


@pytest.mark.slow
@given(moves)
@settings(max_examples=60)
def test_what_is_kept_follows_the_moves(task, history, moves):
    pruning = PruningSession(task, history=history)
    threshold, cut, pinned, weights = 0.0, set(), set(), history.snapshots[-1]
    places = {name: place for place, name in task.links.items()}
    for move, argument in moves:
        before = there(pruning)
        if not do(pruning, move, argument):
            assert there(pruning) == before
        elif move == "move_threshold":
            threshold = argument
        elif move == "go_to":
            weights, cut, pinned = history.snapshots[argument], set(), set()
        elif move == "cut":
            cut, pinned = cut | {argument}, pinned - {argument}
        elif move == "pin":
            cut, pinned = cut - {argument}, pinned ^ {argument}  # of one that is pinned it lets go
        elif move == "restore":
            assert argument in there(pruning)
            small = abs(weights[places[argument]]) <= threshold
            cut, pinned = cut - {argument}, pinned | {argument} if small else pinned
        else:
            by_size = sorted(before - pinned, key=lambda name: (abs(weights[places[name]]), places[name]))
            cut = cut | set(by_size[:argument])
        expected = {
            name
            for name, place in places.items()
            if weights[place] and name not in cut and (name in pinned or abs(weights[place]) > threshold)
        }
        assert there(pruning) == expected
    assert {str(link) for link in pruning.machine.links() if not link.hard} == there(pruning)
    assert all(pruning.whole.count() >= machine.count() for machine in (pruning.machine, pruning.machine.live()))
    statuses = {name: pruning.status(name) for name in LINKS}
    for name, status in statuses.items():
        if weights[places[name]]:
            assert (name in there(pruning)) == (status in ("kept", "pinned"))
            assert (status == "cut") == (name in cut)
            assert (status == "pinned") == (name in pinned)


@pytest.mark.slow
@given(moves)
@settings(max_examples=25)
def test_nothing_that_is_asked_of_a_pruned_machine_raises(task, history, moves):
    pruning = PruningSession(task, history=history)
    for move, argument in moves:
        do(pruning, move, argument)
    links, live, loss, error = pruning.measure()
    assert links == len(there(pruning)) == pruning.machine.count()
    assert 0 <= live <= links
    assert np.isfinite([loss, error]).all()
    given, right = pruning.answers(0)
    assert given.shape == right.shape == (2, 40)
    for show_cut in (True, False):
        assert pruning.drawing(show_cut).pipe("svg").startswith(b"<?xml")
    low, high = pruning.range
    assert 0 < low < high


def test_a_pinned_link_stays_for_any_threshold(pruning):
    pruning.pin(SMALLEST)
    for threshold in (0.0, 0.25, 1.0, 1e30, np.inf):
        pruning.move_threshold(threshold)
        assert pruning.status(SMALLEST) == "pinned"
        assert SMALLEST in there(pruning)
    assert there(pruning) == {SMALLEST}


def test_a_link_at_the_threshold_is_cut(pruning):
    pruning.move_threshold(float(np.abs(pruning.place.weights[pruning.place.weights != 0]).min()))
    assert SMALLEST not in there(pruning)
    assert len(there(pruning)) == 18


def test_all_links_cut(pruning):
    cut_smallest(pruning, 1000)
    assert pruning.measure()[:2] == (0, 0)
    answers, _ = pruning.answers(3)
    assert not answers.any()
    assert pruning.drawing().source.count("style=dotted") == 19
    assert {link.hard for link in pruning.machine.links()} == {True}
    with pytest.raises(LabError, match="no links are left to be trained"):
        pruning.train(1)


def test_the_error_is_that_of_the_machine_run_by_itself(pruning):
    pruning.move_threshold(0.3)
    weights = compile_machine(pruning.machine, pruning.task.keys, 1)
    assert weights.machine.count() == 17
    squares = [pruning.answers(i) for i in range(len(pruning.task.samples))]
    total = sum(np.nansum((given - right) ** 2) for given, right in squares)
    asked = sum((~np.isnan(right)).any(axis=0).sum() for _, right in squares)
    assert pruning.measure().train_loss == pytest.approx(total / asked, rel=1e-4)


def test_links_are_listed_with_the_smallest_first(pruning):
    assert sorted(pruning.links) == LINKS
    assert pruning.links[0] == SMALLEST
    assert pruning.links[-1] == "dot-2-2.dict-2 <- eos.char"


def test_undo_says_what_it_undid_and_threshold_moves_are_one(pruning):
    for threshold in (0.1, 0.3, 0.5):
        pruning.move_threshold(threshold)
    pruning.cut(INPUT)
    pruning.move_threshold(0.0)
    assert [pruning.undo() for _ in range(3)] == ["threshold", f"cut {INPUT}", "threshold"]
    assert pruning.place.threshold == 0.0
    with pytest.raises(LabError, match="nothing to undo"):
        pruning.undo()


def test_history(task, history):
    pruning = PruningSession(task, history=history)
    assert pruning.place.moment == 2
    pruning.cut(INPUT)
    for moment, links in ((1, 17), (0, 19), (1, 17)):
        pruning.go_to(moment)
        assert np.array_equal(pruning.place.weights, history.snapshots[moment])
        assert pruning.measure().links == links
    assert pruning.undo() == "history"  # all of it
    assert pruning.place.moment == 2
    assert pruning.status(INPUT) == "cut"
    for moment in (-1, 3, 10**9):
        with pytest.raises(LabError, match=f"moment {moment}: the history has 3, from 0 on"):
            pruning.go_to(moment)
    with pytest.raises(LabError, match="the history has 0"):
        PruningSession(task).go_to(0)


def test_the_range_spans_the_history(task, history):
    low, high = PruningSession(task, history=history).range
    assert low == pytest.approx(0.125)
    assert high == pytest.approx(2.58 * 1.25)


@pytest.mark.slow
def test_training_what_is_left(pruning):
    cut_smallest(pruning, 3)
    pruning.pin(INPUT)
    before, gone = pruning.measure(), set(LINKS) - there(pruning)
    pruning.train(150)
    after = pruning.measure()
    assert after.links == before.links
    assert after.train_loss < before.train_loss
    assert not gone & there(pruning)
    for name in gone:  # for good
        assert not do(pruning, "restore", name)
    assert not gone & there(pruning)
    while pruning.undo() != "train 150 steps":
        pass
    assert pruning.measure() == before


def test_training_that_explodes_changes_nothing(task):
    pruning = PruningSession(task)
    before = pruning.place
    with pytest.raises(LabError, match="left the finite numbers; nothing was changed"):
        pruning.train(3, learning_rate=1e38)
    assert pruning.place is before
    with pytest.raises(LabError, match="nothing to undo"):
        pruning.undo()


@pytest.mark.parametrize("kind", ["svg", "pdf", "png", "eps", "gv", "tex", "json"])
def test_export(tmp_path, pruning, kind):
    pruning.move_threshold(0.3)
    path = pruning.export(tmp_path / f"pruned.{kind}")
    assert path.stat().st_size > 500
    if kind == "json":
        assert Machine.from_json(path) == pruning.machine
        assert json.loads(path.read_text())["format"]
    if kind == "gv":
        assert "dotted" not in path.read_text()
        assert "dotted" in pruning.export(path, show_cut=True).read_text()


@pytest.mark.parametrize(
    ("do", "message"),
    [
        (lambda p, _: p.move_threshold(-1), "threshold -1: expected a number from 0 on"),
        (lambda p, _: p.move_threshold(np.nan), "threshold nan: expected"),
        (lambda p, _: p.cut("nobody"), "there is no link 'nobody'; a link is written output.dict-1 <- norm.norm"),
        (lambda p, _: p.pin(""), "there is no link ''"),
        (lambda p, _: p.restore(LINKS[0].upper()), "there is no link"),
        (lambda p, _: p.status("input.timer <- timer.timer"), "is a hard link: it belongs to the architecture"),
        (lambda p, folder: p.export(folder / "x.bmp"), "unknown format 'bmp'"),
        (lambda p, folder: p.export(folder / "no" / "x.svg"), "cannot be written"),
        (lambda p, folder: p.export(folder / "no" / "x.json"), "cannot be written"),
    ],
)
def test_errors_are_one_line_and_change_nothing(tmp_path, pruning, do, message):
    before = pruning.place
    with pytest.raises(LabError) as error:
        do(pruning, tmp_path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert pruning.place is before
    assert list(tmp_path.iterdir()) == []


def test_a_network_without_weights_cannot_be_pruned():
    with pytest.raises(LabError, match="a network has no weights of its own: give some, or a history"):
        PruningSession(Task(PROBLEMS["duplicates"], feedforward(1, 1), seed=1))


@pytest.mark.slow
def test_a_machine_of_the_right_answers_measures_nothing_wrong():
    assert PruningSession(Task(PROBLEMS["duplicates"], handcrafted(), seed=1)).measure() == Quality(8, 8, 0.0, 0.0)
