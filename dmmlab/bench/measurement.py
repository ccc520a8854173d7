"""Timing for benchmarks: medians of several calls, the first call separately, beside peers."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

SECONDS = 900  # time limit of another process
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


def numbers_of_another_process(module: str, *arguments: str) -> tuple[list[float] | None, str]:
    """Runs a module in a separate process, where its memory can be limited and measured.

    Args:
        module: the module's name, as in ``python -m``; the module prints numbers.
        arguments: the command-line arguments.

    Returns:
        The printed numbers and an empty text; or None and the reason.
    """
    done = subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True, timeout=SECONDS)
    if done.returncode < 0:
        return None, f"did not end within {MEMORY_LIMIT / 2**30:.0f} GiB of memory"
    return (None, done.stderr[-200:]) if done.returncode else ([float(text) for text in done.stdout.split()], "")
