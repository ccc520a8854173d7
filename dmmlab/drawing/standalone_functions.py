"""The V-value functions that are copied, unchanged, into stand-alone programs.

They are short versions, for plain numbers only, of functions in :mod:`dmmlab.core.vvalues` and
:mod:`dmmlab.core.neurons`.
"""

from typing import Any

VValue = Any


def combine(*terms: Any) -> VValue:
    """The sum of weight * V-value over all pairs; a V-value is a number or a dictionary."""
    if not any(isinstance(v, dict) for _, v in terms):
        return sum(w * v for w, v in terms)
    parts = [(w, v if isinstance(v, dict) else {":number": v}) for w, v in terms]
    keys = dict.fromkeys(key for _, v in parts for key in v)
    total = {key: combine(*((w, v[key]) for w, v in parts if key in v)) for key in keys}
    return {key: x for key, x in total.items() if x}


def number(v: VValue) -> Any:
    """The scalar part."""
    return v.get(":number", 0) if isinstance(v, dict) else v


def relu(x: Any) -> Any:
    """max(x, 0)"""
    return max(x, 0)


def clip(x: Any, low: Any, high: Any) -> Any:
    """min(max(x, low), high)"""
    return min(max(x, low), high)


def max_norm(v: VValue) -> Any:
    """The largest absolute value of a coordinate."""
    return max(map(max_norm, v.values()), default=0) if isinstance(v, dict) else abs(v)


def dot(u: VValue, v: VValue) -> Any:
    """The sum of products of coordinates that both have."""
    if not isinstance(u, dict) and not isinstance(v, dict):
        return u * v
    u, v = (x if isinstance(x, dict) else {":number": x} for x in (u, v))
    return sum(dot(u[key], v[key]) for key in u if key in v)


def product(u: VValue, v: VValue) -> VValue:
    """The products of coordinates that both have."""
    if not isinstance(u, dict) and not isinstance(v, dict):
        return u * v
    u, v = (x if isinstance(x, dict) else {":number": x} for x in (u, v))
    return {key: product(u[key], v[key]) for key in u if key in v}


def nest(u: VValue, v: VValue) -> VValue:
    """The tree with u's leaf times v at each path of u."""
    if not isinstance(u, dict):
        return combine((u, v))
    return combine(*((1, nest(x, v) if key == ":number" else {key: nest(x, v)}) for key, x in u.items()))


def pair(u: VValue, v: VValue) -> VValue:
    """nest, applied only to the leaves directly below the roots."""
    flat = ({key: number(x) for key, x in w.items() if key != ":number"} if isinstance(w, dict) else {} for w in (u, v))
    return nest(*flat)


def lookup(u: VValue, v: VValue) -> VValue:
    """The sum over u's leaves of leaf times the part of v at the leaf's path."""
    if not isinstance(u, dict):
        return combine((u, v))
    below = v if isinstance(v, dict) else {}
    found = ((x, v if key == ":number" else below[key]) for key, x in u.items() if key == ":number" or key in below)
    return combine(*((1, lookup(*each)) for each in found))


def mask(u: VValue, v: VValue) -> VValue:
    """Each leaf of u times the part of v at the leaf's path, at the same path."""
    if not isinstance(u, dict):
        return combine((u, v))
    below = {key: x for key, x in v.items() if key in u and key != ":number"} if isinstance(v, dict) else {}
    parts = [(1, {key: mask(u[key], x)}) for key, x in below.items()]
    return combine(*parts, (u.get(":number", 0), v))


def gate(condition: VValue, v: VValue) -> VValue:
    """v times the scalar part of the condition."""
    return combine((number(condition), v))


def mix(condition: VValue, u: VValue, v: VValue) -> VValue:
    """c * u + (1 - c) * v, where c is the scalar part of the condition."""
    return combine((number(condition), u), (1 - number(condition), v))
