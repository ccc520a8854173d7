"""The problem of a command: a problem by its name, a program, or a table of examples."""

import argparse
from typing import TYPE_CHECKING

from ..core.errors import LabError

if TYPE_CHECKING:
    from ..problems.problems import Problem

TABLES = (".csv", ".parquet", ".jsonl")


def problem_named(options: argparse.Namespace) -> tuple[str, "Problem"]:
    """Returns the problem that a command line names, and its name.

    Args:
        options: has ``problem``, ``program``, ``alphabet``, and the options of tables.

    Returns:
        The name, and the problem.

    Raises:
        LabError: no problem is named, or two are; an option belongs to another kind of problem; or
            there is no such problem.
    """
    name, program, of_table = options.problem, options.program, (options.inputs, options.outputs, options.by, options.tolerance)
    if (name is None) == (program is None):
        raise LabError("name one problem, or a program with --command")
    is_table = name is not None and name.endswith(TABLES)
    if any(of_table) and not is_table:
        raise LabError(
            f"--inputs, --outputs, --by and --tolerance belong to a table, a file that ends with {', '.join(TABLES)}"
        )
    if program is None and options.alphabet:
        raise LabError("--alphabet belongs to --command")
    if is_table:
        if not (options.inputs and options.outputs):
            raise LabError(f"{name}: say which columns are read and which are the answers: --inputs a,b --outputs y")
        from ..sources.examples import Examples

        return name, Examples.from_table(name, options.inputs, options.outputs, options.by, options.tolerance)
    if program is not None:
        from ..problems.problems import Problem
        from ..sources.commands import Command

        if not options.alphabet:
            raise LabError("--command needs --alphabet, such as 0:10 for the items 0 to 9")
        return program, Problem(f"What does {program!r} answer?", Command(program), alphabet=options.alphabet, silence=False)
    from ..problems.problem_files import load_problem

    return name, load_problem(name)
