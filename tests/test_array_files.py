"""Files of arrays from strangers: whatever is wrong with one is a line with its name, and costs no memory."""

import io
import subprocess
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from dmmlab.core.files import FileError, write_bytes
from dmmlab.learning import array_files
from dmmlab.learning.array_files import Expected, load_arrays, save_arrays

ARRAYS = {
    "done": np.asarray(3),
    "tried": np.asarray(["a.b <- c.d", ""]),
    "weights": np.arange(6, dtype=np.float32).reshape(2, 3),
}
EXPECTED = {
    "done": Expected((), "i"),
    "tried": Expected((range(1, 100),), "U"),
    "weights": Expected((range(1, 100), 3), "f", np.dtype(np.float32), finite=True),
}


@pytest.fixture
def path(tmp_path):
    save_arrays(tmp_path / "arrays.npz", ARRAYS)
    return tmp_path / "arrays.npz"


def header(shape, dtype="<f4", version=(1, 0)):
    """The header of an array of any size, with no numbers behind it."""
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape!r}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY" + bytes(version) + len(text).to_bytes(2, "little") + text


def plain(array):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def forged(path, name, contents, compression=zipfile.ZIP_STORED):
    """The file, with other contents of one array."""
    with zipfile.ZipFile(path) as archive:
        members = {each: archive.read(each) for each in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for each, data in (members | {f"{name}.npy": contents}).items():
            archive.writestr(each, data)


def test_what_is_saved_is_loaded(path):
    loaded = load_arrays(path, EXPECTED)
    assert loaded.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert loaded[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded[name], array)
    save_arrays(path, {**ARRAYS, "weights": np.asfortranarray(ARRAYS["weights"])})
    np.testing.assert_array_equal(load_arrays(path, EXPECTED)["weights"], ARRAYS["weights"])


@pytest.mark.parametrize(
    ("name", "contents", "message"),
    [
        ("weights", header((10**12, 3)), "array 'weights' has the shape (1000000000000, 3), expected (1 to 99, 3)"),
        ("weights", header((10**4000, 3)), "not a file of arrays: "),
        ("weights", header((99, 3)), "not a file of arrays: array 'weights' has 0 bytes, not 1188"),
        ("weights", header((-1, 3)), "array 'weights' has the shape (-1, 3)"),
        ("weights", header((2, 3), version=(2, 0)), "not a file of arrays: array 'weights' has a header of version (2, 0)"),
        ("weights", header((2, 3), dtype="|O"), "array 'weights' holds object, expected float32"),
        ("weights", header((2, 3), dtype="V9"), "array 'weights' holds |V9, expected float32"),
        ("weights", b"\x93NUMPY\1\0\xff\xff" + b"(" * 65535, "not a file of arrays: "),
        ("weights", b"\x93NUMPY\1\0\x10\0" + b"(" * 15 + b"\n", "not a file of arrays: "),
        ("weights", plain(np.zeros((2, 4), np.float32)), "array 'weights' has the shape (2, 4), expected (1 to 99, 3)"),
        ("weights", plain(np.zeros((2, 3))), "array 'weights' holds float64, expected float32"),
        ("weights", plain(np.full((2, 3), np.nan, np.float32)), "array 'weights' holds numbers that are not finite"),
        ("weights", plain(np.full((2, 3), -np.inf, np.float32)), "array 'weights' holds numbers that are not finite"),
        ("weights", plain(np.zeros((2, 3), np.float32)) + b"more", "not a file of arrays: array 'weights' has 28 bytes, not 24"),
        ("weights", b"", "not a file of arrays: "),
        ("done", plain(np.array({})), "array 'done' holds object"),
        ("done", plain(np.array(True)), "array 'done' holds bool"),
        ("tried", header((90,), dtype="<U1000000"), "array 'tried' holds more than 16 MiB of text"),
        ("other", plain(np.zeros(3)), "holds an array 'other'"),
        ("o" * 10000, plain(np.zeros(3)), "holds an array 'oooo"),
    ],
)  # fmt: skip
def test_what_is_not_expected_is_told_in_one_line(path, name, contents, message):
    forged(path, name, contents)
    tracemalloc.start()
    with pytest.raises(FileError) as caught:
        load_arrays(path, EXPECTED)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert str(caught.value).startswith(f"{path}: {message}")
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 400 + len(str(path))
    assert most < 2**21


def test_what_unpacks_to_gigabytes_is_not_unpacked(path):
    forged(path, "weights", header((2, 3)) + b"\0" * 2**26, zipfile.ZIP_DEFLATED)
    with pytest.raises(FileError, match=r"arrays\.npz: not a file of arrays: array '.*' is compressed"):
        load_arrays(path, EXPECTED)


def test_what_is_larger_than_all_that_is_expected_is_not_read(path):
    with path.open("r+b") as file:
        file.truncate(10**12)  # a terabyte of nothing, which takes no room
    with pytest.raises(FileError, match=r"arrays\.npz: larger than 16\.0 MiB, the most that is expected"):
        load_arrays(path, EXPECTED)


def test_files_that_are_none(path):
    for contents, message in (
        (plain(np.zeros(3)), "not a file of arrays: File is not a zip file"),
        (b"", "not a file of arrays: File is not a zip file"),
        (b"\x80\x04no pickle here", "not a file of arrays: File is not a zip file"),
    ):
        path.write_bytes(contents)
        with pytest.raises(FileError) as caught:
            load_arrays(path, EXPECTED)
        assert str(caught.value) == f"{path}: {message}"
    for name, message in (
        ("/dev/zero", "not a regular file"),
        (path.parent, "not a regular file"),
        (path.parent / "no", "cannot be read: No such"),
    ):
        with pytest.raises(FileError, match=message):
            load_arrays(name, EXPECTED)
    save_arrays(path, {name: array for name, array in ARRAYS.items() if name != "done"})
    with pytest.raises(FileError, match="holds no array 'done'"):
        load_arrays(path, EXPECTED)


@pytest.mark.slow
@settings(max_examples=300)
@given(data=st.data())
def test_every_damage_is_told_or_does_no_harm(data, tmp_path_factory):
    """Bytes changed, cut out or cut off, anywhere."""
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    save_arrays(path, ARRAYS)
    contents = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(contents) - 1))
        if data.draw(st.booleans()):
            contents[place] = data.draw(st.integers(0, 255))
        else:
            del contents[place : place + data.draw(st.integers(1, 200))]
        contents = contents or bytearray(1)
    path.write_bytes(contents)
    try:
        loaded, told = load_arrays(path, EXPECTED), None
    except FileError as error:
        loaded, told = ARRAYS, str(error)
    assert told is None or told.startswith(f"{path}: ")
    assert told is None or len(told.splitlines()) == 1
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(loaded[name], array)


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """What a loss of power would leave: the old file or the new one, whole."""
    calls, (sync, replace) = [], (array_files.os.fsync, type(tmp_path).replace)
    target = tmp_path / "x"
    target.write_bytes(b"old")

    def synced(descriptor):
        calls.append(("on the disk", target.read_bytes()))
        sync(descriptor)

    def replaced(self, other):
        calls.append(("renamed", target.read_bytes()))
        return replace(self, other)

    monkeypatch.setattr(array_files.os, "fsync", synced)
    monkeypatch.setattr(type(tmp_path), "replace", replaced)
    write_bytes(target, b"new")
    assert calls == [("on the disk", b"old"), ("renamed", b"old"), ("on the disk", b"new")]


def test_a_header_of_terabytes_needs_no_memory(path):
    """In a process that may have a gigabyte."""
    forged(path, "weights", header((10**12, 3)))
    program = (
        "import sys, resource; resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))\n"
        "from dmmlab.learning.array_files import Expected, load_arrays\n"
        "from dmmlab.core.files import FileError\n"
        "expected = {'weights': Expected((range(10**13), 3), 'f'), 'done': Expected((), 'i')}\n"
        "try: load_arrays(sys.argv[1], expected | {'tried': Expected((range(100),), 'U')})\n"
        "except FileError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout == f"{path}: not a file of arrays: array 'weights' has 0 bytes, not 12000000000000\n"
