"""Tables of jobs: what is finished stays, whatever ends the rest."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import filelock
import pytest

from dmmlab.core.errors import LabError
from dmmlab.core.files import FileError, read_json
from dmmlab.runs import job_tables
from dmmlab.runs.job_tables import Job, JobResult, cluster, fill_table, processes


def square(n):
    return JobResult({"n": n, "square": n * n}, {"text.txt": f"{n} squared\n"})


def threads():
    return ThreadPoolExecutor(2)


def jobs(count, function=square):
    return {f"job-{n}": Job(function, (n,)) for n in range(count)}


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_rows_come_in_the_order_of_the_jobs(tmp_path):
    told = []
    rows = fill_table(jobs(5), tmp_path / "new" / "run", {"what": "squares"}, threads, tell=told.append)
    assert [row["square"] for row in rows] == [0, 1, 4, 9, 16]
    assert sorted(row["n"] for row in told) == [0, 1, 2, 3, 4]
    folder = tmp_path / "new" / "run"
    assert (folder / "table.csv").read_text() == "n,square\n0,0\n1,1\n2,4\n3,9\n4,16\n"
    assert (folder / "job-3" / "text.txt").read_text() == "3 squared\n"
    assert read_json(folder / "run.json") == {"what": "squares"}


def test_what_is_finished_is_not_done_again(tmp_path):
    done = []

    def noted(n):
        done.append(n)
        return square(n)

    fill_table(jobs(3, noted), tmp_path, {}, threads)
    before = contents(tmp_path)
    done.clear()
    assert len(fill_table(jobs(3, noted), tmp_path, {}, threads, resume=True)) == 3
    assert not done
    assert contents(tmp_path) == before
    (tmp_path / "job-1" / "row.json").unlink()  # as if it had been killed while it wrote
    fill_table(jobs(3, noted), tmp_path, {}, threads, resume=True)
    assert done == [1]
    assert contents(tmp_path) == before


def test_an_error_and_a_full_disk_lose_nothing_finished(tmp_path, monkeypatch):
    def breaks(n):
        if n == 3:
            raise ZeroDivisionError
        return square(n)

    one_by_one = lambda: ThreadPoolExecutor(1)  # noqa: E731
    with pytest.raises(ZeroDivisionError):
        fill_table(jobs(5, breaks), tmp_path / "a", {}, one_by_one)
    assert {row.parent.name for row in (tmp_path / "a").glob("*/row.json")} <= {f"job-{n}" for n in (0, 1, 2, 4)}
    assert len(fill_table(jobs(5), tmp_path / "a", {}, threads, resume=True)) == 5

    write, written = job_tables.write_text, []

    def full(path, text):
        written.append(path)
        if len(written) > 5:
            raise FileError(f"{path}: cannot be written: No space left on device")
        write(path, text)

    monkeypatch.setattr(job_tables, "write_text", full)
    with pytest.raises(FileError, match="No space left"):
        fill_table(jobs(5), tmp_path / "b", {}, one_by_one)
    table = (tmp_path / "b" / "table.csv").read_text().splitlines()
    assert table[0] == "n,square"
    assert len(table) >= 2
    monkeypatch.undo()
    assert [row["n"] for row in fill_table(jobs(5), tmp_path / "b", {}, threads, resume=True)] == [0, 1, 2, 3, 4]


def test_folders_that_hold_something_else(tmp_path):
    fill_table(jobs(1), tmp_path, {"seeds": [1]}, threads)
    with pytest.raises(LabError, match="holds a run already; --resume goes on with it"):
        fill_table(jobs(1), tmp_path, {"seeds": [1]}, threads)
    with pytest.raises(LabError, match="holds another run, with other seeds: name another folder"):
        fill_table(jobs(1), tmp_path, {"seeds": [2]}, threads, resume=True)
    with filelock.FileLock(tmp_path / ".lock"), pytest.raises(LabError, match="another process is at work on this run"):
        fill_table(jobs(1), tmp_path, {"seeds": [1]}, threads, resume=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(LabError, match="cannot be made"):
        fill_table(jobs(1), tmp_path / "file" / "run", {}, threads)


def killed(n):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_a_killed_process_is_told_of(tmp_path):
    with pytest.raises(LabError, match=r"a process at work was lost \(BrokenProcessPool: .*\); --resume goes on"):
        fill_table(jobs(2, killed), tmp_path, {}, processes(1))
    assert len(fill_table(jobs(2), tmp_path, {}, threads, resume=True)) == 2


def test_a_scheduler_that_does_not_answer(tmp_path, monkeypatch):
    from distributed import Client

    def unreachable(*_, **__):
        raise OSError("Timed out trying to connect")

    monkeypatch.setattr(Client, "__init__", unreachable)
    monkeypatch.setattr(Client, "__del__", lambda self: None)
    with pytest.raises(LabError, match=r"tcp://127.0.0.1:9: no Dask scheduler answers there: Timed out"):
        fill_table(jobs(1), tmp_path, {}, cluster("tcp://127.0.0.1:9"))
