"""Proofs: what is right gets its grade, what is wrong a string on which it errs."""

import random
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

import dmmlab as dm
from dmmlab.core.engine import answers
from dmmlab.core.errors import LabError
from dmmlab.core.streams import values
from dmmlab.core.vvalues import number
from dmmlab.machines.exact_steps import Exact, ExactMachine, InexactError, exact, exact_weight
from dmmlab.problems.automata import Automaton
from dmmlab.problems.catalogue import PROBLEMS
from dmmlab.problems.streaming_tasks import STREAMING_TASKS
from dmmlab.proofs.counterexamples import counterexample
from dmmlab.proofs.proofs import GRADES, verify
from dmmlab.transitions.transitions import transition_machine

KINDS = {  # of machine, and by what it is proved
    "Add_Mod_3": "explored",
    "Div_5": "explored",
    "Base_3_Addition": "explored",
    "Parity_Last3": "explored",
    "Sum_All": "induction",
    "Sum_Last4": "induction",
    "Max_Seen": "induction",
    "Min_Seen": "induction",
    "Newton_Spring": "induction",
    "Abs_Diff": "induction",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_right_machines_are_proved(name):
    machine, delays = transition_machine(STREAMING_TASKS[name])
    proof = verify(STREAMING_TASKS[name], machine)
    assert proof.grade == "proved"
    assert KINDS[name] in proof.how
    assert proof.delays == delays
    assert proof.holds


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Add_Mod_3", "Max_Seen", "Sum_Last4", "Newton_Spring", "Balanced_Parenthesis"])
def test_a_weight_that_is_a_quarter_off_is_refuted_or_changes_no_answer(name):
    """Twenty changes for each of five machines; a machine that is proved in spite of one is right on drawn strings."""
    problem = STREAMING_TASKS[name]
    machine, delays = transition_machine(problem)
    problem = problem.with_delay(delays)
    links = [link for link in machine.links() if not link.hard]
    rng = random.Random(name)
    grades = []
    for _ in range(20):
        link = rng.choice(links)
        changed = machine.link(
            f"{link.to_neuron}.{link.to_field}",
            f"{link.from_neuron}.{link.from_field}",
            link.weight + rng.choice([-0.25, 0.25]),
        )
        proof = verify(problem, changed, seconds=1.0)
        grades.append(proof.grade)
        if proof.grade == "wrong":
            found = proof.counterexample
            assert abs(found.answers - found.targets).max() > 1e-9
        else:
            assert counterexample(problem, changed) is None
    assert grades.count("wrong") >= 15


def test_the_target_itself():
    proof = verify(PROBLEMS["duplicates"], dm.handcrafted())
    assert (proof.grade, proof.delays) == ("identical", (0, 0))


def of_two(rng, letters, size):
    return [{rng.choice("ab"): 1.0} for _ in range(size)]


@pytest.mark.slow
def test_what_has_no_alphabet_is_explored_up_to_a_length():
    """A counter of letters, with the clip of a dot in the way from four on; its items are letters and silence."""
    letters = dm.Automaton(0, lambda n, item: (n + len(item),) * 2)
    problem = dm.Problem("How many letters?", letters, of_two, delay=2, constants={"any": {"a": 1.0, "b": 1.0}})
    neurons = problem.network.neurons
    right = {"dot-1-1.dict-1": {"input.char": 1}, "dot-1-1.dict-2": {"any.char": 1}}
    counter = {**right, "accum-2-1.dict-2": {"dot-1-1.dot": 1}, "output.answer": {"accum-2-1.dict": 1}}
    proof = verify(problem.with_delay(3), dm.Machine.build(counter, neurons), seconds=3.0)
    assert proof.grade == "exhaustive"
    assert proof.length >= 3
    assert "every string over the items a, b" in proof.how
    clipped = {**right, "accum-2-1.dict-2": {"dot-1-1.dot": 1}, "dot-3-1.dict-1": {"accum-2-1.dict": 1}}
    clipped |= {"dot-3-1.dict-2": {"const_1.const_1": 1}, "output.answer": {"dot-3-1.dot": 1}}
    proof = verify(problem.with_delay(4), dm.Machine.build(clipped, neurons))
    assert proof.grade == "wrong"
    assert proof.counterexample.worst[1:] == (4.0, 5.0)  # the fifth letter


def test_silence_is_no_number_of_the_alphabet():
    """A machine that is right without silence, and errs in it: induction alone would not see the item that is none."""
    steps = dm.Automaton(0, lambda n, item: (n + (1 if isinstance(item, dict) else item),) * 2)
    problem = dm.Problem("?", steps, alphabet=tuple(range(100)), silence=True, delay=2)
    machine, _ = transition_machine(STREAMING_TASKS["Sum_All"])
    assert verify(problem, machine).grade == "wrong"
    assert verify(STREAMING_TASKS["Sum_All"], machine).grade == "proved"


def test_a_target_without_a_state_is_run_on_every_short_string():
    problem = dm.Problem("How many?", lambda items: iter([0.0] * len(list(items))), delay=1)
    machine = dm.Machine.build({"output.answer": {}}, problem.network.neurons)
    proof = verify(problem, machine, seconds=1.0)
    assert (proof.grade, proof.certificate) == ("exhaustive", None)
    assert "write it as an Automaton" in proof.how
    assert not proof.holds
    looks_ahead = replace(problem, target=lambda items: iter([len(items) > 4] * len(items)))
    assert verify(looks_ahead, machine, seconds=1.0).grade == "wrong"


def test_the_smallest_delay_is_found():
    problem = STREAMING_TASKS["Sum_All"]
    machine, delays = transition_machine(problem)
    assert problem.delay is None
    assert verify(problem, machine).delays == delays == (2,)
    assert verify(problem.with_delay(3), machine).grade == "wrong"


def test_errors():
    with pytest.raises(LabError, match=r"the machine does not answer output\.answer"):
        verify(STREAMING_TASKS["Sum_All"], dm.handcrafted())
    magnetic = STREAMING_TASKS["Newton_Magnetic"]
    with pytest.raises(LabError, match=r"the machine does not answer output\.y, output\.x"):
        verify(replace(magnetic, answers=("y", "x")), transition_machine(magnetic)[0])


def test_grades_are_what_the_guide_says():
    text = (Path(__file__).resolve().parents[1] / "guide.md").read_text()
    assert all(f"*{grade}" in text for grade in GRADES)


def test_exact_steps_are_those_of_the_tree_engine():
    """Numbers and trees, in fractions, and a clock that is read by others than readers."""
    rng = random.Random(0)
    string = [{rng.choice("ab."): 1.0} if rng.random() < 0.6 else {} for _ in range(40)]
    for machine in (dm.handcrafted(), dm.handcrafted().link("norm.dict", "timer.timer", 1.0)):
        stepped = ExactMachine(machine)
        state = stepped.initial
        for item, expected in zip(string, answers(machine, values(string), 40), strict=True):
            given, emitted = stepped.step(state)
            assert [float(x) for x in given] == [number(expected.get(port, {})) for port in ("dict-1", "dict-2")]
            state = emitted + stepped.shown({"input": item})


def test_exact_numbers():
    assert exact({"a": 2.0, "b": {"c": 0.25}}, 10) == {"a": 2, "b": {"c": Fraction(1, 4)}}
    assert [type(exact(x, 10)) for x in (10, 10.0, 11, Fraction(3), 0.5)] == [int, int, Exact, int, Exact]
    third = Exact(1, 3)
    assert [type(x) for x in (third + 0.5, 0.5 - third, third * 2.0, 1.0 / third, -third, abs(third))] == [Exact] * 6
    assert third * 0.1 == Fraction(1, 3) * Fraction(0.1)
    link = dm.core.Link("norm", "dict", "accum", "dict", 2 / 3, False)
    assert exact_weight(link) == Fraction(2, 3)
    with pytest.raises(InexactError, match=r"the weight 0\.707107 of norm\.dict <- accum\.dict is no small fraction"):
        exact_weight(link._replace(weight=2**-0.5))


def test_a_machine_that_reads_at_other_times_cannot_be_run_exactly():
    machine = dm.handcrafted().unlink("input.timer", "timer.timer")
    with pytest.raises(InexactError, match="neuron 'input' does not show in each cycle the item of that cycle"):
        ExactMachine(machine)


def test_a_step_that_does_not_run_on_symbols_is_explored():
    """Bit operations have no meaning for unknown numbers."""
    problem = STREAMING_TASKS["Bitwise_Xor"]
    assert verify(problem, transition_machine(problem)[0]).how.endswith("were explored")


def test_an_automaton_is_a_target():
    parity = Automaton(0, lambda ones, x: ((ones + x) % 2,) * 2)
    assert list(parity([1, 1, 0, 1])) == [1, 0, 0, 1]
