"""Provenance: records the code and libraries of a run, so that no others resume it.

A resumed run gives the same machine as an uninterrupted one, but only with the same code: the
modules that a synthesis uses, JAX and optax, and the functions of the neuron types, including
user-defined ones. The run's ``run.json`` records all of this, as versions and digests of sources.
"""

import hashlib
import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import jax
import numpy as np

from ..core.neuron_type import NeuronType

FORMAT = "dmmlab run 1"
LIBRARIES = ("dmmlab", "jax", "jaxlib", "optax")
PACKAGES = ("core", "compiler", "machines", "learning", "problems", "pruning", "proofs", "transitions", "search")
MOST_NAMED = 5  # differences in one message


def provenance(types: Iterable[NeuronType]) -> dict[str, Any]:
    """Returns the provenance of a run, in JSON values.

    Args:
        types: the types of the network's neurons.

    Returns:
        The format of the run's files, library versions, a digest of the code, and a digest of each
        neuron type, by name.
    """
    digests: dict[str, set[str]] = {}
    for kind in types:
        digests.setdefault(kind.name, set()).add(_type_digest(kind))
    return {
        "format": FORMAT,
        "versions": {name: version(name) for name in LIBRARIES},
        "code": _code_digest(),
        "types": {name: "-".join(sorted(each)) for name, each in sorted(digests.items())},
    }


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Returns the differences between two runs, in words.

    Args:
        there: the ``run.json`` of a folder.
        here: the description of the current run.

    Returns:
        Texts such as ``jax 0.9.2, here 0.10.2``; an empty list if nothing differs.
    """
    found = []
    if there.get("question") != here["question"]:
        found.append(f"the problem {there.get('question')!r}")
    if there.get("seed") != here["seed"]:
        found.append("another seed")
    pairs = {"format": (there.get("format"), here["format"])}
    for group in ("settings", "versions"):
        old = there.get(group) if isinstance(there.get(group), dict) else {}
        pairs |= {name: (old.get(name), value) for name, value in here[group].items()}  # type: ignore[union-attr]
    found += [f"{name} {_said(old)}, here {_said(new)}" for name, (old, new) in pairs.items() if old != new]
    old_types = there.get("types") if isinstance(there.get("types"), dict) else {}
    for name in sorted(here["types"].keys() | old_types):  # type: ignore[operator]
        if here["types"].get(name) != old_types.get(name):  # type: ignore[union-attr]
            found.append(f"another function of the neuron type {name!r}")
    if there.get("code") != here["code"]:
        found.append("other code of dmmlab")
    if not found and there != here:
        found.append("other links, strings or answers")
    return found[:MOST_NAMED] + ["more"] * (len(found) > MOST_NAMED)


@cache
def _code_digest() -> str:
    """Returns a digest of the modules that determine the machine."""
    package = Path(__file__).resolve().parents[1]
    return _digest(path.read_text() for name in PACKAGES for path in sorted((package / name).glob("*.py")))


def _type_digest(kind: NeuronType) -> str:
    declared = {name: value for name, value in vars(kind).items() if name not in ("function", "formula")}
    return _digest([repr(declared), *_parts(kind.function, set())])


def _digest(texts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode(errors="replace") + b"\0")
    return digest.hexdigest()[:16]


def _parts(x: Any, seen: set[int]) -> Iterator[str]:
    """Yields the dependencies of a function: source, closure, and names from its module."""
    if isinstance(x, partial):
        yield from _parts((x.func, x.args, x.keywords), seen)
    elif is_dataclass(x) and not isinstance(x, type):  # such as the function of an array type
        yield from _parts({field.name: getattr(x, field.name) for field in fields(x)}, seen)
    elif isinstance(x, dict):
        for key, value in x.items():
            yield repr(key)
            yield from _parts(value, seen)
    elif isinstance(x, list | tuple):
        yield f"{type(x).__name__} of {len(x)}"
        for value in x:
            yield from _parts(value, seen)
    elif isinstance(x, set | frozenset):
        yield repr(sorted(map(repr, x)))  # in an order that is the same in every process
    elif isinstance(x, np.ndarray | jax.Array):
        yield f"{x.dtype} {x.shape}"
        yield np.asarray(x).tobytes().hex()
    elif x is None or isinstance(x, bool | int | float | complex | str | bytes | np.generic):
        yield repr(x)
    elif callable(x) and isinstance(inspect.unwrap(x), FunctionType):
        yield from _parts_of_function(inspect.unwrap(x), seen)
    else:
        yield getattr(x, "__qualname__", type(x).__qualname__)


def _parts_of_function(function: FunctionType, seen: set[int]) -> Iterator[str]:
    yield f"{function.__module__}.{function.__qualname__}"
    if id(function) in seen:
        return
    seen.add(id(function))
    if not function.__module__.startswith("dmmlab."):  # the code digest covers those
        yield _source(function)
        names = set(_names(function.__code__)) & function.__globals__.keys()
        for name in sorted(names):
            value = function.__globals__[name]
            mine = not callable(value) or getattr(value, "__module__", None) == function.__module__
            yield name
            yield from _parts(value, seen) if mine else [getattr(value, "__qualname__", "")]
    yield from _parts((function.__defaults__, function.__kwdefaults__), seen)
    for cell in function.__closure__ or ():
        yield from _parts(cell.cell_contents, seen) if _is_filled(cell) else ["empty"]


def _source(function: FunctionType) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):  # defined at a prompt, or from a string
        return repr((function.__code__.co_code, [c for c in function.__code__.co_consts if not isinstance(c, CodeType)]))


def _names(code: CodeType) -> Iterator[str]:
    """Yields the names that a function and its inner functions refer to."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None or True
    except ValueError:
        return False


def _said(x: Any) -> str:
    return "none" if x is None else str(x)[:60]
