"""The thirty functions of readers_functions.py as machines that were written by hand.

Each is the smallest that its writer found, to compare with those that the lab fits
(figures/21-thirty-functions.csv). They have the neuron types of the lab's fits, and *norm*, which for a
number is its absolute value.

A machine is written as equations: every name on a right-hand side is its value one cycle before, at
first 0, and ``x`` is the item. ``relu(d)`` is a neuron that compares d with 0: its name alone is the
positive part of d, and ``name.false`` is that of -d. A plain number is a multiple of the constant 1. So
each term on a right-hand side is one soft link. The answer is due some cycles *after* its item; ``BY_HAND``
has for each function the machine and this delay. What arrives before the first answer is due is free, as
for the judge of the thirty functions: eight machines would need one to four links more to answer 0 until then.

These are the ideas behind them:

* A memory that has to forget is multiplied by 0. One that is bounded on both sides is a difference of
  two hinges, relu(d) - relu(d - 1).
* A bound may be kept late. If a number may exceed 5 for a cycle, and the excess is subtracted in the
  next, two neurons read fewer things than if both had to know the bounded number at once.
* The larger of a and b is a + relu(b - a), and it is also b + relu(a - b).
* For two bits, the absolute value |a - b| is "either, but not both": it toggles a bit.
* A remainder is kept modulo a multiple that no item exceeds, and is reduced once, on the way out.
* relu(d) - relu(-d) is d. So one comparison gives a hinge and a straight line, and where all neurons
  are still 0, the right combination of hinges is 0, too.
"""

import re
from dataclasses import replace

from dmmlab.core.machine import Machine, customary_links
from dmmlab.core.network_matrix import matrix_of
from dmmlab.core.neurons import ACCUM, COMPARE, CONST_1, INPUT, NORM, PRODUCT, TIMER, answering

_SUM = replace(ACCUM, feedback=())  # its memory, if it has one, is a soft link
_KINDS = {  # neuron type, and the inputs of its arguments
    "sum": (_SUM, ("dict-2",)),
    "relu": (COMPARE, ("dict-1",)),
    "product": (PRODUCT, ("dict-1", "dict-2")),
    "abs": (NORM, ("dict",)),
}
_TERM = re.compile(r"([+-]?)([\d.]*)([a-z][a-z.]*)?")  # sign, weight, and name


def machine(equations: str) -> tuple[Machine, tuple[int, ...]]:
    """The machine of these equations, with neurons named as the lab names them, and the delay of the answer."""
    lines = [line.split("#")[0].replace(" ", "").rstrip(")").split("=") for line in equations.strip().splitlines()]
    neurons = {"timer": TIMER, "input": INPUT, "const_1": CONST_1, "output": answering(("answer",))}
    ports = {"": ("const_1", "const_1"), "x": ("input", "char")}
    inputs = []  # the neuron, its input, and the terms that arrive there
    for name, right in lines:
        if name.startswith("answer"):
            inputs.append(("output", "answer", right))
            break
        function, arguments = right.split("(")
        kind, fields = _KINDS[function]
        neuron = f"{kind.name}-{1 + sum(each is kind for each in neurons.values())}"
        neurons[neuron] = kind
        ports |= {name: (neuron, kind.outputs[0]), f"{name}.false": (neuron, kind.outputs[-1])}
        inputs += [(neuron, field, terms) for field, terms in zip(fields, arguments.split(","), strict=True)]
    soft = matrix_of(
        (neuron, field, *ports[source], float(f"{sign}{weight or 1}"))
        for neuron, field, terms in inputs
        for sign, weight, source in _TERM.findall(terms)
        if weight or source
    )
    delay = int(name.removeprefix("answerafter"))
    return Machine(neurons, soft, customary_links(neurons)).live(["input"]), (delay,)


