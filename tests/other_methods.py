"""What other tools make of the sixty-two streaming tasks, from the queries and tables that the lab gets.

* ``L*``: AALpy's active learning (KV, a Mealy machine) of the task as a black box.
* ``RPNI``: AALpy's passive learning, from 10,000 recorded strings of 10 items.
* ``GRU``: a network of 32 units trained on those strings, its rate the better of two on 500 others.
* ``SINDy``: PySINDy, from the same strings: the next answer as a polynomial of degree 2 in answer and item.

A method has solved a task if it is right on all of 200 strings of 40 items, the strings on which the
machines from tables are judged; a GRU is tried on strings of 500 items, too. To write the table again::

    pip install pysindy && python tests/other_methods.py figures/13-other-methods.csv [TASK ...]
"""

import contextlib
import random
import signal
import sys
import time
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from aalpy.base import SUL
from aalpy.learning_algs import run_KV, run_RPNI
from aalpy.oracles import RandomWordEqOracle

from dmmlab.problems.streaming_tasks import STREAMING_TASKS

SECONDS = 20  # for each of the first two, as for the lab to make a machine
RATES = (3e-3, 1e-2)
STEPS = 1500


def item_of(item):
    return tuple(item.values()) if isinstance(item, dict) else (item,)


def strings(problem, count, length, rng):
    """Arrays of items and of answers: string, item, number."""
    drawn = [problem.draw(rng, "abc", length) for _ in range(count)]
    answers = [[a if isinstance(a, tuple) else (a,) for a in problem.target(items)] for items in drawn]
    return np.array([[item_of(item) for item in items] for items in drawn], float), np.array(answers, float)


class TimeOver(Exception):
    pass


@contextlib.contextmanager
def time_limit():
    def over(*_):
        raise TimeOver

    signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, SECONDS, 1.0)  # again and again: a callback of a library may swallow the first
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


class Queried(SUL):
    """A task as AALpy asks it: an item, an answer."""

    def __init__(self, target):
        super().__init__()
        self.target = target

    def pre(self):
        self.items = []

    def step(self, letter):
        self.items.append(letter)
        *_, answer = self.target(self.items)
        return answer

    def post(self):
        pass


class Letters:
    """Items as letters: AALpy puts them into dictionaries."""

    def __init__(self, problem):
        self.items = {item_of(item): item for item in problem.alphabet}
        self.target = lambda letters: problem.target([self.items[letter] for letter in letters])


def active(problem):
    letters = Letters(problem)
    alphabet, sul = list(letters.items), Queried(letters.target)
    oracle = RandomWordEqOracle(alphabet, sul, num_walks=500, min_walk_len=5, max_walk_len=40)
    random.seed(0)  # of the walks
    model, data = run_KV(alphabet, sul, oracle, "mealy", return_data=True, print_level=0)
    return model, {"states": model.size, "queries": data["queries_learning"] + data["queries_eq_oracle"]}


def passive(short):
    items, answers = short
    data = {}
    for row, answer in zip(items, answers, strict=True):
        letters = [tuple(item) for item in row]
        for i in range(1, len(letters) + 1):
            data[tuple(letters[:i])] = tuple(answer[i - 1])
    model = run_RPNI(list(data.items()), "mealy", print_info=False)
    return model, {"states": model.size}


def share_of_model(model, judged):
    """The share of answers of a Mealy machine that are right."""
    right = 0
    for items, answers in zip(*judged, strict=True):
        model.reset_to_initial()
        with contextlib.suppress(KeyError):  # a transition that it has never seen
            for item, answer in zip(items, answers, strict=True):
                given = model.step(tuple(item))
                right += (given if isinstance(given, tuple) else (given,)) == tuple(answer)
    return right / judged[1][..., 0].size


