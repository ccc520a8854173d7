"""An adversary: random pairs of a machine and a target that differ rarely, or not at all.

Whatever ``verify`` promises of a pair is tried: where the tree engine, in double precision, errs on a short string, on a
long one, or on one that a grade covers, the grade was false. By hand, for as long as one likes::

    python tests/adversary.py --pairs 20000 --jobs 2
"""

import argparse
import csv
import itertools
import json
import random
import time
import traceback
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import dmmlab as dm
from dmmlab.core import INPUT, TIMER, answering, run
from dmmlab.core.errors import LabError
from dmmlab.core.neurons import ACCUM, COMPARE, CONST_1, DOT, ID, NORM, PRODUCT, constant, constants
from dmmlab.core.streams import values
from dmmlab.core.vvalues import max_norm, number, scale
from dmmlab.drawing.python_programs import PythonError, python_program
from dmmlab.problems.problems import Problem
from dmmlab.problems.streaming_tasks import STREAMING_TASKS
from dmmlab.proofs import proofs
from dmmlab.proofs.certificates import check_certificate

SOLVED = Path(__file__).resolve().parents[1] / "figures" / "streaming-tasks"
FINITE = """Add_Mod_3 Add_Mod_4 Div_3 Div_5 Parity_Last2 Parity_Last3 Parity_All Binary_Addition Base_3_Addition Bitwise_Xor
Alternating_Last3 Bit_Shift_Right Bit_Dot_Prod_Mod2""".split()  # noqa: SIM905
WITHOUT_BOUND = """Sum_All Sum_Last2 Sum_Last3 Max_Seen Min_Seen Prev1 Prev2 Diff_Last2 Abs_Diff Abs_Current Current_Number
Newton_Freebody Newton_Spring Newton_Gravity Majority_0_1""".split()  # noqa: SIM905
LINEAR = ["Sum_All", "Sum_Last2", "Prev1", "Diff_Last2", "Current_Number", "Newton_Freebody", "Newton_Gravity"]
ALPHABETS = [(0, 0.5, 1), (0.5, 1.5), (0, 1.5, 2), (-0.5, 0.5), (1, 2), (0.25, 3), (0, 1), tuple(range(-5, 6)), (7,), (0, 1000)]
WEIGHTS = [-2.0, -1.0, -0.5, 0.5, 1.0, 2.0]
LATE = [2, 4, 30, 3000]  # items after which, or numbers above which, a target differs
SHORT, LONG, SECONDS = 60, 3200, 0.3  # strings that are all tried; items of long ones; for a proof


@cache
def solved(name):
    row = next(row for row in csv.DictReader((SOLVED / "table.csv").read_text().splitlines()) if row["task"] == name)
    return dm.Machine.from_json(SOLVED / name / "machine.json"), tuple(map(int, row["delay"].split()))


# Targets that differ from another in few cases, written in ways that may or may not be followed.


def first_number(s):
    while isinstance(s, tuple):
        s = s[0] if s else 0
    return s if isinstance(s, int | float) or hasattr(s, "numerator") else 0


def one_number(x):
    return x if not isinstance(x, dict) else sum(x.values())


def after_items(step, n, more):
    def counting(state, x):
        s, k = state
        after, answer = step(s, x)
        return (after, k + 1), answer + more if k > n else answer

    return counting


def after_two(step, n, more):
    """Two items of the same kind in a row, late; the count stops growing, so that states may be finite."""

    def pairs(state, x):
        s, last, k = state
        after, answer = step(s, x)
        return (after, x, min(k + 1, n + 1)), answer + (more if last == x and k > n else 0)

    return pairs


def above(step, n, more):
    def compared(s, x):
        after, answer = step(s, x)
        return after, answer + more if s > n else answer

    return compared


def exactly(step, n, more):
    def compared(s, x):
        after, answer = step(s, x)
        return after, answer + more if after == n else answer

    return compared


def between(step, n, more):
    def compared(s, x):
        after, answer = step(s, x)
        return after, answer + more if n < s < n + 1 else answer

    return compared


def by_type(step, n, more):
    def asked(s, x):
        after, answer = step(s, x)
        return after, answer + more if isinstance(first_number(s), int) and first_number(s) > n else answer

    return asked


