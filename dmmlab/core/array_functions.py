"""Functions of arrays with declared shapes, callable on V-values."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .arrays_as_trees import entry_paths, from_array, to_array
from .errors import LabError
from .summaries import Facts, summarised
from .vvalues import Path, VValue

MOST_ENTRIES = 65_536  # maximum number of entries of a neuron's array


@summarised
@dataclass(frozen=True)
class ArrayShape:
    """The shape of an array, and whether its numbers are complex.

    Raises :class:`~dmmlab.core.errors.LabError` for an invalid shape, and for more than
    ``MOST_ENTRIES`` entries.
    """

    shape: tuple[int, ...]
    is_complex: bool = False

    def __post_init__(self):
        fits = isinstance(self.shape, tuple) and all(type(size) is int and size > 0 for size in self.shape)
        if not fits or self.size > MOST_ENTRIES:
            raise LabError(f"shape {self.shape!r}: expected whole numbers from 1 on, of {MOST_ENTRIES:,} entries at most")

    def __str__(self) -> str:
        return f"{'a complex' if self.is_complex else 'an'} array of shape {self.shape}"

    @property
    def size(self) -> int:
        """The number of real numbers in the array; a complex number has two."""
        return int(np.prod([1, *map(float, self.shape)])) * (2 if self.is_complex else 1)

    def _summary(self) -> tuple[str, Facts]:
        return str(self), {"numbers": f"{self.size:,}"}.items()

    @cached_property
    def entries(self) -> list[Path]:
        """The path of each number, in order."""
        return entry_paths(self.shape, self.is_complex)


@dataclass(frozen=True)
class ArrayFunction:
    """A function of arrays, callable on V-values; types by :func:`array_type` have one."""

    name: str
    inputs: tuple[ArrayShape, ...]
    outputs: tuple[ArrayShape, ...]
    function: Callable[..., Any]

    def __call__(self, *arguments: VValue) -> Any:
        """One V-value per input -> one per output, as for every activation function."""
        arrays = [to_array(v, each.shape, each.is_complex) for v, each in zip(arguments, self.inputs, strict=True)]
        results = tuple(map(from_array, self.on_arrays(*arrays)))
        return results if len(results) > 1 else results[0]

    def on_arrays(self, *arrays: Any) -> tuple[Any, ...]:
        """One array per input -> one per output.

        Raises :class:`~dmmlab.core.errors.LabError` if the function returns another shape.
        """
        made = self.function(*arrays)
        results = (made,) if len(self.outputs) == 1 else made
        if not isinstance(results, tuple) or len(results) != len(self.outputs):
            raise LabError(f"neuron type {self.name!r}: its function must return a tuple of {len(self.outputs)} arrays")
        for i, (result, each) in enumerate(zip(results, self.outputs, strict=True)):
            if np.shape(result) != each.shape:
                raise LabError(f"neuron type {self.name!r}: output {i + 1} has the shape {np.shape(result)}, not {each.shape}")
            if np.iscomplexobj(result) and not each.is_complex:
                raise LabError(
                    f"neuron type {self.name!r}: output {i + 1} is complex; declare ArrayShape({each.shape}, is_complex=True)"
                )
        return tuple(r + 0j if each.is_complex else r for r, each in zip(results, self.outputs, strict=True))
