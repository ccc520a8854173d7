"""Named neurons: the neurons that a network matrix names, their types and usual hard links.

By a convention of 2022, a neuron called ``type`` or ``type-layer-copy`` has the type of this name,
and usual hard links need not be written. So the soft links alone define a machine.

In a machine that rewrites itself, the matrix also determines which neurons exist. In
:func:`dmmlab.core.engine.run`, ``matrix_from`` names the output that emits the matrix of the next
cycle. A neuron exists in a cycle if this matrix names it at either end of a link. A neuron that
disappears and returns has lost its memory. (The machines of DMM 1.0, 2016; arXiv:1706.00648,
appendix B.)
"""

from collections.abc import Iterable, Mapping, Sequence

from .errors import one_of
from .network_matrix import MachineError, matrix_of_links
from .neuron_type import NeuronType
from .neurons import TYPES
from .vvalues import VValue, describe, paths, show_path


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


def neurons_of(matrix: VValue, declared: Mapping[str, NeuronType], types: Sequence[NeuronType]) -> dict[str, NeuronType]:
    """Finds the neurons that a matrix names, and their types.

    Args:
        matrix: ``to_neuron -> to_input -> from_neuron -> from_output -> weight``; a path may
            continue with keys of the output's V-value.
        declared: types of neurons, by name.
        types: types of other neurons, which are named ``type`` or ``type-...``; the declared types
            are used too.

    Returns:
        Their types, by name, the declared ones first.

    Raises:
        MachineError: a neuron without a type, an input or output that its type does not have, or an
            entry that is not a link.
    """
    known = (*types, *declared.values())
    kinds: dict[str, NeuronType] = {}
    for path, _ in paths(matrix):
        if len(path) < 4:
            raise MachineError(f"matrix: {show_path(path)}: a link is to_neuron / to_input / from_neuron / from_output")
        for name, field, side in ((path[0], path[1], "input"), (path[2], path[3], "output")):
            if name not in kinds:
                kinds[name] = declared[name] if name in declared else type_by_name(name, known)
            if field not in (kinds[name].inputs if side == "input" else kinds[name].outputs):
                raise MachineError(f"matrix: {show_path(path)}: neuron type {kinds[name].name!r} has no {side} {field!r}")
    return {name: kinds[name] for name in (*declared, *kinds) if name in kinds}
