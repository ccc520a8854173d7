"""The algebra that a stand-alone program needs: these functions are copied into it as they stand.

They are those of :mod:`dmmlab.core.vvalues` and :mod:`dmmlab.core.neurons`, for numbers alone, in
few lines.
"""

from typing import Any

VValue = Any


def combine(*terms: Any) -> VValue:
    """The sum of weight * V-value, over pairs of them; a V-value is a number or a dictionary."""
    if not any(isinstance(v, dict) for _, v in terms):
        return sum(w * v for w, v in terms)
    parts = [(w, v if isinstance(v, dict) else {":number": v}) for w, v in terms]
    keys = dict.fromkeys(key for _, v in parts for key in v)
    return {key: combine(*((w, v[key]) for w, v in parts if key in v)) for key in keys}


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
