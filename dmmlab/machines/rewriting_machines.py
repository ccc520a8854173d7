"""Machines that rewrite themselves: the experiments of 2016 and 2017, and machines that grow.

Each function returns a machine. Where the initial outputs of the neurons matter, it returns them
too. Run these machines with ``matrix_from="self.single"``.

Sources: arXiv:1706.00648, appendix B.2 (the wave), and the public repository jsa-aerial/DMM.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from ..core.machine import Machine
from ..core.network_matrix import Links, matrix_of_links
from ..core.neuron_type import NeuronType
from ..core.neurons import INPUT, TIMER, answering, constant
from ..core.summaries import Facts, names, summarised
from ..core.tree_neurons import EVENTS, GATE, NEST, SELF, UPDATE
from ..core.vvalues import VValue, from_paths, number, paths

MATRIX = "self.single"  # the output that emits the network matrix


@summarised
class Rewriting(NamedTuple):
    """A machine and the outputs of its neurons before cycle 0."""

    machine: Machine
    initial_outputs: VValue

    def _summary(self) -> tuple[str, Facts]:
        facts = {"machine": repr(self.machine).split("\n")[0], "initial outputs of": names(self.initial_outputs)}
        return "Rewriting: a machine, and what its neurons emit before cycle 0", facts.items()


def wave() -> Rewriting:
    """Returns a machine with one link that changes its source with period 3 (2016-10-19).

    One neuron is linked to ``self.delta``, and ``self`` adds the output of that neuron to the
    matrix. This output removes the neuron's link and adds a link from the next neuron.
    """
    updates = [f"update-{k}" for k in (1, 2, 3)]
    links = {"self.accum": {MATRIX: 1.0}, "self.delta": {"update-1.single": 1.0}}
    links |= {f"{name}.single": {f"{name}.single": 1.0} for name in updates}
    changes = {
        name: {"single": matrix_of_links({"self.delta": {f"{name}.single": -1.0, f"{following}.single": 1.0}})}
        for name, following in zip(updates, [*updates[1:], updates[0]], strict=True)
    }
    return Rewriting(Machine({"self": SELF, **dict.fromkeys(updates, UPDATE)}, matrix_of_links(links)), changes)


def event_list() -> Rewriting:
    """Returns a machine that lists all items that have a flag, the latest first (2017-07-13)."""
    machine = Machine.build(
        {"my-list.signal": {"input.char": 1.0}},
        {"timer": TIMER, "input": INPUT, "my-list": EVENTS},
    )
    return Rewriting(machine, {"my-list": {"self": {"end-list": 1.0}}})


def click(x: float, y: float) -> VValue:
    """Returns the item that :func:`event_list` reads in the cycle of a click.

    Args:
        x: the horizontal position of the click.
        y: its vertical position.

    Returns:
        A V-value with a flag.
    """
    return {"x": x, "y": y, "flag": 1.0}


def editing() -> Machine:
    """Returns a machine that is edited while it runs: it adds each item it reads to its matrix.

    It does nothing else until its input contains links.
    """
    return Machine.build(
        {"self.accum": {MATRIX: 1.0}, "self.delta": {"input.char": 1.0}},
        {"timer": TIMER, "input": INPUT, "self": SELF},
        hard={"timer.timer": {"timer.timer": 1.0}, "input.timer": {"timer.timer": 1.0}},
    )


def growing() -> Rewriting:
    """Returns a shift register that grows by one cell a cycle, so that it forgets nothing.

    In cycle n ``builder`` emits the link from cell n + 1 to cell n + 2. The link exists two cycles
    later, when the first item needs it. The machine grows without end, so limit the cycles of a
    run.
    """
    links = {
        "self.accum": {MATRIX: 1.0},
        "self.delta": {"builder.single": 1.0},
        "builder.count": {"timer.timer": 1.0},
        "cell-1.single": {"input.char": 1.0},
    }
    links |= {"timer.timer": {"timer.timer": 1.0}, "input.timer": {"timer.timer": 1.0}}
    neurons = {"timer": TIMER, "input": INPUT, "self": SELF, "builder": BUILDER, "cell-1": CELL}
    return Rewriting(Machine(neurons, matrix_of_links(links)), {})


def copying(names: Sequence[str]) -> NeuronType:
    """Returns a neuron type that reads the matrix and emits links that copy some neurons.

    Args:
        names: the neurons to copy.

    Returns:
        The type, ``matrix, number -> single``. If the number n is not zero, the copy of each neuron
        is called ``name-n``. Links from and to other neurons are copied too. If n is zero, nothing
        is emitted.
    """

    def copy(matrix: VValue, n: VValue) -> VValue:
        if not number(n):
            return {}
        new = {name: f"{name}-{int(number(n))}" for name in names}
        return from_paths(
            ((new.get(to, to), into, new.get(source, source), *rest), weight)
            for (to, into, source, *rest), weight in paths(matrix)
            if to in new or source in new
        )

    return NeuronType("copier", ("matrix", "number"), ("single",), copy)


def doubling() -> Machine:
    """Returns a machine that copies its own counter whenever its input is a number other than zero.

    The counter counts cycles. Each copy starts to count when it is made, and the machine adds up
    all counts. The input gives the number of the copy.
    """
    links = {
        "self.accum": {MATRIX: 1.0},
        "self.delta": {"copier.single": 1.0},
        "copier.matrix": {MATRIX: 1.0},
        "copier.number": {"input.char": 1.0},
        "cell.single": {"cell.single": 1.0, "one.one": 1.0},
        "total.sum": {"cell.single": 1.0},
        "timer.timer": {"timer.timer": 1.0},
        "input.timer": {"timer.timer": 1.0},
    }
    neurons = {"timer": TIMER, "input": INPUT, "self": SELF, "copier": copying(["cell"]), "cell": CELL}
    neurons |= {"one": constant("one", "one", 1.0), "total": answering(("sum",), "total")}
    return Machine(neurons, matrix_of_links(links))


def _next_cell(n: VValue) -> VValue:
    k = int(number(n)) + 1
    return matrix_of_links({f"cell-{k + 1}.single": {f"cell-{k}.single": 1.0}})


BUILDER = NeuronType("builder", ("count",), ("single",), _next_cell)
CELL = replace(UPDATE, name="cell")


def learner(inputs: int) -> tuple[Machine, Links]:
    """Returns a machine that changes the links of its own prediction by a trainable rule.

    ``prediction`` is a linear combination of ``x-1``, ``x-2`` and so on. ``x`` gives the same
    numbers as one V-value, keyed like the outputs that emit them. So the outer product of
    ``prediction.single`` and ``x`` is a change of exactly these links. The rest of the matrix is
    the rule: it decides how much of this change is added in a cycle, for which of the last three
    items, and how it depends on the right answer ``y``. Show ``y`` together with ``x``. A guess
    arrives two cycles later.

    Args:
        inputs: how many numbers an item has.

    Returns:
        The machine, with all weights 1; and the links to train, those of the rule and the initial
        links of the prediction.
    """
    items, pasts = [f"x-{k}" for k in range(1, inputs + 1)], ("late", "later")
    kinds = {"timer": TIMER, "self": SELF, **dict.fromkeys(["x", "y", *items], INPUT)}
    kinds |= {"prediction": UPDATE, "error": UPDATE, "gate": GATE, "nest": NEST}
    kinds |= {f"{name}-{past}": UPDATE for name in "xy" for past in pasts}
    kinds |= {"where": constant("where", "link", {"prediction": {"single": 1.0}}), "output": answering(("guess",))}
    late = {f"{name}-late.single": [f"{name}.char"] for name in "xy"}
    late |= {f"{name}-later.single": [f"{name}-late.single"] for name in "xy"}
    read = {f"{name}.timer": ["timer.timer"] for name in ("timer", "x", "y", *items)}
    fixed = {"self.accum": [MATRIX], "nest.dict-1": ["where.link"], "nest.dict-2": ["gate.dict"]}
    fixed |= {"output.guess": ["prediction.single"], **late, **read}
    seen = {name: [f"{name}.char", *(f"{name}-{past}.single" for past in pasts)] for name in "xy"}
    trained = {
        "error.single": ["prediction.single", *seen["y"]],
        "gate.condition": ["error.single", "prediction.single", *seen["y"]],
        "gate.dict": seen["x"],
        "self.delta": ["nest.dict"],
        "prediction.single": [f"{name}.char" for name in items],
    }
    links = {to: dict.fromkeys(sources, 1.0) for to, sources in (*fixed.items(), *trained.items())}
    return Machine(kinds, matrix_of_links(links)), {to: dict.fromkeys(sources, 1.0) for to, sources in trained.items()}
