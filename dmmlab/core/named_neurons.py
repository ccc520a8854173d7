"""The neurons that a network matrix names, for machines whose matrix changes while they run.

A machine rewrites itself in :func:`dmmlab.core.engine.run` if ``matrix_from`` names the output that
emits the matrix of the next cycle. This matrix determines the links and the neurons: a neuron
exists in a cycle if the matrix names it at either end of a link. A neuron that disappears and
returns has lost its memory. (The machines of DMM 1.0, 2016; arXiv:1706.00648, appendix B.)
"""

from collections.abc import Mapping, Sequence

from .customs_of_2022 import type_by_name
from .network_matrix import MachineError
from .neuron_type import NeuronType
from .vvalues import VValue, paths, show_path


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
