"""Neurons on trees: memories, lists, attention, conditions, and machines that rewrite themselves.

Unlike vectors of numbers, V-values nest. A tree can be a record, a list (``this`` and ``rest``), a
memory with a V-value under each key, a mask, or a network matrix. The types here build such trees,
read them, and combine them linearly (arXiv:1712.07447; DMM 1.0). All functions except the event
list are polynomials, so they are differentiable.
"""

from collections.abc import Callable

from .neuron_type import Emits, Formula, NeuronType, Scaling
from .vvalues import Number, VValue, add, apply_mask, from_paths, is_plain, linear_combination, nest, number, paths, scale

# Parts of machines that rewrite themselves.
SELF = NeuronType(
    "self",
    ("accum", "delta"),
    ("single",),
    add,
    feedback=(("accum", "single"),),
    uniform=True,
    accumulates=True,
    scaling=Scaling.LINEAR,
    emits=Emits.AS_ARRIVES,
)
UPDATE = NeuronType(
    "update",
    ("single",),
    ("single",),
    lambda v: v,
    uniform=True,
    scaling=Scaling.LINEAR,
    emits=Emits.INPUTS,
    formula=Formula("%s", "%s", fieldwise=True),
)


def _event_list(old: VValue, signal: VValue) -> VValue:
    flag = number(signal.get("flag", 0.0)) if isinstance(signal, dict) else 0.0
    here = _is_there(flag)
    return add(scale(here, {"this": signal, "rest": old}), scale(1.0 - here, old))


def _is_there(x: Number) -> Number:
    if is_plain(x):
        return float(x != 0)
    import jax.numpy as jnp

    return jnp.where(x != 0, 1.0, 0.0)


EVENTS = NeuronType("events", ("self", "signal"), ("self",), _event_list, feedback=(("self", "self"),))

# Lists: the first item is under ``this``, the others under ``rest``.
CONS = NeuronType("cons", ("this", "rest"), ("list",), lambda this, rest: {"this": this, "rest": rest})
UNCONS = NeuronType("uncons", ("list",), ("this", "rest"), lambda v: (_part(v, "this"), _part(v, "rest")))

# Attention: one tree selects parts of another. A ``pair`` is a nest of flat trees, so the keys of a
# fully connected network of pairs do not grow without limit.


def _of_two_trees(name: str, function: Callable[[VValue, VValue], VValue], latex: str) -> NeuronType:
    formula = Formula(f"{name}(%s, %s)", latex)
    return NeuronType(
        name, ("dict-1", "dict-2"), ("dict",), function, polynomial=True, scaling=Scaling.MULTILINEAR, formula=formula
    )


def _flat(v: VValue) -> VValue:
    """Keeps only the leaves directly below the root."""
    return from_paths((path, leaf) for path, leaf in paths(v) if len(path) == 1)


NEST = _of_two_trees("nest", nest, r"\bigl(%s\bigr) \otimes \bigl(%s\bigr)")
PAIR = _of_two_trees("pair", lambda u, v: nest(_flat(u), _flat(v)), r"\operatorname{pair}\bigl(%s,\,%s\bigr)")
LOOKUP = _of_two_trees("lookup", linear_combination, r"\bigl(%s\bigr) \cdot \bigl(%s\bigr)")
MASK = _of_two_trees("mask", apply_mask, r"\operatorname{mask}\bigl(%s,\,%s\bigr)")

# Fuzzy conditions: a number gates a tree, or mixes two.
GATE = NeuronType(
    "gate",
    ("condition", "dict"),
    ("dict",),
    lambda condition, v: scale(number(condition), v),
    polynomial=True,
    scaling=Scaling.MULTILINEAR,
    formula=Formula("gate(%s, %s)", r"\operatorname{gate}\bigl(%s,\,%s\bigr)"),
)
MIX = NeuronType(
    "mix",
    ("condition", "then", "otherwise"),
    ("dict",),
    lambda condition, u, v: add(scale(number(condition), u), scale(1.0 - number(condition), v)),
    polynomial=True,
    formula=Formula("mix(%s, %s, %s)", r"\operatorname{mix}\bigl(%s,\,%s,\,%s\bigr)"),
)


def _part(v: VValue, key: str) -> VValue:
    return v.get(key, {}) if isinstance(v, dict) else {}


TREE_TYPES = (SELF, UPDATE, EVENTS, CONS, UNCONS, NEST, PAIR, LOOKUP, MASK, GATE, MIX)
