"""The command line. Every command says ``--help``; bad input is one line and exit status 2."""

import argparse
import io
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..core.errors import LabError
from ..core.machine import Machine
from ..core.streams import Stream, symbols
from ..core.vvalues import VValue
from .arguments import command_line
from .machine_names import machine_named, print_json
from .syntheses import compare, run_on_problem, run_streaming_tasks, run_synthesis, verify_machine

MOST_CYCLES = 100_000  # of a run, unless asked for more
PATIENCE = 1.5  # seconds before there is a progress bar


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status.

    That is 0, 1 if a notebook failed, 2 for bad usage or input, 130 for an interrupt.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    options = command_line(COMMANDS).parse_args(arguments)
    options.arguments = arguments
    try:
        return options.command(options)
    except LabError as error:
        print(f"dmmlab {options.name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        print(f"dmmlab {options.name}: interrupted; {_how_to_go_on(options, interrupt)}", file=sys.stderr)
        return 130


def process() -> int:
    """:func:`main` as a process, whose output may be closed, full, or poor in characters."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = main()
        sys.stdout.flush()
        return status
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains once more as it ends
        if isinstance(error, BrokenPipeError):  # the reader of our output, such as head, has seen enough
            return 0
        print(f"dmmlab: output cannot be written: {error.strerror}", file=sys.stderr)
        return 2


def _how_to_go_on(options: argparse.Namespace, interrupt: KeyboardInterrupt) -> str:
    words: list[str] = options.arguments
    left: list[Path] = getattr(interrupt, "left", [])
    if options.name in ("synthesize", "tasks") and (Path(options.out) / "run.json").exists():
        words = [*(word for word in words if word != "--resume"), "--resume"]
    elif left:
        given = [word for word in words if word not in options.notebooks]
        words = [
            *given[:1],
            *(path.stem if path.parent.name == "notebooks" else str(path) for path in left),
            *given[1:],
        ]
    else:
        return "the same command begins again"
    return f"to go on: dmmlab {shlex.join(words)}"


def _run(options: argparse.Namespace) -> int:
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


def _test(options: argparse.Namespace) -> int:
    if (options.problem is None) == (options.string is None):
        raise LabError("give either --string S or --problem P")
    return run_on_problem(options) if options.problem else _test_on_string(options)


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
    """What arrives at the machine's output neurons, by cycle."""
    if engine == "compiled":
        from ..compiler.compiled import compile_machine

        compiled = compile_machine(machine, stream, cycles)
        answers = compiled.run_streams(stream, cycles)
        columns = {name: compiled.decode(answers, name) for name in sinks}
        yield from ((t, {name: column[t] for name, column in columns.items() if column[t]}) for t in range(cycles))
        return
    from ..core.engine import run

    for state in run(machine, stream, cycles):
        yield state.cycle, {name: state.inputs[name] for name in sinks if name in state.inputs}


def _replay(options: argparse.Namespace) -> int:
    from ..june2022.replay import RUNS, prepare
    from ..learning.training import NotFinite, train

    compiled, batch = prepare(options.run, options.gradients)
    try:
        result = train(compiled, batch, options.steps, regularizers=RUNS[options.run].regularizers, progress=not options.json)
    except NotFinite as error:
        raise LabError(str(error)) from None
    weights = compiled.machine.count()
    if options.json:
        print_json({"loss": result.history["loss"], "weights": weights})
    else:
        print(f"{options.run}: {weights} weights, gradients {options.gradients}\n\n step  loss before regularization")
        for step, loss in enumerate(result.history["loss"], start=1):
            print(f"{step:>5}  {loss:.8g}")
    if result.stopped:
        raise KeyboardInterrupt
    return 0


def _bench(options: argparse.Namespace) -> int:
    from ..bench.compiled_machines import bench

    rows, measured = [], bench(options.names)
    if not options.json:
        print("| work | ours, ms | peer | peer, ms | ratio | compiled in, s | |\n| --- | --- | --- | --- | --- | --- | --- |")
    for row in measured:
        rows.append(row._asdict())
        if not options.json:
            shown = [row.name, row.ours_ms, row.peer, row.peer_ms, row.ratio, row.compile_s, row.note]
            cells = [_cell(x) for x in shown]
            print(f"| {' | '.join(cells)} |", flush=True)
    if options.json:
        print_json(rows)
    return 0


WITHOUT = {
    "circuit": (),
    "bundle": ("--merge",),
    "matrix": ("--hide", "--live", "--merge"),
    "beside": ("--as", "--live", "--merge"),
}


def _draw(options: argparse.Namespace) -> int:
    from ..drawing.drawing_machines import MOST_LINKS
    from ..drawing.graphviz_drawing import FORMATS

    machine, out = machine_named(options.machine), Path(options.out)
    kind = "beside" if options.beside else options.kind or ("circuit" if machine.count() <= MOST_LINKS else "bundle")
    chosen = {"--beside": options.beside, "--as": options.kind, "--hide": options.hide, "--live": options.live}
    for name, value in {**chosen, "--merge": options.merge}.items():
        if value and name in WITHOUT[kind]:
            raise LabError(f"{name} has no meaning for {'two machines side by side' if options.beside else f'a {kind}'}")
    if out.suffix.removeprefix(".").lower() not in FORMATS:
        raise LabError(f"{out}: the name must end in one of {', '.join('.' + f for f in FORMATS)}")
    if kind == "matrix":
        from ..drawing.plots import save_matrix

        save_matrix(machine, out, options.title, options.dpi, options.width)
    else:
        _drawing(machine, kind, options).save_as(out, dpi=options.dpi, width=options.width)
    if options.json:
        print_json({"drawing": str(out), "links": machine.count()})
    return 0


def _drawing(machine: Machine, kind: str, options: argparse.Namespace) -> Any:
    from ..drawing.drawing_machines import draw

    if kind == "beside":
        beside, titles = machine_named(options.beside), (options.title or options.machine, options.beside)
        return draw(machine, beside=beside, titles=titles, hide=options.hide, digits=options.digits)
    if kind == "bundle":
        return draw(machine.live() if options.live else machine, kind, hide=options.hide, title=options.title)
    look = {"digits": options.digits, "merge": options.merge, "title": options.title}
    return draw(machine, kind, only_live=options.live, hide=options.hide, **look)


def _show(options: argparse.Namespace) -> int:
    from ..drawing.programs import equations, program
    from ..drawing.python_programs import python_program

    machine = machine_named(options.machine)
    text = python_program(machine) if options.python else (equations if options.latex else program)(machine, options.digits)
    if options.json:
        print_json({"text": text, "links": machine.count()})
    else:
        print(text.rstrip("\n"))
    return 0


def _explore(options: argparse.Namespace) -> int:
    from ..core.files import read_json
    from ..journal.exploring import exploring_notebook
    from ..synthesis.problem_files import load_problem

    machine, problem, given = machine_named(options.machine), options.problem, Path(options.machine)
    if problem is None and (given / "result.json").is_file():
        problem = read_json(given / "result.json").get("problem")
    elif problem is None and options.machine in ("handcrafted", "published"):
        problem = "duplicates"
    if problem is not None:
        load_problem(problem)
    if not options.string:
        raise LabError("--string '': give at least one character")
    path = exploring_notebook(machine, given.resolve().stem, options.out, problem, options.string)
    if options.json:
        print_json({"notebook": str(path), "problem": problem, "links": machine.count()})
    else:
        print(path)
    if options.no_open:
        return 0
    return subprocess.call([sys.executable, "-m", "jupyterlab", str(path)], stdout=sys.stderr)


def _journal(options: argparse.Namespace) -> int:
    from ..journal import execution as journal, reference, site
    from ..journal.several_at_once import execute_all

    paths = journal.notebooks(options.notebooks)
    parameters = journal.parse_parameters(paths, options.parameter)
    if options.update:
        if parameters:
            raise LabError("--update stores outputs of the journal as it is: leave out -p")
        parameters = {"figures": "../figures"}
    out, sources = Path(options.out), {path.stem: path for path in paths}
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(out.resolve().parent / "jax-cache"))  # what several compile
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")
    if not options.notebooks:  # the whole journal, with all that its site has
        reference.write_reference(out)
    executed, failure = execute_all(paths, out, parameters, options.jobs, quiet=not sys.stderr.isatty())
    if failure is not None:
        print(f"dmmlab journal: {failure}", file=sys.stderr)
    if options.update:
        for each in executed:
            journal.update(each, sources[each.name])
    index = site.write_index(out, paths[0].parent / parameters["figures"] if options.update else None)
    if options.json:
        done = [{"notebook": str(e.notebook), "page": str(e.page), "seconds": round(e.seconds, 1)} for e in executed]
        print_json({"executed": done, "failed": failure and failure.notebook, "site": str(index)})
    else:
        for each in executed:
            print(f"{each.name:<40} {each.seconds:6.1f} s   {each.page}")
        print(index)
    return 1 if failure else 0