def by_float(step, n, more):
    def asked(s, x):
        after, answer = step(s, x)
        return after, answer + more if isinstance(one_number(x), float) and first_number(after) > n else answer

    return asked


def by_table(step, n, more, table=frozenset(range(-4000, 3000))):
    def asked(s, x):
        after, answer = step(s, x)
        try:
            return after, answer + (0 if first_number(after) in table else more)
        except TypeError:
            return after, answer

    return asked


def by_exception(step, n, more):
    table = dict.fromkeys(range(-3000, n + 1), 0)

    def asked(s, x):
        after, answer = step(s, x)
        try:
            return after, answer + table[first_number(after)]
        except KeyError:
            return after, answer + more

    return asked


def by_text(step, n, more):
    def asked(s, x):
        after, answer = step(s, x)
        return after, answer + more * (len(str(first_number(after))) > 3)

    return asked


def by_rounding(step, n, more):
    def asked(s, x):
        after, answer = step(s, x)
        return after, answer + more * (float(first_number(after)) != round(first_number(after)) and first_number(after) > n)

    return asked


def that_raises(step, n, more):
    def raising(s, x):
        after, answer = step(s, x)
        if first_number(after) > n:
            raise [ValueError, KeyError, RuntimeError][n % 3]("too far")
        return after, answer

    return raising


def that_is_not_finite(step, n, more):
    def asked(s, x):
        after, answer = step(s, x)
        return after, answer if first_number(after) <= n else float("nan")

    return asked


def for_one_item(step, n, more):
    def asked(s, x):
        after, answer = step(s, x)
        return after, answer + (more if one_number(x) == n else 0)

    return asked


def same_in_other_words(step, n, more):
    """No difference at all."""

    def asked(s, x):
        after, answer = step(s, x)
        return after, answer if s == after else answer + 0 * more

    return asked


STYLES = [after_items, after_two, above, exactly, between, by_type, by_float, by_table, by_exception, by_text, by_rounding,
          that_raises, that_is_not_finite, for_one_item, same_in_other_words]  # fmt: skip


def changed_target(rng, target):
    style = rng.choice(STYLES)
    step = style(target.step, rng.choice(LATE), rng.choice([1, -1, 0.5]))
    initial = {after_items: (target.initial, 0), after_two: (target.initial, None, 0)}.get(style, target.initial)
    if rng.random() < 0.1 and isinstance(initial, int):
        initial = rng.choice([initial + 0.5, float(initial), bool(initial)])
    return style.__name__, dm.Automaton(initial, step)


# Machines that differ from another in few places.


def late(f, n):
    def silent_above(*vs):
        return f(*vs) if all(max_norm(v) <= n for v in vs) else {}

    return silent_above


def typed(f, n):
    def of_floats(*vs):
        return f(*vs) if all(isinstance(v, float | dict) for v in vs) else 0.0

    return of_floats


def raising(f, n):
    def raising_above(*vs):
        return f(*vs) if all(max_norm(v) <= n for v in vs) else 1 / 0

    return raising_above


