"""Neuron types as JSON data: constants, and types without outputs.

These types and the built-in types can be pickled. A user-defined type can be pickled if its
function can.
"""

import copyreg

from .errors import LabError
from .neuron_type import NeuronType
from .neurons import TYPES, answering, constants
from .vvalues import check, describe, from_paths, paths, show_path


def type_as_data(kind: NeuronType) -> dict:
    """A constant, or a type that only receives answers, as JSON data; ``{}`` for other types."""
    if not kind.outputs:
        return {"answers": list(kind.inputs)}
    if not kind.inputs and not kind.reads_stream:
        emitted = kind.activate({}).items()
        return {"emits": {output: from_paths((path, float(x)) for path, x in paths(v)) for output, v in emitted}}
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
