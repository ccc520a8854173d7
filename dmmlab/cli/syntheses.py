"""The commands about syntheses and their problems."""

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import LabError
from ..core.files import read_json, write_text
from . import argument_types as arg
from .machine_names import machine_named, report
from .problem_names import Asked

if TYPE_CHECKING:
    from ..problems.problems import Problem

INTERRUPTED = "interrupted"  # why a synthesis ended early


def run_synthesis(
    asked: Asked,
    *,
    seed: arg.Seed = 0,
    out: arg.Folder,
    resume: bool = False,
    restarts: arg.Restarts = 8,
    penalty: Literal["proximal", "gradient", "gates", "none"] = "proximal",
    score: Literal["magnitude", "saliency", "ablation"] = "magnitude",
    neurons_first: bool = False,
    regrow: arg.Rounds = 0,
    budget: arg.Seconds | None = None,
    as_json: arg.Json = False,
) -> int:
    """Finds a small exact machine for a problem, unattended.

    Finds it by exact fits where it can, else by training and pruning networks. Keeps the smallest
    machine that is exact on unseen strings; if none is exact, says so and keeps the best. Writes
    the machine, its circuit and the trace of the search into a folder.

    Args:
        out: the folder to write into, one for each run
        resume: go on with the run in that folder, where it was interrupted
        restarts: restarts from other random weights
        penalty: how weights are driven to zero
        score: which links are cut first
        neurons_first: cut whole neurons before single links
        regrow: offer all links again after pruning, N times
        budget: time limit; the best machine so far is kept
    """
    from ..drawing.circuits import circuit
    from ..pruning.settings import Settings
    from ..runs.run_folder import run_into_folder, summary

    settings = Settings(restarts=restarts, penalty=penalty, score=score, neurons_first=neurons_first, regrow=regrow)
    progress, (name, problem) = False if as_json else None, asked.named()
    synthesis = run_into_folder(name, seed, out, resume, settings, progress, budget, problem)
    drawing = circuit(synthesis.machine, hide={"timer"} & synthesis.machine.neurons.keys())
    for ending in ("svg", "pdf"):
        drawing.save_as(Path(out) / f"circuit.{ending}")
    result = summary(synthesis, name, seed, out)
    advice = [] if as_json else [f"to try: {sentence}" for sentence in synthesis.advice]
    if not as_json and synthesis.counterexample is not None:
        advice.insert(0, f"for example, {synthesis.counterexample}")
    end = f"{result['machine']}, after {result['seconds']} s"
    status = report(as_json, result, f"{name}: {result['verdict']}", *advice, end)
    if synthesis.ended_early == INTERRUPTED:
        raise KeyboardInterrupt  # after the best machine so far is written
    return status


def compare(runs: Sequence[str], *, as_json: arg.Json = False) -> int:
    """Prints finished syntheses side by side.

    Prints a table: links, errors, how many restarts were exact, and the settings in which they
    differ.

    Args:
        runs: the folder of a synthesis
    """
    from ..runs.run_folder import compare_runs

    finished = [folder for folder in runs if (Path(folder) / "result.json").is_file()]
    for folder in runs:
        if finished and folder not in finished:
            print(f"dmmlab compare: {folder}: holds no finished run, and is left out", file=sys.stderr)
    table = compare_runs(finished or runs)
    rows = json.loads(table.reset_index().to_json(orient="records"))
    return report(as_json, rows, table.to_string(float_format=lambda x: f"{x:.3g}"))


