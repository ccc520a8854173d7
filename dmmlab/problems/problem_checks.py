"""Checks of problems: errors in a problem are reported before anything is trained.

If a target mistakes V-values for characters, or counts a letter that is never drawn, its answers
are constant: a machine without any link answers every string correctly. Such a problem is refused.
A merely doubtful problem causes a :class:`ProblemWarning`.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from ..core.errors import LabError
from ..core.vvalues import NUMBER, Path, VValue, from_paths
from ..pruning.samples import Sample
from .items import Items
from .previews import answer_text
from .references import Reference

SHORTER = (14, 60)  # lengths, in items, of the strings that are checked besides the training strings
REPEATED = 2  # strings that the target reads twice
LARGEST_ANSWER = 1e4  # weights near 1, trained in steps of 0.01, reach no larger answers
MOST_WATCHED = 2000  # items of each set of strings on which the target's key lookups are recorded, at most

Ranges = dict[Path, tuple[float, float]]  # by path, the smallest and the largest number


class ProblemWarning(UserWarning):
    """Warns that a problem may not ask what its author means."""


class Checked(Protocol):
    """The part of a :class:`~dmmlab.problems.problems.Problem` that the checks use."""

    @property
    def target(self) -> Any: ...
    @property
    def reference(self) -> Reference: ...
    @property
    def answers(self) -> Sequence[str]: ...
    @property
    def inputs(self) -> Sequence[str]: ...
    @property
    def constants(self) -> Mapping[str, VValue]: ...
    @property
    def delays(self) -> Sequence[int]: ...

    def as_read(self, item: VValue) -> VValue: ...
    def items_of(self, sample: Sample) -> Items: ...
    def sample(self, items: Items) -> Sample: ...
    def validation(self, *, lengths: Sequence[int]) -> list[Sample]: ...


def nothing_to_learn(problem: Checked, training: Sequence[Sample]) -> bool:
    """Returns whether an answer is the same in every cycle of all training strings."""
    return any(map(_is_constant, _ranges(problem, training).values()))


def check_problem(problem: Checked, training: Sequence[Sample], unseen: Sequence[Sample]) -> None:
    """Refuses a problem with a constant answer; warns of keys that are never drawn.

    Args:
        problem: the problem.
        training: the training strings.
        unseen: the strings by which a machine is judged later.

    Raises:
        LabError: an answer is the same in all cycles of all training strings; or the target
            compares an item with text, or answers the same string differently the second time.

    Warns:
        ProblemWarning: the target looks up a key that no string has, a constant has only keys that
            no string has, or an answer exceeds 1e4.
    """
    _check_repeatable(problem, training)
    asked = _asked_keys(problem, training, unseen)
    drawn = {key for sample in (*training, *unseen) for key in _keys(sample)}
    for name, ranges in _ranges(problem, training).items():
        if not _is_constant(ranges):
            continue
        elsewhere = _of_nonzero(_ranges(problem, unseen).get(name, ranges)) != _of_nonzero(ranges)
        constant = answer_text(
            ranges[()][0] if len(ranges) == 1 else from_paths((path, low) for path, (low, _) in ranges.items())
        )
        raise LabError(
            f"{name!r} is {constant} in every cycle of the training strings"
            + (
                ", though not in longer ones: nothing can be learned from them; draw strings that are more telling"
                if elsewhere
                else f" and of all others{_never_drawn(asked - drawn)}: there is nothing to learn. The target reads V-values, "
                "such as {'a': 1.0}; problem.preview() shows what it makes of them"
            )
        )
    for doubt in _doubts(problem, asked, drawn, training):
        warnings.warn(doubt, ProblemWarning, stacklevel=3)


def check_reading(problem: Checked, training: Sequence[Sample]) -> None:
    """Runs only those checks of :func:`check_problem` that show how a target reads its items.

    Args:
        problem: the problem.
        training: the training strings.

    Raises:
        LabError: the target compares an item with text, or answers the same string differently the
            second time.
    """
    _check_repeatable(problem, training)
    _asked_keys(problem, training)


def check_everywhere(problem: Checked, training: Sequence[Sample]) -> None:
    """Runs :func:`check_problem`, but allows an answer to be constant on the training strings.

    Args:
        problem: the problem.
        training: the training strings.

    Raises:
        LabError: an answer is the same in all training and validation strings; or as in
            :func:`check_problem`.

    Warns:
        ProblemWarning: as in :func:`check_problem`.
    """
    others = problem.validation(lengths=SHORTER)
    check_problem(problem, [*training, *others], others)


def _check_repeatable(problem: Checked, training: Sequence[Sample]) -> None:
    if not problem.reference.is_code:
        return
    for sample in training[:REPEATED]:
        items = problem.items_of(sample)
        one, other = (problem.sample(items) for _ in range(2))
        rows = tuple(dict.fromkeys([*one.rows, *other.rows]))
        first, again = (s.targets_at(rows) if rows else s.targets for s in (one, other))
        wrong = ~np.isclose(first, again, rtol=0, atol=0, equal_nan=True).all(axis=0)
        if wrong.any():
            t = int(np.argmax(wrong))
            raise LabError(
                f"the target gives other answers when it reads the same string again (in cycle {t}, {first[:, t].tolist()} and "
                f"{again[:, t].tolist()}): there is nothing to learn. An answer is a function of what was read"
            )


def _doubts(problem: Checked, asked: set[str], drawn: set[str], training: Sequence[Sample]) -> Iterable[str]:
    if asked & drawn and asked - drawn:
        yield f"the target asks for {_list(asked - drawn)}, which no string has; the items drawn have {_list(drawn)}"
    for name, v in problem.constants.items():
        keys = set(v) - {NUMBER} if isinstance(v, dict) else set()
        if keys and not keys & drawn:
            yield f"constant {name!r} has {_list(keys)}, which no string has; the items drawn have {_list(drawn)}"
    every = [x for ranges in _ranges(problem, training).values() for both in ranges.values() for x in both]
    largest = max(map(abs, every), default=0.0)
    if largest > LARGEST_ANSWER:
        yield f"answers as large as {largest:.3g}: weights of about 1 do not reach them; let the target yield smaller numbers"


class _WatchedVValue(dict):
    """A V-value that records the keys looked up in it, and refuses comparison with text."""

    asked: set[str]

    def get(self, key: Any, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)

    def __getitem__(self, key: Any) -> Any:
        self.asked.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: Any) -> bool:
        self.asked.add(key)
        return super().__contains__(key)

    def __eq__(self, other: Any) -> bool:
        if isinstance(other, str):
            raise LabError(
                f"the target compares an item with the text {other!r}: an item is a V-value, such as {{'a': 1.0}}; "
                f"write v.get({other!r}, 0.0), or {other!r} in v"
            )
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]

    def __ne__(self, other: Any) -> bool:
        return not self == other


def _asked_keys(problem: Checked, *sets: Sequence[Sample]) -> set[str]:
    """Returns the keys that a target looks up in the items; none if the target is a machine."""
    asked: set[str] = set()
    if not problem.reference.is_code:
        return asked
    for samples in sets:
        budget = MOST_WATCHED
        for sample in sorted(samples, key=lambda sample: sample.cycles):
            budget -= sample.cycles
            if budget < 0:
                break
            for _ in problem.target([_watch(problem.as_read(v), asked) for v in problem.items_of(sample)]):
                pass
    return {key for key in asked if isinstance(key, str)} - set(problem.inputs) - {NUMBER}


def _watch(v: VValue, asked: set[str]) -> VValue:
    if not isinstance(v, dict):
        return v
    watched = _WatchedVValue({key: _watch(part, asked) for key, part in v.items()})
    watched.asked = asked
    return watched


def _keys(sample: Sample) -> set[str]:
    return {key for stream in sample.streams.values() for v in stream.events.values() if isinstance(v, dict) for key in _all(v)}


def _all(v: VValue) -> Iterable[str]:
    if isinstance(v, dict):
        for key, part in v.items():
            yield key
            yield from _all(part)


def _ranges(problem: Checked, samples: Sequence[Sample]) -> dict[str, Ranges]:
    """Returns for each answer the ranges of its numbers, from the cycle on in which it is due."""
    result: dict[str, Ranges] = {}
    for i, (name, d) in enumerate(zip(problem.answers, problem.delays, strict=True)):
        for path in dict.fromkeys([(), *(path for sample in samples for answer, path in sample.rows if answer == name)]):
            targets = [sample.targets_at([(name, path)])[0] if sample.rows else sample.targets[i] for sample in samples]
            numbers = np.concatenate([each[d:] for each in targets]) if targets else np.empty(0)
            if len(numbers):
                result.setdefault(name, {})[path] = float(np.nanmin(numbers)), float(np.nanmax(numbers))
    return result


def _is_constant(ranges: Ranges) -> bool:
    return all(low == high for low, high in ranges.values())


def _of_nonzero(ranges: Ranges) -> Ranges:
    return {path: both for path, both in ranges.items() if both != (0.0, 0.0)}


def _never_drawn(keys: set[str]) -> str:
    return f" (the target asks for {_list(keys)}, which no string has)" if keys else ""


def _list(keys: Iterable[str]) -> str:
    names = [repr(key) for key in sorted(keys, key=lambda key: (not key.isalpha(), key))]
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
