"""Several notebooks at a time, each executed in a process of its own, with one progress display.

Notebooks are independent of each other, so it does not matter which ends first. Papermill changes
the working folder of its whole process; so each notebook has a process, which says in lines of JSON
how far it is.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..core.errors import LabError, Pickled
from .execution import CellFailed, Executed, JournalError, execute, last_seconds, prepare

MOST_JOBS = 2  # JAX uses several cores itself, so that more notebooks at once gain little
JOB_BYTES = 2 * 10**9  # of memory, for a notebook and its kernel


class Interrupted(Pickled, KeyboardInterrupt):
    """An interrupt of several notebooks; ``left`` are those that have not been executed."""

    def __init__(self, left: Sequence[Path]):
        self.left = list(left)
        super().__init__()


def automatic_jobs() -> int:
    """How many notebooks to execute at a time: two, or one on one core or with little memory."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(max(1, min(MOST_JOBS, cores, _available_bytes() // JOB_BYTES)))


def _available_bytes() -> float:
    """Memory that new processes can take; infinite where the system does not say."""
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return 1024.0 * int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1])
    return float("inf")


def execute_all(
    paths: Sequence[Path],
    out: Path,
    parameters: Mapping[str, Any] | None = None,
    jobs: int | None = None,
    quiet: bool = False,
) -> tuple[list[Executed], list[CellFailed]]:
    """Executes notebooks, each as :func:`~dmmlab.journal.execution.execute` does.

    Those that took longest when their outputs were stored start first, so that no long one is left
    alone at the end; before them those that do not say, the last first. If one fails, the others go
    on.

    Args:
        paths: the notebooks, of different names.
        out: where results go.
        parameters: values for their ``parameters`` cells.
        jobs: how many at a time; :func:`automatic_jobs` if left out.
        quiet: a line for each notebook that ends, and no progress bar over the cells of all.

    Returns:
        What the runs left, and the failures, both in the order of ``paths``.

    Raises:
        JournalError: two notebooks of one name, or results cannot be written.
        Interrupted: by Ctrl-C, when all kernels have ended.
    """
    if len({path.name for path in paths}) < len(paths):
        raise JournalError("two notebooks of the same name: both would be written to the same file; name one of them")
    prepare(out)
    executed: dict[Path, Executed] = {}
    failures: dict[Path, CellFailed] = {}
    refusals: list[JournalError | None] = []  # None for an interrupt; after either no other notebook starts
    processes: set[subprocess.Popen] = set()
    running: set[str] = set()
    lock, starting = threading.Lock(), threading.Lock()
    bar = tqdm(total=sum(map(_count_cells, paths)), unit="cell", disable=quiet, leave=False)

    def run(path: Path) -> None:
        if refusals:
            return
        command = [sys.executable, "-m", __name__, str(path), str(out), json.dumps(dict(parameters or {}))]
        starting.acquire()  # until its kernel is ready: two that start at once may be given the same free port
        # An interrupt from the terminal is passed on, once: a second one would end what shuts a
        # kernel down. Kernels complain of it on standard error, so that is kept until the end.
        with (
            tempfile.TemporaryFile("w+", errors="replace") as errors,
            subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
            ) as process,
        ):
            with lock:
                processes.add(process)
                running.add(path.stem)
                bar.set_description_str(", ".join(sorted(running)))
            last: dict[str, Any] = {}
            for line in process.stdout or ():
                if starting.locked() and not last:
                    starting.release()
                last = json.loads(line)
                if "cell" in last:
                    with lock:
                        bar.update()
            process.wait()
            errors.seek(0)
            # A kernel is interrupted before it is shut down, and sometimes says so.
            said = "".join(line for line in errors if "KeyboardInterrupt caught in kernel" not in line)
            said = "" if "interrupted" in last else said
        if not last:
            starting.release()
        with lock:
            running.discard(path.stem)
            bar.set_description_str(", ".join(sorted(running)))
            if said:
                bar.write(said.rstrip(), file=sys.stderr)
            if "interrupted" in last:
                return
            if "seconds" in last:
                executed[path] = Executed(path.stem, last["seconds"], Path(last["notebook"]), Path(last["page"]))
            elif "refused" in last:
                refusals.append(JournalError(last["refused"]))
            else:
                failures[path] = CellFailed(path.stem, last.get("failed") or f"{path.name}: its process ended early")
            if quiet:
                end = f"{last['seconds']:6.1f} s" if "seconds" in last else "failed"
                print(f"{path.stem:<40} {end}", file=sys.stderr)

    try:
        with ThreadPoolExecutor(jobs or automatic_jobs()) as pool, bar:
            futures = [pool.submit(run, path) for path in longest_first(paths)]
            try:
                for future in futures:
                    future.result()
            except BaseException:  # Ctrl-C: the processes shut their kernels down
                refusals.append(None)
                with lock:
                    for process in processes:
                        with contextlib.suppress(OSError):
                            process.send_signal(signal.SIGINT)
                raise
    except KeyboardInterrupt:
        raise Interrupted([path for path in paths if path not in executed]) from None
    if refusals and refusals[0] is not None:
        raise refusals[0]
    return [executed[path] for path in paths if path in executed], [failures[path] for path in paths if path in failures]


def longest_first(paths: Iterable[Path]) -> list[Path]:
    """Notebooks in the order in which they start, as :func:`execute_all` says."""
    return sorted(paths, key=lambda path: (last_seconds(path), path.name), reverse=True)


def _count_cells(path: Path) -> int:
    """The start of the kernel, and the cells that are executed."""
    import nbformat

    return 1 + sum(cell.cell_type == "code" and bool(cell.source) for cell in nbformat.read(path, as_version=4).cells)


def _say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


def _end_with_parent() -> None:
    """Interrupts this process when the one that started it is gone; so it shuts its kernel down."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGINT)


def _work(path: str, out: str, parameters: str) -> None:
    """What the process of a notebook does."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        done = execute(Path(path), Path(out), json.loads(parameters), lambda: _say(cell=1))
        _say(seconds=done.seconds, notebook=str(done.notebook), page=str(done.page))
    except LabError as error:
        _say(refused=str(error))
    except CellFailed as error:
        _say(failed=str(error))
    except KeyboardInterrupt:
        with contextlib.suppress(BrokenPipeError):
            _say(interrupted=path)


if __name__ == "__main__":
    _work(*sys.argv[1:])
