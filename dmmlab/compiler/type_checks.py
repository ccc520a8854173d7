"""Checks of neuron types: that a function is what the compiled machine takes it for.

A V-value can be written in several ways: ``3.0`` or ``{":number": 3.0}``, a zero or no key at all.
The tree engine writes it one way and the compiled machine another, so a function that looks at how
a V-value is written would have other numbers compiled, and nobody would know. What is called a sum,
or uniform, is computed as such, whatever the function does.

So each type is tried once on a few V-values, in all these writings: numbers as they are, numbers
that JAX traces, and, for uniform types, whole blocks. That is a matter of milliseconds; to run the
whole machine by both engines would be one of a second, for XLA to compile it. That the engines
agree on all else is what the tests of ``dmmlab`` are for.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from itertools import count
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core.array_leaves import Block
from ..core.errors import LabError
from ..core.neuron_type import NeuronType
from ..core.neurons import TYPES
from ..core.vvalues import NUMBER, Path, VValue, add, from_paths, number, paths, scale

MOST_KEYS = 2  # of an input, beside its scalar part
SIZES = (0.75, -1.25, 0.5, 2.0, -0.375, 1.5)  # exact in single precision
TOLERANCE = 1e-3  # beside 1; functions in which single precision does worse are not found fault with
BLOCK = ":block 1"


class TypeMisbehaves(LabError):
    """A neuron type whose function is not what the type says, or not one of vectors."""


def check_type(kind: NeuronType, input_keys: Iterable[Iterable[Path]]) -> None:
    """Tries a neuron type's function, once for keys of one pattern; those of ``dmmlab`` are known.

    Args:
        kind: the type.
        input_keys: for each input the keys that can reach it.

    Raises:
        TypeMisbehaves: it looks at how a V-value is written, it is no sum where it is called one,
            or not affine where it is called so, or it treats keys otherwise where it is called
            uniform.
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
    """Keys for each input, of which only the pattern counts: the first that have it are tried."""

    paths: tuple[tuple[Path, ...], ...] = field(compare=False)
    pattern: tuple


@lru_cache(maxsize=512)
def _check_writings(kind: NeuronType, keys: _Keys) -> None:
    """In Python alone: zeros and no keys, numbers under ``:number``."""
    for numbers in _numbers(keys):
        plain = [from_paths(each.items()) for each in numbers]
        expected = _results(kind, plain)
        for scalars_too in (False, True):
            written = [_written_out(each, scalars_too) for each in numbers]
            got = _results(kind, written)
            if _differ(expected, got):
                raise _looks(kind, plain, expected, f"of {_shown(written)}, which is the same, {_shown(got)}")
        if expected is not None and kind.accumulates and _differ(expected, [reduce(add, plain)]):
            raise TypeMisbehaves(
                f"neuron type {kind.name!r} is said to accumulate, and is no sum: of {_shown(plain)} it makes "
                f"{_shown(expected)}"
            )
        if kind.widens is not None and _differ(expected, _as_narrower(kind, kind.widens, plain)):
            raise TypeMisbehaves(
                f"neuron type {kind.name!r} is said to widen {kind.widens.name!r}, and does something else: of "
                f"{_shown(plain)} it makes {_shown(expected)}"
            )
        if expected is not None and kind.affine_in and _differ(expected, _affine(kind, plain) or expected):
            raise TypeMisbehaves(
                f"neuron type {kind.name!r} is said to be affine in {', '.join(kind.affine_in)}, and is not: of "
                f"{_shown(plain)} it makes {_shown(expected)}; from 0 and 1 there follows {_shown(_affine(kind, plain))}"
            )


@lru_cache(maxsize=512)
def _check_arrays(kind: NeuronType, keys: _Keys) -> None:
    """In JAX: what is compiled, key by key and in blocks."""
    arrays = jax.jit(lambda leaves: _by_jax(kind, keys, leaves))
    for numbers in _numbers(keys):
        plain = [from_paths(each.items()) for each in numbers]
        expected = _results(kind, plain)
        if expected is None:  # it wants other numbers, or other keys
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
    """Numbers for all keys of all inputs, of which some may be zero; () is the scalar part."""
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
    """What the type that it widens makes of its inputs, and zero for all other outputs."""
    by_name = dict(zip(kind.inputs, plain, strict=True))
    made = _results(narrow, [by_name[field] for field in narrow.inputs])
    return None if made is None else [dict(zip(narrow.outputs, made, strict=True)).get(field, {}) for field in kind.outputs]


def _affine(kind: NeuronType, plain: list[VValue]) -> list[VValue] | None:
    """The results that follow from those where the inputs that are affine are 0, and one is 1."""
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
    """A V-value with its zeros, and each number under ``:number``."""
    tree: dict[str, Any] = {NUMBER: 0.0} if scalars_too else {}
    for path, x in numbers.items():
        branch = tree
        for key in path:
            branch = branch.setdefault(key, {})
        branch[NUMBER] = x
    return tree


def _results(kind: NeuronType, inputs: list[VValue]) -> list[VValue] | None:
    """What a type makes of V-values, as vectors; None if it raises."""
    try:
        made = kind.activate(dict(zip(kind.inputs, inputs, strict=True)))
        return [_as_vector(made[field]) for field in kind.outputs]
    except Exception:  # whatever a reader's function raises
        return None


Results = list[dict[Path, jax.Array]] | None  # by output; None for an error


def _by_jax(kind: NeuronType, keys: _Keys, leaves: list[list[jax.Array]]) -> tuple[Results, Results]:
    """What a type makes of numbers that JAX traces: key by key; and, if uniform, in one block."""
    numbers = [dict(zip(ks, xs, strict=True)) for ks, xs in zip(keys.paths, leaves, strict=True)]
    return _by_key(kind, numbers), _in_blocks(kind, numbers) if kind.uniform else None


def _by_key(kind: NeuronType, numbers: list[dict[Path, jax.Array]]) -> Results:
    try:
        made = kind.activate({name: from_paths(each.items()) for name, each in zip(kind.inputs, numbers, strict=True)})
        return [{path: jnp.asarray(x) for path, x in paths(made[field])} for field in kind.outputs]
    except Exception:  # whatever a reader's function raises
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
    except Exception:  # whatever a reader's function raises
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


def _as_vector(v: VValue) -> VValue:
    return from_paths((path, float(leaf)) for path, leaf in paths(v))


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
