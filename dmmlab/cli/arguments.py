"""The command-line arguments; others are refused in one line, with exit status 2."""

import argparse
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import NoReturn

from .argument_types import (
    SEED,
    WHOLE,
    alphabet,
    centimetres,
    column_names,
    seconds,
    seed_range,
    tolerance,
    values_of,
    whole_number,
)

MACHINE_HELP = (
    "a machine's JSON file, or its program in a .dmm file; the folder of a synthesis; or 'handcrafted' or 'published' for the "
    "duplicate detectors of the journal"
)

PROBLEM_HELP = (
    "duplicates, characters, words, sentences, repetition, longest-run, margin, running-maximum, sum, difference, "
    "bracket-depth or seen-before; followers, whose answers are trees; one of the streaming tasks, such as Add_Mod_5; "
    "or one of your own, as in my_problem.py:vowels (the file is executed); or a table of examples, a CSV, Parquet or JSON "
    "lines file, with --inputs and --outputs"
)


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


Describe = Callable[[argparse.ArgumentParser], None]
DESCRIBED: dict[str, tuple[str, str, Describe]] = {}  # by command: summary, description, function that adds arguments


def command_line(functions: Mapping[str, Callable[[argparse.Namespace], int]]) -> argparse.ArgumentParser:
    """Returns the parser of ``dmmlab``; ``functions`` maps command names to functions."""
    parser = Parser(
        prog="dmmlab",
        description="The DMM synthesis lab journal: run, test and draw machines; execute the journal.",
    )
    parser.add_argument("--version", action="version", version=f"dmmlab {version('dmmlab')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (summary, description, add_arguments) in DESCRIBED.items():
        sub = commands.add_parser(name, help=summary, description=description)
        sub.set_defaults(command=functions[name], name=name)
        sub.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
        add_arguments(sub)
    return parser


def described(name: str, summary: str, description: str) -> Callable[[Describe], Describe]:
    """Registers the function that adds the arguments of a command."""

    def register(add_arguments: Describe) -> Describe:
        DESCRIBED[name] = (summary, description, add_arguments)
        return add_arguments

    return register


def _from_outside(sub: argparse.ArgumentParser, problem: str = "problem") -> None:
    optional = {} if problem.startswith("-") else {"nargs": "?"}
    sub.add_argument(problem, metavar="PROBLEM", help=PROBLEM_HELP, **optional)  # type: ignore[arg-type]
    sub.add_argument(
        "--command",
        dest="program",
        metavar="PROGRAM",
        help="instead of a problem: a program that reads an item a line and writes an answer a line (it is run)",
    )
    sub.add_argument("--alphabet", type=alphabet, metavar="A:B", help="of a program: the whole numbers from A to B - 1")
    sub.add_argument("--inputs", type=column_names, metavar="NAMES", help="of a table: the columns that are read")
    sub.add_argument("--outputs", type=column_names, metavar="NAMES", help="of a table: the columns of the answers")
    sub.add_argument("--by", metavar="NAME", help="of a table: the column that separates strings (default: one string)")
    sub.add_argument("--tolerance", type=tolerance, metavar="X", help="of a table: by how much an answer may be off")


def _reads_string(sub: argparse.ArgumentParser, required: bool = True, repeats: str = "") -> None:
    sub.add_argument("machine", metavar="MACHINE", help=MACHINE_HELP)
    sub.add_argument("--string", required=required, metavar="S", help=f"what the machine reads{repeats}")
    sub.set_defaults(repeat_last=bool(repeats))
    sub.add_argument(
        "--cycles",
        type=WHOLE,
        metavar="T",
        help="how many cycles (default: 20 after the last character's turn; at most 100,000)",
    )
    sub.add_argument("--no-limit", action="store_true", help="run more than 100,000 cycles, which takes long")
    sub.add_argument(
        "--period",
        type=WHOLE,
        default=10,
        metavar="P",
        help="one character every P cycles (default: 10)",
    )
    sub.add_argument("--words", action="store_true", help="read the string word by word, split at white space")


@described(
    "run",
    "run a machine on a string and print what arrives at its output",
    "Runs a machine on a string and prints what arrives at its output: a line for each cycle in which a character is read "
    "or an answer changes. With --json, every cycle.",
)
def _run(sub: argparse.ArgumentParser) -> None:
    _reads_string(sub)
    sub.add_argument("--every-cycle", action="store_true", help="print all cycles, not only those in which something happens")
    sub.add_argument(
        "--repeat-last", action="store_true", help="the last character comes again every P cycles, for ever, as in 2022"
    )
    sub.add_argument(
        "--engine", choices=["tree", "compiled"], default="tree", help="what computes (default: tree, the reference)"
    )


@described(
    "test",
    "measure how well a machine imitates the handcrafted duplicate detector, or answers a problem",
    "With --string, runs a machine beside the handcrafted duplicate detector, in single precision as in 2022, and prints "
    "the sum of squared errors over both outputs and all cycles, the largest squared error, and the number of soft links. "
    "With --problem, runs it on that problem's validation and test strings, in double precision, and prints its largest "
    "errors and a short string on which it errs.",
)
def _test(sub: argparse.ArgumentParser) -> None:
    _reads_string(sub, required=False, repeats="; the last character repeats, as in 2022")
    _from_outside(sub, "--problem")
    sub.add_argument("--seed", type=SEED, default=0, metavar="K", help="of the test strings (default: 0)")


@described(
    "replay",
    "repeat a training run of 2022 from its seed",
    "Repeats the first steps of a training run of 2022 from its seed, and prints the losses before regularization.",
)
def _replay(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "run",
        metavar="RUN",
        help="first-feedforward-run, feedforward-run-1.1, feedforward-run-2, feedforward-run-3, "
        "compare-free, recurrent or recurrent-with-id",
    )
    sub.add_argument("--steps", type=WHOLE, default=100, metavar="N", help="how many steps (default: 100)")
    sub.add_argument(
        "--gradients",
        choices=["journal-2022", "exact"],
        default="journal-2022",
        help="as truncated as they were in 2022, which follows the published logs (default), or exact",
    )


@described(
    "bench",
    "run the benchmarks, with peers beside ours",
    "Runs the benchmarks and prints a table: medians, in milliseconds, and ratios to peers on the same work.",
)
def _bench(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="step, gradient, streams, batches, restarts, recurrent, specialised, superfluid, trees, pytorch, memory, repaint "
        "(default: all)",
    )


@described(
    "synthesize",
    "find a small exact machine for a problem, unattended",
    "Finds a machine that answers a problem: by exact fits where it can, else by training and pruning networks. Keeps "
    "the smallest machine that is exact on unseen strings; if none is exact, says so and keeps the best. Writes the "
    "machine, its circuit and the trace of the search into a folder.",
)
def _synthesize(sub: argparse.ArgumentParser) -> None:
    _from_outside(sub)
    sub.add_argument("--seed", type=SEED, default=0, metavar="K", help="(default: 0)")
    sub.add_argument("--out", required=True, metavar="DIR", help="the folder to write into, one for each run")
    sub.add_argument("--resume", action="store_true", help="go on with the run in that folder, where it was interrupted")
    sub.add_argument(
        "--restarts",
        "--starts",
        dest="restarts",
        type=whole_number(1, 1000),
        default=8,
        metavar="N",
        help="restarts from other random weights (default: 8)",
    )
    sub.add_argument(
        "--penalty",
        choices=["proximal", "gradient", "gates", "none"],
        default="proximal",
        help="how weights are driven to zero (default: proximal)",
    )
    sub.add_argument(
        "--score",
        choices=["magnitude", "saliency", "ablation"],
        default="magnitude",
        help="which links are cut first (default: magnitude)",
    )
    sub.add_argument("--neurons-first", action="store_true", help="cut whole neurons before single links")
    sub.add_argument(
        "--regrow",
        type=whole_number(0, 100),
        default=0,
        metavar="N",
        help="offer all links again after pruning, N times (default: 0)",
    )

    sub.add_argument("--budget", type=seconds, metavar="SECONDS", help="time limit; the best machine so far is kept")


@described(
    "verify",
    "prove, test or refute that a machine answers a problem",
    "Says how sure it is that a machine answers a problem: identical to the target; proved, for all strings; exhaustive, "
    "for all strings up to a length; tested; or wrong, with a string on which it errs. The exit status is 1 if it is "
    "wrong, or if a certificate is rejected.",
)
def _verify(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("machine", metavar="MACHINE", help=MACHINE_HELP)
    _from_outside(sub)
    sub.add_argument("--seconds", type=seconds, default=20.0, metavar="S", help="how long a proof may take (default: 20)")
    sub.add_argument("--save", metavar="FILE", help="write the certificate of the grade, as JSON")
    sub.add_argument("--check", metavar="FILE", help="search for nothing: check this certificate")


@described(
    "tasks",
    "run the benchmark of 62 streaming tasks",
    "Synthesizes a machine for each of the 62 published streaming tasks, or for those that are named, proves what can be "
    "proved, and writes one table, and each machine with its circuit and program.",
)
def _tasks(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("names", nargs="*", metavar="NAME", help="tasks, such as Add_Mod_5 (default: all)")
    sub.add_argument("--out", default="build/tasks", metavar="DIR", help="where to write (default: build/tasks)")
    sub.add_argument("--resume", action="store_true", help="go on with the run in that folder")
    sub.add_argument("--seed", type=SEED, default=0, metavar="K", help="(default: 0)")
    sub.add_argument("--budget", type=seconds, default=240.0, metavar="SECONDS", help="for each task (default: 240)")
    sub.add_argument("--jobs", type=whole_number(1, 100), default=2, metavar="N", help="tasks at a time (default: 2)")
    sub.add_argument("--hide-states", action="store_true", help="hide the targets' states: functions that can only be run")
    sub.add_argument("--networks-only", action="store_true", help="train networks; make no machine from states or tests")


@described(
    "sweep",
    "synthesize over problems, seeds and settings, into one table",
    "Synthesizes a machine for each problem, each combination of settings and each seed, and writes table.csv, with all "
    "settings as columns, and each machine. What is finished stays, whatever ends the rest; --resume does what is left. "
    "Prints how often the machines were exact, with a 95 % interval over seeds.",
)
def _sweep(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("problems", nargs="+", metavar="PROBLEM", help=PROBLEM_HELP)
    sub.add_argument("--seeds", type=seed_range, required=True, metavar="A:B", help="from A on, before B: 2100:2120 are twenty")
    sub.add_argument(
        "--set",
        dest="values",
        type=values_of,
        action="append",
        default=[],
        metavar="NAME=VALUE,...",
        help="values of a setting of the synthesis, such as ramp_steps=4000,8000; recurrent=2,3 starts from recurrent "
        "networks of 2 and of 3 copies of each type, with all_fields=1 as wide as in 2022; every=10 trains with an item in "
        "every tenth cycle, as in 2022, after lessons in which items come more often; may be repeated",
    )
    sub.add_argument("--out", required=True, metavar="DIR", help="the folder to write into, one for each sweep")
    sub.add_argument("--resume", action="store_true", help="do what is left of the sweep in that folder")
    sub.add_argument("--budget", type=seconds, metavar="SECONDS", help="for each synthesis")
    where = sub.add_mutually_exclusive_group()
    where.add_argument("--jobs", type=whole_number(1, 100), default=2, metavar="N", help="processes (default: 2)")
    where.add_argument(
        "--scheduler", metavar="ADDRESS", help="a Dask scheduler whose workers do it, such as tcp://127.0.0.1:8786"
    )


@described(
    "compare",
    "print finished syntheses side by side",
    "Prints a table of finished syntheses: links, errors, how many restarts were exact, and the settings in which they differ.",
)
def _compare(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("runs", nargs="+", metavar="RUN", help="the folder of a synthesis")


@described(
    "draw",
    "draw a machine as a circuit diagram",
    "Draws a machine: as a circuit; as a layered bundle if it has more than 200 links; as a matrix; or two machines side "
    "by side, with what differs marked.",
)
def _draw(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("machine", metavar="MACHINE", help=MACHINE_HELP)
    sub.add_argument(
        "out",
        metavar="OUT",
        help="the file to write: its ending, .svg .pdf .png .eps .gv or .tex (TikZ), says the format",
    )
    sub.add_argument("--live", action="store_true", help="leave out links and neurons that cannot influence the output")
    sub.add_argument(
        "--hide",
        action="append",
        default=[],
        metavar="NEURON",
        help="leave out a neuron, such as timer; may be repeated",
    )
    sub.add_argument("--digits", type=whole_number(0, 9), default=2, metavar="N", help="decimals of the weights (default: 2)")
    sub.add_argument(
        "--dpi", type=whole_number(10, 2400), default=300, metavar="N", help="dots per inch of a PNG (default: 300)"
    )

    sub.add_argument(
        "--width", type=centimetres, metavar="CM", help="how wide, in cm; the height follows (default: as letters of 11 pt ask)"
    )
    sub.add_argument("--merge", action="store_true", help="one line for all links from a neuron to another")
    sub.add_argument("--beside", metavar="MACHINE", help="another machine, drawn beside the first")
    sub.add_argument("--as", dest="kind", choices=["circuit", "bundle", "matrix"], help="how (default: by the number of links)")
    sub.add_argument("--title", metavar="TEXT", help="a caption")


@described(
    "show",
    "print a machine as a short program",
    "Prints a machine as a short program, one line for each neuron; as a complete one, which a .dmm file can hold; as LaTeX "
    "equations; or as a Python program with all digits that needs nothing but Python.",
)
def _show(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("machine", metavar="MACHINE", help=MACHINE_HELP)
    forms = sub.add_mutually_exclusive_group()
    forms.add_argument("--exact", action="store_true", help="all that the machine has; a .dmm file of it is a machine")
    forms.add_argument("--latex", action="store_true", help="as equations, for a paper (amsmath)")
    forms.add_argument("--python", action="store_true", help="as a Python program that needs nothing but Python")
    sub.add_argument("--digits", type=whole_number(0, 17), default=2, metavar="N", help="decimals of the weights (default: 2)")


@described(
    "explore",
    "open the explorers of a machine in JupyterLab",
    "Writes a small notebook in which a machine is stepped through, edited and pruned, and opens it in JupyterLab. There, "
    "Run > Run All Cells makes it live.",
)
def _explore(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("machine", metavar="MACHINE", help=MACHINE_HELP)
    sub.add_argument("--problem", metavar="PROBLEM", help=f"what it answers (default: that of the synthesis). {PROBLEM_HELP}")
    sub.add_argument("--string", default="test string.", metavar="S", help="what the machine reads (default: 'test string.')")
    sub.add_argument("--out", default="build/explore", metavar="DIR", help="where to write (default: build/explore)")
    sub.add_argument("--no-open", action="store_true", help="write the notebook, and open nothing")
    sub.add_argument("--allow-root", action="store_true", help="let JupyterLab run as root, as in a container")


@described(
    "journal",
    "execute the notebooks of the journal",
    "Executes the journal with papermill, or the notebooks that are named, two at a time where cores and memory allow. "
    "Writes executed notebooks, a site to read them in, and the figures. A cell that fails is shown, the other "
    "notebooks are executed all the same, and the exit status is 1.",
)
def _journal(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "notebooks",
        nargs="*",
        metavar="NOTEBOOK",
        help="a path, or how a notebook's name begins, such as 03 (default: all)",
    )
    sub.add_argument(
        "-p",
        dest="parameter",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="set a notebook's parameter; may be repeated",
    )
    sub.add_argument("--out", default="build/journal", metavar="DIR", help="where to write (default: build/journal)")
    sub.add_argument(
        "--jobs",
        type=whole_number(1, 100),
        metavar="N",
        help="how many notebooks at a time (default: 2, fewer where there are fewer cores or less memory)",
    )
    sub.add_argument(
        "--update",
        action="store_true",
        help="also store the outputs in the notebooks themselves, and the figures in figures/",
    )
