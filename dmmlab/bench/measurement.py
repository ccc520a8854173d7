"""How benchmarks measure: medians of several repetitions, the first call apart, beside peers."""

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax


class Row(NamedTuple):
    """A comparison: ``ours_ms`` and ``peer_ms`` are for the same work, None where not measured."""

    name: str
    ours_ms: float | None
    peer: str
    peer_ms: float | None
    ratio: float | None
    compile_s: float | None = None
    note: str = ""


def row(name: str, ours: float, peer: str, theirs: float | None, **more: Any) -> Row:
    """A row of seconds."""
    return Row(
        name,
        ours * 1e3,
        peer,
        None if theirs is None else theirs * 1e3,
        None if theirs is None else theirs / ours,
        **more,
    )


def median(function: Callable[[], Any], inner: int = 1, repeats: int = 7) -> tuple[float, float]:
    """Seconds of one call divided by ``inner``, the median of ``repeats``.

    Beside it, how many seconds more the first call took.
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
