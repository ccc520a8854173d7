"""The commands that run a machine on a string: ``run`` prints answers, ``test`` errors."""

import argparse
import sys
from collections.abc import Iterator

from ..core.errors import LabError
from ..core.machine import Machine
from ..core.streams import Stream, symbols
from ..core.vvalues import VValue
from .machine_names import machine_named, print_json
from .syntheses import run_on_problem

MOST_CYCLES = 100_000  # limit of a run, without --no-limit
PATIENCE = 1.5  # seconds before a progress bar appears


def run_machine(options: argparse.Namespace) -> int:
    """``dmmlab run``."""
    from ..drawing.vvalue_text import show

    machine, stream = machine_named(options.machine), _stream(options)
    cycles = _cycles(options)
    sinks = [name for name, kind in machine.neurons.items() if not kind.outputs]
    if not sinks:
        raise LabError(f"{options.machine}: no output neuron, so there is nothing to print")
    rows = _with_progress(_answers(machine, stream, cycles, sinks, options.engine), cycles, options.json)
    if options.json:
        outputs = [{"cycle": cycle, **arrived} for cycle, arrived in rows]
        print_json({"machine": options.machine, "string": options.string, "cycles": cycles, "outputs": outputs})
        return 0
    ports = [(name, field) for name in sinks for field in machine.neurons[name].inputs]
    widths = [max(12, len(f"{name}.{field}")) for name, field in ports]
    header = "  ".join(f"{f'{name}.{field}':>{w}}" for (name, field), w in zip(ports, widths, strict=True))
    reading = max(2, *(len(item) for item in _items(options)))
    reading = max(reading, len("reads"))
    print(f"cycle  {'reads':<{reading}}  {header}")
    before, left_out = None, 0
    for cycle, arrived in rows:
        shown = [show(arrived.get(name, {}).get(field, {})) for name, field in ports]
        if shown == before and not stream(cycle) and not options.every_cycle:
            left_out += 1
            continue
        before = shown
        cells = "  ".join(f"{text:>{w}}" for text, w in zip(shown, widths, strict=True))
        item = "".join(stream(cycle))
        print(f"{cycle:>5}  {item if item.isprintable() else repr(item)[1:-1]:<{reading}}  {cells}")
    if left_out:
        print(f"{cycles} cycles; {left_out} in which nothing is read and no answer changes are left out (--every-cycle)")
    return 0


def test_machine(options: argparse.Namespace) -> int:
    """``dmmlab test``."""
    asked = options.problem or options.program
    if (asked is None) == (options.string is None):
        raise LabError("give either --string S or --problem P")
    return run_on_problem(options) if asked else _test_on_string(options)


def _test_on_string(options: argparse.Namespace) -> int:
    import numpy as np

    from ..machines.detectors import imitation_error

    machine, stream = machine_named(options.machine), _stream(options)
    if "output" not in machine.neurons:
        raise LabError(f"{options.machine}: no neuron 'output' to compare with the handcrafted detector")
    cycles = _cycles(options)
    error = imitation_error(machine.astype(np.float32), stream, cycles)
    if options.json:
        print_json({**error._asdict(), "links": machine.count()})
    else:
        print(f"loss               {error.loss:.8g}   (sum of squared errors over {cycles} cycles)")
        print(f"max squared error  {error.max_squared_error:.8g}")
        print(f"links              {machine.count()}")
    return 0


def _answers(machine: Machine, stream: Stream, cycles: int, sinks: list[str], engine: str) -> Iterator[tuple[int, VValue]]:
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


def _stream(options: argparse.Namespace) -> Stream:
    return symbols(_items(options), options.period, options.repeat_last)


def _items(options: argparse.Namespace) -> list[str]:
    items = options.string.split() if options.words else list(options.string)
    if not items:
        raise LabError(f"--string {options.string!r}: give at least one {'word' if options.words else 'character'}")
    return items


def _cycles(options: argparse.Namespace) -> int:
    """Returns the requested number of cycles, or that of 2022: 140 for 12 characters."""
    cycles = options.cycles or options.period * len(_items(options)) + 20
    if cycles > MOST_CYCLES and not options.no_limit:
        raise LabError(f"{cycles:,} cycles: at most {MOST_CYCLES:,} are run, for they take long; --no-limit lifts that")
    return cycles


def _with_progress(rows: Iterator[tuple[int, VValue]], cycles: int, as_json: bool) -> Iterator[tuple[int, VValue]]:
    """Adds a progress bar to the rows, if they take long and are not printed as they come."""
    from tqdm import tqdm

    hidden = not sys.stderr.isatty() or (sys.stdout.isatty() and not as_json)
    return iter(tqdm(rows, total=cycles, unit=" cycles", delay=PATIENCE, disable=hidden, leave=False))
