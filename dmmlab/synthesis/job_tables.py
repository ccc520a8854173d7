"""Tables of jobs: a row for each, in a folder; what is finished stays, whatever ends the rest.

A job is done by a function that returns its row and its files, as text. Here they are written: the
files first, then the row, then the table, each whole or not at all. So a folder may be on another
computer than the one that does the work, and a run that was killed goes on where it was.
"""

import contextlib
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

from ..core.errors import LabError
from ..core.files import csv_text, read_json, write_json, write_text
from .held_folder import held

Row = dict[str, Any]


class Job(NamedTuple):
    """What is done for a row: ``function(*arguments)``, both of which another process can read."""

    function: Callable[..., "Finished"]
    arguments: tuple[Any, ...]


class Finished(NamedTuple):
    """What came of a job: its row of the table, in values that JSON has; its files, by name."""

    row: Row
    files: Mapping[str, str]


def fill_table(
    jobs: Mapping[str, Job],
    folder: str | os.PathLike,
    description: Mapping[str, Any],
    executor: Callable[[], contextlib.AbstractContextManager[Executor]],
    resume: bool = False,
    tell: Callable[[Row], None] = lambda row: None,
) -> list[Row]:
    """Does all jobs that are not done, and writes one table.

    Args:
        jobs: by the name of the folder in which each leaves its files.
        folder: where to write ``run.json``, ``table.csv``, and a folder for each job.
        description: of the run, in values that JSON has. One that differs in it is another run.
        executor: makes what does the work (:func:`processes`, :func:`cluster`).
        resume: whether to go on with a run that was interrupted; of one that is finished, nothing
            is done anew.
        tell: is called with each new row.

    Returns:
        The rows of the table, in the order of the jobs.

    Raises:
        LabError: a folder that holds a run, without ``resume``, or another run, with it; another
            process works on it; or a process that was at work was killed.
    """
    folder, description = Path(folder), json.loads(json.dumps(description))
    with _begun(folder, description, resume):
        rows = {name: read_json(folder / name / "row.json") for name in jobs if (folder / name / "row.json").exists()}
        waiting = {name: job for name, job in jobs.items() if name not in rows}
        if waiting:
            with executor() as pool:
                futures = {pool.submit(job.function, *job.arguments): name for name, job in waiting.items()}
                try:
                    for future in as_completed(futures):
                        name, (row, files) = futures[future], future.result()
                        _write(folder / name, row, files)
                        rows[name] = row
                        write_text(folder / "table.csv", csv_text([rows[each] for each in jobs if each in rows]))
                        tell(row)
                except BrokenExecutor:
                    raise LabError(f"{folder}: a process that was at work was killed; --resume goes on") from None
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
        ordered = [rows[name] for name in jobs]
        write_text(folder / "table.csv", csv_text(ordered))
    return ordered


def processes(count: int) -> Callable[[], contextlib.AbstractContextManager[Executor]]:
    """So many processes on this computer, for :func:`fill_table`."""
    return lambda: ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"))


def cluster(address: str) -> Callable[[], contextlib.AbstractContextManager[Executor]]:
    """The workers of a Dask cluster, for :func:`fill_table`.

    What a worker that dies was at is done by another.

    Args:
        address: of its scheduler, such as ``tcp://127.0.0.1:8786``.

    Returns:
        What makes the executor.

    Raises:
        LabError: Dask is not installed. What is returned raises it, too, if no scheduler answers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise LabError("a cluster needs Dask: pip install '.[cluster]'") from None

    @contextlib.contextmanager
    def connected() -> Iterator[Executor]:
        try:
            client = Client(address, timeout=10, set_as_default=False)
        except (OSError, ValueError) as error:
            raise LabError(f"{address}: no Dask scheduler answers there: {str(error).splitlines()[0]}") from None
        with client, client.get_executor(pure=False, retries=3) as executor:
            yield executor

    return connected


@contextlib.contextmanager
def _begun(folder: Path, description: Mapping[str, Any], resume: bool) -> Iterator[None]:
    """The folder, while this process alone works on it."""
    if (folder / "run.json").exists():
        if not resume:
            raise LabError(f"{folder}: holds a run already; --resume goes on with it, or name another folder")
        there = read_json(folder / "run.json")
        if there != description:
            old = there if isinstance(there, dict) else {}
            other = sorted(key for key in {*old, *description} if old.get(key) != description.get(key))
            raise LabError(f"{folder}: holds another run, with other {', '.join(other)}: name another folder")
    with held(folder):
        if not (folder / "run.json").exists():
            write_json(folder / "run.json", dict(description))
        yield


def _write(folder: Path, row: Row, files: Mapping[str, str]) -> None:
    """The files of a job, and last its row, which says that it is done."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        write_text(folder / name, text)
    write_json(folder / "row.json", row)
