"""Nine ways in which a promise about all strings was once broken, each with its smallest input."""

import functools
import json
from dataclasses import replace
from fractions import Fraction
from itertools import product

import pytest

import dmmlab as dm
from dmmlab.compiler import compile_rewriting
from dmmlab.core import INPUT, TIMER, NeuronType, answering, run, values
from dmmlab.core.neurons import ACCUM, CONST_1, constant, constants
from dmmlab.core.vvalues import add, number, scale
from dmmlab.drawing.python_programs import PythonError, python_program
from dmmlab.machines.isomorphism import same
from dmmlab.problems.problems import Problem
from dmmlab.problems.streaming_tasks import STREAMING_TASKS
from dmmlab.proofs.counterexamples import on_string
from dmmlab.proofs.proofs import verify
from dmmlab.transitions.transitions import transition_machine

OUTPUT = answering(("answer",))
ECHO = Problem("The same", dm.Automaton(0, lambda s, x: (s, x)), alphabet=(0, 1, 2), silence=False, delay=1)
NEURONS = {"timer": TIMER, "input": INPUT, "output": OUTPUT}


def echo(neurons=NEURONS, hard=None):
    """A machine that answers each item one cycle later, if its clock is as usual."""
    return dm.Machine.build({"output.answer": {"input.char": 1.0}}, neurons, hard)


def reader(function, outputs=("char",)):
    return {**NEURONS, "input": NeuronType("input", ("timer",), outputs, function, reads_stream=True)}


CLOCKS = {
    "weight 2": echo(hard={"timer.timer": {"timer.timer": 1.0}, "input.timer": {"timer.timer": 2.0}}),
    "no link": echo(hard={"timer.timer": {"timer.timer": 1.0}}),
    "no loop": echo(hard={"input.timer": {"timer.timer": 1.0}}),
    "a loop of weight 2": echo(hard={"timer.timer": {"timer.timer": 2.0}, "input.timer": {"timer.timer": 1.0}}),
    "twice the item": echo(reader(lambda t, stream: scale(2.0, stream(number(t))))),
    "the item before": echo(reader(lambda t, stream: stream(number(t) - 1))),
    "a second output": echo(reader(lambda t, stream: (stream(number(t) + 1), stream(number(t))), ("char", "late"))),
    "a reader that lies": echo({**NEURONS, "input": replace(INPUT, function=lambda t, stream: stream(number(t) - 1))}),
    "a clock that lies": echo({**NEURONS, "timer": replace(TIMER, function=lambda t: number(t) + 2.0)}),
    "a clock that lies, of a built-in function": echo({**NEURONS, "timer": replace(TIMER, function=dm.core.NORM.function)}),
}


def errs_somewhere(problem, machine, length=4):
    """Whether the tree engine errs on a string of up to so many items."""
    return any(
        on_string(problem, machine, list(items)).is_wrong
        for n in range(1, length + 1)
        for items in product(problem.alphabet, repeat=n)
    )


@pytest.mark.parametrize("name", CLOCKS)
def test_1_a_proof_runs_the_machine_that_the_engine_runs(name):
    assert errs_somewhere(ECHO, CLOCKS[name])
    proof = verify(ECHO, CLOCKS[name])
    assert (proof.grade, proof.holds) == ("wrong", False)
    try:
        namespace = {}
        exec(python_program(CLOCKS[name]), namespace)
    except PythonError:
        return
    items = [0, 1, 2, 0, 2, 1]
    expected = [number(state.arrived("output.answer")) for state in run(CLOCKS[name], values(items), len(items))]
    assert [answers["answer"] for answers in namespace["run"](items)] == expected


def test_1_and_the_usual_clock_is_proved():
    assert verify(ECHO, echo()).grade == "proved"
    assert not errs_somewhere(ECHO, echo())


