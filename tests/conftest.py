"""Strictness for all tests: no silent broadcasting, a fixed hypothesis profile, no machine's own settings."""

from pathlib import Path

import jax
import pytest
from hypothesis import settings

jax.config.update("jax_numpy_rank_promotion", "raise")
settings.register_profile("dmmlab", deadline=None, derandomize=True)  # the same examples on every machine
settings.load_profile("dmmlab")

REFERENCE = Path(__file__).resolve().parents[2] / "shared" / "reference"


@pytest.fixture
def float64():
    """JAX in double precision, for comparisons with finite differences."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def reference():
    """The folder of the published data, which is not part of the project."""
    if not REFERENCE.is_dir():
        pytest.skip("the published reference data is not beside this checkout")
    return REFERENCE
