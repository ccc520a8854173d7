"""Reads untrusted files safely, and writes files atomically.

JSON is read as data only: bounded in size, no duplicate keys (the standard parser would silently
keep the last one), no NaN and no infinities. Output goes to a temporary file beside the target. It
is renamed when it is complete and on the disk, so a power loss does no more harm than a killed
process.
"""

import contextlib
import csv
import io
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .errors import LabError

MAX_BYTES = 16 * 2**20  # a machine of 20,306 links takes about 2 MB


class FileError(LabError):
    """A file that cannot be read, written or understood."""


def read_text(path: str | os.PathLike, max_bytes: int = MAX_BYTES) -> str:
    """The text of a UTF-8 file of at most ``max_bytes``. Raises :class:`FileError`."""
    try:
        with Path(path).open("rb") as file:
            contents = file.read(max_bytes + 1)
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:  # a null byte in the name
        raise FileError(f"{str(path)!r}: not a file name: {error}") from None
    if len(contents) > max_bytes:
        raise FileError(f"{path}: larger than {max_bytes / 2**20:g} MiB, the most that is read")
    try:
        return contents.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileError(f"{path}: not a text file (UTF-8)") from None


def read_json(path: str | os.PathLike, max_bytes: int = MAX_BYTES) -> Any:
    """The contents of a JSON file. Raises :class:`FileError` for anything but strict JSON."""
    text = read_text(path, max_bytes)
    try:
        return json.loads(text, object_pairs_hook=unique_keys, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise FileError(f"{path}: not JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None
    except _Strict as error:
        raise FileError(f"{path}: {error}") from None
    except RecursionError:
        raise FileError(f"{path}: nested too deeply") from None
    except ValueError as error:  # integers of thousands of digits
        raise FileError(f"{path}: a number cannot be read: {str(error).split(';')[0]}") from None


def write_bytes(path: str | os.PathLike, data: bytes) -> None:
    """Writes a file atomically: completely or not at all. Raises :class:`FileError`."""
    target = Path(path)
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
        _sync_folder(target.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise FileError(f"{path}: cannot be written: {error.strerror or error}") from None


def write_text(path: str | os.PathLike, text: str) -> None:
    """As :func:`write_bytes`, for text in UTF-8; lone surrogates are written as question marks."""
    write_bytes(path, text.encode(errors="replace"))


def write_json(path: str | os.PathLike, value: Any) -> None:
    """As :func:`write_bytes`, for a value as indented JSON."""
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """A value as indented JSON."""
    return json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table as CSV; the columns are the keys of the first row."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _sync_folder(folder: Path) -> None:
    """Flushes a folder's directory entries to the disk, where the system supports this."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class _Strict(ValueError):
    pass


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For ``object_pairs_hook``: raises :class:`ValueError` for a key that stands twice."""
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise _Strict(f"the key {key!r} stands twice in one object; keep one of them")
        result[key] = value
    return result


def _no_constant(name: str) -> Any:
    raise _Strict(f"{name} is not a number that a machine can use; write a finite one")