def test_2_a_reader_of_another_function_is_another_machine():
    asked = Problem("The machine", echo(), alphabet=(0, 1, 2), silence=False)
    doubling = CLOCKS["twice the item"]
    assert not same(doubling, echo())
    assert verify(asked, doubling).grade == "wrong"
    assert verify(asked, echo()).grade == "identical"


def test_2_the_outputs_of_a_constant_are_no_more_alike_than_what_they_emit():
    def machine(first, second):
        kind = constants("two", {"one": first, "other": second})
        links = {"output.answer": {"input.char": 1.0, "two.one": 1.0}}
        return dm.Machine.build(links, {**NEURONS, "two": kind})

    assert not same(machine(1.0, 5.0), machine(5.0, 1.0))
    asked = Problem("The machine", machine(1.0, 5.0), alphabet=(0, 1), silence=False)
    assert verify(asked, machine(5.0, 1.0)).grade == "wrong"


def test_2_a_type_that_says_what_it_is_not_is_not_taken_for_it():
    lying = replace(ACCUM, name="lying", function=lambda u, v: add(u, scale(2.0, v)))
    links = {"sum.dict-2": {"input.char": 1.0}, "output.answer": {"sum.dict": 1.0}}
    asked = Problem("The machine", dm.Machine.build(links, {**NEURONS, "sum": ACCUM}), alphabet=(0, 1), silence=False)
    assert verify(asked, dm.Machine.build(links, {**NEURONS, "sum": lying})).grade == "wrong"


def beside(s, x):
    return (s + x, s + x if s < 3000 else s + x + (1 if x in (0.5, 1.5) else 0))


def above(s, x):
    return (s + x, s + x + (1 if 3000 < s < 3000.75 else 0))


@pytest.mark.slow
@pytest.mark.parametrize("alphabet", [(0, 0.5, 1), (0.5, 1.5), (0, 1.5, 2), (-0.5, 0.5)])
@pytest.mark.parametrize("step", [beside, above])
def test_3_an_induction_ranges_over_all_numbers_of_the_alphabet(alphabet, step):
    machine, delays = transition_machine(STREAMING_TASKS["Sum_All"])
    asked = Problem("The sum", dm.Automaton(0, step), alphabet=alphabet, silence=False, delay=delays[0])
    proof = verify(asked, machine, seconds=2.0)
    assert proof.grade in ("exhaustive", "tested", "wrong")
    plain = Problem("The sum", dm.Automaton(0, lambda s, x: (s + x, s + x)), alphabet=alphabet, silence=False, delay=delays[0])
    assert verify(plain, machine).grade == "proved"


def test_3_a_state_may_begin_between_whole_numbers():
    machine, delays = transition_machine(STREAMING_TASKS["Sum_All"])
    begin = dm.Automaton(Fraction(1, 2), lambda s, x: (s + x, s + x - Fraction(1, 2) + (1 if 3000 < s < 3001 else 0)))
    asked = Problem("The sum", begin, alphabet=(0, 1, 2), silence=False, delay=delays[0])
    assert not verify(asked, machine, seconds=2.0).holds


TABLE = {n: n for n in range(3000)}


def by_table(s, x):
    try:
        return TABLE[s + x], s + x
    except KeyError:
        return s + x, s + x + 1


def by_type(s, x):
    return s + x, s + x + (1 if isinstance(s, int) and s > 3000 else 0)


def by_name(s, x):
    return s + x, s + x + (s.__class__.__name__ == "int" and s > 3000)


def by_text(s, x):
    return s + x, s + x + (len(f"{s}") > 4)


def by_bits(s, x):
    return s + x, s + x + (int(s) >> 12)


def by_hash(s, x):
    return s + x, s + x + (s in {4001, 4002})


def by_identity(s, x):
    return s + x, s + x + (s is None or s.real > 3000)


