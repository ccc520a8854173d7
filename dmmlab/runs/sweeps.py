"""Sweeps: syntheses over problems, seeds and settings, with one table of results.

Each row describes the machine, and lists all settings. Syntheses of one problem in the same process
share compiled programs. A machine depends only on its problem, seed and settings: not on the number
of processes, nor on which of them found it. :mod:`dmmlab.runs.job_tables` runs the syntheses and
writes their rows.
"""

import itertools
import os
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

import jax

from ..core.errors import LabError, one_of
from ..core.neurons import answering
from ..core.vvalues import describe
from ..machines.networks import RECURRENT, recurrent, with_fields
from ..problems.problem_files import load_problem
from ..problems.problems import Problem
from ..pruning.settings import Settings
from ..pruning.tasks import Task
from ..search.portfolio import synthesize
from ..search.provenance import provenance
from .job_tables import Job, JobResult, Row, cluster, fill_table, processes
from .run_folder import summary

COPIES, ALL_FIELDS, EVERY = "recurrent", "all_fields", "every"  # settings beside the fields of :class:`Settings`
BESIDE = {
    COPIES: "starts from a recurrent network with so many copies of each type; 0: as the problem says",
    ALL_FIELDS: "1: each neuron of that network has the inputs and outputs of all its types, as in 2022",
    EVERY: "training strings have an item in each so many cycles, as in 2022, and so many times 14 cycles; 0: as usual",
}
COLUMNS = (
    "exact",
    "links",
    "train_loss",
    "heldout_max_abs_error",
    "test_max_abs_error",
    "delays",
    "starts",
    "exact_restarts",
    "seconds",
    "verdict",
)
DEFAULTS = Settings()
SETTINGS = {*asdict(DEFAULTS), *BESIDE}
LARGEST_COUNT = 1000  # maximum number of copies, or of cycles from item to item
ITEMS_2022 = 14  # in a training string with regular intervals between items
GAPS = (1, 2, 3, 5, 7)  # cycles from item to item in the preceding lessons
MOST_SYNTHESES = 100_000
CONFIDENCE = 0.95


def sweep(
    problems: Sequence[str],
    seeds: Sequence[int],
    folder: str | os.PathLike,
    values: Mapping[str, Sequence[Any]] | None = None,
    *,
    budget: float | None = None,
    jobs: int = 2,
    scheduler: str | None = None,
    resume: bool = False,
    tell: Callable[[Row], None] = lambda row: None,
) -> list[Row]:
    """Synthesizes a machine for each problem, each combination of settings and each seed.

    Args:
        problems: names in the catalogue, or ``file.py:name``.
        seeds: the seeds of the syntheses.
        folder: where to write ``table.csv``, and a folder with ``machine.json`` for each synthesis.
        values: the values of each setting, by its name; each combination is tried. The settings are
            the fields of :class:`~dmmlab.pruning.settings.Settings`, and those of :data:`BESIDE`.
        budget: seconds for each synthesis; no limit if left out.
        jobs: number of local processes, each with one synthesis at a time, in one thread.
        scheduler: the address of a Dask scheduler, whose workers run the syntheses instead.
        resume: whether to resume an interrupted sweep.
        tell: called with each new row.

    Returns:
        The rows of the table: problem, seed, result, and all settings. They are ordered by problem,
        then by settings, then by seed.

    Raises:
        LabError: an unknown problem or setting, an invalid value, no or too many syntheses; errors
            of :func:`~dmmlab.runs.job_tables.fill_table`.
    """
    values = dict(values or {})
    for problem in problems:
        load_problem(problem)
    grid = [dict(zip(values, each, strict=True)) for each in itertools.product(*values.values())]
    for setting in grid:
        _settings(setting)
    count = len(problems) * len(grid) * len(seeds)
    if not 0 < count <= MOST_SYNTHESES:
        raise LabError(f"{count:,} syntheses: expected 1 to {MOST_SYNTHESES:,}")
    work = {
        _folder_name(problem, setting, seed): Job(synthesize_one, (problem, seed, setting, budget))
        for problem, setting, seed in itertools.product(problems, grid, seeds)
    }
    if len(work) != count:
        raise LabError("a problem, a seed or a value stands twice")
    description = {"problems": list(problems), "seeds": list(seeds), "values": {k: list(v) for k, v in values.items()}}
    executor = processes(jobs) if scheduler is None else cluster(scheduler)
    made_by = {key: value for key, value in provenance(()).items() if key in ("versions", "code")}
    return fill_table(work, folder, description | {"budget": budget} | made_by, executor, resume, tell)