def changed_machine(rng, machine):
    how = rng.choice(
        [
            "weight",
            "weight",
            "quarter",
            "gone",
            "new",
            "clock",
            "timer read",
            "reader",
            "type",
            "constant",
            "dead",
            "renamed",
            "scaled",
        ]
    )
    links = [link for link in machine.links() if not link.hard]
    neurons = dict(machine.neurons)
    to_ports = [(n, f) for n, kind in neurons.items() for f in kind.inputs if not kind.reads_stream and kind.name != "timer"]
    from_ports = [(n, f) for n, kind in neurons.items() for f in kind.outputs]
    if how in ("weight", "quarter", "gone") and links:
        link = rng.choice(links)
        weight = {"weight": rng.choice(WEIGHTS), "quarter": link.weight + rng.choice([-0.25, 0.25]), "gone": 0.0}[how]
        return how, machine.link(".".join(link[:2]), ".".join(link[2:4]), float(weight))
    if how in ("new", "timer read"):
        source = (
            rng.choice(from_ports) if how == "new" else rng.choice([p for p in from_ports if p[0] == "timer"] or from_ports)
        )
        try:
            return how, machine.link(".".join(rng.choice(to_ports)), ".".join(source), rng.choice(WEIGHTS))
        except LabError:
            return "as it was", machine
    if how == "clock":
        hard = [link for link in machine.links() if link.hard and "timer" in (link.from_neuron, link.to_neuron)]
        if not hard:
            return "as it was", machine
        link, weight = rng.choice(hard), rng.choice([0.0, 0.5, 2.0, -1.0])
        to, source = ".".join(link[:2]), ".".join(link[2:4])
        without = machine.unlink(to, source)
        return how, without.link(to, source, weight, hard=rng.random() < 0.5) if weight else without
    if how == "reader":
        name = rng.choice([n for n, kind in neurons.items() if kind.reads_stream] or [None])
        if name is None:
            return "as it was", machine
        function = rng.choice([
            lambda t, stream: scale(2.0, stream(number(t))),
            lambda t, stream: stream(number(t) - 1),
            lambda t, stream: stream(number(t) + 1),
            lambda t, stream: stream(number(t)) if number(t) < 3000 else {},
            lambda t, stream: stream(number(t)),
        ])  # fmt: skip
        return how, replace(machine, neurons={**neurons, name: replace(INPUT, function=function)})
    if how == "type":
        name = rng.choice([n for n, kind in neurons.items() if len(kind.inputs) in (1, 2) and kind.outputs])
        kind = neurons[name]
        function = rng.choice([late, typed, raising])(kind.function, rng.choice(LATE))
        if len(kind.outputs) != 1 or kind.reads_stream:
            return "as it was", machine
        return f"type that is {function.__name__}", replace(
            machine, neurons={**neurons, name: replace(kind, function=function)}
        )
    if how == "constant":
        name = rng.choice([n for n, kind in neurons.items() if not kind.inputs and kind.outputs] or [None])
        if name is None or len(neurons[name].outputs) != 1:
            return "as it was", machine
        return how, replace(machine, neurons={**neurons, name: constant(name, neurons[name].outputs[0], rng.choice(WEIGHTS))})
    if how == "dead":
        if "grow" in neurons:
            return "as it was", machine
        weight = rng.choice([0.0, 1.0, 1.5])
        grown = replace(machine, neurons={**neurons, "grow": ACCUM, "one-more": CONST_1})
        hard = {"grow.dict-1": {"grow.dict": 1.0}, "grow.dict-2": {"one-more.const_1": 1.0, "grow.dict": weight}}
        for to, sources in hard.items():
            for source, w in sources.items():
                grown = grown.link(to, source, w, hard=True)
        return how, grown
    if how == "renamed":
        kept = {n for n, kind in neurons.items() if kind.reads_stream or not kind.outputs}
        names = {n: n if n in kept else f"x{i}" for i, n in enumerate(neurons)}
        parts = [{}, {}]
        for link in machine.links():
            to, source = f"{names[link[0]]}.{link[1]}", f"{names[link[2]]}.{link[3]}"
            parts[link.hard].setdefault(to, {})[source] = link.weight
        return how, dm.Machine.build(parts[0], {names[n]: kind for n, kind in neurons.items()}, parts[1])
    if how == "scaled":
        sums = [n for n, kind in neurons.items() if kind.function is ACCUM.function and n != "output"]
        if not sums:
            return "as it was", machine
        name = rng.choice(sums)
        for link in links:
            if (link.to_neuron == name) != (link.from_neuron == name):
                factor = 2.0 if link.to_neuron == name else 0.5
                machine = machine.link(".".join(link[:2]), ".".join(link[2:4]), link.weight * factor)
        return how, machine
    return "as it was", machine