@pytest.mark.slow
@pytest.mark.parametrize("step", [by_table, by_type, by_name, by_text, by_bits, by_hash, by_identity], ids=lambda f: f.__name__)
def test_4_a_step_that_can_tell_a_symbol_from_a_number_is_not_proved(step):
    machine, delays = transition_machine(STREAMING_TASKS["Sum_All"])
    asked = Problem("The sum", dm.Automaton(0, step), alphabet=tuple(range(5)), silence=False, delay=delays[0])
    proof = verify(asked, machine, seconds=1.0)
    assert proof.grade in ("exhaustive", "tested", "wrong")


def test_4_keys_that_are_missing_in_some_items():
    def step(s, item):
        return s, item["left"] + item.get("right", 5)

    pairs = ({"left": 1, "right": 1}, {"left": 1}, {"left": 2})
    asked = Problem("?", dm.Automaton(0, step), alphabet=pairs, inputs=("left", "right"), silence=False, delay=1)
    links = {"output.answer": {"left.char": 1.0, "right.char": 1.0}}
    adding = dm.Machine.build(links, {"timer": TIMER, "left": INPUT, "right": INPUT, "output": OUTPUT})
    assert verify(asked, adding).grade == "proved"  # there is no silence: what is missing is 0
    assert not errs_somewhere(asked, adding, 2)


def test_4_a_tree_that_comes_late_is_no_answer():
    def step(n, x):
        return n + 1, {"a": 1.0} if n > 3000 else x

    proof = verify(replace(ECHO, target=dm.Automaton(0, step)), echo(), seconds=1.0)
    assert proof.grade in ("exhaustive", "tested")


def test_5_a_decorated_generator_is_what_is_called():
    def late(function):
        @functools.wraps(function)
        def wrapper(stream):
            for n, answer in enumerate(function(stream)):
                yield answer + (n > 3000)

        return wrapper

    @late
    def total(stream):
        s = 0
        for x in stream:
            s += x
            yield s

    machine, delays = transition_machine(STREAMING_TASKS["Sum_All"])
    asked = Problem("The sum", total, alphabet=(0, 1), silence=False, delay=delays[0])
    assert verify(asked, machine).grade in ("exhaustive", "tested")


def test_6_after_the_end_comes_silence():
    """Items are never 0, but silence is: the machine's second answer is one late, and one too large after the end."""
    target = dm.Automaton(0, lambda s, x: (s, (x, x + (x == 0))))
    asked = Problem("?", target, alphabet=(1, 2), silence=False, answers=("a", "b"), delay=(2, 1), longest=3)
    links = {"echo.single": {"input.char": 1.0}, "output.a": {"echo.single": 1.0}, "output.b": {"input.char": 1.0}}
    neurons = {"timer": TIMER, "input": INPUT, "echo": dm.core.UPDATE, "output": answering(("a", "b"))}
    machine = dm.Machine.build(links, neurons)
    assert on_string(asked, machine, [1, {}, {}]).is_wrong
    assert verify(asked, machine).grade == "wrong"
    endless = replace(asked, longest=None)
    assert verify(endless, machine).grade == "proved"


def test_7_an_output_that_has_outputs_is_answered_at_all_the_same():
    kind = NeuronType("output", ("answer",), ("copy",), lambda v: v)
    neurons = {**NEURONS, "output": kind, "sink": answering(("x",), "sink"), "one": CONST_1}
    machine = dm.Machine.build({"output.answer": {"one.const_1": 1.0}, "sink.x": {"output.copy": 1.0}}, neurons)
    zero = replace(ECHO, target=dm.Automaton(0, lambda s, x: (s, 0)))
    assert errs_somewhere(zero, machine)
    assert verify(zero, machine).grade == "wrong"
    assert "one" in machine.live().neurons


