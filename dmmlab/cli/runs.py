"""The commands that run a machine on a string: ``run`` prints answers, ``test`` errors."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..core.errors import LabError
from . import argument_types as arg
from .machine_names import machine_named, report
from .problem_names import Asked
from .syntheses import measure_on_problem

if TYPE_CHECKING:
    from ..core.machine import Machine
    from ..core.streams import Stream
    from ..core.vvalues import VValue

MOST_CYCLES = 100_000  # limit of a run, without --no-limit
PATIENCE = 1.5  # seconds before a progress bar appears


@dataclass(frozen=True)
class Reading:
    """The arguments that say how a machine reads a string.

    Args:
        cycles: how many cycles (default: 20 after the last character's turn; at most 100,000)
        no_limit: run more than 100,000 cycles, which takes long
        period: one character every P cycles
        words: read the string word by word, split at white space
    """

    cycles: arg.Cycles | None = None
    no_limit: bool = False
    period: arg.Period = 10
    words: bool = False

    def items(self, string: str) -> list[str]:
        """Returns the items that are read. Raises :class:`LabError` if there are none."""
        items = string.split() if self.words else list(string)
        if not items:
            raise LabError(f"--string {string!r}: give at least one {'word' if self.words else 'character'}")
        return items

    def stream(self, string: str, repeat_last: bool) -> "Stream":
        """Returns the stream of the items."""
        from ..core.streams import symbols

        return symbols(self.items(string), self.period, repeat_last)

    def length(self, string: str) -> int:
        """Returns the number of cycles; if not given, that of 2022: 140 for 12 characters.

        Raises :class:`LabError` if they are too many.
        """
        cycles = self.cycles or self.period * len(self.items(string)) + 20
        if cycles > MOST_CYCLES and not self.no_limit:
            raise LabError(f"{cycles:,} cycles: at most {MOST_CYCLES:,} are run, for they take long; --no-limit lifts that")
        return cycles


def run_machine(
    machine: arg.MachineName,
    *,
    string: arg.Text,
    reading: Reading,
    every_cycle: bool = False,
    repeat_last: bool = False,
    engine: Literal["tree", "compiled"] = "tree",
    as_json: arg.Json = False,
) -> int:
    """Runs a machine on a string and prints what arrives at its output.

    Prints a line for each cycle in which a character is read or an answer changes. With --json,
    every cycle.

    Args:
        string: what the machine reads
        every_cycle: print all cycles, not only those in which something happens
        repeat_last: the last character comes again every P cycles, for ever, as in 2022
        engine: what computes (default: tree, the reference)
    """
    from ..drawing.vvalue_text import show

    network, stream, cycles = machine_named(machine), reading.stream(string, repeat_last), reading.length(string)
    sinks = [name for name, kind in network.neurons.items() if not kind.outputs]
    if not sinks:
        raise LabError(f"{machine}: no output neuron, so there is nothing to print")
    rows = _with_progress(_answers(network, stream, cycles, sinks, engine), cycles, as_json)
    if as_json:
        outputs = [{"cycle": cycle, **arrived} for cycle, arrived in rows]
        return report(True, {"machine": machine, "string": string, "cycles": cycles, "outputs": outputs})
    ports = [(name, field) for name in sinks for field in network.neurons[name].inputs]
    widths = [max(12, len(f"{name}.{field}")) for name, field in ports]
    header = "  ".join(f"{f'{name}.{field}':>{w}}" for (name, field), w in zip(ports, widths, strict=True))
    width = max(map(len, ["reads", *reading.items(string)]))
    print(f"cycle  {'reads':<{width}}  {header}")
    before, left_out = None, 0
    for cycle, arrived in rows:
        shown = [show(arrived.get(name, {}).get(field, {})) for name, field in ports]
        if shown == before and not stream(cycle) and not every_cycle:
            left_out += 1
            continue
        before = shown
        cells = "  ".join(f"{text:>{w}}" for text, w in zip(shown, widths, strict=True))
        item = "".join(stream(cycle))
        print(f"{cycle:>5}  {item if item.isprintable() else repr(item)[1:-1]:<{width}}  {cells}")
    if left_out:
        print(f"{cycles} cycles; {left_out} in which nothing is read and no answer changes are left out (--every-cycle)")
    return 0


def measure_machine(
    machine: arg.MachineName,
    *,
    string: arg.Text | None = None,
    reading: Reading,
    asked: Asked,
    seed: arg.Seed = 0,
    as_json: arg.Json = False,
) -> int:
    """Measures how well a machine imitates the handcrafted detector, or answers a problem.

    With --string, runs a machine beside the handcrafted duplicate detector, in single precision as
    in 2022, and prints the sum of squared errors over both outputs and all cycles, the largest
    squared error, and the number of soft links. With --problem, runs it on that problem's
    validation and test strings, in double precision, and prints its largest errors and a short
    string on which it errs.

    Args:
        string: what the machine reads; the last character repeats, as in 2022
        seed: of the test strings
    """
    if ((asked.problem or asked.command) is None) == (string is None):
        raise LabError("give either --string S or --problem P")
    if string is None:
        return measure_on_problem(machine, asked, seed, as_json)
    import numpy as np

    from ..machines.detectors import imitation_error

    network, stream = machine_named(machine), reading.stream(string, repeat_last=True)
    if "output" not in network.neurons:
        raise LabError(f"{machine}: no neuron 'output' to compare with the handcrafted detector")
    cycles = reading.length(string)
    error = imitation_error(network.astype(np.float32), stream, cycles)
    return report(
        as_json,
        {**error._asdict(), "links": network.count()},
        f"loss               {error.loss:.8g}   (sum of squared errors over {cycles} cycles)",
        f"max squared error  {error.max_squared_error:.8g}",
        f"links              {network.count()}",
    )


def _answers(
    machine: "Machine", stream: "Stream", cycles: int, sinks: list[str], engine: str
) -> Iterator[tuple[int, "VValue"]]:
    """Yields the values that arrive at the machine's output neurons, by cycle."""
    if engine == "compiled":
        from ..compiler.compilation import compile_machine

        compiled = compile_machine(machine, stream, cycles)
        answers = compiled.run_streams(stream, cycles)
        columns = {name: compiled.decode(answers, name) for name in sinks}
        yield from ((t, {name: column[t] for name, column in columns.items() if column[t]}) for t in range(cycles))
        return
    from ..core.engine import run

    for state in run(machine, stream, cycles):
        yield state.cycle, {name: state.inputs[name] for name in sinks if name in state.inputs}


def _with_progress(rows: Iterator[tuple[int, "VValue"]], cycles: int, as_json: bool) -> Iterator[tuple[int, "VValue"]]:
    """Adds a progress bar to the rows, if they take long and are not printed as they come."""
    from tqdm import tqdm

    hidden = not sys.stderr.isatty() or (sys.stdout.isatty() and not as_json)
    return iter(tqdm(rows, total=cycles, unit=" cycles", delay=PATIENCE, disable=hidden, leave=False))
