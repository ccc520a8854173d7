"""Checks that the function of a neuron type has the properties that the compiler assumes.

A V-value can be written in several ways: ``3.0`` or ``{":number": 3.0}``, a zero or no key at all.
The tree engine and the compiled machine write it in different ways. So a function that depends on
how a V-value is written would silently give other results when compiled. Also, a type declared as a
sum, or as uniform, is computed as such, whatever its function does.

So each type is tested once on a few V-values, in all these forms: plain numbers, numbers that JAX
traces, and, for uniform types, whole blocks. This takes milliseconds. To run the whole machine in
both engines would take about a second, because XLA must compile it. The tests of ``dmmlab`` check
that the engines agree in all other respects.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from itertools import count
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core.errors import LabError
from ..core.neuron_type import NeuronType
from ..core.neurons import TYPES
from ..core.vvalues import NUMBER, Path, VValue, add, from_paths, in_doubles, number, paths, scale
from .array_leaves import Block

MOST_KEYS = 2  # maximum number of tested keys of an input, besides its scalar part
SIZES = (0.75, -1.25, 0.5, 2.0, -0.375, 1.5)  # exact in single precision
TOLERANCE = 1e-3  # relative and absolute; allows for rounding in single precision
BLOCK = ":block 1"


class TypeMisbehaves(LabError):
    """A type's function lacks a declared property, or depends on how V-values are written."""


def check_type(kind: NeuronType, input_keys: Iterable[Iterable[Path]]) -> None:
    """Tests a neuron type's function, once per pattern of keys; skips built-in types.

    Args:
        kind: the type.
        input_keys: for each input the keys that can reach it.

    Raises:
        TypeMisbehaves: the function depends on how a V-value is written; or it is declared a sum,
            affine or uniform, or to widen another type, and is not.
    """
    if kind in TYPES or not kind.inputs or not kind.outputs:
        return
    keys = tuple(tuple(sorted(ks)[: 1 + MOST_KEYS]) for ks in input_keys)
    names: dict[str, int] = {}
    pattern = tuple(tuple(tuple(names.setdefault(key, len(names)) for key in path) for path in ks) for ks in keys)
    _check_writings(kind, _Keys(keys, pattern))
    _check_arrays(kind, _Keys(keys, tuple((() in ks, any(ks)) for ks in keys)))


@dataclass(frozen=True)
class _Keys:
    """Keys for each input, compared by pattern: only the first keys of a pattern are tested."""

    paths: tuple[tuple[Path, ...], ...] = field(compare=False)
    pattern: tuple


@lru_cache(maxsize=512)
def _check_writings(kind: NeuronType, keys: _Keys) -> None:
    """Tests without JAX: zeros instead of absent keys, and numbers under ``:number``."""
    for numbers in _numbers(keys):
        plain = [from_paths(each.items()) for each in numbers]
        expected = _results(kind, plain)
        for scalars_too in (False, True):
            written = [_written_out(each, scalars_too) for each in numbers]
            got = _results(kind, written)
            if _differ(expected, got):
                raise _looks(kind, plain, expected, f"of {_shown(written)}, which is the same, {_shown(got)}")
        makes = f"of {_shown(plain)} it makes {_shown(expected)}"
        if expected is not None and kind.accumulates and _differ(expected, [reduce(add, plain)]):
            raise TypeMisbehaves(f"neuron type {kind.name!r} is said to accumulate, and is no sum: {makes}")
        if kind.widens is not None and _differ(expected, _as_narrower(kind, kind.widens, plain)):
            raise TypeMisbehaves(
                f"neuron type {kind.name!r} is said to widen {kind.widens.name!r}, and does something else: {makes}"
            )
        if expected is not None and kind.affine_in and _differ(expected, _affine(kind, plain) or expected):
            raise TypeMisbehaves(
                f"neuron type {kind.name!r} is said to be affine in {', '.join(kind.affine_in)}, and is not: {makes}; "
                f"from 0 and 1 there follows {_shown(_affine(kind, plain))}"
            )


@lru_cache(maxsize=512)
def _check_arrays(kind: NeuronType, keys: _Keys) -> None:
    """Tests with JAX: the compiled function, key by key and in blocks."""
    arrays = jax.jit(lambda leaves: _by_jax(kind, keys, leaves))
    for numbers in _numbers(keys):
        plain = [from_paths(each.items()) for each in numbers]
        expected = _results(kind, plain)
        if expected is None:  # the function rejects these numbers or keys
            continue
        by_key, in_blocks = arrays([list(each.values()) for each in numbers])
        traced, blocks = _vectors(by_key), _vectors(in_blocks)
        if _differ(expected, traced):
            raise _looks(kind, plain, expected, f"traced by JAX, as the compiled machine does it, {_shown(traced)}")
        if kind.uniform and _differ(expected, blocks):
            raise TypeMisbehaves(
                f"neuron type {kind.name!r} is said to be uniform, and is not: of {_shown(plain)} it makes {_shown(expected)}; "
                f"of all keys at once, {_shown(blocks)}. Leave out uniform=True"
            )


def _numbers(keys: _Keys) -> Iterator[list[dict[Path, float]]]:
    """Yields numbers for all keys of all inputs; some may be zero. () is the scalar part."""
    zeros: list[Callable[[int, Path], bool]] = [
        lambda place, path: False,
        lambda place, path: path != (),
        lambda place, path: path == (),
        lambda place, path: place % 2 == 0,
        lambda place, path: True,
    ]
    for is_zero in zeros:
        places, numbers = count(), []
        for paths_of_one in keys.paths:
            each = {path: (next(places), path) for path in paths_of_one}
            numbers.append({path: 0.0 if is_zero(*at) else SIZES[at[0] % len(SIZES)] for path, at in each.items()})
        yield numbers


