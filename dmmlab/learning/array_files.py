"""Array files: writes arrays to files, and reads them from untrusted files.

The caller declares the expected arrays; a file with anything else is refused. Files are NumPy's
``.npz`` without compression, so that a file cannot expand in memory. Shape and type precede the
numbers in the file; they are checked before the numbers are read.
"""

import io
import math
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from ..core.files import MAX_BYTES, FileError, write_bytes

MAX_TEXT = MAX_BYTES  # bytes of an array of texts; each text takes as many bytes as the longest
MAX_ITEM = 8  # bytes of a number
HEADER = 1000  # bytes, at most; the header of a plain array has 128


class Expected(NamedTuple):
    """The required shape and type of an array in a file.

    ``shape`` has a length for each axis, or a range of allowed lengths, such as ``range(1, 101)``.
    ``kinds`` are letters of NumPy's ``dtype.kind``: ``b``, ``i``, ``u``, ``f``, or ``U`` for texts.
    ``dtype`` is the exact type, if it is known.
    """

    shape: tuple[int | range, ...]
    kinds: str
    dtype: np.dtype | None = None
    finite: bool = False  # whether NaN and infinities are refused


def save_arrays(path: str | os.PathLike, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes named arrays of numbers or texts to a file (:func:`~dmmlab.core.files.write_bytes`).

    Args:
        path: the file.
        arrays: the arrays, by name.

    Raises:
        FileError: the file cannot be written.
    """
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)  # type: ignore[arg-type]
    write_bytes(path, buffer.getvalue())


def load_arrays(path: str | os.PathLike, expected: Mapping[str, Expected]) -> dict[str, np.ndarray]:
    """Reads the arrays that :func:`save_arrays` wrote.

    Args:
        path: the file.
        expected: the requirements for each array, by name. The file must have exactly these arrays.

    Returns:
        The arrays, by name; they are read-only.

    Raises:
        FileError: the file cannot be read, is damaged, or holds anything else.
    """
    try:
        if Path(path).exists() and not Path(path).is_file():  # a pipe or a device may have no end
            raise _Unexpected("not a file of arrays: not a regular file")
        with Path(path).open("rb") as file:
            return _read(file, os.fstat(file.fileno()).st_size, expected)
    except _Unexpected as error:
        raise FileError(f"{path}: {error}") from None
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror or error}") from None
    except Exception as error:  # zipfile and NumPy raise whatever a damaged byte leads to
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise FileError(f"{path}: not a file of arrays: {reason}") from None


class _Unexpected(ValueError):
    pass


def _read(file: IO[bytes], size: int, expected: Mapping[str, Expected]) -> dict[str, np.ndarray]:
    most = sum(_most_bytes(each) for each in expected.values())
    if size > most:
        raise _Unexpected(f"larger than {most / 2**20:.1f} MiB, the most that is expected")
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        names = [member.filename.removesuffix(".npy") for member in members]
        if sorted(names) != sorted(expected):
            missing, other = sorted(set(expected) - set(names)), sorted(set(names) - set(expected))
            what = f"no array {missing[0]!r}" if missing else f"an array {other[0][:60]!r}" if other else "an array twice"
            raise _Unexpected(f"holds {what}")
        arrays = {}
        for name, member in zip(names, members, strict=True):
            if member.compress_type != zipfile.ZIP_STORED or member.file_size > size:
                raise zipfile.BadZipFile(f"array {name!r} is compressed")
            with archive.open(member) as part:
                arrays[name] = _array(name, part, member.file_size, expected[name])
        return arrays


def _array(name: str, part: IO[bytes], size: int, expected: Expected) -> np.ndarray:
    """Reads an array: first its header, and its numbers only if the header is as expected."""
    version = np.lib.format.read_magic(part)  # type: ignore[arg-type]
    if version != (1, 0):
        raise ValueError(f"array {name!r} has a header of version {version}")
    shape, by_columns, dtype = np.lib.format.read_array_header_1_0(part, max_header_size=HEADER)  # type: ignore[arg-type]
    _check_header(name, shape, dtype, expected)
    begin = part.tell()
    wanted = math.prod(shape) * dtype.itemsize
    if begin + wanted != size:
        raise ValueError(f"array {name!r} has {size - begin} bytes, not {wanted}")
    data = part.read()  # reads to the end, so that zipfile compares the checksum
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if by_columns else "C")
    if expected.finite and not np.isfinite(array).all():
        raise _Unexpected(f"array {name!r} holds numbers that are not finite")
    return array


def _check_header(name: str, shape: tuple[int, ...], dtype: np.dtype, expected: Expected) -> None:
    fits = len(shape) == len(expected.shape) and all(
        n == axis if isinstance(axis, int) else n in axis for n, axis in zip(shape, expected.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join(map(_said, expected.shape))
        raise _Unexpected(f"array {name!r} has the shape {shape}, expected ({wanted})")
    if dtype.kind not in expected.kinds or expected.dtype not in (None, dtype):
        raise _Unexpected(f"array {name!r} holds {dtype}, expected {expected.dtype or 'another kind of value'}")
    if dtype.kind == "U" and math.prod(shape) * dtype.itemsize > MAX_TEXT:
        raise _Unexpected(f"array {name!r} holds more than {MAX_TEXT / 2**20:g} MiB of text, the most that is read")


def _most_bytes(expected: Expected) -> int:
    numbers = math.prod(axis if isinstance(axis, int) else axis[-1] for axis in expected.shape)
    return 2 * HEADER + (MAX_TEXT if "U" in expected.kinds else numbers * MAX_ITEM)


def _said(axis: int | range) -> str:
    return f"{axis.start} to {axis.stop - 1:,}" if isinstance(axis, range) else str(axis)