_EQUATIONS = {
    "counter_with_reset": """
        item = sum(x)
        two = relu(x - 1)                                       # 1 after the item 2
        n = product(n + item, 1 - two)
        answer after 3 = n""",
    "clamped_counter": """
        e = relu(e - over + x)                                  # e - over is n, or above 5 for a cycle
        over = relu(e - over - 5)
        answer after 3 = 5 - over.false""",
    "saturating_sum": """
        total = sum(total + x)
        missing = relu(10 - total)
        answer after 3 = 10 - missing""",
    "run_length": """
        n = product(n + 1, x)
        answer after 2 = n""",
    "steps_since_one": """
        n = product(n + 1, 1 - x)
        answer after 2 = n""",
    "longest_run": """
        n = product(n + 1, x)
        more = relu(n - best - more)                            # by how much the record is broken
        best = sum(best + more)
        answer after 4 = best""",
    "debounced_button": """
        high = relu(2high - 2over + 9x - 8)                     # v = high - over is in 0 to 7: ones make it
        over = relu(2high - 2over + 9x - 15)                    # 0, 1, 3, 7, and zeros 7, 6, 4, 0
        low = relu(4 - high)
        on = relu(1 - low)
        answer after 4 = on""",
    "thermostat": """
        a = relu(3 + 4a - 4b - x)                               # a - b is whether t < 3 + 4 heating
        b = relu(2 + 4a - 4b - x)
        answer after 2 = a - b""",
    "thermostat_of_changes": """
        one = sum(1)                                            # a cycle later than 1: 1 - one is a pulse
        t = relu(t - over + x + 5 - 5one)
        over = relu(t - over - 9one)
        a = relu(3one + 4a - 4b - t)
        b = relu(2one + 4a - 4b - t)
        answer after 3 = a - b""",
    "token_bucket": """
        lack = relu(lack - 2denied + x - 1)                     # after a new token, lack - 2 denied are missing
        denied = relu(lack - 2denied + x - 3)
        answer after 2 = 1 - denied""",
    "rising_edge": """
        before = sum(x)
        rise = relu(x - before)
        answer after 2 = rise""",
    "either_edge": """
        before = sum(x)
        edge = abs(x - before)
        answer after 2 = edge""",
    "toggle": """
        before = sum(x)
        rise = relu(x - before)
        on = abs(on - rise)
        answer after 3 = on""",
    "latch": """
        set = product(x, 2 - x)                                 # 1 for the item 1
        kept = relu(kept + set - x)
        answer after 2 = kept + set""",
    "sum_modulo_3": """
        a = relu(x + 7b - b.false - 6a + 1)                     # 6 + 7b - b.false - 6a: the sum modulo 6
        b = relu(x + 7b - b.false - 6a)                         # the sum before it is reduced, less 6
        m = sum(7b - b.false - 6a + 3)                          # that, less 3
        c = relu(m)
        d = relu(m + 1)
        answer after 4 = c + 2c.false - 3d.false""",
    "checksum": """
        odd = sum(1 - odd)
        weighted = product(x, 1 + 2odd)
        a = relu(weighted + 31b - b.false - 30a + 1)            # the sum modulo 30, as above
        b = relu(weighted + 31b - b.false - 30a)
        m = sum(31b - b.false - 30a + 20)                       # that, less 10
        c = relu(m)
        d = relu(m + 1)
        e = relu(m - 9)
        f = relu(m - 10)
        answer after 5 = c + 9c.false - 10d.false - 10e + 10f""",
    "crc_3": """
        top = abs(high - x)
        low = sum(top)
        high = abs(low - top)                                   # the middle bit; a cycle ago, the high one
        old = sum(high)
        answer after 3 = 4old + 2high + low""",
    "gray_code": """
        bit = abs(bit - x)                                      # of n, the lowest; its edges toggle the answer
        before = sum(bit)
        edge = relu(bit - before)
        one = abs(one - edge)
        turn = product(edge.false, one)
        fall = sum(edge.false)
        two = abs(two - turn)
        four = abs(four - fall + turn)
        old = sum(one)
        answer after 5 = 4four + 2two + old""",
    "roman_numerals": """
        before = sum(x)
        a = relu(x - before)                                    # a - b is what was before, if it is less:
        b = relu(x - 2before)                                   # x is then at least twice that
        total = sum(total + before - 2a + 2b)
        answer after 3 = total""",
    "binary_value": """
        n = sum(2n + x)
        answer after 2 = n""",
    "decimal_divisible_by_3": """
        a = relu(x + 10b - b.false - 9a + 1)                    # 9 + 10b - b.false - 9a: the sum modulo 9
        b = relu(x + 10b - b.false - 9a)
        p = abs(10b - b.false - 9a + 4.5)                       # three foldings: 0 to 9, to 0 or 1
        q = abs(p - 3)
        r = abs(q - 1.5)
        answer after 5 = 1 - r""",
    "bracket_depth": """
        depth = relu(depth + x)
        answer after 2 = depth""",
    "brackets_balanced": """
        depth = relu(depth - 2depth.false + x)                  # once below 0, it falls for ever
        balanced = relu(1 - depth - depth.false)
        answer after 3 = balanced""",
    "largest_so_far": """
        more = relu(x - best - more)
        best = sum(best + more)
        answer after 3 = best""",
    "second_largest": """
        before = sum(x)
        gap = relu(gap + before - x)                            # gap + before is the largest
        more = relu(before - gap.false - second - more)         # before - gap.false is the smaller of both
        second = sum(second + more)
        answer after 4 = second""",
    "median_of_three": """
        before = sum(x)
        step = relu(x - before)
        up = relu(before - step - x)                            # from x up to the smaller of the two before
        down = relu(x - before - step.false)                    # from x down to the larger
        answer after 2 = before + up - down""",
    "moving_sum_of_four": """
        a = sum(x)
        b = sum(a + x)
        c = sum(b + x)
        answer after 1 = c + x""",
    "largest_stretch": """
        here = relu(here + x)
        gap = relu(gap - here.false - x)                        # gap - here.false: how far below the record
        answer after 2 = here + gap - here.false""",
    "vending_machine": """
        a = relu(x + 3a.false - 4b.false - 4)                   # 3a.false - 4b.false is what is paid
        b = relu(x + 3a.false - 4b.false - 3)
        answer after 2 = b - a""",
    "change_of_direction": """
        before = sum(x)
        a = relu(a - b + before - x)                            # a - b: 1 if the last change was down
        b = relu(a - b + before - x - 1)
        old = sum(a - b)
        turn = abs(a - b - old)
        answer after 3 = turn""",
}

BY_HAND: dict[str, tuple[Machine, tuple[int, ...]]] = {name: machine(text) for name, text in _EQUATIONS.items()}
