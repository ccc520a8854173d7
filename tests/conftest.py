"""Strictness for all tests: no silent broadcasting, a fixed hypothesis profile, no test that is skipped unnoticed."""

import ctypes
import gc
import os
import signal
import sys
from pathlib import Path

CACHE = Path(__file__).resolve().parents[1] / "build" / "jax-cache"  # of what JAX compiles, for all processes of the tests
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

import jax
import psutil
import pytest
from hypothesis import settings

jax.config.update("jax_numpy_rank_promotion", "raise")
settings.register_profile("dmmlab", deadline=None, derandomize=True)  # the same examples on every machine
settings.load_profile("dmmlab")

LARGE = 1_200_000_000  # bytes
LONGEST = [
    "test_searches.py",
    "test_explorers_in_the_browser.py",
    "test_engines_agree.py",
    "test_notebooks_in_the_browser.py",
    "test_sweeps.py",
    "test_starts.py",
]
SKIPS_FAIL = bool(os.environ.get("CI"))  # all that a test may need is there, so that a skip hides a mistake


def pytest_configure(config):
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so it is in the background of a script; some tests interrupt
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # A process that is killed, or one that writes while another reads, leaves half an entry: then JAX compiles.
    config.addinivalue_line("filterwarnings", "ignore:Error (reading|writing) persistent compilation cache:UserWarning")
    config.addinivalue_line("markers", "allowed_to_skip: may be skipped in continuous integration, too")


def pytest_collection_modifyitems(items):
    """The modules that take longest come first, so that no process is left with one at the end."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item):
    report = yield
    allowed = item.get_closest_marker("allowed_to_skip") is not None
    return report if allowed else _without_skip(report)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report():
    return _without_skip((yield))


def _without_skip(report):
    """The report of a test or a module; in continuous integration, a failure if it was skipped."""
    if SKIPS_FAIL and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: skipped, which counts as a failure where CI is set. {reason}"
    return report


@pytest.fixture(scope="module", autouse=True)
def memory_is_given_back():
    """After each module of a process that has grown, what was compiled is dropped, and what is free goes back to the system.

    Each function that JAX compiles stays in memory as long as the process, some megabytes apiece: several hundred of them
    made 3.9 GB of the tests. No two modules have many in common, and these are in the cache on disk.
    """
    yield
    if psutil.Process().memory_info().rss < LARGE:
        return
    jax.clear_caches()
    gc.collect()
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)  # the C library keeps it otherwise, in pieces


@pytest.fixture
def float64():
    """JAX in double precision, for comparisons with finite differences."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="session")
def reference():
    """The folder of the data published in 2022: tests/data/README.md."""
    return Path(__file__).resolve().parent / "data"
