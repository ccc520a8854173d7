"""The folder of a run, held: as long as one process or thread works on it, no other can."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import filelock

from ..core.errors import LabError

LOCK = ".lock"  # a file that stays; whoever holds it works on the folder


@contextlib.contextmanager
def held(folder: Path) -> Iterator[Path]:
    """Holds a folder, which is made if it is not there.

    Raises :class:`~dmmlab.core.errors.LabError` where it cannot be made, or is held already.
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
