"""Promises of all grades, tried on random pairs; and random machines on all that runs machines. Fixed seeds, a fixed budget."""

import adversary
import agreement
import jax
import pytest

from dmmlab.proofs import proofs


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 100, 25))
def test_no_promise_is_broken(first, monkeypatch):
    monkeypatch.setattr(proofs, "_tested", proofs._tested)  # an adversary leaves out drawn strings
    for seed in range(first, first + 25):
        grade, what, broken, *_ = adversary.tried(seed)
        assert not broken, f"{seed}: {what}: {grade}, but {broken}"


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 48, 12))
def test_all_that_runs_machines_agrees(first):
    for seed in range(first, first + 12):
        _, difference = agreement.tried(seed)
        assert not difference, f"{seed}: {difference}"
    jax.clear_caches()
