"""The commands about syntheses and their problems."""

import argparse
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import LabError
from ..core.files import read_json, write_text
from ..core.machine import Machine
from .machine_names import machine_named, print_json

if TYPE_CHECKING:
    from ..problems.problems import Problem

INTERRUPTED = "interrupted"  # why a synthesis ended early


def run_synthesis(options: argparse.Namespace) -> int:
    """``dmmlab synthesize``; an interrupt is raised after the best machine so far is written."""
    from ..drawing.circuits import circuit
    from ..pruning.settings import Settings
    from ..runs.run_folder import run_into_folder, summary
    from .problem_names import problem_named

    settings = Settings(
        restarts=options.restarts,
        penalty=options.penalty,
        score=options.score,
        neurons_first=options.neurons_first,
        regrow=options.regrow,
    )
    progress, (name, problem) = False if options.json else None, problem_named(options)
    synthesis = run_into_folder(name, options.seed, options.out, options.resume, settings, progress, options.budget, problem)
    drawing = circuit(synthesis.machine, hide={"timer"} & synthesis.machine.neurons.keys())
    for ending in ("svg", "pdf"):
        drawing.save_as(Path(options.out) / f"circuit.{ending}")
    result = summary(synthesis, name, options.seed, options.out)
    if options.json:
        print_json(result)
    else:
        print(f"{name}: {result['verdict']}")
        if synthesis.counterexample is not None:
            print(f"for example, {synthesis.counterexample}")
        for sentence in synthesis.advice:
            print(f"to try: {sentence}")
        print(f"{result['machine']}, after {result['seconds']} s")
    if synthesis.ended_early == INTERRUPTED:
        raise KeyboardInterrupt
    return 0


def compare(options: argparse.Namespace) -> int:
    """``dmmlab compare``."""
    from ..runs.run_folder import compare_runs

    finished = [folder for folder in options.runs if (Path(folder) / "result.json").is_file()]
    for folder in options.runs:
        if finished and folder not in finished:
            print(f"dmmlab compare: {folder}: holds no finished run, and is left out", file=sys.stderr)
    table = compare_runs(finished or options.runs)
    if options.json:
        print_json(json.loads(table.reset_index().to_json(orient="records")))
    else:
        print(table.to_string(float_format=lambda x: f"{x:.3g}"))
    return 0


def verify_machine(options: argparse.Namespace) -> int:
    """``dmmlab verify``; the exit status is 1 for a wrong machine or a rejected certificate."""
    from ..proofs.certificates import CertificateError, check_certificate
    from ..proofs.proofs import verify
    from .problem_names import problem_named

    name, problem = problem_named(options)
    if options.check is not None:
        names = {"machine": options.machine, "problem": name, "certificate": options.check}
        machine = machine_named(options.machine)
        try:
            grade, why = check_certificate(problem, machine, read_json(options.check)), ""
        except CertificateError as error:
            grade, why = None, str(error)
        if options.json:
            print_json({**names, "grade": grade, "rejected": why})
        else:
            print(f"{grade}: the certificate is accepted" if grade else f"the certificate is rejected: {why}")
        return 0 if grade else 1
    problem = _as_in_run(problem, options.machine)
    proof = verify(problem, machine_named(options.machine), options.seconds)
    if options.save is not None and proof.certificate is None:
        print(f"dmmlab verify: there is no certificate of a machine that is {proof.grade}", file=sys.stderr)
    elif options.save is not None:
        write_text(options.save, json.dumps(proof.certificate) + "\n")
    if options.json:
        print_json(
            {
                "machine": options.machine,
                "problem": name,
                "grade": proof.grade,
                "how": proof.how,
                "delays": list(proof.delays),
                "length": proof.length,
                "assumes": list(proof.assumes),
                "counterexample": proof.counterexample and str(proof.counterexample),
                "seconds": round(proof.seconds, 2),
            }
        )
    else:
        print(proof)
        if proof.assumes:
            print(f"if {'; '.join(proof.assumes)}")
        if proof.counterexample is not None:
            print(repr(proof.counterexample))
    return 1 if proof.grade == "wrong" else 0


