"""Conventions of 2022: neuron names give the types, and some hard links are implicit."""

from collections.abc import Iterable, Mapping

from .errors import one_of
from .network_matrix import MachineError, matrix_of_links
from .neuron_type import NeuronType
from .neurons import TYPES
from .vvalues import VValue, describe, paths


def type_by_name(name: str, types: Iterable[NeuronType] = TYPES) -> NeuronType:
    """The type of a neuron called ``type`` or ``type-layer-copy``. Raises :class:`MachineError`."""
    known = {kind.name: kind for kind in types}
    kind = known.get(name) or known.get(name.split("-")[0])
    if kind is None:
        raise MachineError(f"neuron {describe(name)}: {one_of('neuron type', name.split('-')[0], known)}")
    return kind


def customary_links(neurons: Mapping[str, NeuronType]) -> VValue:
    """The implicit hard links, of weight 1: each type's feedback, and timer -> readers."""
    links = {f"{name}.{to}": {f"{name}.{out}": 1.0} for name, kind in neurons.items() for to, out in kind.feedback}
    if "timer" in neurons:
        links |= {f"{name}.timer": {"timer.timer": 1.0} for name, kind in neurons.items() if kind.reads_stream}
    return matrix_of_links(links)


def names_in(matrix: VValue) -> list[str]:
    """The neurons that the links name, and the timer, input and output of every machine."""
    names = dict.fromkeys(["timer", "input"])
    for path, _ in paths(matrix):
        names |= dict.fromkeys(path[:3:2])
    return list(names | {"output": None})