@pytest.mark.slow
def test_7_a_dead_part_that_overflows_ends_a_run():
    growing = {"grow.dict-1": {"grow.dict": 1.0}, "grow.dict-2": {"grow.dict": 1.0, "one.const_1": 1.0}}
    neurons = {**NEURONS, "grow": ACCUM, "one": CONST_1}
    machine = dm.Machine.build({"output.answer": {"input.char": 1.0}}, neurons, {
        **growing, "timer.timer": {"timer.timer": 1.0}, "input.timer": {"timer.timer": 1.0}})  # fmt: skip
    with pytest.raises(dm.core.RunError, match="cycle 10"):
        list(run(machine, values([1.0]), 1100))
    proof = verify(ECHO, machine, seconds=2.0)
    assert proof.grade in ("exhaustive", "wrong")
    asked = Problem("The machine", echo(), alphabet=(0, 1, 2), silence=False)
    assert verify(asked, machine, seconds=2.0).grade in ("exhaustive", "wrong")
    counting = {"count.dict-2": {"one.const_1": 1.0}, "output.answer": {"input.char": 1.0}}
    assert verify(ECHO, dm.Machine.build(counting, {**NEURONS, "count": ACCUM, "one": CONST_1})).grade == "proved"


def fails_late(s, x):
    if s > 40:
        raise RuntimeError("too late\nby far")
    return s + 1, x


def nothing(s, x):
    return (None if s[0] == 60 else s[0] + 1 if s[0] is not None else 0, s[1] + 1), x


ODD = {
    "nested states": dm.Automaton((0, (0, "a")), lambda s, x: ((s[0] + 1, (s[0], "b")), x)),
    "None in a state": dm.Automaton((0, 0), nothing),
    "NaN late": dm.Automaton(0, lambda n, x: (n + 1, x if n < 50 else float("nan"))),
    "raises late": dm.Automaton(0, fails_late),
    "a list": dm.Automaton([0], lambda s, x: ([*s[-3:], x], x)),
    "grows": dm.Automaton((), lambda s, x: ((*s, x), x)),
    "a set": dm.Automaton(frozenset(), lambda s, x: (s | {x}, x)),
    "infinite": dm.Automaton(0, lambda n, x: (n + 1, x if n < 50 else float("inf"))),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ODD)
def test_8_odd_states_and_steps_get_a_grade(name):
    proof = verify(replace(ECHO, target=ODD[name]), echo(), seconds=1.0)
    assert proof.grade in ("exhaustive", "tested")
    assert "\n" not in proof.how


@pytest.mark.parametrize(
    "alphabet", [{0, 1, 2}, range(3), iter((0, 1, 2)), [0, 1.0, 2]], ids=["set", "range", "iterator", "list"]
)
def test_8_alphabets(alphabet):
    assert verify(replace(ECHO, alphabet=alphabet), echo()).grade == "proved"


@pytest.mark.parametrize("alphabet", [{"a": 1.0}, "ab", 3, ("a", "b"), (float("nan"),), ([0],)])
def test_8_what_is_no_alphabet_is_told(alphabet):
    with pytest.raises(dm.core.LabError, match=r"alphabet"):
        Problem("?", ECHO.target, alphabet=alphabet)


def test_a_state_is_more_than_what_it_equals():
    """1, 1.0 and True are equal; a step that tells them apart has more states than one that does not."""

    def step(s, x):
        return (True if x == 1 and type(s) is int else 1), (5 if type(s) is bool and x == 2 else x)

    asked = replace(ECHO, target=dm.Automaton(1, step))
    assert errs_somewhere(asked, echo())
    assert verify(asked, echo()).grade == "wrong"


def test_a_type_that_tells_fractions_from_floats_is_not_proved():
    odd = NeuronType("odd", ("x",), ("y",), lambda v: v if isinstance(v, float) else 0.0)
    links = {"odd.x": {"input.char": 1.0}, "output.answer": {"odd.y": 1.0}}
    machine = dm.Machine.build(links, {**NEURONS, "odd": odd})
    zero = replace(ECHO, target=dm.Automaton(0, lambda s, x: (s, 0)), delay=2)
    assert errs_somewhere(zero, machine)
    assert not verify(zero, machine).holds
    late = NeuronType("late", ("x",), ("y",), lambda v: 1 / (number(v) - 2.0) and v)
    machine = dm.Machine.build(links, {**NEURONS, "odd": replace(late, name="odd")})
    assert verify(replace(ECHO, delay=2), machine).grade == "wrong"


