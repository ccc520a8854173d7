"""The network matrix as a tree: ``to_neuron -> to_input -> from_neuron -> from_output -> weight``.

Ports are written ``neuron.field``, as in ``{"norm.dict": {"accum.dict": 1.0}}``.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from .errors import LabError
from .neuron_type import MAX_NAME, Port
from .vvalues import Number, VValue, describe

Links = Mapping[str, Mapping[str, float]]  # {"norm.dict": {"accum.dict": 1.0}}


class MachineError(LabError):
    """Invalid machine: an unknown neuron, type or field, or a conflicting or missing link."""


def port_of(text: str) -> Port:
    """Splits ``neuron.field`` into a pair. Raises :class:`MachineError` for anything else."""
    neuron, dot, name = text.rpartition(".") if isinstance(text, str) else ("", "", "")
    if not dot or not neuron or not name:
        raise MachineError(f"{describe(text)}: a port is written neuron.field, as in 'accum.dict-2'")
    return neuron, name


def check_name(name: str) -> None:
    """Raises :class:`MachineError` if a neuron cannot have this name."""
    if not isinstance(name, str) or not name or not name.isprintable() or set(name) & set("./:\\"):
        raise MachineError(f"{describe(name)}: a neuron needs a printable name without any of . / : \\")
    if len(name) > MAX_NAME:
        raise MachineError(f"{describe(name)}: a neuron's name of {len(name):,} letters; it may have {MAX_NAME:,}")


def matrix_of(entries: Iterable[tuple[Any, ...]]) -> VValue:
    """The tree of (to_neuron, to_input, from_neuron, from_output, weight) entries."""
    tree: dict = {}
    for to_neuron, to_field, from_neuron, from_field, weight in entries:
        tree.setdefault(to_neuron, {}).setdefault(to_field, {}).setdefault(from_neuron, {})[from_field] = weight
    return tree


def matrix_of_links(links: Links) -> VValue:
    """The tree of links between ports. Raises :class:`MachineError` for an invalid port."""
    return matrix_of((*port_of(to), *port_of(source), w) for to, sources in links.items() for source, w in sources.items())


def weight_at(matrix: VValue, path: tuple[str, ...]) -> Number | None:
    """The weight of a link; None if there is no such link."""
    for key in path:
        if key not in matrix:
            return None
        matrix = matrix[key]
    return matrix


def with_weight(matrix: VValue, path: tuple[str, ...], weight: Number) -> VValue:
    """Returns the matrix with the weight of one link replaced."""
    if not path:
        return weight
    return {**matrix, path[0]: with_weight(matrix.get(path[0], {}), path[1:], weight)}
