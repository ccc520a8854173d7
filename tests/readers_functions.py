"""Thirty functions such as readers have, as closures that show nothing of their state.

They were listed before any of them was tried. Each is made by a function of its own, so that neither
its source nor its variables say what it remembers: the lab sees the answers alone. ``FUNCTIONS`` has for
each the target and its alphabet; figures/21-thirty-functions.csv says what came of them. The table again::

    python tests/readers_functions.py figures/21-thirty-functions.csv

and the same for the sixty-two streaming tasks: with ``--tasks``, where they can be run and their states
are hidden; with ``--tables``, where nothing but 10,000 recorded strings of 10 items is known (the published
length), judged on 200 strings of 40 items. After it may come names of tasks, and a CSV file for the results.
"""

import random
import sys
import time
from collections import deque
from dataclasses import replace
from statistics import median

import numpy as np
import pandas as pd

from dmmlab.core.errors import LabError
from dmmlab.machines.exact_steps import ExactMachine
from dmmlab.problems.problems import Problem
from dmmlab.problems.streaming_tasks import STREAMING_TASKS
from dmmlab.proofs.proofs import verify
from dmmlab.sources.examples import Examples
from dmmlab.sources.table_machines import machine_of_rows
from dmmlab.transitions.transitions import transition_machine


def _opaque(make):
    def target(items):
        step = make()
        for item in items:
            yield step(item)

    return target


def counter_with_reset():
    n = 0

    def step(x):
        nonlocal n
        n = 0 if x == 2 else n + x
        return n

    return step


def clamped_counter():
    n = 0

    def step(x):
        nonlocal n
        n = min(5, max(0, n + x))
        return n

    return step


def saturating_sum():
    n = 0

    def step(x):
        nonlocal n
        n = min(10, n + x)
        return n

    return step


def run_length():
    n = 0

    def step(x):
        nonlocal n
        n = n + 1 if x else 0
        return n

    return step


def steps_since_one():
    n = 0

    def step(x):
        nonlocal n
        n = 0 if x else n + 1
        return n

    return step


def longest_run():
    n = best = 0

    def step(x):
        nonlocal n, best
        n = n + 1 if x else 0
        best = max(best, n)
        return best

    return step


def debounced_button():
    state = count = 0

    def step(x):
        nonlocal state, count
        count = count + 1 if x != state else 0
        if count == 3:
            state, count = x, 0
        return state

    return step


def thermostat():
    heating = 0

    def step(t):
        nonlocal heating
        heating = 1 if t < 3 else 0 if t > 6 else heating
        return heating

    return step


def thermostat_of_changes():
    heating, t = 0, 5

    def step(change):
        nonlocal heating, t
        t = min(9, max(0, t + change))
        heating = 1 if t < 3 else 0 if t > 6 else heating
        return heating

    return step


def token_bucket():
    tokens = 3

    def step(asked):
        nonlocal tokens
        tokens = min(3, tokens + 1)
        granted = int(asked <= tokens)
        tokens -= asked * granted
        return granted

    return step


def rising_edge():
    before = 0

    def step(x):
        nonlocal before
        before, edge = x, int(x > before)
        return edge

    return step


def either_edge():
    before = 0

    def step(x):
        nonlocal before
        before, edge = x, int(x != before)
        return edge

    return step


def toggle():
    on = before = 0

    def step(x):
        nonlocal on, before
        on = 1 - on if x and not before else on
        before = x
        return on

    return step


def latch():
    on = 0

    def step(x):
        nonlocal on
        on = 1 if x == 1 else 0 if x == 2 else on
        return on

    return step


def sum_modulo_3():
    total = 0

    def step(x):
        nonlocal total
        total = (total + x) % 3
        return total

    return step


def checksum():
    total, place = 0, 0

    def step(x):
        nonlocal total, place
        total = (total + (3 * x if place % 2 else x)) % 10
        place += 1
        return total

    return step


def crc_3():
    register = 0

    def step(bit):
        nonlocal register
        top = register >> 2 ^ bit
        register = (register << 1 & 7) ^ (3 if top else 0)
        return register

    return step


def gray_code():
    n = 0

    def step(x):
        nonlocal n
        n = (n + x) % 8
        return n ^ n >> 1

    return step


def roman_numerals():
    total = before = 0

    def step(x):
        nonlocal total, before
        total += x - 2 * before if before and before < x else x
        before = x
        return total

    return step