def test_a_constant_is_known_by_what_it_emits():
    links = {"output.answer": {"input.char": 1.0, "one.x": 1.0}}
    one, half = (dm.Machine.build(links, {**NEURONS, "one": constant("one", "x", x)}) for x in (1.0, 0.5))
    plus = replace(ECHO, target=dm.Automaton(0, lambda s, x: (1, (x + 1) * s + (1 - s) * x)))
    assert verify(plus, one).grade == "wrong"  # the constant comes one cycle after the first item
    assert verify(plus, half).grade == "wrong"


def test_9_a_constant_that_no_link_names_is_not_there():
    """The matrix names it in cycle 1 for the first time, so that it speaks in cycle 1, and is heard in cycle 2."""
    neurons = {"self": dm.core.SELF, "update": dm.core.UPDATE, "one": CONST_1, "output": OUTPUT}
    matrix = {"self": {"accum": {"self": {"single": 1.0}}, "delta": {"update": {"single": 1.0}}}}
    matrix |= {"update": {"single": {"update": {"single": 1.0}}}}
    change = {"output": {"answer": {"one": {"const_1": 1.0}}}}
    machine, first = dm.Machine(neurons, matrix), {"self": {"single": matrix}, "update": {"single": change}}
    compiled = compile_rewriting(machine, {"output.answer": {"one.const_1": 1.0}}, {}, 1, first)
    expected = [state.arrived("output.answer") for state in run(machine, {}, 6, first, "self.single")]
    assert expected == [{}, {}, 2.0, 3.0, 4.0, 5.0]
    assert [each.get("answer", {}) for each in compiled.answers({}, 6)] == expected


def test_what_is_the_same_is_the_same_function():
    """A target of a type that says of itself what is not so; a constant that is none; a function that equals all others."""
    lying = replace(ACCUM, name="lying", function=lambda u, v: add(u, scale(2.0, v)))
    links = {"sum.dict-2": {"input.char": 1.0}, "output.answer": {"sum.dict": 1.0}}
    asked = Problem("The machine", dm.Machine.build(links, {**NEURONS, "sum": lying}), alphabet=(0, 1), silence=False)
    with pytest.raises(dm.core.LabError, match="neuron type 'lying' is said to accumulate, and is no sum"):
        verify(asked, dm.Machine.build(links, {**NEURONS, "sum": ACCUM}))

    class Alike:
        def __call__(self, v):
            return scale(3.0, v)

        def __eq__(self, other):
            return True

        def __hash__(self):
            return hash(dm.core.NORM.function)

    links = {"x.dict": {"input.char": 1.0}, "output.answer": {"x.norm": 1.0}}
    asked = Problem("The machine", dm.Machine.build(links, {**NEURONS, "x": dm.core.NORM}), alphabet=(0, 1), silence=False)
    assert verify(asked, dm.Machine.build(links, {**NEURONS, "x": replace(dm.core.NORM, function=Alike())})).grade == "wrong"


def test_alphabets_of_fractions_and_targets_that_change_what_they_read():
    proof = verify(replace(ECHO, alphabet=(Fraction(1, 2), Fraction(1, 4), 1)), echo())
    assert proof.grade == "proved"
    json.dumps(proof.certificate)

    def taking(s, item):
        return s, item.pop("a", 0.0)

    letters = Problem("Is it a?", dm.Automaton(0, taking), alphabet=({"a": 1.0}, {"b": 1.0}), delay=2)
    links = {"dot.dict-1": {"input.char": 1.0}, "dot.dict-2": {"a.x": 1.0}, "output.answer": {"dot.dot": 1.0}}
    machine = dm.Machine.build(links, {**NEURONS, "dot": dm.core.DOT, "a": constant("a", "x", {"a": 1.0})})
    assert verify(letters, machine).grade == "proved"
    assert not errs_somewhere(letters, machine)
