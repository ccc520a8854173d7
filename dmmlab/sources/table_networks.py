"""Recurrent networks between a table and a machine.

If neither columns of a table nor its prefixes reveal the hidden state, a small recurrent network
learns the rows: a gated recurrent unit (GRU; Cho et al. 2014, arXiv:1406.1078). Its rounded answers
are a black box that answers strings that the table does not have. The machine that imitates the
network is judged by the table alone.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..core.machine import Machine
from ..core.vvalues import VValue
from ..transitions.observed_transitions import TransitionError, features_of
from ..transitions.transitions import transition_machine
from .examples import NEARLY, Examples, Recorded
from .table_machines import as_black_box

UNITS, BATCH, RATE, STEPS = 32, 128, 1e-2, 100  # STEPS between two looks at the clock
LONGEST, KINDS = 100, 64  # items of a string that are learned; different items, and answers, with a one-hot code
LEAST, PATIENCE = 0.9, 5  # share of right validation rows that is asked; looks without a larger share that end the training

Answers = tuple[int, ...]


def machine_of_network(examples: Examples, seconds: float, seed: int = 0) -> tuple[Machine, tuple[int, ...]]:
    """Trains a network on the training rows, and fits a machine to its answers.

    Args:
        examples: the table.
        seconds: the time limit, of which at most half is for the network.
        seed: of the network's initial weights and batches.

    Returns:
        The machine, and the delay of each answer in cycles. It is right on as many validation rows
        as the network: the remaining rows may be mistakes in the table.

    Raises:
        TransitionError: there are answers that are not whole, or few strings; the network does not
            learn the rows, or no machine imitates it.
    """
    if not examples.is_whole or examples.is_divided_by_time:
        raise TransitionError("a recurrent network needs at least ten strings with whole answers")
    began, codes = time.monotonic(), _Codes(examples)
    weights, share = _trained(codes, examples, began + seconds / 2, seed)
    if share < LEAST:
        raise TransitionError(f"a recurrent network is right on {share:.1%} of the validation rows only")
    problem, left = as_black_box(examples, _answers(codes, weights)), began + seconds - time.monotonic()
    machine, delays = transition_machine(problem, seed, max(0.1, left), black_box=True)
    found = replace(examples, delay=delays).judge(machine, 1).share(examples.tolerance or NEARLY)
    if found < share - NEARLY:
        raise TransitionError(
            f"its machine is right on {found:.1%} of the validation rows, the recurrent network on {share:.1%}"
        )
    return machine, delays


class _Codes:
    """The numbers that a network reads for an item, and the answers that its outputs mean.

    Items and answers have a one-hot code if there are at most 64 of them.
    """

    def __init__(self, examples: Examples):
        self.features = features_of(examples)
        strings = examples.parts[0]
        self.known = {str(item): self._numbers(item) for each in strings for item in each.items}
        self.kinds = np.unique(list(self.known.values()), axis=0)
        self.size = np.maximum(1.0, np.abs(self.kinds).max(axis=0))
        right = np.concatenate([each.answers for each in strings])
        self.answers = np.unique(right[~np.isnan(right).any(axis=1)], axis=0)
        self.scale = np.maximum(1.0, np.abs(self.answers).max(axis=0))
        self.are_classes = len(self.answers) <= KINDS
        self.outputs = len(self.answers) if self.are_classes else len(self.scale)

    def _numbers(self, item: VValue) -> list[float]:
        return [float(f.of(item)) for f in self.features]

    def read(self, item: VValue) -> np.ndarray:
        """Returns the numbers that the network reads for an item."""
        x = np.array(self.known.get(str(item)) or self._numbers(item))
        code = (self.kinds == x).all(axis=1) if len(self.kinds) <= KINDS else []
        return np.concatenate([x / self.size, code]).astype(np.float32)

    def arrays(self, strings: Sequence[Recorded]) -> tuple[np.ndarray, np.ndarray]:
        """Returns what is read, (strings, cycles, numbers), and the answers, NaN if unknown."""
        longest = min(LONGEST, max(len(each.items) for each in strings))
        x = np.zeros((len(strings), longest, len(self.read(strings[0].items[0]))), np.float32)
        y = np.full((len(strings), longest, len(self.scale)), np.nan)
        for i, each in enumerate(strings):
            items = each.items[:longest]
            x[i, : len(items)], y[i, : len(items)] = [self.read(item) for item in items], each.answers[:longest]
        return x, y

    def answered(self, outputs: np.ndarray) -> np.ndarray:
        """Returns the rounded answers, (..., answers)."""
        return self.answers[outputs.argmax(-1)] if self.are_classes else np.rint(outputs * self.scale)

    def wanted(self, y: np.ndarray) -> np.ndarray:
        """Returns the class of each answer, (...), or else the right outputs, (..., answers)."""
        y = np.nan_to_num(y)
        return (y[..., None, :] == self.answers).all(-1).argmax(-1) if self.are_classes else y / self.scale

    def loss(self, outputs: Any, wanted: Any, asked: Any) -> Any:
        """Returns the mean loss of outputs, over the cycles with known answers."""
        if self.are_classes:
            each = optax.softmax_cross_entropy_with_integer_labels(outputs, wanted)
        else:
            each = jnp.abs(outputs - wanted).sum(-1)
        return jnp.where(asked, each, 0.0).sum() / jnp.maximum(1, asked.sum())


def _trained(codes: _Codes, examples: Examples, end: float, seed: int) -> tuple[dict[str, np.ndarray], float]:
    """Returns the weights with the largest share of right validation rows, and that share."""
    x, y = codes.arrays(examples.parts[0])
    learned = tuple(map(jnp.asarray, (x, codes.wanted(y), ~np.isnan(y).any(-1))))
    x_unseen, y_unseen = codes.arrays(examples.parts[1])
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(RATE))
    gradient = jax.grad(lambda p, x, *right: codes.loss(_outputs(p, x), *right))

    @jax.jit
    def train(p: Any, state: Any, key: Any) -> tuple[Any, Any]:
        def step(carry: Any, key: Any) -> tuple[Any, None]:
            p, state = carry
            rows = jax.random.randint(key, (BATCH,), 0, len(x))
            updates, state = optimizer.update(gradient(p, *(each[rows] for each in learned)), state)
            return (optax.apply_updates(p, updates), state), None

        return jax.lax.scan(step, (p, state), jax.random.split(key, STEPS))[0]

    outputs, key = jax.jit(_outputs), jax.random.key(seed)
    p = _initial(key, x.shape[-1], codes.outputs)
    state, best, since = optimizer.init(p), (-1.0, p), 0
    asked = ~np.isnan(y_unseen).any(-1)
    while since < PATIENCE and (time.monotonic() < end or best[0] < 0):
        key, one = jax.random.split(key)
        p, state = train(p, state, one)
        is_right = (codes.answered(np.asarray(outputs(p, x_unseen))) == y_unseen).all(-1)
        share = float(is_right[asked].mean())
        best, since = ((share, p), 0) if share > best[0] else (best, since + 1)
    return jax.tree.map(np.asarray, best[1]), best[0]


def _answers(codes: _Codes, weights: dict[str, np.ndarray]) -> Callable[[Iterable[VValue]], Iterator[Answers]]:
    """Returns a target that yields a network's rounded answers."""
    tree: dict[tuple[int, str], int] = {}  # (node, item) -> next node: most strings begin like earlier ones
    nodes: list[tuple[np.ndarray, Answers]] = [(np.zeros(UNITS, np.float32), ())]  # the units, and the answers

    def target(items: Iterable[VValue]) -> Iterator[Answers]:
        node = 0
        for item in items:
            place = node, str(item)
            if place not in tree:
                units = _next(weights, nodes[node][0], codes.read(item), np)
                given = codes.answered(units @ weights["out"] + weights["shift"])
                nodes.append((units, tuple(map(int, given))))
                tree[place] = len(nodes) - 1
            node = tree[place]
            yield nodes[node][1]

    return target


