"""Executes several notebooks at a time, each in its own process, with one progress display.

Notebooks are independent, so it does not matter which ends first. Papermill changes the working
folder of its whole process, so each notebook has its own process. The process reports its progress
in lines of JSON.
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

MOST_JOBS = 2  # more gain little, because JAX uses several cores itself
JOB_BYTES = 2 * 10**9  # of memory for a notebook and its kernel


class Interrupted(Pickled, KeyboardInterrupt):
    """An interrupt of several notebooks; ``left`` lists those that were not executed."""

    def __init__(self, left: Sequence[Path]):
        self.left = list(left)
        super().__init__()


def automatic_jobs() -> int:
    """Returns how many notebooks to execute at a time: two; one with one core or little memory."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(max(1, min(MOST_JOBS, cores, _available_bytes() // JOB_BYTES)))


def _available_bytes() -> float:
    """Returns the memory available to new processes; infinite if unknown."""
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
    """Executes notebooks in parallel, each by :func:`~dmmlab.journal.execution.execute`.

    Notebooks that took longest when their outputs were stored start first, so that no long one runs
    alone at the end. Notebooks of unknown duration start before them, the last first. If one fails,
    the others continue.

    Args:
        paths: the notebooks, with different names.
        out: the output folder.
        parameters: values for their ``parameters`` cells.
        jobs: how many at a time; :func:`automatic_jobs` if left out.
        quiet: whether to print a line for each finished notebook, instead of a progress bar over
            all cells.

    Returns:
        The results of the runs, and the failures, both in the order of ``paths``.

    Raises:
        JournalError: two notebooks have the same name, or results cannot be written.
        Interrupted: by Ctrl-C, when all kernels have ended.
    """
    if len({path.name for path in paths}) < len(paths):
        raise JournalError("two notebooks of the same name: both would be written to the same file; name one of them")
    prepare(out)
    several = _RunningNotebooks(paths, out, parameters, quiet)
    try:
        with ThreadPoolExecutor(jobs or automatic_jobs()) as pool, several.bar:
            futures = [pool.submit(several.run, path) for path in longest_first(paths)]
            try:
                for future in futures:
                    future.result()
            except BaseException:  # Ctrl-C
                several.interrupt()
                raise
    except KeyboardInterrupt:
        raise Interrupted([path for path in paths if path not in several.executed]) from None
    if several.refusals and several.refusals[0] is not None:
        raise several.refusals[0]
    return [several.executed[p] for p in paths if p in several.executed], [
        several.failed[p] for p in paths if p in several.failed
    ]


class _RunningNotebooks:
    """The running notebooks, and the results of the finished ones."""

    def __init__(self, paths: Sequence[Path], out: Path, parameters: Mapping[str, Any] | None, quiet: bool):
        self.out, self.parameters, self.quiet = out, json.dumps(dict(parameters or {})), quiet
        self.executed: dict[Path, Executed] = {}
        self.failed: dict[Path, CellFailed] = {}
        self.refusals: list[JournalError | None] = []  # None for an interrupt; after any entry, no notebook starts
        self.bar = tqdm(total=sum(map(_count_cells, paths)), unit="cell", disable=quiet, leave=False)
        self._processes: set[subprocess.Popen] = set()
        self._running: set[str] = set()
        self._lock, self._starting = threading.Lock(), threading.Lock()

    def run(self, path: Path) -> None:
        """Executes a notebook in a process, and records the result."""
        if self.refusals:
            return
        self._starting.acquire()  # until its kernel is ready: two kernels that start at once may get the same port
        last, said = self._follow(path)
        with self._lock:
            self._running.discard(path.stem)
            self.bar.set_description_str(", ".join(sorted(self._running)))
            if said:
                self.bar.write(said.rstrip(), file=sys.stderr)
            if "interrupted" in last:
                return
            if "seconds" in last:
                self.executed[path] = Executed(path.stem, last["seconds"], Path(last["notebook"]), Path(last["page"]))
            elif "refused" in last:
                self.refusals.append(JournalError(last["refused"]))
            else:
                self.failed[path] = CellFailed(path.stem, last.get("failed") or f"{path.name}: its process ended early")
            if self.quiet:
                end = f"{last['seconds']:6.1f} s" if "seconds" in last else "failed"
                print(f"{path.stem:<40} {end}", file=sys.stderr)

    def _follow(self, path: Path) -> tuple[dict[str, Any], str]:
        """Runs the process of a notebook; returns its last message and its standard error."""
        command = [sys.executable, "-m", __name__, str(path), str(self.out), self.parameters]
        # An interrupt from the terminal is passed on once: a second one would break the shutdown of
        # the kernel. Kernels report it on standard error, so that is kept until the end.
        with (
            tempfile.TemporaryFile("w+", errors="replace") as errors,
            subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
            ) as process,
        ):
            with self._lock:
                self._processes.add(process)
                self._running.add(path.stem)
                self.bar.set_description_str(", ".join(sorted(self._running)))
            last: dict[str, Any] = {}
            for line in process.stdout or ():
                if not last:
                    self._starting.release()
                last = json.loads(line)
                if "cell" in last:
                    with self._lock:
                        self.bar.update()
            process.wait()
            if not last:
                self._starting.release()
            errors.seek(0)
            # A kernel is interrupted before it is shut down, and sometimes reports that.
            said = "".join(line for line in errors if "KeyboardInterrupt caught in kernel" not in line)
        return last, "" if "interrupted" in last else said

    def interrupt(self) -> None:
        """Lets the processes shut their kernels down, and starts no other process."""
        self.refusals.append(None)
        with self._lock:
            for process in self._processes:
                with contextlib.suppress(OSError):
                    process.send_signal(signal.SIGINT)


def longest_first(paths: Iterable[Path]) -> list[Path]:
    """Returns notebooks in the order in which :func:`execute_all` starts them."""
    return sorted(paths, key=lambda path: (last_seconds(path), path.name), reverse=True)


def _count_cells(path: Path) -> int:
    """Counts the start of the kernel, and the executed cells."""
    import nbformat

    return 1 + sum(cell.cell_type == "code" and bool(cell.source) for cell in nbformat.read(path, as_version=4).cells)


def _say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


def _end_with_parent() -> None:
    """Interrupts this process when its parent has ended, so that it shuts its kernel down."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGINT)


def _work(path: str, out: str, parameters: str) -> None:
    """Executes a notebook in this process, and reports the progress to its parent."""
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