def binary_value():
    n = 0

    def step(bit):
        nonlocal n
        n = 2 * n + bit
        return n

    return step


def decimal_divisible_by_3():
    n = 0

    def step(digit):
        nonlocal n
        n = (10 * n + digit) % 3
        return int(n == 0)

    return step


def bracket_depth():
    depth = 0

    def step(x):
        nonlocal depth
        depth = max(0, depth + x)
        return depth

    return step


def brackets_balanced():
    depth, broken = 0, 0

    def step(x):
        nonlocal depth, broken
        depth += x
        broken = broken or depth < 0
        return int(not broken and depth == 0)

    return step


def largest_so_far():
    best = 0

    def step(x):
        nonlocal best
        best = max(best, x)
        return best

    return step


def second_largest():
    first = second = 0

    def step(x):
        nonlocal first, second
        first, second = max(first, x), max(second, min(first, x))
        return second

    return step


def median_of_three():
    window = deque([0, 0, 0], 3)

    def step(x):
        window.append(x)
        return sorted(window)[1]

    return step


def moving_sum_of_four():
    window = deque([0] * 4, 4)

    def step(x):
        window.append(x)
        return sum(window)

    return step


def largest_stretch():
    here = best = 0

    def step(x):
        nonlocal here, best
        here = max(0, here + x)
        best = max(best, here)
        return best

    return step


def vending_machine():
    paid = 0

    def step(coin):
        nonlocal paid
        paid += coin
        if paid >= 4:
            paid = 0
            return 1
        return 0

    return step


def change_of_direction():
    before, direction = 0, 0

    def step(x):
        nonlocal before, direction
        now = (x > before) - (x < before)
        turned = int(now * direction < 0)
        before, direction = x, now or direction
        return turned

    return step


FUNCTIONS = {
    make.__name__: (_opaque(make), alphabet)
    for make, alphabet in [
        (counter_with_reset, (0, 1, 2)),
        (clamped_counter, (-1, 0, 1)),
        (saturating_sum, (0, 1, 2, 3)),
        (run_length, (0, 1)),
        (steps_since_one, (0, 1)),
        (longest_run, (0, 1)),
        (debounced_button, (0, 1)),
        (thermostat, tuple(range(10))),
        (thermostat_of_changes, (-1, 0, 1)),
        (token_bucket, (0, 1, 2)),
        (rising_edge, (0, 1)),
        (either_edge, (0, 1)),
        (toggle, (0, 1)),
        (latch, (0, 1, 2)),
        (sum_modulo_3, tuple(range(6))),
        (checksum, tuple(range(10))),
        (crc_3, (0, 1)),
        (gray_code, (0, 1)),
        (roman_numerals, (1, 5, 10, 50, 100)),
        (binary_value, (0, 1)),
        (decimal_divisible_by_3, tuple(range(10))),
        (bracket_depth, (-1, 1)),
        (brackets_balanced, (-1, 1)),
        (largest_so_far, tuple(range(8))),
        (second_largest, tuple(range(6))),
        (median_of_three, (0, 1, 2, 3)),
        (moving_sum_of_four, (0, 1, 2, 3)),
        (largest_stretch, (-2, -1, 1, 2)),
        (vending_machine, (1, 2)),
        (change_of_direction, (0, 1, 2)),
    ]
}


def right_on_long_strings(target, alphabet, machine, delays):
    """Whether the machine, run in fractions, is right on 40 random strings of 300 items."""
    rng, exact = random.Random("judge"), ExactMachine(machine)
    for i in range(40):
        string = rng.choices(alphabet, weights=None if i % 2 else [rng.random() ** 3 + 0.01 for _ in alphabet], k=300)
        state, given = exact.initial, []
        for item in (*string, *[0] * max(delays)):
            answers, emitted = exact.step(state)
            state = emitted + exact.shown({"input": item})
            given.append(answers)
        if [row[0] for row in given[delays[0] :][:300]] != list(target(string)):
            return False
    return True


def tasks(names):
    """The streaming tasks as functions that can only be run; the automata are the judge."""
    for name in names or STREAMING_TASKS:
        problem = STREAMING_TASKS[name]
        hidden = replace(problem, target=lambda items, automaton=problem.target: automaton(items))
        start = time.monotonic()
        try:
            machine, delays = transition_machine(hidden, budget=20.0, black_box=True)
        except LabError:
            yield name, time.monotonic() - start, None, "not found", ""
            continue
        seconds, proof = time.monotonic() - start, verify(problem.with_delay(delays), machine, 5.0)
        yield name, seconds, machine.count(), proof.grade, proof