def random_machine(rng):
    """A few neurons, some in loops; numbers or letters flow in it."""
    kinds = [rng.choice([ACCUM, NORM, DOT, COMPARE, ID, PRODUCT]) for _ in range(rng.randint(1, 4))]
    neurons = {"timer": TIMER, "input": INPUT, "one": rng.choice([CONST_1, constants("one", {"x": 1.0, "y": 0.5})])}
    neurons |= {f"{kind.name}-{i}": kind for i, kind in enumerate(kinds)} | {"output": answering(("answer",))}
    inner = [name for name in neurons if name not in ("timer", "input")]
    machine = dm.Machine.build({}, neurons)
    for name in inner:
        for field in neurons[name].inputs:
            if (field, "dict") in neurons[name].feedback:
                continue
            for _ in range(rng.randint(0 if name != "output" else 1, 2)):
                source = rng.choice([n for n in neurons if neurons[n].outputs and n != "timer"])
                loop = list(neurons).index(source) >= list(neurons).index(name)
                if loop and rng.random() < 0.7:
                    continue
                machine = machine.link(
                    f"{name}.{field}", f"{source}.{rng.choice(neurons[source].outputs)}", rng.choice(WEIGHTS)
                )
    return machine


def pair(seed):
    """What differs, in words, a problem, and a machine."""
    rng = random.Random(f"adversary {seed}")
    where = rng.random()
    if where < 0.25:
        target = random_machine(rng)
        letters = rng.random() < 0.5
        alphabet = ({"a": 1.0}, {"b": 1.0}) if letters else rng.choice(ALPHABETS[:7])
        problem = Problem("The machine", target, alphabet=alphabet, silence=letters)
        what, machine = ("target machine", target)
        for _ in range(rng.randint(1, 2)):
            how, machine = changed_machine(rng, machine)
            what += f", {how}"
        return what, problem, machine
    name = rng.choice(FINITE if where < 0.5 else LINEAR if where < 0.7 else WITHOUT_BOUND)
    machine, delays = solved(name)
    problem, what = STREAMING_TASKS[name].with_delay(delays), name
    if ((name in LINEAR and where < 0.7) or rng.random() < 0.1) and len(problem.inputs) == 1:
        problem = replace(problem, alphabet=rng.choice(ALPHABETS), draw=dm.problems.problems.ANY_LETTERS)
        what += f" over {problem.alphabet}"
    if rng.random() < 0.15:
        problem = replace(problem, longest=rng.randint(1, 6))
        what += f", longest {problem.longest}"
    if rng.random() < 0.6:
        style, target = changed_target(rng, problem.target)
        problem, what = replace(problem, target=target), f"{what}, target {style}"
    if rng.random() < 0.15:
        problem, what = (
            replace(problem, target=partial(lambda target, items: target(items), problem.target)),
            f"{what}, function",
        )
    for _ in range(rng.choice([0, 0, 0, 1, 1, 2])):
        how, machine = changed_machine(rng, machine)
        what += f", {how}"
    return what, problem, machine


# What a grade promises, tried.


def answered(machine, names, inputs, items):
    """What a machine answers in each cycle, until its run ends by an error or a large number; and whether by an error.

    Long runs are those of its Python program, if it can be written as one, which is faster.
    """
    readers = [name for name, kind in machine.neurons.items() if kind.reads_stream]
    reads = [
        {name: item if len(inputs) == 1 else item.get(name, 0) if isinstance(item, dict) else 0 for name in inputs}
        for item in items
    ]
    if len(items) > 300:
        try:
            namespace = {}
            exec(python_program(machine), namespace)
            one = readers[0] if len(readers) == 1 else None
            states = ((a, None) for a in namespace["run"](each[one] if one else each for each in reads))
        except PythonError:
            states = None
    else:
        states = None
    if states is None:
        streams = {name: values([each[name] for each in reads]) for name in readers}
        states = ((state.inputs.get("output", {}), state.outputs) for state in run(machine, streams, len(items)))
    given = []
    try:
        for arrived, outputs in states:
            row = [float(number(arrived.get(name, 0.0))) for name in names]
            if max(map(abs, row)) > 2.0**50 or (outputs is not None and float(max_norm(outputs)) > 2.0**50):
                return given, False
            given.append(row)
    except Exception:  # a number that is not finite, or whatever a type raises
        return given, True
    return given, False


