"""Job tables: a folder with one table row per job; finished jobs survive an interruption.

A job is a function that returns its row and its files, as text. This module writes them: the files
first, then the row, then the table, each atomically. So the folder may be on another computer than
the workers, and a killed run can be resumed.
"""

import contextlib
import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, CancelledError, Executor, ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

from ..core.errors import LabError, told
from ..core.files import csv_text, read_json, write_json, write_text
from ..search.folder_locks import Description, begun

Row = dict[str, Any]
LOST = (BrokenExecutor, CancelledError, OSError, ImportError)  # a lost process or scheduler, or a library that a worker lacks
CLOSING = 5.0  # seconds to disconnect from a scheduler


class Job(NamedTuple):
    """The work for one row: ``function(*arguments)``; both can be sent to another process."""

    function: Callable[..., "JobResult"]
    arguments: tuple[Any, ...]


class JobResult(NamedTuple):
    """The result of a job: its table row, in JSON values, and its files, by name."""

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
    """Runs all unfinished jobs, and writes one table.

    Args:
        jobs: the jobs, by the name of the folder for each job's files.
        folder: where to write ``run.json``, ``table.csv``, and a folder for each job.
        description: the run in JSON values. Another description means another run.
        executor: makes the executor (:func:`processes`, :func:`cluster`).
        resume: whether to resume an interrupted run; finished jobs are not repeated.
        tell: called with each new row.

    Returns:
        The rows of the table, in the order of the jobs.

    Raises:
        LabError: the folder holds a run, without ``resume``, or another run, with it; another
            process works on it; or a worker process was killed.
    """
    folder, description = Path(folder), json.loads(json.dumps(description))
    _check_folder(folder, resume, jobs)
    with begun(folder, description, _differing):
        rows = {name: row for name in jobs if (row := _read(folder / name)) is not None}
        if len({tuple(row) for row in rows.values()}) > 1:
            raise LabError(f"{folder}: rows of different columns: name another folder")
        waiting = {name: job for name, job in jobs.items() if name not in rows}
        if waiting:
            with executor() as pool:
                futures = {pool.submit(job.function, *job.arguments): name for name, job in waiting.items()}
                for future in as_completed(futures):
                    name = futures[future]
                    try:
                        row, files = future.result()
                    except LOST as error:
                        raise LabError(f"{folder}: a process at work was lost ({told(error)}); --resume goes on") from None
                    _write(folder / name, row, files)
                    rows[name] = row
                    write_text(folder / "table.csv", csv_text([rows[each] for each in jobs if each in rows]))
                    tell(row)
        ordered = [rows[name] for name in jobs]
        write_text(folder / "table.csv", csv_text(ordered))
    return ordered


def processes(count: int) -> Callable[[], contextlib.AbstractContextManager[Executor]]:
    """Returns a function that starts ``count`` local processes, for :func:`fill_table`."""

    @contextlib.contextmanager
    def pool() -> Iterator[Executor]:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(count, mp_context=context, initializer=_end_with_parent) as executor:
            try:
                yield executor
            except BaseException:  # do not wait for running jobs
                for process in list((executor._processes or {}).values()):
                    process.terminate()
                raise

    return pool


def _end_with_parent() -> None:
    """Ends this process when its parent process has ended, for whatever reason."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def cluster(address: str) -> Callable[[], contextlib.AbstractContextManager[Executor]]:
    """Returns a function that connects to a Dask cluster, for :func:`fill_table`.

    If a worker dies, another worker repeats its job.

    Args:
        address: the address of the scheduler, such as ``tcp://127.0.0.1:8786``.

    Returns:
        A function that makes the executor.

    Raises:
        LabError: Dask is not installed. The returned function raises it if no scheduler answers.
    """
    try:
        from distributed import Client, KilledWorker
    except ImportError:
        raise LabError("a cluster needs Dask: pip install 'dmmlab[cluster]'") from None

    @contextlib.contextmanager
    def connected() -> Iterator[Executor]:
        try:
            client = Client(address, timeout=10, set_as_default=False)
        except (OSError, ValueError) as error:
            raise LabError(f"{address}: no Dask scheduler answers there: {str(error).splitlines()[0]}") from None
        executor = client.get_executor(pure=False, retries=3)
        try:
            yield executor
        except KilledWorker as error:
            raise LabError(f"{address}: {told(error)}; --resume goes on") from None
        finally:  # do not wait for a lost scheduler
            with contextlib.suppress(Exception):
                executor.shutdown(wait=False)
            with contextlib.suppress(Exception):
                client.close(timeout=CLOSING)

    return connected


def _check_folder(folder: Path, resume: bool, jobs: Iterable[str]) -> None:
    if (folder / "run.json").exists():
        if not resume:
            raise LabError(f"{folder}: holds a run already; --resume goes on with it, or name another folder")
    elif there := [name for name in jobs if (folder / name / "row.json").exists()]:
        raise LabError(f"{folder}: holds {there[0]}, and no run.json that says of which run: name another folder")


def _differing(there: Description, here: Description) -> str:
    keys = sorted(key for key in {*there, *here} if there.get(key) != here.get(key))
    return f"other {', '.join(keys)}" if keys else ""


def _write(folder: Path, row: Row, files: Mapping[str, str]) -> None:
    """Writes the files of a job, then its row, which marks the job as finished."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        write_text(folder / name, text)
    write_json(folder / "row.json", {**row, "files": sorted(files)})


def _read(folder: Path) -> Row | None:
    """Returns the row of a job; None if the row or one of the job's files is missing."""
    path = folder / "row.json"
    row = read_json(path) if path.exists() else {"files": [path.name]}
    names = row.pop("files", None) if isinstance(row, dict) else None
    if not isinstance(names, list):
        raise LabError(f"{path}: no row of this run; without it the job is done again")
    return row if all((folder / str(name)).is_file() for name in names) else None
