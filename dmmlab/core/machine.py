"""A dataflow matrix machine: neurons, and the network matrix that links them.

The network matrix is a V-value of four levels,
``to_neuron -> to_input -> from_neuron -> from_output -> weight``. A machine holds it in two
disjoint parts. *Hard* links are fixed: they belong to the architecture. *Soft* links are trainable:
training and pruning change them, and only they are included when links are counted. A link of
weight zero does not exist, like any zero in a V-value.

A ``Machine`` is immutable: ``link``, ``unlink`` and similar methods return a new one. Ports are
written ``neuron.field``, as in ``machine.link("norm.dict", "accum.dict", 0.5)``.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import NamedTuple

import numpy as np

from .errors import LabError, one_of
from .files import json_text, read_json, write_text
from .machine_files import parts_of, tree_of
from .named_neurons import customary_links, names_in, type_by_name
from .network_matrix import Links, MachineError, check_name, matrix_of, matrix_of_links, port_of, weight_at, with_weight
from .neuron_type import NeuronType
from .neurons import TYPES
from .program_text import parts_of_program
from .summaries import Facts, plural, summarised
from .vvalues import Number, VValue, add, check, describe, paths, show_path


class Link(NamedTuple):
    """One entry of the network matrix."""

    to_neuron: str
    to_field: str
    from_neuron: str
    from_field: str
    weight: Number
    hard: bool

    def __str__(self) -> str:
        return f"{self.to_neuron}.{self.to_field} <- {self.from_neuron}.{self.from_field}"


@summarised
@dataclass(frozen=True)
class Machine:
    """Neurons by name, and the two parts of the network matrix.

    Args:
        neurons: the type of each neuron, by name.
        soft: the trainable links,
            ``to_neuron -> to_input -> from_neuron -> from_output -> weight``.
        hard: the fixed links, in the same form.

    Raises :class:`MachineError` for a link that names an unknown neuron or field, or that is both
    hard and soft.
    """

    neurons: Mapping[str, NeuronType]
    soft: VValue = field(default_factory=dict)
    hard: VValue = field(default_factory=dict)

    def __post_init__(self):
        object.__setattr__(self, "neurons", dict(self.neurons))
        for name in self.neurons:
            check_name(name)
        for part in ("soft", "hard"):
            object.__setattr__(self, part, self._checked(getattr(self, part)))
        for link in _links(self.hard, True):
            if weight_at(self.soft, link[:4]) is not None:
                raise MachineError(f"{link}: both hard and soft; a link is one or the other")

    @classmethod
    def build(
        cls,
        soft: Links,
        neurons: Iterable[str] | Mapping[str, NeuronType] | None = None,
        hard: Links | None = None,
        types: Iterable[NeuronType] = TYPES,
    ) -> "Machine":
        """Builds a machine from links between named ports.

        Args:
            soft: ``{"norm.dict": {"accum.dict": 1.0}}``.
            neurons: a mapping from names to types; or names of the form ``type`` or
                ``type-layer-copy``, whose types are looked up in ``types``. If left out: the names
                in the links, and the timer, input and output that every machine of 2022 has.
            hard: as ``soft``. If left out, :func:`customary_links`: the feedback that each type
                declares, and links from the timer to every neuron that reads the stream.
            types: the types in which names are looked up.

        Returns:
            The machine.

        Raises:
            MachineError: a name without a type, or an invalid link.
        """
        soft_links, types = matrix_of_links(soft), tuple(types)
        if neurons is None:
            neurons = names_in(soft_links)
        if not isinstance(neurons, Mapping):
            neurons = {name: type_by_name(name, types) for name in neurons}
        return cls(neurons, soft_links, customary_links(neurons) if hard is None else matrix_of_links(hard))

    @classmethod
    def from_json(cls, path: str | PathLike, types: Iterable[NeuronType] = TYPES) -> "Machine":
        """Reads a machine from a JSON file, in either form.

        Args:
            path: the file.
            types: the types in which names are looked up; add your own.

        Returns:
            The machine.

        Raises:
            FileError: the file is not strict JSON of reasonable size.
            MachineError: the file is not a machine; the message names the file and the place.
        """
        tree = read_json(path)
        try:
            return cls(*parts_of(tree, tuple(types)))
        except LabError as error:
            raise MachineError(f"{path}: {error}") from error

    @classmethod
    def from_program(cls, text: str, types: Iterable[NeuronType] = TYPES) -> "Machine":
        """Reads a machine from a program: the inverse of ``dmmlab.program(machine, exact=True)``.

        It reads equations, too; what they leave open is decided as
        :mod:`dmmlab.core.program_text` says.

        Args:
            text: the program.
            types: the types in which names are looked up; add your own.

        Returns:
            The machine.

        Raises:
            MachineError: the text is not a program; the message names the line.
        """
        return cls(*parts_of_program(text, types))

    def to_json(self, path: str | PathLike, form: str = "complete") -> None:
        """Writes the machine to a JSON file, atomically.

        Args:
            path: the file.
            form: ``complete``, or ``published`` for the soft links alone.

        Raises:
            MachineError: an unknown form, or a form that would lose something.
            FileError: the file cannot be written.
        """
        write_text(path, self.json_text(form))

    def json_text(self, form: str = "complete") -> str:
        """Returns the text that :meth:`to_json` writes, with the same ``form`` and errors."""
        return json_text(tree_of(self.neurons, self.soft, self.hard, form))

    @property
    def matrix(self) -> VValue:
        """The network matrix: hard and soft links together."""
        return add(self.hard, self.soft)

    def links(self) -> Iterator[Link]:
        """Yields every link: soft links first, then hard links, each in tree order."""
        yield from _links(self.soft, False)
        yield from _links(self.hard, True)

    def count(self, hard: bool = False) -> int:
        """The number of soft links (trainable weights), or of hard links if ``hard``."""
        return sum(1 for _ in paths(self.hard if hard else self.soft))

    def link(self, to: str, source: str, weight: float, hard: bool = False) -> "Machine":
        """Returns the machine with a link's weight set; weight 0 removes the link.

        Args:
            to: the input that the link leads to, ``neuron.field``.
            source: the output that it comes from.
            weight: a number.
            hard: whether the link is fixed.

        Returns:
            A new machine.

        Raises:
            MachineError: there is no such port, or a link of the other kind exists already.
        """
        path = (*port_of(to), *port_of(source))
        other = self.soft if hard else self.hard
        if weight_at(other, path) is not None:
            raise MachineError(f"{to} <- {source}: there is a {'soft' if hard else 'hard'} link already; unlink it first")
        part = "hard" if hard else "soft"
        return replace(self, **{part: with_weight(getattr(self, part), path, weight)})

    def unlink(self, to: str, source: str) -> "Machine":
        """Returns the machine without ``to <- source``.

        Raises :class:`MachineError` if there is no such link.
        """
        path = (*port_of(to), *port_of(source))
        if weight_at(self.soft, path) is not None:
            return replace(self, soft=with_weight(self.soft, path, 0.0))
        if weight_at(self.hard, path) is not None:
            return replace(self, hard=with_weight(self.hard, path, 0.0))
        raise MachineError(f"{to} <- {source}: there is no such link")

    def with_neuron(self, name: str, kind: NeuronType) -> "Machine":
        """Returns the machine with one more neuron, linked only by its type's feedback.

        Raises :class:`MachineError` if the name is taken.
        """
        if name in self.neurons:
            raise MachineError(f"there is a neuron {name!r} already")
        feedback = matrix_of((name, to, name, source, 1.0) for to, source in kind.feedback)
        return replace(self, neurons={**self.neurons, name: kind}, hard=add(self.hard, feedback))

    def without_neuron(self, name: str) -> "Machine":
        """Returns the machine without a neuron and its links.

        Raises :class:`MachineError` if there is no such neuron.
        """
        if name not in self.neurons:
            raise MachineError(one_of("neuron", name, self.neurons))
        return self._restricted(set(self.neurons) - {name})

    def with_soft(self, soft: VValue) -> "Machine":
        """Returns the machine with these soft links: a tree of weights; JAX may be tracing it."""
        return replace(self, soft=soft)

    def astype(self, dtype: type[np.floating]) -> "Machine":
        """Returns the machine with weights of another precision; in 2022 it was ``np.float32``.

        Raises :class:`MachineError` if ``dtype`` is not a floating-point type of NumPy; bfloat16 is
        not one.
        """
        if np.dtype(dtype).kind != "f":
            raise MachineError(f"precision {np.dtype(dtype)}: expected a floating-point type of NumPy, such as float32")
        with np.errstate(over="ignore"):  # an infinite weight is reported later
            return self.with_soft(matrix_of((*path, dtype(weight)) for path, weight in paths(self.soft)))

    def live(self, keeping: Iterable[str] = ()) -> "Machine":
        """Returns the machine without its dead neurons, which cannot influence the answers.

        Signals start at neurons that read a stream, and at neurons that emit something without
        input. Answers arrive at neurons without outputs and at a neuron called ``output``; if there
        are none, at all neurons. A neuron is dead if it is on no path from a start to an answer.
        The neurons where answers arrive are always kept. So are the neurons in ``keeping``, where
        they exist, and all neurons that lead to them.
        """
        sources = {name for name, kind in self.neurons.items() if _speaks_first(kind)}
        sinks = {name for name, kind in self.neurons.items() if not kind.outputs or name == "output"} or set(self.neurons)
        forward: dict[str, set[str]] = {}
        for link in self.links():
            forward.setdefault(link.from_neuron, set()).add(link.to_neuron)
        kept = self.leading_to(self.neurons.keys() & keeping)
        return self._restricted(_reached(sources, forward) & self.leading_to(sinks) | sinks | kept)

    def leading_to(self, names: Iterable[str]) -> set[str]:
        """Returns these neurons and all neurons that can influence their inputs."""
        backward: dict[str, set[str]] = {}
        for link in self.links():
            backward.setdefault(link.to_neuron, set()).add(link.from_neuron)
        return _reached(names, backward)

    def _restricted(self, names: set[str]) -> "Machine":
        def kept(part: VValue) -> VValue:
            return matrix_of((*path, w) for path, w in paths(part) if path[0] in names and path[2] in names)

        return Machine({name: kind for name, kind in self.neurons.items() if name in names}, kept(self.soft), kept(self.hard))

    def _checked(self, matrix: VValue) -> VValue:
        matrix = check(matrix)
        for path, _ in paths(matrix):
            if len(path) != 4:
                raise MachineError(
                    f"{show_path(path) if path else describe(matrix)}: a link is four keys deep, "
                    "to_neuron / to_input / from_neuron / from_output, and then a weight"
                )
            to_neuron, to_field, from_neuron, from_field = path
            self._check_port(path, to_neuron, to_field, "input")
            self._check_port(path, from_neuron, from_field, "output")
        return matrix

    def _check_port(self, path: tuple[str, ...], neuron: str, name: str, side: str) -> None:
        if neuron not in self.neurons:
            raise MachineError(f"{show_path(path)}: {one_of('neuron', neuron, self.neurons)}")
        kind = self.neurons[neuron]
        fields = kind.inputs if side == "input" else kind.outputs
        if name not in fields:
            has = f"{side}s {', '.join(fields)}" if fields else f"no {side}s"
            raise MachineError(
                f"{show_path(path)}: {show_path((neuron,))}.{show_path((name,))}: neuron type {kind.name!r} has {has}"
            )

    def _summary(self) -> tuple[str, Facts]:
        counts = plural(len(self.neurons), "neuron"), plural(self.count(), "soft link"), f"{self.count(hard=True):,} hard"
        return f"Machine: {', '.join(counts)}", ((str(link), link.weight) for link in self.links())


def _links(matrix: VValue, hard: bool) -> Iterator[Link]:
    for path, weight in paths(matrix):
        yield Link(*path, weight, hard)  # type: ignore[call-arg, arg-type]


def _speaks_first(kind: NeuronType) -> bool:
    return kind.reads_stream or any(check(v) != {} for v in kind.activate({}).values())


def _reached(start: Iterable[str], neighbours: Mapping[str, set[str]]) -> set[str]:
    seen, frontier = set(start), list(start)
    while frontier:
        new = neighbours.get(frontier.pop(), set()) - seen
        seen |= new
        frontier.extend(new)
    return seen
