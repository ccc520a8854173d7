"""Machine files: the two JSON forms of a machine.

The form published in 2022 is the tree of the soft links alone. The neurons' names,
``type-layer-copy``, give their types, and the hard links are the customary ones. The complete form
names everything::

    {"format": "dmmlab machine 1", "neurons": {"accum": "accum"}, "hard": {...}, "soft": {...},
     "types": {"space": {"emits": {"char": {" ": 1.0}}}, "output": {"answers": ["count"]}}}

``types`` holds the types that need no function: constants, and neurons that only receive answers.
These types and the built-in types can be pickled. A user-defined type can be pickled if its
function can.
"""

import copyreg
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .errors import LabError, one_of
from .named_neurons import customary_links, names_in, type_by_name
from .network_matrix import MachineError, matrix_of
from .neuron_type import NeuronType
from .neurons import TYPES, answering, constants
from .vvalues import VValue, check, describe, in_doubles, paths, show_path

FORMAT = "dmmlab machine 1"

Parts = tuple[Mapping[str, NeuronType], VValue, VValue]  # of a machine: neurons, soft links, hard links


def parts_of(tree: Any, types: tuple[NeuronType, ...]) -> Parts:
    """Returns the parts of the machine in a file.

    Args:
        tree: the parsed JSON, in either form.
        types: the types in which names are looked up.

    Returns:
        Neurons, soft links, hard links; the links are not checked yet.

    Raises:
        MachineError: the file is not a machine.
    """
    if not isinstance(tree, dict):
        raise MachineError(f"a machine is a JSON object, this is {describe(tree)}")
    return _parts_of_complete(tree, types) if "format" in tree else _parts_of_published(tree, types)


def tree_of(neurons: Mapping[str, NeuronType], soft: VValue, hard: VValue, form: str) -> dict:
    """Returns the JSON object to write to a machine file.

    Args:
        neurons: the type of each neuron, by name.
        soft: the trainable links.
        hard: the fixed links.
        form: ``complete``, or ``published`` for the soft links alone.

    Returns:
        A JSON object.

    Raises:
        MachineError: an unknown form, or a form that would lose something.
    """
    soft, hard = _floats(soft), _floats(hard)
    if form == "published":
        if _parts_of_published(soft, tuple(neurons.values())) != (dict(neurons), soft, hard):
            raise MachineError("the published form would lose neurons or hard links; use form='complete'")
        return soft
    if form != "complete":
        raise MachineError(one_of("form", form, ("complete", "published")))
    names, described = {name: kind.name for name, kind in neurons.items()}, types_to_describe(neurons)
    return {"format": FORMAT, "neurons": names, **({"types": described} if described else {}), "hard": hard, "soft": soft}


def _parts_of_complete(tree: dict, types: tuple[NeuronType, ...]) -> Parts:
    if tree["format"] != FORMAT:
        raise MachineError(f"format: expected {FORMAT!r}, got {describe(tree['format'])}")
    known_keys = ("format", "neurons", "types", "hard", "soft")
    for key in sorted(tree.keys() - set(known_keys)):
        raise MachineError(one_of("key", key, known_keys))
    names = tree.get("neurons")
    if not isinstance(names, dict):
        raise MachineError(f"neurons: expected an object of names and types, got {describe(names)}")
    known = {kind.name: kind for kind in types} | types_from_data(tree.get("types", {}))
    for name, kind in names.items():
        if not isinstance(kind, str) or kind not in known:
            raise MachineError(f"{show_path(('neurons', name))}: {one_of('neuron type', str(kind), known)}")
    return {name: known[kind] for name, kind in names.items()}, tree.get("soft", {}), tree.get("hard", {})


def _parts_of_published(tree: VValue, types: tuple[NeuronType, ...]) -> Parts:
    neurons = {name: type_by_name(name, types) for name in names_in(check(tree))}
    return neurons, tree, customary_links(neurons)


def types_to_describe(neurons: Mapping[str, NeuronType]) -> dict[str, dict]:
    """The types to write as data. Raises :class:`MachineError` if two types share a name."""
    known = {kind.name: kind for kind in TYPES}
    descriptions: dict[str, dict] = {}
    own: set[str] = set()
    for neuron, kind in neurons.items():
        description, usual = type_as_data(kind), known.get(kind.name)
        is_usual = usual is not None and _is_usual(kind, usual)
        unwritten = usual is not None and not is_usual and not description
        if descriptions.setdefault(kind.name, description) != description or unwritten:
            raise MachineError(f"neuron {neuron!r}: there is another type called {kind.name!r}; rename one of them")
        own |= set() if is_usual else {kind.name}
    return {name: description for name, description in descriptions.items() if description and name in own}


def _is_usual(kind: NeuronType, usual: NeuronType) -> bool:
    """Whether the name of a built-in type is enough: a file shows feedback as links."""
    alike = replace(kind, feedback=usual.feedback, inputs=usual.inputs) == usual
    return alike and type_as_data(kind) == type_as_data(usual)


def _floats(matrix: VValue) -> VValue:
    return matrix_of((*path, float(weight)) for path, weight in paths(matrix))


def type_as_data(kind: NeuronType) -> dict:
    """A constant, or a type that only receives answers, as JSON data; ``{}`` for other types."""
    if not kind.outputs:
        return {"answers": list(kind.inputs)}
    if kind.is_constant:
        return {"emits": {output: in_doubles(v) for output, v in kind.activate({}).items()}}
    return {}


def types_from_data(tree: object) -> dict[str, NeuronType]:
    """The types of ``{name: type_as_data(type)}``. Raises :class:`LabError`, with the place."""
    if not isinstance(tree, dict):
        raise LabError(f"types: expected an object, got {describe(tree)}")
    types = {}
    for name, data in tree.items():
        (key, value), *more = data.items() if isinstance(data, dict) and data else [(None, None)]
        if key == "emits" and isinstance(value, dict) and value and not more:
            types[name] = constants(name, {output: check(v, ("types", name, "emits", output)) for output, v in value.items()})
        elif key == "answers" and isinstance(value, list) and not more:
            types[name] = answering(tuple(value), name)
        else:
            place = show_path(("types", name))
            raise LabError(f'{place}: expected {{"emits": {{output: value}}}} or {{"answers": [names]}}')
    return types


def _reduced(kind: NeuronType) -> tuple:
    if any(kind is each for each in TYPES):
        return _built_in, (kind.name,)
    data = type_as_data(kind)
    return (_from_data, (kind.name, data)) if data else kind.__reduce_ex__(2)  # type: ignore[return-value]


def _built_in(name: str) -> NeuronType:
    return next(kind for kind in TYPES if kind.name == name)


def _from_data(name: str, data: dict) -> NeuronType:
    return types_from_data({name: data})[name]


copyreg.pickle(NeuronType, _reduced)  # type: ignore[arg-type]
