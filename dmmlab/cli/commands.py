"""The command line. Commands have ``--help``; bad input gives one line and exit status 2."""

import argparse
import contextlib
import io
import itertools
import os
import shlex
import subprocess
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import platformdirs

from ..core.errors import LabError, one_line
from ..core.machine import Machine
from .arguments import command_line
from .machine_names import machine_named, print_json
from .runs import run_machine, test_machine
from .syntheses import compare, run_streaming_tasks, run_sweep, run_synthesis, verify_machine

CACHE_BYTES = 2**30  # for the cache of compiled programs


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status.

    The status is 0 on success, 1 if a notebook failed or a machine or certificate is wrong, 2 for
    bad usage or input, 130 for an interrupt.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    options = command_line(COMMANDS).parse_args(arguments)
    options.arguments = arguments
    if options.name != "bench":  # which measures how long compiling takes
        _keep_what_is_compiled()
    try:
        return options.command(options)
    except LabError as error:
        print(f"dmmlab {options.name}: {one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        print(f"dmmlab {options.name}: interrupted; {_how_to_go_on(options, interrupt)}", file=sys.stderr)
        return 130


def process() -> int:
    """Runs :func:`main` as a process; its output may be closed, full, or not Unicode."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = main()
        sys.stdout.flush()
        if status == 130:  # XLA, interrupted halfway, would not survive an orderly exit
            sys.stderr.flush()
            os._exit(status)
        return status
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # otherwise Python complains again at exit
        if isinstance(error, BrokenPipeError):  # the reader of our output, such as head, has closed it
            return 0
        print(
            f"dmmlab: {one_line(error)}" if error.filename else f"dmmlab: output cannot be written: {error.strerror}",
            file=sys.stderr,
        )
        return 2


def _keep_what_is_compiled() -> None:
    """Lets JAX keep compiled programs in the user's cache folder, for later commands.

    JAX's own environment variables take precedence; a folder that they name gets no size limit.
    JAX's own size limit is not used: with it, each lookup waits ten seconds while another process
    holds the folder's lock, and waits indefinitely if that process is stopped. So old files are
    deleted here, at the start.
    """
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        folder = platformdirs.user_cache_dir("dmmlab", appauthor=False)
        os.environ["JAX_COMPILATION_CACHE_DIR"] = folder
        _drop_what_is_old(Path(folder), CACHE_BYTES)
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    beginnings = [f"Error {what} persistent compilation cache" for what in ("reading", "writing")]  # two processes use one file
    for beginning in beginnings:
        warnings.filterwarnings("ignore", beginning, UserWarning)
    said = [os.environ.get("PYTHONWARNINGS", ""), *(f"ignore:{beginning}:UserWarning" for beginning in beginnings)]
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, said))  # for the kernels of notebooks


def _drop_what_is_old(folder: Path, limit: int) -> None:
    """Deletes the oldest files of a folder, until at most ``limit`` bytes remain."""
    with contextlib.suppress(OSError):  # there is no folder yet, or another process deletes files, too
        files = sorted((-(s := path.stat()).st_mtime, s.st_size, path) for path in folder.iterdir() if path.is_file())
        sizes = itertools.accumulate(size for _, size, _ in files)
        for path in [path for (_, _, path), total in zip(files, sizes, strict=True) if total > limit]:
            path.unlink(missing_ok=True)


def _how_to_go_on(options: argparse.Namespace, interrupt: KeyboardInterrupt) -> str:
    words: list[str] = options.arguments
    left: list[Path] = getattr(interrupt, "left", [])
    if options.name in ("synthesize", "tasks", "sweep") and (Path(options.out) / "run.json").exists():
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
    from ..bench.benchmarks import bench

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
    write = equations if options.latex else partial(program, exact=options.exact)
    text = python_program(machine) if options.python else write(machine, options.digits)
    if options.json:
        print_json({"text": text, "links": machine.count()})
    else:
        print(text.rstrip("\n"))
    return 0


def _explore(options: argparse.Namespace) -> int:
    from ..core.files import read_json
    from ..journal.exploring import exploring_notebook
    from ..problems.problem_files import load_problem

    machine, problem, given = machine_named(options.machine), options.problem, Path(options.machine)
    if problem is None and (given / "result.json").is_file():
        problem = read_json(given / "result.json").get("problem")
    elif problem is None and options.machine in ("handcrafted", "published"):
        problem = "duplicates"
    if problem is not None:
        try:
            load_problem(problem)
        except LabError as error:
            where = "" if options.problem else f"; {given} names it as it was called there: say with --problem where it is"
            raise LabError(f"{error}{where}") from None
    if not options.string:
        raise LabError("--string '': give at least one character")
    path = exploring_notebook(machine, given.resolve().stem, options.out, problem, options.string)
    if options.json:
        print_json({"notebook": str(path), "problem": problem, "links": machine.count()})
    else:
        print(path)
    if options.no_open:
        return 0
    root = ["--allow-root"] if options.allow_root else []
    return subprocess.call([sys.executable, "-m", "jupyterlab", *root, str(path)], stdout=sys.stderr)


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
    if not options.notebooks:  # the whole journal, with its reference
        reference.write_reference(out)
    executed, failures = execute_all(paths, out, parameters, options.jobs, quiet=not sys.stderr.isatty())
    for failure in failures:
        print(f"dmmlab journal: {failure}", file=sys.stderr)
    if options.update:
        for each in executed:
            journal.update(each, sources[each.name])
    index = site.write_index(out, paths[0].parent / parameters["figures"] if options.update else None)
    if options.json:
        done = [{"notebook": str(e.notebook), "page": str(e.page), "seconds": round(e.seconds, 1)} for e in executed]
        print_json({"executed": done, "failed": [failure.notebook for failure in failures], "site": str(index)})
    else:
        for each in executed:
            print(f"{each.name:<40} {each.seconds:6.1f} s   {each.page}")
        print(index)
    return 1 if failures else 0


def _cell(x: object) -> str:
    if isinstance(x, float):
        return f"{x:.3g}" if x < 1000 else f"{x:,.0f}"
    return "" if x is None else str(x)


COMMANDS = {
    "run": run_machine,
    "test": test_machine,
    "replay": _replay,
    "bench": _bench,
    "synthesize": run_synthesis,
    "compare": compare,
    "verify": verify_machine,
    "tasks": run_streaming_tasks,
    "sweep": run_sweep,
    "draw": _draw,
    "show": _show,
    "explore": _explore,
    "journal": _journal,
}
