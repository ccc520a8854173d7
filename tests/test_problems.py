"""Problems: right answers worked out by hand, and machines that are known to give them."""

from dataclasses import replace

import numpy as np
import pytest

from dmmlab import Machine
from dmmlab.compiler.weights import count_links
from dmmlab.core.engine import answers
from dmmlab.core.errors import LabError
from dmmlab.core.neuron_type import NeuronType
from dmmlab.core.vvalues import number
from dmmlab.machines.detectors import handcrafted
from dmmlab.problems.automata import Automaton
from dmmlab.problems.catalogue import PROBLEMS
from dmmlab.problems.problems import VALIDATION_LENGTHS, Problem
from dmmlab.pruning.evaluation import Evaluator
from dmmlab.pruning.tasks import Task


def target(name, text, delay=True):
    problem = PROBLEMS[name]
    sample = problem.sample([{c: 1.0} if c != "_" else {} for c in text] + [{}] * problem.delays[0])
    return sample.targets[0, problem.delays[0] :].tolist()


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("characters", "ab_c", [1, 2, 2, 3]),
        ("words", "ab c d", [0, 0, 1, 1, 2, 2]),
        ("sentences", "a.b!?", [0, 1, 1, 2, 3]),
        ("repetition", "ab_cb_", [0, 0, 0, 0, 1, 1]),
        ("longest-run", "abbaaab", [1, 1, 2, 2, 2, 3, 3]),
        ("margin", "abbac", [1, 0, -1, 0, 0]),
        ("bracket-depth", "(a())", [1, 1, 2, 1, 0]),
        ("seen-before", "aba_aaaa", [0, 0, 1, 0, 2, 3, 4, 4]),
    ],
)
def test_answers_to_characters(name, text, expected):
    assert target(name, text) == expected


def test_answers_to_numbers():
    problem = PROBLEMS["running-maximum"]
    assert problem.sample([1.0, 3.0, 2.0, 5.0, 0.0, 0.0]).targets.tolist() == [[0, 0, 1, 3, 3, 5]]
    pairs = [{"left": 1.0, "right": 2.5}, {"left": -1.0}, {}]
    assert PROBLEMS["sum"].sample(pairs).targets.tolist() == [[0, 3.5, -1]]
    assert PROBLEMS["difference"].sample(pairs).targets.tolist() == [[0, -1.5, -1]]


@pytest.mark.slow
def test_the_handcrafted_target_is_that_of_the_tree_engine():
    problem = PROBLEMS["duplicates"]
    for sample in (*problem.training(4), *problem.validation(letters=(8,), lengths=(14,))):
        arrived = answers(problem.target, sample.streams["input"], sample.cycles)
        expected = [[number(v.get(name, 0.0)) for v in arrived] for name in problem.answers]
        assert np.array_equal(sample.targets, expected)


@pytest.mark.parametrize("name", PROBLEMS)
def test_validation_strings_are_longer_and_of_larger_alphabets(name):
    problem = PROBLEMS[name]
    training, validation = problem.training(0), problem.validation(lengths=(14, 200))
    assert len(training) == 8
    assert {sample.cycles for sample in training} == {40}
    assert {sample.letters for sample in training} == {3}
    assert {sample.letters for sample in validation} == {8, 40}
    assert len({sample.kind for sample in validation}) == (12 if problem.silence else 4)
    assert VALIDATION_LENGTHS == (14, 200, 2000)
    again = problem.training(0)
    assert all(np.array_equal(a.targets, b.targets) for a, b in zip(training, again, strict=True))
    assert any(not np.array_equal(a.targets, b.targets) for a, b in zip(training, problem.training(1), strict=True))


