"""Locks the folder of a run, so that only one process or thread works on it at a time.

The folder's ``run.json`` describes the run, so that no other run resumes it.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import filelock

from ..core.errors import LabError
from ..core.files import read_json, write_json

LOCK = ".lock"  # the lock file; it stays when the lock is released
Description = Mapping[str, Any]


@contextlib.contextmanager
def begun(folder: Path, description: Description, differing: Callable[[Description, Description], str]) -> Iterator[None]:
    """Begins or resumes a run, and locks its folder.

    Args:
        folder: the folder of the run; created if it is missing.
        description: the run in JSON values.
        differing: says in words how the description in the folder differs from this one; an empty
            text if it does not.

    Raises:
        LabError: the folder cannot be created or is locked already, or it holds another run.
    """
    with locked(folder):
        file = folder / "run.json"
        if not file.exists():
            write_json(file, dict(description))
        there = read_json(file)
        if not isinstance(there, dict):
            raise LabError(f"{file}: not the description of a run")
        if found := differing(there, description):
            raise LabError(f"{folder}: holds another run, with {found}: name another folder")
        yield


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