def recorded(problem, strings, cycles, rng):
    """Strings that a task draws, with its answers, as a table."""
    rows = []
    for i in range(strings):
        items = problem.draw(rng, "abc", cycles)
        answers = problem.target(items)
        for item, answer in zip(items, answers, strict=True):
            read = item.values() if isinstance(item, dict) else [item]
            rows.append((i, *read, *(answer if isinstance(answer, tuple) else [answer])))
    return pd.DataFrame(rows, columns=["run", *problem.inputs, *problem.answers])


def tables(names):
    """The streaming tasks as tables of short strings; the judge is a table of long ones, and the automaton."""
    for name in names or STREAMING_TASKS:
        problem, rng = STREAMING_TASKS[name], random.Random(f"table of {name}")
        columns = {"inputs": list(problem.inputs), "outputs": list(problem.answers), "string": "run"}
        short, long = recorded(problem, 10_000, 10, rng), recorded(problem, 200, 40, rng)
        start = time.monotonic()
        made = machine_of_rows(Examples.from_table(short, **columns), 20.0)
        seconds = time.monotonic() - start
        if made is None:
            yield name, seconds, None, "not found", ""
            continue
        machine, delays = made
        judged = replace(Examples.from_table(long, **columns), delay=delays)
        share = np.mean([judged.judge(machine, part).share() for part in range(3)])
        proof = verify(problem.with_delay(delays), machine, 5.0)
        yield name, seconds, machine.count(), proof.grade if share == 1.0 else "wrong", f"right on {share:.1%} of rows; {proof}"


def show(rows, out):
    """Prints what comes of each task, and writes it to a CSV file if one is named."""
    found, began = [], time.monotonic()
    for name, seconds, links, grade, proof in rows:
        found.append((name, round(seconds, 1), links, grade))
        print(f"{name:<25}{seconds:6.1f} s  {links} links, {grade}: {proof}", flush=True)
    grades = [grade for *_, grade in found]
    exact = len(grades) - grades.count("not found") - grades.count("wrong")
    print(f"{exact} of {len(grades)} exact, {grades.count('proved')} proved, {time.monotonic() - began:.0f} s in all")
    if out:
        table = pd.DataFrame(found, columns=["task", "seconds", "links", "grade"])
        table.astype({"links": "Int64"}).to_csv(out[0], index=False)


def main(names):
    ways = {"--tasks": tasks, "--tables": tables}
    if names and names[0] in ways:
        out = [name for name in names[1:] if name.endswith(".csv")]
        return show(ways[names[0]]([name for name in names[1:] if name not in out]), out)
    out = [name for name in names if name.endswith(".csv")]
    exact, rows = [], []
    for name in [name for name in names if name not in out] or FUNCTIONS:
        target, alphabet = FUNCTIONS[name]
        problem, began = Problem(name, target, alphabet=alphabet, silence=False), time.monotonic()
        try:
            machine, delays = transition_machine(problem, budget=20.0, black_box=True)
        except LabError as error:
            print(f"{name:<25}{time.monotonic() - began:6.1f} s  not found: {error}", flush=True)
            rows.append((name, len(alphabet), False, None, round(time.monotonic() - began, 1)))
            continue
        seconds = time.monotonic() - began
        is_right = right_on_long_strings(target, alphabet, machine, delays)
        rows.append((name, len(alphabet), is_right, machine.count(), round(seconds, 1)))
        if is_right:
            exact.append((seconds, machine.count()))
        print(f"{name:<25}{seconds:6.1f} s  {machine.count()} links, {'exact' if is_right else 'wrong'}", flush=True)
    times, links = zip(*exact, strict=True)
    print(f"{len(exact)} exact, median {median(times):.1f} s, {median(links):g} links")
    if out:
        from machines_by_hand import BY_HAND

        table = pd.DataFrame(rows, columns=["function", "items", "exact", "links", "seconds"])
        table["by_hand"] = [BY_HAND[name][0].count() for name in table.function]
        table.astype({"links": "Int64"}).to_csv(out[0], index=False)


if __name__ == "__main__":
    main(sys.argv[1:])