def run_streaming_tasks(options: argparse.Namespace) -> int:
    """``dmmlab tasks``."""
    from ..runs.streaming_benchmark import run_tasks

    def tell(row: dict) -> None:
        if not options.json:
            links = f"{row['links']} links, delay {row['delay']}" if row["exact"] else row["how"]
            print(
                f"{row['task']:<24}{row['proof'] if row['exact'] else 'not solved':<26}{links}, {row['seconds']} s", flush=True
            )

    rows = run_tasks(
        options.names,
        options.out,
        options.seed,
        options.budget,
        options.resume,
        options.jobs,
        options.hide_states,
        options.networks_only,
        tell,
    )
    solved = [row for row in rows if row["exact"]]
    certain = sum(row["proof"] in ("identical", "proved") for row in solved)
    if options.json:
        print_json({"tasks": len(rows), "exact": len(solved), "certain": certain, "rows": rows})
    else:
        print(f"{len(solved)} of {len(rows)} exact, {certain} of these identical or proved; {options.out}/table.csv")
    return 0


def run_sweep(options: argparse.Namespace) -> int:
    """``dmmlab sweep``."""
    from tqdm import tqdm

    from ..runs.sweeps import success_rates, sweep

    values = dict(options.values)
    if len(values) < len(options.values):
        raise LabError("--set: a setting stands twice; give all its values in one")
    count = len(options.problems) * len(options.seeds) * math.prod(map(len, values.values()))
    hidden = options.json or not sys.stderr.isatty()
    done: list[dict] = []
    finished = len(list(Path(options.out).glob("*/row.json")))
    with tqdm(total=count, initial=finished, unit=" syntheses", disable=hidden, leave=False) as bar:

        def tell(row: dict) -> None:
            done.append(row)
            exact = [each["links"] for each in done if each["exact"]]
            bar.set_postfix_str(f"{len(exact)} of {len(done)} exact" + (f", {min(exact)} links at best" if exact else ""))
            bar.update()
            if not options.json:
                set_here = "".join(f", {name}={row[name]}" for name in values)
                bar.write(f"{row['problem']}, seed {row['seed']}{set_here}: {row['verdict']}")

        rows = sweep(
            options.problems,
            options.seeds,
            options.out,
            values,
            budget=options.budget,
            jobs=options.jobs,
            scheduler=options.scheduler,
            resume=options.resume,
            tell=tell,
        )
    rates = success_rates(rows)
    table = Path(options.out) / "table.csv"
    if options.json:
        exact = sum(row["exact"] for row in rows)
        print_json({"syntheses": len(rows), "exact": exact, "rates": rates, "table": str(table)})
    else:
        import pandas as pd

        print(pd.DataFrame(rates).to_string(index=False, float_format=lambda x: f"{x:.3g}"))
        print(table)
    return 0


def run_on_problem(options: argparse.Namespace) -> int:
    """``dmmlab test --problem``."""
    from ..proofs.counterexamples import counterexample
    from ..pruning.evaluation import max_abs_errors
    from .problem_names import problem_named

    name, problem = problem_named(options)
    machine, problem = machine_named(options.machine), _as_in_run(problem, options.machine)
    errors = max_abs_errors(problem, machine, options.seed)
    wrong = (
        None if max(errors.values()) < 1e-9 or problem.is_recorded else counterexample(problem, machine, problem.validation())
    )
    if options.json:
        finite = {f"{kind}_max_abs_error": error if math.isfinite(error) else None for kind, error in errors.items()}
        print_json({"problem": name, **finite, "links": machine.count(), "counterexample": wrong and str(wrong)})
    else:
        for kind, error in errors.items():
            print(f"largest error on {kind:<10} strings  {error:.3g}")
        print(f"links                                {machine.count()}")
        if wrong is not None:
            print(f"for example, {wrong}")
    return 0


def _as_in_run(problem: "Problem", machine: str) -> "Problem":
    """Returns the problem; if it gives no delays, with those of the run that made the machine."""
    result = Path(machine) / "result.json"
    if problem.delay is None and not isinstance(problem.target, Machine) and result.is_file():
        return problem.with_delay(tuple(read_json(result).get("delays") or problem.delays))
    return problem
