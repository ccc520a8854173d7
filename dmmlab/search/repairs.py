"""Repair: breaks a machine, embeds it in a larger network, and retrains it.

The question was asked at the author's talk in 2023, and not tried then. The repaired machine may
differ from the original: any exact machine is a repair.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import networkx as nx

from ..core.errors import LabError
from ..core.machine import Machine
from ..core.network_matrix import matrix_of
from ..core.summaries import Facts, plural, summarised
from ..machines.isomorphism import equivalent
from ..machines.networks import Network
from ..pruning.phases import run_phases
from ..pruning.rounding import Verdict, round_off, tested
from ..pruning.settings import Settings
from ..pruning.smaller_machines import with_fewer_links
from ..pruning.tasks import Task, random_key
from ..pruning.trace import Trace


def cut(*links: tuple[str, str]) -> Callable[[Machine], Machine]:
    """Returns a function that removes these links, each an input and an output."""

    def damage(machine: Machine) -> Machine:
        for to, source in links:
            machine = machine.unlink(to, source)
        return machine

    return damage


def reweighted(to: str, source: str, weight: float) -> Callable[[Machine], Machine]:
    """Returns a function that changes the weight of a link, or adds the link."""
    return lambda machine: machine.link(to, source, weight)


def exchanged(first: str, second: str) -> Callable[[Machine], Machine]:
    """Returns a function that exchanges the links into two inputs."""

    def damage(machine: Machine) -> Machine:
        into: dict[str, dict[str, Any]] = {first: {}, second: {}}
        for link in machine.links():
            to = f"{link.to_neuron}.{link.to_field}"
            if to in into and not link.hard:
                into[to][f"{link.from_neuron}.{link.from_field}"] = link.weight
                machine = machine.unlink(to, f"{link.from_neuron}.{link.from_field}")
        for to, sources in ((first, into[second]), (second, into[first])):
            for source, weight in sources.items():
                machine = machine.link(to, source, weight)
        return machine

    return damage


# Ten ways to break the handcrafted duplicate detector.
DAMAGES: Mapping[str, Callable[[Machine], Machine]] = {
    "a link cut in the middle": cut(("norm.dict", "accum.dict")),
    "the input cut off": cut(("accum.dict-2", "input.char")),
    "two links cut": cut(("compare.dict-1", "norm.norm"), ("output.dict-2", "dot.dot")),
    "a wrong sign inside": reweighted("compare.dict-2", "const_1.const_1", -1.0),
    "a wrong sign at the output": reweighted("output.dict-1", "compare.true", -1.0),
    "the inputs of compare exchanged": exchanged("compare.dict-1", "compare.dict-2"),
    "the answers exchanged": exchanged("output.dict-1", "output.dict-2"),
    "the input at half its weight": reweighted("accum.dict-2", "input.char", 0.5),
    "the threshold at half its weight": reweighted("compare.dict-2", "const_1.const_1", 0.5),
    "a link too many": reweighted("output.dict-2", "norm.norm", 1.0),
}


def embed(machine: Machine, network: Network) -> Machine:
    """Embeds a machine in a feedforward network, each neuron in the lowest layer above its sources.

    Args:
        machine: a machine without loops, except those of accumulators.
        network: a feedforward network.

    Returns:
        A machine with the network's neurons.

    Raises:
        LabError: the machine does not fit: too few layers or copies, an input or output neuron
            that the network has with another type, other hard links, or a loop.
    """
    graph = nx.DiGraph((a.from_neuron, a.to_neuron) for a in machine.links() if a.from_neuron != a.to_neuron)
    graph.add_nodes_from(machine.neurons)
    if not nx.is_directed_acyclic_graph(graph):
        raise LabError("a machine with a loop has no layers, and cannot be embedded in a feedforward network")
    layer: dict[str, int] = {}
    places: dict[str, str] = {}
    for name in nx.topological_sort(graph):
        kind = machine.neurons[name]
        if name in network.neurons and (kind.at_boundary or name == "timer"):
            if not equivalent(kind, network.neurons[name]):
                raise LabError(f"neuron {name!r}: the network has another one of that name")
            layer[name], places[name] = 0, name
            continue
        layer[name] = 1 + max((layer[before] for before in graph.predecessors(name)), default=0)
        free = (f"{kind.name}-{layer[name]}-{copy}" for copy in range(1, len(network.neurons)))
        places[name] = next((place for place in free if place not in places.values()), "")
        if places[name] not in network.neurons:
            raise LabError(f"neuron {name!r}: the network has no free {kind.name} in layer {layer[name]}")
    moved = [link._replace(to_neuron=places[link[0]], from_neuron=places[link[2]]) for link in machine.links()]
    soft, hard = (matrix_of(link[:5] for link in moved if link.hard == which) for which in (False, True))
    embedded = Machine(network.neurons, soft, network.hard)
    mine = {str(link): link.weight for link in embedded.links() if link.hard and link.to_neuron in places.values()}
    if mine != {str(link): link.weight for link in Machine(network.neurons, {}, hard).links()}:
        raise LabError("the machine's hard links are not those that the network has there")
    return embedded


@summarised
class Repair(NamedTuple):
    """The verdict on a repaired machine, the trace, and the number of attempts."""

    verdict: Verdict
    trace: Trace
    attempts: int

    def _summary(self) -> tuple[str, Facts]:
        return f"Repair in {plural(self.attempts, 'attempt')}", self.verdict._summary()[1]


def repair(task: Task, damaged: Machine, seed: Any = 0, settings: Settings | None = None, attempts: int = 3) -> Repair:
    """Retrains a damaged machine within a network of random weights, and prunes it.

    Args:
        task: a feedforward network compiled for the problem that the machine no longer solves.
        damaged: the damaged machine; it is embedded in the network.
        seed: the seed of the random weights, or a JAX key.
        settings: as for a synthesis.
        attempts: the maximum number of attempts, each with new random weights, until a machine is
            exact on the validation strings. If none is, the last machine is returned.

    Returns:
        The verdict, with the test error; the trace; and the number of attempts.

    Raises:
        LabError: fewer than one attempt; the task has a machine instead of a network; or the
            damaged machine does not fit into the network.
    """
    if not isinstance(task.network, Network):
        raise LabError("a repair needs a network to embed the machine in")
    if attempts < 1:
        raise LabError(f"{attempts} attempts: at least one is needed")
    settings, embedded = settings or Settings(), task.weights(embed(damaged, task.network))
    key = random_key(seed)
    for attempt in range(1, attempts + 1):
        attempt_key, trace = jax.random.fold_in(key, attempt), Trace()
        weights = [w + r for w, r in zip(embedded, task.initial_weights(attempt_key, settings.scale), strict=True)]
        *_, (_, weights) = run_phases(task, weights, settings, trace, attempt_key)
        verdict = with_fewer_links(task, round_off(task, task.machine(weights)))
        if verdict.exact_on_validation:
            break
    return Repair(tested(task, verdict), trace, attempt)