def _initial(key: Any, inputs: int, outputs: int) -> dict[str, Any]:
    shapes = {"read": (inputs, 3 * UNITS), "back": (UNITS, 3 * UNITS), "out": (UNITS, outputs)}
    keys = dict(zip(shapes, jax.random.split(key, len(shapes)), strict=True))
    weights = {name: jax.random.normal(keys[name], shape) / np.sqrt(shape[0]) for name, shape in shapes.items()}
    return weights | {"bias": jnp.zeros(3 * UNITS), "shift": jnp.zeros(outputs)}


def _next(p: Any, h: Any, x: Any, np: Any) -> Any:
    """The state of the units after an item; ``np`` is the module of arrays, NumPy or JAX's."""
    r, z, n = np.split(_plus(x @ p["read"], p["bias"], np), 3, -1)
    back_r, back_z, back_n = np.split(h @ p["back"], 3, -1)
    z, r = 1 / (1 + np.exp(-z - back_z)), 1 / (1 + np.exp(-r - back_r))
    return z * h + (1 - z) * np.tanh(n + r * back_n)


def _outputs(p: Any, x: Any) -> Any:
    """The outputs after each item: (strings, cycles, outputs)."""

    def step(h: Any, x: Any) -> tuple[Any, Any]:
        h = _next(p, h, x, jnp)
        return h, h

    hidden = jax.lax.scan(step, jnp.zeros((x.shape[0], UNITS)), x.swapaxes(0, 1))[1]
    return _plus(hidden.swapaxes(0, 1) @ p["out"], p["shift"], jnp)


def _plus(x: Any, vector: Any, np: Any) -> Any:
    return x + np.broadcast_to(vector, x.shape)