def verify_machine(
    machine: arg.MachineName,
    asked: Asked,
    *,
    seconds: arg.Seconds = 20,
    save: arg.File | None = None,
    check: arg.File | None = None,
    as_json: arg.Json = False,
) -> int:
    """Proves, tests or refutes that a machine answers a problem.

    Says how sure it is that the machine answers the problem: identical to the target; proved, for
    all strings; exhaustive, for all strings up to a length; tested; or wrong, with a string on
    which it errs. The exit status is 1 if it is wrong, or if a certificate is rejected.

    Args:
        seconds: how long a proof may take
        save: write the certificate of the grade, as JSON
        check: search for nothing: check this certificate
    """
    from ..proofs.proofs import verify

    name, problem = asked.named()
    if check is not None:
        return _check(check, machine, name, problem, as_json)
    proof = verify(_as_in_run(problem, machine), machine_named(machine), seconds)
    if save is not None and proof.certificate is None:
        print(f"dmmlab verify: there is no certificate of a machine that is {proof.grade}", file=sys.stderr)
    elif save is not None:
        write_text(save, json.dumps(proof.certificate) + "\n")
    value = {
        "machine": machine,
        "problem": name,
        "grade": proof.grade,
        "how": proof.how,
        "delays": list(proof.delays),
        "length": proof.length,
        "assumes": list(proof.assumes),
        "counterexample": proof.counterexample and str(proof.counterexample),
        "seconds": round(proof.seconds, 2),
    }
    assumed = [f"if {'; '.join(proof.assumes)}"] if proof.assumes else []
    report(as_json, value, proof, *assumed, *([] if proof.counterexample is None else [repr(proof.counterexample)]))
    return 1 if proof.grade == "wrong" else 0


def _check(certificate: str, machine: str, name: str, problem: "Problem", as_json: bool) -> int:
    """Checks a certificate; returns the exit status."""
    from ..proofs.certificates import CertificateError, check_certificate

    try:
        grade, why = check_certificate(problem, machine_named(machine), read_json(certificate)), ""
    except CertificateError as error:
        grade, why = None, str(error)
    value = {"machine": machine, "problem": name, "certificate": certificate, "grade": grade, "rejected": why}
    report(as_json, value, f"{grade}: the certificate is accepted" if grade else f"the certificate is rejected: {why}")
    return 0 if grade else 1


def run_streaming_tasks(
    names: Sequence[str] = (),
    *,
    out: arg.Folder = "build/tasks",
    resume: bool = False,
    seed: arg.Seed = 0,
    budget: arg.Seconds = 240,
    jobs: arg.Jobs = 2,
    hide_states: bool = False,
    networks_only: bool = False,
    as_json: arg.Json = False,
) -> int:
    """Runs the benchmark of 62 streaming tasks.

    Synthesizes a machine for each of the 62 published streaming tasks, or for those that are named,
    proves what can be proved, and writes one table, and each machine with its circuit and program.

    Args:
        names: tasks, such as Add_Mod_5 (default: all)
        out: where to write
        resume: go on with the run in that folder
        budget: for each task
        jobs: tasks at a time
        hide_states: hide the targets' states: functions that can only be run
        networks_only: train networks; make no machine from states or tests
    """
    from ..runs.streaming_benchmark import run_tasks

    def tell(row: dict) -> None:
        if not as_json:
            links = f"{row['links']} links, delay {row['delay']}" if row["exact"] else row["how"]
            proof = row["proof"] if row["exact"] else "not solved"
            print(f"{row['task']:<24}{proof:<26}{links}, {row['seconds']} s", flush=True)

    rows = run_tasks(names, out, seed, budget, resume, jobs, hide_states, networks_only, tell)
    solved = [row for row in rows if row["exact"]]
    certain = sum(row["proof"] in ("identical", "proved") for row in solved)
    value = {"tasks": len(rows), "exact": len(solved), "certain": certain, "rows": rows}
    end = f"{len(solved)} of {len(rows)} exact, {certain} of these identical or proved; {out}/table.csv"
    return report(as_json, value, end)


