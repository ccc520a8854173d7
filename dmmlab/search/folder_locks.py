"""Locks the folder of a run, so that only one process or thread works on it at a time."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import filelock

from ..core.errors import LabError

LOCK = ".lock"  # the lock file; it stays when the lock is released


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[Path]:
    """Locks a folder, and creates it if it is missing.

    Raises :class:`~dmmlab.core.errors.LabError` if it cannot be created, or is locked already.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / LOCK)
        lock.acquire(blocking=False)
    except filelock.Timeout:
        raise LabError(
            f"{folder}: another process is at work on this run; wait until it has ended, or name another folder"
        ) from None
    except (OSError, NotImplementedError) as error:
        raise LabError(f"{folder}: cannot be made: {getattr(error, 'strerror', None) or error}") from None
    try:
        yield folder
    finally:
        lock.release()