KNOWN = {
    "characters": {"norm.dict": {"input.char": 1}, "accum.dict-2": {"norm.norm": 1}, "output.answer": {"accum.dict": 1}},
    "words": {
        "dot.dict-1": {"input.char": 1},
        "dot.dict-2": {"space.char": 1},
        "accum.dict-2": {"dot.dot": 1},
        "output.answer": {"accum.dict": 1},
    },
    "seen-before": {
        "accum.dict-2": {"input.char": 1},
        "dot.dict-1": {"accum.dict": 1},
        "dot.dict-2": {"input.char": 1},
        "output.answer": {"dot.dot": 1},
    },
    "running-maximum": {
        "compare.dict-1": {"input.char": 1},
        "compare.dict-2": {"compare.true": 1, "accum.dict": 1},
        "accum.dict-2": {"compare.true": 1},
        "output.answer": {"compare.true": 1, "accum.dict": 1},
    },
    "sum": {"output.answer": {"left.char": 1, "right.char": 1}},
    "difference": {"output.answer": {"left.char": 1, "right.char": -1}},
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_machines_are_exact(name):
    problem = PROBLEMS[name]
    types = {kind.name: kind for kind in problem.network.neurons.values()}
    names = {port.rpartition(".")[0] for to, sources in KNOWN[name].items() for port in (to, *sources)}
    neurons = {n: problem.network.neurons.get(n) or next(k for t, k in types.items() if t.split()[0] == n) for n in names}
    machine = Machine.build(KNOWN[name], {"timer": types["timer"], **neurons})
    if problem.recurrent:
        machine = machine.link("accum.dict-1", "accum.dict", 1.0, hard=True)
    evaluator = Evaluator(machine, {"validation": problem.validation(lengths=(14, 200))})
    assert evaluator.max_abs_error(machine) == 0.0
    to, sources = next(iter(KNOWN[name].items()))
    wrong = machine.link(to, next(iter(sources)), 0.5)
    assert evaluator.max_abs_error(wrong) > 0.1


def test_a_machine_as_the_target_of_numbers():
    machine = Machine.build({"output.answer": {"left.char": 1.0, "right.char": 1.0}}, PROBLEMS["sum"].network.neurons)
    imitated = replace(PROBLEMS["sum"], target=machine)
    for one, other in zip(imitated.training(2), PROBLEMS["sum"].training(2), strict=True):
        assert np.array_equal(one.targets, other.targets)


@pytest.mark.slow
def test_a_problem_of_a_readers_own():
    def vowels(stream):
        count = 0
        for v in stream:
            count += sum(v.get(letter, 0) for letter in "ae")
            yield count

    problem = Problem("How many of a and e so far?", vowels, constants={"vowel": {"a": 1.0, "e": 1.0}})
    machine = Machine.build(
        {
            "dot-1-1.dict-1": {"input.char": 1.0},
            "dot-1-1.dict-2": {"vowel.char": 1.0},
            "accum-2-1.dict-2": {"dot-1-1.dot": 1.0},
            "output.answer": {"accum-2-1.dict": 1.0},
        },
        problem.network.neurons,
    )
    assert count_links(Task(problem).weights(machine)) == 4  # it is a part of the starting network
    task = Task(problem, machine)
    assert task.error(task.weights(machine)) == 0.0
    assert task.evaluator.max_abs_error(machine) == 0.0
    assert task.evaluator.max_abs_error(machine, "test") == 0.0


def test_bad_problems_are_told():
    with pytest.raises(LabError, match="delay 0: expected a number of cycles from 1 on"):
        Problem("?", lambda stream: stream, delay=0)
    with pytest.raises(LabError, match=r"gives 39 answers: expected 40, one for each item"):
        Problem("?", lambda stream: list(range(len(stream) - 1))).training(0)
    with pytest.raises(LabError, match="not finite in cycle 0"):
        Problem("?", lambda stream: (float("nan") for v in stream)).training(0)
    with pytest.raises(LabError, match="the target must yield numbers"):
        Problem("?", lambda stream: ("a" for v in stream)).training(0)
    with pytest.raises(LabError, match="draw gave 3 items: expected"):
        Problem("?", lambda stream: stream, lambda rng, letters, size: [{}] * 3).training(0)
    with pytest.raises(LabError, match="0 letters"):
        PROBLEMS["characters"].training(0, letters=0)
    with pytest.raises(LabError, match=r"lengths \(0,\)"):
        PROBLEMS["characters"].validation(lengths=(0,))
    odd = Problem("?", lambda stream: (0.0 for _ in stream), answers=("a", "b"))
    with pytest.raises(LabError, match=r"answers of shape \(1, 40\): expected \(2, 40\)"):
        odd.training(0)


def test_a_task_wants_a_network_that_answers_the_problem():
    with pytest.raises(LabError, match="the network answers"):
        Task(PROBLEMS["characters"], PROBLEMS["duplicates"].network)
    with pytest.raises(LabError, match="a string with 1 answers: the problem asks for 2"):
        Task(PROBLEMS["duplicates"], samples=PROBLEMS["characters"].training(0))
    with pytest.raises(LabError, match="no strings"):
        Task(PROBLEMS["characters"], samples=[])
    assert isinstance(PROBLEMS["sum"].network.neurons["output"], NeuronType)


@pytest.mark.parametrize("name", PROBLEMS)
def test_no_training_string_begins_a_validation_or_test_string(name):
    problem = PROBLEMS[name]
    training = [sample for seed in range(3) for sample in problem.training(seed, cycles=12)]
    unseen = [*problem.validation(apart_from=training, lengths=(14, 40)), *problem.test(7, training, lengths=(20,))]
    for new in unseen:
        for old in training:
            shown = [{n: stream(t) for n, stream in old.streams.items()} for t in range(old.cycles)]
            begins = [{n: stream(t) for n, stream in new.streams.items()} for t in range(old.cycles)]
            assert shown != begins


@pytest.mark.slow
def test_strings_that_would_begin_as_a_training_string_are_drawn_again():
    coin = Problem(
        "How many so far?", lambda stream: range(len(stream)), lambda rng, _, n: rng.choices([1.0, 2.0], k=n), silence=False
    )
    training = coin.training(0, strings=40, cycles=5)  # most of the 32 strings that there are
    unseen = coin.validation(apart_from=training, lengths=(6,), letters=(8,))
    assert unseen
    assert not any(new.agrees_with(old) for new in unseen for old in training)
    always = replace(coin, draw=lambda rng, _, n: [1.0] * n)
    with pytest.raises(LabError, match="every string that is drawn begins as a training string does"):
        always.validation(apart_from=always.training(0))


@pytest.mark.slow
def test_test_strings_are_longer_and_others_for_each_seed():
    problem = PROBLEMS["duplicates"]
    cycles = [max(s.cycles for s in each) for each in (problem.training(1), problem.validation(), problem.test(1))]
    assert cycles == sorted(cycles)
    first, second = ([s.targets.tolist() for s in problem.test(seed, lengths=(30,))] for seed in (1, 2))
    assert first != second


def test_training_strings_with_items_at_regular_intervals():
    problem = PROBLEMS["duplicates"]
    for sample in problem.training(3, strings=4, cycles=30, every=10):
        assert sorted(sample.streams["input"].events) == [0, 10, 20]
        assert sample.cycles == 30
    with pytest.raises(LabError, match="expected 1 or more"):
        problem.training(3, every=-1)


def ones(items):
    for item in items:
        yield int(item == 1)


@pytest.mark.parametrize(
    ("given", "delays", "shows_state", "has_automaton", "is_code"),
    [
        (ones, (3,), False, False, True),
        (Automaton(0, lambda state, x: (state, int(x == 1))), (3,), True, True, True),
        (handcrafted(), (0, 0), True, False, False),
    ],
)
def test_a_reference_answers_for_every_kind_of_target(given, delays, shows_state, has_automaton, is_code):
    problem = Problem("?", given, alphabet=(0, 1, 2), silence=False)
    reference = problem.reference
    assert problem.target is given
    assert problem.delays == delays
    assert problem.delay_is_open == is_code
    assert (reference.shows_state, reference.automaton is given, reference.is_code) == (shows_state, has_automaton, is_code)
    assert reference.is_same_as(handcrafted()) == (not is_code)
    target, items, given_exactly = reference.exact(), [1, 0, 1, 2], []
    state = target.initial
    for item in items:
        state, _, right = target.after(state, item)
        given_exactly.append(right)
    np.testing.assert_allclose(np.array(given_exactly, float).T, problem.answers_to(items), atol=1e-12)
    assert replace(problem, target=ones, answers=("answer",)).delays == (3,)