def synthesize_one(name: str, seed: int, setting: Mapping[str, Any], budget: float | None) -> JobResult:
    """Runs one synthesis; returns its row and ``machine.json``, or a row with the error."""
    problem, (settings, beside) = load_problem(name), _settings(setting)
    told = beside | {key: " ".join(map(str, v)) if isinstance(v, tuple) else v for key, v in asdict(settings).items()}
    row: Row = {"problem": name, "seed": seed}
    task = _task(problem, seed, beside) if any(beside.values()) else None
    try:
        found = synthesize(problem, seed=seed, settings=settings, task=task, budget=budget, progress=False, threads=1)
    except LabError as error:
        return JobResult(row | dict.fromkeys(COLUMNS) | {"exact": False, "verdict": str(error)} | told, {})
    result = summary(found, name, seed, "") | {"delays": " ".join(map(str, found.delays))}
    return JobResult(row | {key: result[key] for key in COLUMNS} | told, {"machine.json": found.machine.json_text()})


def _task(problem: Problem, seed: int, beside: Mapping[str, int]) -> Task:
    """Returns the task with the network and the item timing that are set."""
    strings = int(jax.random.bits(jax.random.key(seed)))
    network, every = None, beside[EVERY]
    if beside[COPIES]:
        types = problem.types or RECURRENT
        if beside[ALL_FIELDS]:
            names = dict.fromkeys(field for kind in types for field in (*kind.inputs, *kind.outputs))
            types = tuple(with_fields(kind, tuple(names)) for kind in types)
        network = recurrent(beside[COPIES], types, answering(tuple(problem.answers)), problem.sources)
    if not every:
        return Task(problem, network, seed=strings)
    gaps = [*(gap for gap in GAPS if gap < every), every]
    *lessons, samples = [problem.training(strings, cycles=ITEMS_2022 * gap, every=gap) for gap in gaps]
    return Task(problem, network, samples, strings, lessons)


def _settings(setting: Mapping[str, Any]) -> tuple[Settings, dict[str, int]]:
    """Returns the settings of a synthesis, and those of :data:`BESIDE`."""
    known = [each.name for each in fields(Settings)]
    for name in setting:
        if name not in known and name not in BESIDE:
            raise LabError(one_of("setting", name, [*known, *BESIDE]))
    beside = {name: setting.get(name, 0) for name in BESIDE}
    for name, value in beside.items():
        if type(value) is not int or not 0 <= value <= LARGEST_COUNT:
            raise LabError(f"{name} {describe(value)}: expected a whole number from 0 to {LARGEST_COUNT}")
    if beside[ALL_FIELDS] and not (beside[ALL_FIELDS] == 1 <= beside[COPIES]):
        raise LabError(f"{ALL_FIELDS} {beside[ALL_FIELDS]}: expected 0, or 1 beside {COPIES} from 1 on")
    given = {name: value for name, value in setting.items() if name in known}
    for name, value in given.items():
        usual = getattr(DEFAULTS, name)
        if type(value) is not type(usual) and (type(value), type(usual)) != (int, float):
            raise LabError(f"{name} {describe(value)}: expected a value like {usual!r}")
    return replace(DEFAULTS, **given), beside


def _folder_name(problem: str, setting: Mapping[str, Any], seed: int) -> str:
    parts = [problem, *(f"{name}={value}" for name, value in setting.items()), str(seed)]
    return re.sub(r"[^\w.=+-]", "_", "-".join(parts))


def success_rates(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Returns how often syntheses were exact, for each problem and combination of settings.

    Args:
        rows: the rows of a sweep.

    Returns:
        A row for each combination: the problem, the settings that differ between rows, the number
        of syntheses, the number of exact ones, their rate with its 95 % Wilson interval (E. B.
        Wilson 1927), the median links of exact machines, and the median seconds.
    """
    from scipy.stats import binomtest

    differing = [key for key in rows[0] if key in SETTINGS and len({row[key] for row in rows}) > 1]
    groups: dict[tuple, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["problem"], *(row[key] for key in differing)), []).append(row)
    rates = []
    for (problem, *values), group in groups.items():
        exact = [row for row in group if row["exact"]]
        low, high = binomtest(len(exact), len(group)).proportion_ci(CONFIDENCE, "wilson")
        seconds = [row["seconds"] for row in group if row["seconds"] is not None]
        rates.append(
            {"problem": problem, **dict(zip(differing, values, strict=True))}
            | {"syntheses": len(group), "exact": len(exact), "rate": len(exact) / len(group)}
            | {"low": round(float(low), 4), "high": round(float(high), 4)}
            | {"links": statistics.median(row["links"] for row in exact) if exact else None}
            | {"seconds": statistics.median(seconds) if seconds else None}
        )
    return rates