def _as_narrower(kind: NeuronType, narrow: NeuronType, plain: list[VValue]) -> list[VValue] | None:
    """The results of ``narrow``, the type that ``kind`` widens; zero for all other outputs."""
    by_name = dict(zip(kind.inputs, plain, strict=True))
    made = _results(narrow, [by_name[field] for field in narrow.inputs])
    return None if made is None else [dict(zip(narrow.outputs, made, strict=True)).get(field, {}) for field in kind.outputs]


def _affine(kind: NeuronType, plain: list[VValue]) -> list[VValue] | None:
    """Predicts the results from those with all affine inputs 0, and with one of them 1."""
    others = {name: v for name, v in zip(kind.inputs, plain, strict=True) if name not in kind.affine_in}
    without = _results(kind, [others.get(name, {}) for name in kind.inputs])
    if without is None:
        return None
    first, *rest = without
    for name, v in zip(kind.inputs, plain, strict=True):
        if name in kind.affine_in:
            unit = _results(kind, [1.0 if each == name else others.get(each, {}) for each in kind.inputs])
            if unit is None:
                return None
            first = add(first, scale(number(unit[0]) - number(without[0]), v))
    return [first, *rest]


def _written_out(numbers: dict[Path, float], scalars_too: bool = False) -> VValue:
    """A V-value with explicit zeros, and each number under ``:number``."""
    tree: dict[str, Any] = {NUMBER: 0.0} if scalars_too else {}
    for path, x in numbers.items():
        branch = tree
        for key in path:
            branch = branch.setdefault(key, {})
        branch[NUMBER] = x
    return tree


def _results(kind: NeuronType, inputs: list[VValue]) -> list[VValue] | None:
    """The results of a type's function, as vectors; None if it raises."""
    try:
        made = kind.activate(dict(zip(kind.inputs, inputs, strict=True)))
        return [in_doubles(made[field]) for field in kind.outputs]
    except Exception:  # user code may raise anything
        return None


Results = list[dict[Path, jax.Array]] | None  # by output; None for an error


def _by_jax(kind: NeuronType, keys: _Keys, leaves: list[list[jax.Array]]) -> tuple[Results, Results]:
    """The results for numbers that JAX traces: key by key; and, if uniform, in one block."""
    numbers = [dict(zip(ks, xs, strict=True)) for ks, xs in zip(keys.paths, leaves, strict=True)]
    return _by_key(kind, numbers), _in_blocks(kind, numbers) if kind.uniform else None


def _by_key(kind: NeuronType, numbers: list[dict[Path, jax.Array]]) -> Results:
    try:
        made = kind.activate({name: from_paths(each.items()) for name, each in zip(kind.inputs, numbers, strict=True)})
        return [{path: jnp.asarray(x) for path, x in paths(made[field])} for field in kind.outputs]
    except Exception:  # user code may raise anything
        return None


def _in_blocks(kind: NeuronType, numbers: list[dict[Path, jax.Array]]) -> Results:
    together = sorted({path for each in numbers for path in each if path})
    inputs: dict[str, VValue] = {}
    for name, each in zip(kind.inputs, numbers, strict=True):
        rows = [jnp.asarray(each.get(path, 0.0)) for path in together]
        v: VValue = {BLOCK: Block(jnp.stack(rows)[:, None])} if together else {}
        inputs[name] = add(v, each[()][None]) if () in each else v
    try:
        made = kind.activate(inputs)
        return [_out_of_block(made[field], together) for field in kind.outputs]
    except Exception:  # user code may raise anything
        return None


def _out_of_block(v: VValue, together: list[Path]) -> dict[Path, jax.Array]:
    coordinates: dict[Path, jax.Array] = {}
    for path, leaf in paths(v):
        if path == (BLOCK,):
            rows = jnp.broadcast_to(leaf.array if isinstance(leaf, Block) else leaf, (len(together), 1))
            coordinates |= {key: rows[i, 0] for i, key in enumerate(together)}
        else:
            coordinates[path] = jnp.ravel(jnp.asarray(leaf))[0]
    return coordinates


def _vectors(results: Results) -> list[VValue] | None:
    return None if results is None else [from_paths((path, float(x)) for path, x in each.items()) for each in results]


def _looks(kind: NeuronType, plain: list[VValue], expected: list[VValue] | None, otherwise: str) -> TypeMisbehaves:
    return TypeMisbehaves(
        f"neuron type {kind.name!r}: its function looks at how a V-value is written, so it cannot be compiled: "
        f"of {_shown(plain)} it makes {_shown(expected)}; {otherwise}"
    )


def _differ(expected: list[VValue] | None, got: list[VValue] | None) -> bool:
    if expected is None or got is None:
        return expected is not got
    return any(_gap(u, v) for u, v in zip(expected, got, strict=True))


def _gap(u: VValue, v: VValue) -> bool:
    ours, theirs = dict(paths(u)), dict(paths(v))
    return any(
        not np.isclose(ours.get(path, 0.0), theirs.get(path, 0.0), TOLERANCE, TOLERANCE, equal_nan=True)
        for path in ours.keys() | theirs.keys()
    )


def _shown(values: list[VValue] | None) -> str:
    if values is None:
        return "an error"
    return ", ".join(str(v)[:80] for v in values)
