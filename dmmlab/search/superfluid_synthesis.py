"""Synthesis from superfluid neurons: functions are pruned together with links.

A network of superfluid neurons (:mod:`dmmlab.machines.superfluid_machines`) goes through the same
phases as any other network, because its coefficients are soft links. The remaining functions are
then rewritten as ordinary neurons, whose weights can be made canonical and rounded. The resulting
machine is pruned once more.
"""

import time
from typing import Any

import jax

from ..compiler.weights import Weights, is_finite
from ..core.errors import LabError
from ..core.neurons import answering
from ..machines.canonical_form import with_swaps
from ..machines.networks import Network
from ..machines.superfluid_machines import plain, superfluid
from ..problems.problem_checks import check_problem
from ..problems.problems import Problem
from ..pruning.phases import PHASES, finish, run_phases, shorten
from ..pruning.pruning import prune
from ..pruning.rounding import Verdict, rank, round_off, tested
from ..pruning.settings import Settings
from ..pruning.tasks import Task, random_key
from ..pruning.trace import Trace
from .restart_files import Restart
from .synthesis_result import Synthesis

SCALE = 0.03  # of initial weights, instead of 0.01, since each weight is multiplied by a coefficient


def as_plain(task: Task, weights: Weights, settings: Settings, trace: Trace) -> tuple[Task, Weights]:
    """Converts to ordinary neurons, one for each remaining function; prunes and trains further.

    Args:
        task: the task of a network of superfluid neurons.
        weights: a matrix for each stage.
        settings: steps, learning rate and penalties.
        trace: receives the pruning events.

    Returns:
        The task of the ordinary machine's links, and its weights after pruning and training.
    """
    machine = plain(task.machine(weights).live()).live()
    small = Task(task.problem, with_swaps(machine), task.samples, task.seed)
    weights = small.weights(machine)
    for phase in (prune, shorten, finish):
        weights = phase(small, weights, settings, trace)
    return small, weights


def synthesize_superfluid(
    problem: Problem,
    network: Network | None = None,
    *,
    seed: Any = 0,
    settings: Settings | None = None,
    restarts: int = 12,
) -> Synthesis:
    """Searches for an exact machine, starting from superfluid neurons.

    Args:
        problem: the problem.
        network: a network of superfluid neurons; five layers of four, as in 2024, if left out.
        seed: determines the strings and all random weights; or a JAX key.
        settings: as for a synthesis.
        restarts: the maximum number; they stop once one is exact on the validation strings.

    Returns:
        The best machine, with ordinary neurons, and the restarts.

    Raises:
        LabError: fewer than one restart; the answers of the problem are all the same; or every
            restart diverges to non-finite numbers.
    """
    if restarts < 1:
        raise LabError(f"{restarts} restarts: at least one is needed")
    began, key, settings = time.monotonic(), random_key(seed), settings or Settings()
    if network is None:
        network = superfluid(outputs=answering(tuple(problem.answers)), sources=problem.sources)
    task = Task(problem, network, seed=int(jax.random.bits(key)))
    check_problem(problem, task.samples, task.unseen["validation"])
    tried: list[tuple[Verdict, Task, Restart]] = []
    for index in range(restarts):
        restart_key, trace = jax.random.fold_in(key, index), Trace()
        weights = task.initial_weights(restart_key, SCALE)
        *_, (_, weights) = run_phases(task, weights, settings, trace, restart_key)
        if not is_finite(weights):
            continue
        small, last = as_plain(task, weights, settings, Trace())
        verdict = round_off(small, small.machine(last))
        tried.append((verdict, small, Restart(index, weights, len(PHASES), trace, verdict)))
        if verdict.exact_on_validation:
            break
    if not tried:
        raise LabError("every restart left the finite numbers; a smaller learning rate may help")
    verdict, small, best = min(tried, key=lambda each: rank(each[0]))
    best.verdict = tested(small, verdict)
    return Synthesis(problem, task, best.verdict, [restart for _, _, restart in tried], time.monotonic() - began)