def run_sweep(
    problems: Sequence[str],
    *,
    seeds: arg.Seeds,
    settings: Sequence[arg.Setting] = (),
    out: arg.Folder,
    resume: bool = False,
    budget: arg.Seconds | None = None,
    jobs: arg.Jobs = 2,
    scheduler: arg.Scheduler | None = None,
    as_json: arg.Json = False,
) -> int:
    """Synthesizes over problems, seeds and settings, into one table.

    Synthesizes a machine for each problem, each combination of settings and each seed, and writes
    table.csv, with all settings as columns, and each machine. What is finished stays, whatever ends
    the rest; --resume does what is left. Prints how often the machines were exact, with a 95 %
    interval over seeds.

    Args:
        problems: as for dmmlab synthesize, which lists them (--help)
        seeds: from A on, before B: 2100:2120 are twenty
        settings: values of a setting of the synthesis, such as ramp_steps=4000,8000; recurrent=2,3
            starts from recurrent networks of 2 and of 3 copies of each type, with all_fields=1 as
            wide as in 2022; every=10 trains with an item in every tenth cycle, as in 2022, after
            lessons in which items come more often; may be repeated
        out: the folder to write into, one for each sweep
        resume: do what is left of the sweep in that folder
        budget: for each synthesis
        jobs: processes
        scheduler: a Dask scheduler whose workers do it, such as tcp://127.0.0.1:8786
    """
    import pandas as pd
    from tqdm import tqdm

    from ..runs.sweeps import success_rates, sweep

    values = dict(settings)
    if len(values) < len(settings):
        raise LabError("--set: a setting stands twice; give all its values in one")
    count = len(problems) * len(seeds) * math.prod(map(len, values.values()))
    hidden = as_json or not sys.stderr.isatty()
    done: list[dict] = []
    finished = len(list(Path(out).glob("*/row.json")))
    with tqdm(total=count, initial=finished, unit=" syntheses", disable=hidden, leave=False) as bar:

        def tell(row: dict) -> None:
            done.append(row)
            exact = [each["links"] for each in done if each["exact"]]
            bar.set_postfix_str(f"{len(exact)} of {len(done)} exact" + (f", {min(exact)} links at best" if exact else ""))
            bar.update()
            if not as_json:
                set_here = "".join(f", {name}={row[name]}" for name in values)
                bar.write(f"{row['problem']}, seed {row['seed']}{set_here}: {row['verdict']}")

        more: dict[str, Any] = {"budget": budget, "jobs": jobs, "scheduler": scheduler, "resume": resume}
        rows = sweep(problems, seeds, out, values, tell=tell, **more)
    rates = success_rates(rows)
    table = Path(out) / "table.csv"
    value = {"syntheses": len(rows), "exact": sum(row["exact"] for row in rows), "rates": rates, "table": str(table)}
    return report(as_json, value, pd.DataFrame(rates).to_string(index=False, float_format=lambda x: f"{x:.3g}"), table)


def measure_on_problem(machine: str, asked: Asked, seed: int, as_json: bool) -> int:
    """``dmmlab test --problem``."""
    from ..proofs.counterexamples import counterexample
    from ..pruning.evaluation import max_abs_errors

    name, problem = asked.named()
    network, problem = machine_named(machine), _as_in_run(problem, machine)
    errors = max_abs_errors(problem, network, seed)
    right = max(errors.values()) < 1e-9 or problem.is_recorded
    wrong = None if right else counterexample(problem, network, problem.validation())
    finite = {f"{kind}_max_abs_error": error if math.isfinite(error) else None for kind, error in errors.items()}
    return report(
        as_json,
        {"problem": name, **finite, "links": network.count(), "counterexample": wrong and str(wrong)},
        *(f"largest error on {kind:<10} strings  {error:.3g}" for kind, error in errors.items()),
        f"links                                {network.count()}",
        *([] if wrong is None else [f"for example, {wrong}"]),
    )


def _as_in_run(problem: "Problem", machine: str) -> "Problem":
    """Returns the problem; if it gives no delays, with those of the run that made the machine."""
    from ..core.machine import Machine

    result = Path(machine) / "result.json"
    if problem.delay is None and not isinstance(problem.target, Machine) and result.is_file():
        return problem.with_delay(tuple(read_json(result).get("delays") or problem.delays))
    return problem
