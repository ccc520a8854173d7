"""The benchmark of sixty-two streaming tasks: a machine for each, its proof, and one table.

Each task has a folder with its machine, circuit, program and table row. A task with a row is
finished, so a killed run can be resumed.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax

from ..core.errors import LabError, one_of
from ..drawing.drawing_machines import draw
from ..drawing.programs import program
from ..problems.problems import Problem
from ..problems.streaming_tasks import STREAMING_TASKS
from ..proofs.proofs import verify
from ..search.portfolio import synthesize
from .job_tables import Job, JobResult, fill_table, processes

BUDGET = 240.0  # time limit of a task in seconds, without its proof


def run_tasks(
    names: Sequence[str],
    folder: str | os.PathLike,
    seed: int = 0,
    budget: float = BUDGET,
    resume: bool = False,
    jobs: int = 2,
    hide_states: bool = False,
    networks_only: bool = False,
    tell: Callable[[dict[str, Any]], None] = lambda row: None,
) -> list[dict[str, Any]]:
    """Synthesizes a machine for each task, proves machines where it can, and writes one table.

    Args:
        names: the names of the tasks; all tasks if empty.
        folder: where to write ``table.csv``, and a folder for each task.
        seed: the seed of all syntheses.
        budget: seconds for each task.
        resume: whether to resume an interrupted run.
        jobs: number of parallel tasks, each in a separate process.
        hide_states: whether the states of targets are hidden, so that targets can only be run.
        networks_only: whether only networks are trained, and no machine is built from states or
            tests.
        tell: called with each row.

    Returns:
        The rows of the table, in the order of the tasks.

    Raises:
        LabError: an unknown task; the folder holds a run, without ``resume``, or another run, such
            as one with another seed, with it.
    """
    for name in names:
        if name not in STREAMING_TASKS:
            raise LabError(one_of("task", name, STREAMING_TASKS))
    jobs_to_do = {name: Job(solve, (name, seed, budget, hide_states, networks_only)) for name in names or STREAMING_TASKS}
    description = {"seed": seed, "budget": budget, "hide_states": hide_states, "networks_only": networks_only}
    return fill_table(jobs_to_do, folder, description, processes(jobs), resume, tell)


def solve(name: str, seed: int, budget: float, hide_states: bool, networks_only: bool) -> JobResult:
    """Solves one task; returns its table row, and its machine, circuit and program, if any."""
    asked = STREAMING_TASKS[name]
    row: dict[str, Any] = {"task": name, "exact": False, "proof": "", "links": None, "delay": ""}
    files = {}
    try:
        problem = _without_states(asked) if hide_states else asked
        found = synthesize(problem, seed=seed, budget=budget, progress=False, networks_only=networks_only)
    except LabError as error:
        row |= {"seconds": budget, "restarts": 0, "start": "", "how": str(error), "seed": seed}
    else:
        proof = verify(replace(found.problem, target=asked.target), found.machine)
        row |= {
            "exact": found.best.exact and proof.grade != "wrong",
            "proof": str(proof).split(":")[0],
            "links": found.best.links,
            "delay": " ".join(map(str, found.delays)),
            "seconds": round(found.seconds, 1),
            "restarts": len(found.restarts),
            "start": found.start,
            "how": proof.how,
            "seed": seed,
        }
        files["machine.json"] = found.machine.json_text()
        if proof.certificate is not None:
            files["certificate.json"] = json.dumps(proof.certificate) + "\n"
        if row["exact"]:
            live = found.machine.live()
            files["circuit.svg"] = draw(live, hide={"timer"} & live.neurons.keys()).pipe("svg").decode()
            files["program.txt"] = program(live) + "\n"
    jax.clear_caches()  # no later task uses the compiled programs of this one
    return JobResult(row, files)


def _without_states(problem: Problem) -> Problem:
    """Returns the same problem, with its target as a plain function of the stream."""
    automaton = problem.reference.automaton
    assert automaton is not None
    return replace(problem, target=lambda items: automaton(items))