def _stream(options: argparse.Namespace) -> Stream:
    return symbols(_items(options), options.period, options.repeat_last)


def _items(options: argparse.Namespace) -> list[str]:
    items = options.string.split() if options.words else list(options.string)
    if not items:
        raise LabError(f"--string {options.string!r}: give at least one {'word' if options.words else 'character'}")
    return items


def _cycles(options: argparse.Namespace) -> int:
    """As many as are asked for, or as in 2022: 12 characters, 140 cycles."""
    cycles = options.cycles or options.period * len(_items(options)) + 20
    if cycles > MOST_CYCLES and not options.no_limit:
        raise LabError(f"{cycles:,} cycles: at most {MOST_CYCLES:,} are run, for they take long; --no-limit lifts that")
    return cycles


def _with_progress(rows: Iterator[tuple[int, VValue]], cycles: int, as_json: bool) -> Iterator[tuple[int, VValue]]:
    """The rows, with a progress bar where they take long and are not seen as they come."""
    from tqdm import tqdm

    hidden = not sys.stderr.isatty() or (sys.stdout.isatty() and not as_json)
    return iter(tqdm(rows, total=cycles, unit=" cycles", delay=PATIENCE, disable=hidden, leave=False))


def _cell(x: object) -> str:
    if isinstance(x, float):
        return f"{x:.3g}" if x < 1000 else f"{x:,.0f}"
    return "" if x is None else str(x)


COMMANDS = {
    "run": _run,
    "test": _test,
    "replay": _replay,
    "bench": _bench,
    "synthesize": run_synthesis,
    "compare": compare,
    "verify": verify_machine,
    "tasks": run_streaming_tasks,
    "draw": _draw,
    "show": _show,
    "explore": _explore,
    "journal": _journal,
}
