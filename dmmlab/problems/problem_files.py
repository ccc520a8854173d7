"""Problems by name: from the catalogue, or from a Python file of the user."""

import runpy
import sys
import traceback
from pathlib import Path

from ..core.errors import LabError, one_of, told
from .catalogue import PROBLEMS, TREE_PROBLEMS
from .problems import Problem
from .streaming_tasks import STREAMING_TASKS


def load_problem(name: str) -> Problem:
    """Loads a problem: by its name in the catalogue or the streaming tasks, or as ``file.py:name``.

    The file is executed like a Python module: name only files that you trust.

    Args:
        name: such as ``duplicates``, or ``my_problem.py:vowels``.

    Returns:
        The problem.

    Raises:
        LabError: no such problem or file; the file does not run; or it has no problem of that name.
    """
    file, colon, attribute = name.rpartition(":")
    if not (colon and file.endswith(".py")):
        known = {**PROBLEMS, **TREE_PROBLEMS, **STREAMING_TASKS}
        if name in known:
            return known[name]
        if name.endswith(".py"):
            raise LabError(f"{name}: add which problem of the file is meant, as in {name}:vowels")
        raise LabError(f"{one_of('problem', name, known)}; one of your own is file.py:name")
    path = Path(file)
    if not path.is_file():
        raise LabError(f"{file}: no such file")
    module = _execute(path)
    problems = {key: value for key, value in module.items() if isinstance(value, Problem)}
    if attribute not in problems:
        if attribute in module:
            raise LabError(f"{file}: {attribute} is a {type(module[attribute]).__name__}, not a Problem")
        raise LabError(f"{file}: {one_of('problem', attribute, problems)}")
    return problems[attribute]


def _execute(path: Path) -> dict:
    sys.path.insert(0, str(path.resolve().parent))  # so that it can import modules from its folder
    try:
        return runpy.run_path(str(path), run_name=path.stem)
    except SyntaxError as error:
        raise LabError(f"{path}, line {error.lineno}: {error.msg}") from None
    except (Exception, SystemExit) as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        where = f", line {lines[-1]}" if lines else ""
        raise LabError(f"{path}{where}: {told(error)}") from None
    finally:
        sys.path.pop(0)
