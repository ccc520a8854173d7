"""Timing for benchmarks: medians of several calls, the first call separately, beside peers."""

import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

MEMORY_LIMIT = 8 * 2**30  # memory limit in bytes, for peers that exhaust a computer's memory


class Row(NamedTuple):
    """A comparison: ``ours_ms`` and ``peer_ms`` are for the same work, None if not measured.

    ``ratio`` is None if the peer was measured on another computer.
    """

    name: str
    ours_ms: float | None
    peer: str
    peer_ms: float | None
    ratio: float | None
    compile_s: float | None = None
    note: str = ""


def row(name: str, ours: float, peer: str, theirs: float | None, **more: Any) -> Row:
    """Makes a row from times in seconds."""
    return Row(
        name,
        ours * 1e3,
        peer,
        None if theirs is None else theirs * 1e3,
        None if theirs is None else theirs / ours,
        **more,
    )


def row_of_elsewhere(name: str, ours: float, peer: str, theirs: float, compile_s: float, note: str) -> Row:
    """Makes a row without a ratio, for a peer that others measured on another computer."""
    return row(name, ours, peer, theirs, compile_s=compile_s, note=note)._replace(ratio=None)


def median(function: Callable[[], Any], inner: int = 1, repeats: int = 7) -> tuple[float, float]:
    """Returns the median seconds of ``repeats`` calls, divided by ``inner``.

    Also returns how many seconds longer the first call took.
    """
    started = time.perf_counter()
    jax.block_until_ready(function())
    first = time.perf_counter() - started
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        jax.block_until_ready(function())
        times.append(time.perf_counter() - started)
    return statistics.median(times) / inner, max(0.0, first - statistics.median(times))


def in_another_process(module: str, *arguments: str, seconds: float = 900) -> subprocess.CompletedProcess:
    """Runs a module in a separate process, and captures its output.

    An interrupt is passed on once. Then this process waits, so that the other can end its children.

    Args:
        module: the module's name, as in ``python -m``.
        arguments: the command-line arguments.
        seconds: time limit in seconds.

    Returns:
        The finished process, with its output as text.

    Raises:
        subprocess.TimeoutExpired: the process exceeded the time limit, and was killed.
    """
    command = [sys.executable, "-m", module, *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, start_new_session=True, **pipes) as process:  # type: ignore[call-overload]
        try:
            printed, said = process.communicate(timeout=seconds)
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.communicate()
            raise
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, printed, said)


def numbers_of_another_process(module: str, *arguments: str) -> tuple[list[float] | None, str]:
    """Runs a module in a separate process, where its memory can be limited and measured.

    Args:
        module: the module's name, as in ``python -m``; the module prints numbers.
        arguments: the command-line arguments.

    Returns:
        The printed numbers and an empty text; or None and the reason.
    """
    done = in_another_process(module, *arguments)
    if done.returncode:
        return (
            None,
            f"did not end within {MEMORY_LIMIT / 2**30:.0f} GiB of memory" if done.returncode < 0 else done.stderr[-200:],
        )
    return [float(text) for text in done.stdout.split()], ""