def differs(problem, machine, items):
    """Whether a machine errs on a string in double precision, before its numbers pass 2^50."""
    items = [*items, *([{}] * max(problem.delays) if problem.longest is not None else [])]
    given, failed = answered(machine, problem.answers, problem.inputs, items)
    if isinstance(problem.target, dm.Machine):
        right, target_failed = answered(problem.target, problem.answers, problem.inputs, items)
        delays = [0] * len(problem.answers)
    else:
        delays, target_failed = problem.delays, False
        try:
            right = problem.answers_to(items).T.tolist()
        except LabError:  # the target fails on this string: nothing is asked
            return False
    for t, row in enumerate(given):
        for i, (x, d) in enumerate(zip(row, delays, strict=True)):
            wanted = right[t - d][i] if 0 <= t - d < len(right) else 0.0 if t < d else x
            if abs(wanted) > 1e9:
                return False
            if abs(x - wanted) > 1e-6 * (1 + abs(wanted)):
                return True
    return failed and not (target_failed and len(right) <= len(given))


def broken_promise(problem, machine, proof, seed=0, certificates=0.2):
    """In words, how a grade is false; empty if nothing is found."""
    rng = random.Random(seed)
    if proof.grade == "wrong":
        return "" if proof.counterexample is None or proof.counterexample.is_wrong else "refuted by a string that is right"
    if proof.grade not in ("identical", "proved", "exhaustive"):
        return ""
    problem = problem if isinstance(problem.target, dm.Machine) else problem.with_delay(proof.delays)
    if proof.certificate is not None and rng.random() < certificates:
        certificate = json.loads(json.dumps(proof.certificate))
        try:
            if check_certificate(problem, machine, certificate) != proof.grade:
                return "the certificate shows another grade"
        except LabError as error:
            return f"the certificate is refused: {error}"
    alphabet = [*problem.alphabet, *([{}] if problem.silence else [])]
    most = proof.length if proof.grade == "exhaustive" else problem.longest or 10**9
    lengths, tried = range(1, most + 1), 0
    for length in lengths:
        if tried + len(alphabet) ** length > SHORT or length > 12:
            break
        for string in itertools.product(alphabet, repeat=length):
            tried += 1
            if differs(problem, machine, string):
                return f"it errs on {list(string)}"
    largest = max(alphabet, key=lambda v: float(max_norm(v)))
    long = rng.choice([[largest] * LONG, [rng.choice(alphabet) for _ in range(LONG)]])  # large numbers soon, or all kinds
    for string in ([largest] * 40, [rng.choice(alphabet) for _ in range(200)], [rng.choice(alphabet) for _ in range(20)], long):
        if differs(problem, machine, string[:most]):
            return f"it errs on a string of {len(string[:most])} items, {string[:8]}..."
    return ""


def tried(seed):
    """The grade of a pair, what it is, and how its promise is broken, if it is.

    Of drawn strings nothing is promised, so they are left out: they would take most of the time.
    """
    warnings.simplefilter("ignore")
    proofs._tested = lambda problem, machine, seed, made, reason: made("tested", reason)
    what, problem, machine = pair(seed)
    began = time.monotonic()
    try:
        proof = proofs.verify(problem, machine, seconds=SECONDS, seed=seed)
    except LabError as error:
        return "refused", what, "", f"{error}"[:80], time.monotonic() - began
    except Exception:
        return "crashed", what, f"it raised {traceback.format_exc(limit=-3)}", "", time.monotonic() - began
    seconds = time.monotonic() - began
    return proof.grade, what, broken_promise(problem, machine, proof, seed), proof.how, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first pair")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    began, grades, broken = time.monotonic(), Counter(), 0
    seeds = range(options.first, options.first + options.pairs)
    with ProcessPoolExecutor(options.jobs) as pool:
        for seed, (grade, what, promise, _how, _seconds) in zip(seeds, pool.map(tried, seeds, chunksize=20), strict=True):
            grades[grade] += 1
            if promise:
                broken += 1
                print(f"{seed}: {what}: {grade}, but {promise}", flush=True)
            if (seed + 1 - options.first) % 1000 == 0:
                print(f"{seed + 1 - options.first} pairs, {time.monotonic() - began:.0f} s: {dict(grades)}", flush=True)
    print(f"{options.pairs} pairs, {broken} broken promises, {time.monotonic() - began:.0f} s: {dict(grades)}")
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
