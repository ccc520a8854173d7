"""The benchmark of sixty-two streaming tasks: a machine for each, how sure it is, and one table.

Each task has a folder with its machine, circuit and program, and its row of the table; a task whose
row is there is done. So a run that was killed goes on where it was.
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
from ..problems.automata import Automaton
from ..problems.problems import Problem
from ..problems.streaming_tasks import STREAMING_TASKS
from ..proofs.proofs import verify
from ..search.portfolio import synthesize
from .job_tables import Finished, Job, fill_table, processes

BUDGET = 240.0  # seconds that a task may take, without its proof


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
    """Synthesizes a machine for each task, proves what can be proved, and writes one table.

    Args:
        names: of the tasks; all if empty.
        folder: where to write: ``table.csv``, and a folder for each task.
        seed: of all syntheses.
        budget: seconds for each.
        resume: whether to go on with a run that was interrupted.
        jobs: how many tasks at a time, each in a process of its own.
        hide_states: whether the targets are functions that can only be run.
        networks_only: whether networks are trained, and no machine is made from states or tests.
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
    jobs_to_do = {name: Job(solve, (name, seed, budget, hide_states, networks_only)) for name in names or STREAMING_TASKS}
    description = {"seed": seed, "budget": budget, "hide_states": hide_states, "networks_only": networks_only}
    return fill_table(jobs_to_do, folder, description, processes(jobs), resume, tell)


def solve(name: str, seed: int, budget: float, hide_states: bool, networks_only: bool) -> Finished:
    """One task: its row of the table; its machine, circuit and program, if there are any."""
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
    jax.clear_caches()  # no later task uses what was compiled for this one
    return Finished(row, files)


def _without_states(problem: Problem) -> Problem:
    """The same, its target a plain function of the stream."""
    target = problem.target
    assert isinstance(target, Automaton)
    return replace(problem, target=lambda items: target(items))
