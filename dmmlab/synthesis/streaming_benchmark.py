"""The benchmark of sixty-two streaming tasks: a machine for each, how sure it is, and one table.

Each task has a folder with its machine, circuit and program, and its row of the table; a task whose
row is there is done. So a run that was killed goes on where it was.
"""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax

from ..core.errors import LabError, one_of
from ..core.files import csv_text, read_json, write_json, write_text
from ..drawing.drawing_machines import draw
from ..drawing.programs import program
from .automata import Automaton
from .portfolio import synthesize
from .problems import Problem
from .proofs import verify
from .streaming_tasks import STREAMING_TASKS

BUDGET = 240.0  # seconds that a task may take, without its proof


def run_tasks(
    names: Sequence[str],
    folder: str | os.PathLike,
    seed: int = 0,
    budget: float = BUDGET,
    resume: bool = False,
    jobs: int = 2,
    hide_states: bool = False,
    tell: Callable[[dict[str, Any]], None] = lambda row: None,
) -> list[dict[str, Any]]:
    """Synthesizes a machine for each task, proves what can be proved, and writes one table.

    Args:
        names: of the tasks; all if empty.
        folder: where to write: ``table.csv``, and a folder for each task.
        seed: of all syntheses.
        budget: seconds for each.
        resume: whether to go on with a run that was interrupted.
        jobs: how many tasks at a time, each in a process of its own.
        hide_states: whether the target's states are hidden, so that gradients alone find machines.
        tell: is called with each row.

    Returns:
        The rows of the table, in the order of the tasks.

    Raises:
        LabError: an unknown task; a folder that holds a run, without ``resume``, or one of another
            seed, with it.
    """
    for name in names:
        if name not in STREAMING_TASKS:
            raise LabError(one_of("task", name, STREAMING_TASKS))
    names, folder = list(names) or list(STREAMING_TASKS), Path(folder)
    description = {"seed": seed, "budget": budget, "hide_states": hide_states}
    if (folder / "run.json").exists():
        if not resume:
            raise LabError(f"{folder}: holds a run already; --resume goes on with it, or name another folder")
        if read_json(folder / "run.json") != description:
            raise LabError(f"{folder}: holds a run with another seed, budget, or states: name another folder")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "run.json", description)
    rows = {name: read_json(folder / name / "row.json") for name in names if (folder / name / "row.json").exists()}
    waiting = [name for name in names if name not in rows]
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = {pool.submit(solve, name, folder / name, seed, budget, hide_states): name for name in waiting}
        try:
            for future in as_completed(futures):
                rows[futures[future]] = future.result()
                tell(rows[futures[future]])
                write_text(folder / "table.csv", csv_text([rows[name] for name in names if name in rows]))
        except BrokenProcessPool:
            raise LabError(f"{folder}: a process that was at work was killed; --resume goes on") from None
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    ordered = [rows[name] for name in names]
    write_text(folder / "table.csv", csv_text(ordered))
    return ordered


def solve(name: str, folder: Path, seed: int, budget: float, hide_states: bool) -> dict[str, Any]:
    """One task: its machine, circuit and program in a folder, and its row of the table."""
    asked = STREAMING_TASKS[name]
    row: dict[str, Any] = {"task": name, "exact": False, "proof": "", "links": None, "delay": ""}
    try:
        found = synthesize(_without_states(asked) if hide_states else asked, seed=seed, budget=budget, progress=False)
    except LabError as error:
        row |= {"seconds": budget, "restarts": 0, "start": "", "how": str(error), "seed": seed}
    else:
        proof = verify(replace(found.problem, target=asked.target), found.machine)
        row |= {
            "exact": found.best.exact and proof.grade != "refuted",
            "proof": str(proof).split(":")[0],
            "links": found.best.links,
            "delay": " ".join(map(str, found.delays)),
            "seconds": round(found.seconds, 1),
            "restarts": len(found.restarts),
            "start": found.start,
            "how": proof.how,
            "seed": seed,
        }
        folder.mkdir(parents=True, exist_ok=True)
        found.machine.to_json(folder / "machine.json")
        if row["exact"]:
            draw(found.machine.live(), hide={"timer"} & found.machine.live().neurons.keys()).save_as(folder / "circuit.svg")
            write_text(folder / "program.txt", program(found.machine.live()) + "\n")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "row.json", row)
    jax.clear_caches()  # what was compiled for one task is of no use to the next
    return row


def _without_states(problem: Problem) -> Problem:
    """The same, its target a plain function of the stream."""
    target = problem.target
    assert isinstance(target, Automaton)
    return replace(problem, target=lambda items: target(items))
