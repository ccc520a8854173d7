"""The problem of a command: a problem by its name, a program, or a table of examples."""

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

from ..core.errors import LabError
from . import argument_types as arg

if TYPE_CHECKING:
    from ..problems.problems import Problem

TABLES = (".csv", ".parquet", ".jsonl")


@dataclass(frozen=True)
class Asked:
    """The arguments that name a problem.

    Args:
        problem: duplicates, characters, words, sentences, repetition, longest-run, margin,
            running-maximum, sum, difference, bracket-depth or seen-before; followers, whose answers
            are trees; one of the streaming tasks, such as Add_Mod_5; or one of your own, as in
            my_problem.py:vowels (the file is executed); or a table of examples, a CSV, Parquet or
            JSON lines file, with --inputs and --outputs
        command: instead of a problem: a program that reads an item a line and writes an answer a
            line (it is run)
        alphabet: of a program: the whole numbers from A to B - 1
        inputs: of a table: the columns that are read
        outputs: of a table: the columns of the answers
        by: of a table: the column that separates strings (default: one string)
        tolerance: of a table: by how much an answer may be off
    """

    problem: str | None = None
    _: KW_ONLY
    command: str | None = None
    alphabet: arg.Alphabet | None = None
    inputs: arg.Columns | None = None
    outputs: arg.Columns | None = None
    by: str | None = None
    tolerance: arg.Tolerance | None = None

    def named(self) -> tuple[str, "Problem"]:
        """Returns the name of the problem, and the problem.

        Raises:
            LabError: no problem is named, or two are; an option belongs to another kind of problem;
                or there is no such problem.
        """
        name, command, of_table = self.problem, self.command, (self.inputs, self.outputs, self.by, self.tolerance)
        if (name is None) == (command is None):
            raise LabError("name one problem, or a program with --command")
        is_table = name is not None and name.endswith(TABLES)
        if any(of_table) and not is_table:
            raise LabError(
                f"--inputs, --outputs, --by and --tolerance belong to a table, a file that ends with {', '.join(TABLES)}"
            )
        if command is None and self.alphabet:
            raise LabError("--alphabet belongs to --command")
        if name is None:
            return self._program()
        if is_table:
            if not (self.inputs and self.outputs):
                raise LabError(f"{name}: say which columns are read and which are the answers: --inputs a,b --outputs y")
            from ..sources.examples import Examples

            return name, Examples.from_table(name, self.inputs, self.outputs, self.by, self.tolerance)
        from ..problems.problem_files import load_problem

        return name, load_problem(name)

    def _program(self) -> tuple[str, "Problem"]:
        from ..problems.problems import Problem
        from ..sources.commands import Command

        assert self.command is not None
        if not self.alphabet:
            raise LabError("--command needs --alphabet, such as 0:10 for the items 0 to 9")
        question, items = f"What does {self.command!r} answer?", tuple(self.alphabet)
        return self.command, Problem(question, Command(self.command), alphabet=items, silence=False)
