"""The command line. Commands have ``--help``; bad input gives one line and exit status 2."""

import contextlib
import io
import itertools
import os
import shlex
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import platformdirs

from ..core.errors import LabError, one_line
from . import argument_types as arg
from .arguments import called_with, command_line
from .machine_names import machine_named, report
from .runs import measure_machine, run_machine
from .syntheses import compare, run_streaming_tasks, run_sweep, run_synthesis, verify_machine

CACHE_BYTES = 2**30  # for the cache of compiled programs


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status.

    The status is 0 on success, 1 if a notebook failed or a machine or certificate is wrong, 2 for
    bad usage or input, 130 for an interrupt.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    values = vars(command_line(COMMANDS).parse_args(arguments))
    name = values["name"]
    if name != "bench":  # which measures how long compiling takes
        _keep_what_is_compiled()
    try:
        return called_with(COMMANDS[name], values)
    except LabError as error:
        print(f"dmmlab {name}: {one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        print(f"dmmlab {name}: interrupted; {_how_to_go_on(arguments, values, interrupt)}", file=sys.stderr)
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


def _how_to_go_on(words: list[str], values: Mapping[str, Any], interrupt: KeyboardInterrupt) -> str:
    left: list[Path] = getattr(interrupt, "left", [])
    if values["name"] in ("synthesize", "tasks", "sweep") and (Path(values["out"]) / "run.json").exists():
        words = [*(word for word in words if word != "--resume"), "--resume"]
    elif left:
        first, *given = [word for word in words if word not in values["notebooks"]]
        notebooks = [path.stem if path.parent.name == "notebooks" else str(path) for path in left]
        words = [first, *notebooks, *given]
    else:
        return "the same command begins again"
    return f"to go on: dmmlab {shlex.join(words)}"


def _replay(
    run: str, *, steps: arg.Whole = 100, gradients: Literal["journal-2022", "exact"] = "journal-2022", as_json: arg.Json = False
) -> int:
    """Repeats a training run of 2022 from its seed.

    Repeats its first steps, and prints the losses before regularization.

    Args:
        run: first-feedforward-run, feedforward-run-1.1, feedforward-run-2, feedforward-run-3,
            compare-free, recurrent or recurrent-with-id
        steps: how many steps
        gradients: as truncated as they were in 2022, which follows the published logs (default), or
            exact
    """
    from ..june2022.replay import RUNS, prepare
    from ..learning.training import NotFinite, train

    compiled, batch = prepare(run, gradients)
    try:
        result = train(compiled, batch, steps, regularizers=RUNS[run].regularizers, progress=not as_json)
    except NotFinite as error:
        raise LabError(str(error)) from None
    weights = compiled.machine.count()
    head = f"{run}: {weights} weights, gradients {gradients}\n\n step  loss before regularization"
    rows = [f"{step:>5}  {loss:.8g}" for step, loss in enumerate(result.history["loss"], start=1)]
    status = report(as_json, {"loss": result.history["loss"], "weights": weights}, head, *rows)
    if result.stopped:
        raise KeyboardInterrupt
    return status


def _bench(names: Sequence[str] = (), *, as_json: arg.Json = False) -> int:
    """Runs the benchmarks, with peers beside ours.

    Prints a table: medians, in milliseconds, and ratios to peers on the same work.

    Args:
        names: step, gradient, streams, batches, restarts, recurrent, specialised, superfluid,
            trees, pytorch, memory (default: all)
    """
    from ..bench.benchmarks import bench

    rows, measured = [], bench(names)
    if not as_json:
        print("| work | ours, ms | peer | peer, ms | ratio | compiled in, s | |\n| --- | --- | --- | --- | --- | --- | --- |")
    for row in measured:
        rows.append(row._asdict())
        if not as_json:
            print(f"| {' | '.join(map(_cell, row))} |", flush=True)
    return report(True, rows) if as_json else 0


WITHOUT = {
    "circuit": (),
    "bundle": ("--merge",),
    "matrix": ("--hide", "--live", "--merge"),
    "beside": ("--as", "--live", "--merge"),
}


def _draw(
    machine: arg.MachineName,
    out: str,
    *,
    live: bool = False,
    hide: Sequence[arg.Neuron] = (),
    digits: arg.Digits = 2,
    dpi: arg.Dpi = 300,
    width: arg.Centimetres | None = None,
    merge: bool = False,
    beside: arg.MachineName | None = None,
    kind: arg.DrawAs | None = None,
    title: str | None = None,
    as_json: arg.Json = False,
) -> int:
    """Draws a machine as a circuit diagram.

    Draws it as a circuit; as a layered bundle if it has more than 200 links; as a matrix; or two
    machines side by side, with what differs marked.

    Args:
        out: the file to write: its ending, .svg .pdf .png .eps .gv or .tex (TikZ), says the format
        live: leave out links and neurons that cannot influence the output
        hide: leave out a neuron, such as timer; may be repeated
        digits: decimals of the weights
        dpi: dots per inch of a PNG
        width: how wide, in cm; the height follows (default: as letters of 11 pt ask)
        merge: one line for all links from a neuron to another
        beside: another machine, drawn beside the first
        kind: how (default: by the number of links)
        title: a caption
    """
    from ..drawing.drawing_machines import MOST_LINKS, draw
    from ..drawing.graphviz_drawing import FORMATS

    drawn, path = machine_named(machine), Path(out)
    way = "beside" if beside else kind or ("circuit" if drawn.count() <= MOST_LINKS else "bundle")
    for name, value in {"--beside": beside, "--as": kind, "--hide": hide, "--live": live, "--merge": merge}.items():
        if value and name in WITHOUT[way]:
            raise LabError(f"{name} has no meaning for {'two machines side by side' if beside else f'a {way}'}")
    if path.suffix.removeprefix(".").lower() not in FORMATS:
        raise LabError(f"{out}: the name must end in one of {', '.join('.' + f for f in FORMATS)}")
    if way == "matrix":
        from ..drawing.plots import save_matrix

        save_matrix(drawn, path, title, dpi, width)
    else:
        if beside:
            titles = (title or machine, beside)
            drawing = draw(drawn, beside=machine_named(beside), titles=titles, hide=hide, digits=digits)
        elif way == "bundle":
            drawing = draw(drawn.live() if live else drawn, way, hide=hide, title=title)
        else:
            drawing = draw(drawn, way, only_live=live, hide=hide, digits=digits, merge=merge, title=title)
        drawing.save_as(path, dpi=dpi, width=width)
    return report(True, {"drawing": str(path), "links": drawn.count()}) if as_json else 0


def _show(
    machine: arg.MachineName,
    *,
    exact: arg.Exclusive = False,
    latex: arg.Exclusive = False,
    python: arg.Exclusive = False,
    digits: arg.AllDigits = 2,
    as_json: arg.Json = False,
) -> int:
    """Prints a machine as a short program.

    Prints one line for each neuron; or a complete program, which a .dmm file can hold; or LaTeX
    equations; or a Python program with all digits that needs nothing but Python.

    Args:
        exact: all that the machine has; a .dmm file of it is a machine
        latex: as equations, for a paper (amsmath)
        python: as a Python program that needs nothing but Python
        digits: decimals of the weights
    """
    from ..drawing.programs import equations, program
    from ..drawing.python_programs import python_program

    shown = machine_named(machine)
    write = equations if latex else partial(program, exact=exact)
    text = python_program(shown) if python else write(shown, digits)
    return report(as_json, {"text": text, "links": shown.count()}, text.rstrip("\n"))


def _explore(
    machine: arg.MachineName,
    *,
    problem: str | None = None,
    string: arg.Text = "test string.",
    out: arg.Folder = "build/explore",
    no_open: bool = False,
    allow_root: bool = False,
    as_json: arg.Json = False,
) -> int:
    """Opens the explorers of a machine in JupyterLab.

    Writes a small notebook in which a machine is stepped through, edited and pruned, and opens it
    in JupyterLab. There, Run > Run All Cells makes it live.

    Args:
        problem: what it answers, as for dmmlab synthesize (default: that of the synthesis)
        string: what the machine reads (default: 'test string.')
        out: where to write
        no_open: write the notebook, and open nothing
        allow_root: let JupyterLab run as root, as in a container
    """
    from ..core.files import read_json
    from ..journal.exploring import exploring_notebook
    from ..problems.problem_files import load_problem

    explored, given, name = machine_named(machine), Path(machine), problem
    if problem is None and (given / "result.json").is_file():
        name = read_json(given / "result.json").get("problem")
    elif problem is None and machine in ("handcrafted", "published"):
        name = "duplicates"
    if name is not None:
        try:
            load_problem(name)
        except LabError as error:
            where = "" if problem else f"; {given} names it as it was called there: say with --problem where it is"
            raise LabError(f"{error}{where}") from None
    if not string:
        raise LabError("--string '': give at least one character")
    path = exploring_notebook(explored, given.resolve().stem, out, name, string)
    report(as_json, {"notebook": str(path), "problem": name, "links": explored.count()}, path)
    if no_open:
        return 0
    root = ["--allow-root"] if allow_root else []
    return subprocess.call([sys.executable, "-m", "jupyterlab", *root, str(path)], stdout=sys.stderr)


def _journal(
    notebooks: Sequence[str] = (),
    *,
    parameters: Sequence[arg.Parameter] = (),
    out: arg.Folder = "build/journal",
    jobs: arg.Jobs | None = None,
    update: bool = False,
    as_json: arg.Json = False,
) -> int:
    """Executes the notebooks of the journal.

    Executes the journal with papermill, or the notebooks that are named, two at a time where cores
    and memory allow. Writes executed notebooks, a site to read them in, and the figures. A cell
    that fails is shown, the other notebooks are executed all the same, and the exit status is 1.

    Args:
        notebooks: a path, or how a notebook's name begins, such as 03 (default: all)
        parameters: set a notebook's parameter; may be repeated
        out: where to write
        jobs: how many notebooks at a time (default: 2, fewer where there are fewer cores or less
            memory)
        update: also store the outputs in the notebooks themselves, and the figures in figures/
    """
    from ..journal import execution as journal, reference, site
    from ..journal.several_at_once import execute_all

    paths = journal.notebooks(notebooks)
    given = journal.parse_parameters(paths, parameters)
    if update:
        if given:
            raise LabError("--update stores outputs of the journal as it is: leave out -p")
        given = {"figures": "../figures"}
    folder, sources = Path(out), {path.stem: path for path in paths}
    if not notebooks:  # the whole journal, with its reference
        reference.write_reference(folder)
    executed, failures = execute_all(paths, folder, given, jobs, quiet=not sys.stderr.isatty())
    for failure in failures:
        print(f"dmmlab journal: {failure}", file=sys.stderr)
    if update:
        for each in executed:
            journal.update(each, sources[each.name])
    index = site.write_index(folder, paths[0].parent / given["figures"] if update else None)
    done = [{"notebook": str(e.notebook), "page": str(e.page), "seconds": round(e.seconds, 1)} for e in executed]
    value = {"executed": done, "failed": [failure.notebook for failure in failures], "site": str(index)}
    report(as_json, value, *(f"{each.name:<40} {each.seconds:6.1f} s   {each.page}" for each in executed), index)
    return 1 if failures else 0


def _cell(x: object) -> str:
    if isinstance(x, float):
        return f"{x:.3g}" if x < 1000 else f"{x:,.0f}"
    return "" if x is None else str(x)


COMMANDS: dict[str, Callable[..., int]] = {
    "run": run_machine,
    "test": measure_machine,
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