def network(short, judged):
    """The shares of answers of the better of two GRUs that are right, on each of some sets of strings."""
    items, answers = short
    letters = np.unique(items.reshape(-1, items.shape[-1]), axis=0)
    kinds = np.unique(answers.reshape(-1, answers.shape[-1]), axis=0)
    is_few = len(letters) <= 64
    scale, size = max(1.0, np.abs(items).max()), max(1.0, np.abs(answers).max())
    as_classes = len(kinds) <= 32

    def read(x):
        one_hot = (x[..., None, :] == letters).all(-1).astype(np.float32) if is_few else np.zeros((*x.shape[:-1], 0))
        return jnp.asarray(np.concatenate([x / scale, one_hot], -1), jnp.float32)

    def wanted(y):
        return jnp.asarray((y[..., None, :] == kinds).all(-1).argmax(-1) if as_classes else y / size)

    units, width = 32, items.shape[-1] + (len(letters) if is_few else 0)
    outputs = len(kinds) if as_classes else answers.shape[-1]

    def initial(key):
        a, b, c = jax.random.split(key, 3)
        normal = jax.random.normal
        return {
            "read": normal(a, (width, 3 * units)) / np.sqrt(width),
            "back": normal(b, (units, 3 * units)) / np.sqrt(units),
            "bias": jnp.zeros(3 * units),
            "out": normal(c, (units, outputs)) / np.sqrt(units),
            "shift": jnp.zeros(outputs),
        }

    def forward(p, x):
        def step(h, x):
            r, z, n = jnp.split(x @ p["read"] + p["bias"], 3, -1)
            hr, hz, hn = jnp.split(h @ p["back"], 3, -1)
            z = jax.nn.sigmoid(z + hz)
            h = z * h + (1 - z) * jnp.tanh(n + jax.nn.sigmoid(r + hr) * hn)
            return h, h

        hidden = jax.lax.scan(step, jnp.zeros((len(x), units)), x.swapaxes(0, 1))[1]
        return hidden.swapaxes(0, 1) @ p["out"] + p["shift"]

    def loss(p, x, y):
        given = forward(p, x)
        if as_classes:
            return optax.softmax_cross_entropy_with_integer_labels(given, y).mean()
        return jnp.square(given - y).mean()

    optimizer = optax.inject_hyperparams(optax.adam)(1e-3)

    @jax.jit
    def train(p, rate, x, y, key):
        state = optimizer.init(p)

        def step(carry, key):
            p, state = carry
            rows = jax.random.randint(key, (128,), 0, len(x))
            updates, state = optimizer.update(jax.grad(loss)(p, x[rows], y[rows]), state)
            return (optax.apply_updates(p, updates), state), None

        state.hyperparams["learning_rate"] = rate
        return jax.lax.scan(step, (p, state), jax.random.split(key, STEPS))[0][0]

    answer = jax.jit(forward)

    def share(p, x, y):
        given = np.asarray(answer(p, read(x)))
        given = kinds[given.argmax(-1)] if as_classes else np.round(given * size)
        return float((given == y).all(-1).mean())

    x, y = read(items[:-500]), wanted(answers[:-500])
    trained = [train(initial(jax.random.key(0)), rate, x, y, jax.random.key(1)) for rate in RATES]
    best = max(trained, key=lambda p: share(p, items[-500:], answers[-500:]))
    return [share(best, *each) for each in judged]


def polynomial(short, judged):
    """The share of answers that are right of PySINDy's difference equation, which reads its own last answer."""
    import pysindy

    items, answers = short
    model = pysindy.SINDy(
        optimizer=pysindy.STLSQ(threshold=0.01), feature_library=pysindy.PolynomialLibrary(2, include_bias=True)
    )
    before = np.concatenate([np.zeros_like(answers[:, :1]), answers[:, :-1]], 1)
    flat = [each.reshape(-1, each.shape[-1]) for each in (before, items, answers)]
    model.fit(flat[0], t=1, u=flat[1], x_dot=flat[2])
    right, state = [], np.zeros((len(judged[0]), answers.shape[-1]))
    for t in range(judged[0].shape[1]):
        state = np.clip(model.predict(state, u=judged[0][:, t]), -1e9, 1e9)
        right.append((np.round(state) == judged[1][:, t]).all(-1))
    return float(np.mean(right))


def main(out, names):
    warnings.simplefilter("ignore")
    rows = []
    for name in names or STREAMING_TASKS:
        problem, rng = STREAMING_TASKS[name], random.Random(f"table of {name}")
        short, long = strings(problem, 10_000, 10, rng), strings(problem, 200, 40, rng)
        row = {"task": name}

        def timed(method, run, row=row):
            began = time.monotonic()
            try:
                with time_limit():
                    row |= {f"{method} {what}": value for what, value in run().items()}
            except TimeOver:
                row[f"{method} share"] = 0.0
            row[f"{method} seconds"] = round(time.monotonic() - began, 1)

        def of_model(made, long=long):
            model, measured = made
            return measured | {"share": share_of_model(model, long)}

        timed("L*", lambda problem=problem: of_model(active(problem)))
        timed("RPNI", lambda short=short: of_model(passive(short)))
        timed("SINDy", lambda short=short, long=long: {"share": polynomial(short, long)})
        longest = strings(problem, 20, 500, random.Random(f"long strings of {name}"))
        began = time.monotonic()
        row["GRU share"], row["GRU share of 500"] = network(short, [long, longest])
        row["GRU seconds"] = round(time.monotonic() - began, 1)
        jax.clear_caches()
        rows.append(row)
        print("  ".join(f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items()))
        sys.stdout.flush()
    table = pd.DataFrame(rows).set_index("task")
    table.astype({c: "Int64" for c in table if c.endswith(("states", "queries"))}).round(4).to_csv(out)
    print((table.filter(like="share") == 1.0).sum().to_string())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
