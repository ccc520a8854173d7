"""The up movement on arrays: a type's function, for all neurons of a group and all cycles at once.

A uniform function receives V-values whose leaves are whole blocks of coordinates
(:class:`~dmmlab.compiler.array_leaves.Block`). A polynomial function is evaluated as a list of
products (:mod:`dmmlab.compiler.polynomials`). A function of arrays receives arrays. Any other
function receives V-values of scalars, key by key, and is vectorized by ``vmap``.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ..core.array_neurons import ArrayFunction
from ..core.neuron_type import NeuronType
from ..core.vvalues import VValue, add, from_paths, paths, trim
from .array_leaves import Block
from .array_operations import Blocks, filled, rearranged
from .layout import Layout
from .polynomials import evaluate
from .schedule import NeuronGroup, PortGroup

Evaluation = Callable[[Layout, NeuronGroup, list[Blocks], tuple[int, int]], list[Blocks]]  # (neurons, points)


def activate(
    layout: Layout, group: NeuronGroup, received: Mapping[tuple[PortGroup, int], jax.Array], axes: tuple[int, ...]
) -> dict[tuple[PortGroup, int], jax.Array]:
    """Computes the outputs of a group of neurons.

    Args:
        layout: where the coordinates lie.
        group: neurons of one type.
        received: the inputs of each port group, by block: (neurons, keys, *axes).
        axes: the sizes of the axes after the keys': strings, cycles, both or neither.

    Returns:
        The outputs of each port group, by block: (neurons, keys, *axes).
    """
    points, neurons = math.prod(axes), len(group.outputs[0].ports)  # strings and cycles are one axis here
    inputs = [
        {b: x.reshape(*x.shape[:2], points) for b in sorted(ports.blocks) for x in [received[ports, b]]}
        for ports in group.inputs
    ]
    results = _evaluation_of(group.kind)(layout, group, inputs, (neurons, points))
    return {
        (ports, b): x.reshape(*x.shape[:2], *axes)
        for ports, arrays in zip(group.outputs, results, strict=True)
        for b, x in arrays.items()
    }


def activate_recurring(
    layout: Layout,
    group: NeuronGroup,
    received: Mapping[tuple[PortGroup, int], jax.Array],
    axes: tuple[int, ...],
    gains: Mapping[PortGroup, jax.Array],
) -> tuple[dict[tuple[PortGroup, int], jax.Array], jax.Array]:
    """Computes the outputs without the neurons' memory, and the factor of the memory.

    The first output is affine in its previous value, ``y[t] = a[t] y[t - 1] + b[t]``: ``b`` is the
    function's result without it, ``a`` the derivative in the direction of the self-links.

    Args:
        layout: where the coordinates lie.
        group: neurons of one type, each with a memory.
        received: the values that arrived from other neurons, as for :func:`activate`.
        axes: as for :func:`activate`.
        gains: the weights of the self-links into each input that has any: (neurons,).

    Returns:
        The outputs as from :func:`activate`, with ``b`` as the first; and ``a``, (neurons, 1,
        *axes).
    """
    block = min(group.outputs[0].blocks)
    into = [ports for ports in gains if block in ports.blocks]
    outputs = {(ports, b): b for ports in group.outputs for b in ports.blocks}
    directions = [
        jnp.broadcast_to(gains[ports].reshape(-1, 1, *[1] * len(axes)), received[ports, block].shape) for ports in into
    ]

    def emitted(arrived: list[jax.Array]) -> list[jax.Array]:
        both = {**received, **{(ports, block): x for ports, x in zip(into, arrived, strict=True)}}
        made = activate(layout, group, both, axes)
        return [made[key] for key in outputs]

    made, moved = jax.jvp(emitted, ([received[ports, block] for ports in into],), (directions,))
    by_port = dict(zip(outputs, moved, strict=True))
    return dict(zip(outputs, made, strict=True)), by_port[group.outputs[0], block][:, :1]


def _evaluation_of(kind: NeuronType) -> Evaluation:
    if kind.uniform:
        return _of_blocks
    if isinstance(kind.function, ArrayFunction):
        return partial(_of_arrays, kind.function)
    return _of_products if kind.polynomial else _of_scalars


def _of_blocks(layout: Layout, group: NeuronGroup, inputs: list[Blocks], shape: tuple[int, int]) -> list[Blocks]:
    """The outputs of a uniform type, each by block: (neurons, keys, points)."""
    results = _of_vvalues(layout, group, True, inputs)
    return [{b: filled(x, len(layout.blocks[b]), *shape) for b, x in arrays.items()} for arrays in results]


def _of_scalars(layout: Layout, group: NeuronGroup, inputs: list[Blocks], shape: tuple[int, int]) -> list[Blocks]:
    """The outputs of a type without such properties, each by block: (neurons, keys, points)."""
    neurons, points = shape
    function = jax.vmap(partial(_of_vvalues, layout, group, False), in_axes=-1, out_axes=-1, axis_size=points)
    return jax.vmap(function, axis_size=neurons)(inputs)


def _of_vvalues(layout: Layout, group: NeuronGroup, whole: bool, inputs: list[Blocks]) -> list[Blocks]:
    """Calls a neuron's function, with whole blocks or with the scalars of one neuron and point."""
    arriving = [_vvalue(layout, arrays, whole) for arrays in inputs]
    results = group.kind.activate(dict(zip(group.kind.inputs, arriving, strict=True)))
    return [_arrays(layout, results[f], ports) for f, ports in zip(group.kind.outputs, group.outputs, strict=True)]


def _of_products(layout: Layout, group: NeuronGroup, inputs: list[Blocks], shape: tuple[int, int]) -> list[Blocks]:
    """The outputs of a polynomial type, each by block: (neurons, keys, points)."""
    neurons, points = shape
    arrays = [x for each in inputs for x in each.values()]
    x = jnp.concatenate([jnp.zeros((neurons, 0, points)), *arrays], axis=1)
    arriving = [tuple(path for b in each for path in layout.blocks[b]) for each in inputs]
    leaving = [tuple(path for b in sorted(ports.blocks) for path in layout.blocks[b]) for ports in group.outputs]
    results = []
    for ports, made in zip(group.outputs, evaluate(group.kind, arriving, leaving, x), strict=True):
        present = sorted(ports.blocks)
        ends = np.cumsum([len(layout.blocks[b]) for b in present]).tolist()
        results.append({b: made[:, end - len(layout.blocks[b]) : end] for b, end in zip(present, ends, strict=True)})
    return results


def _of_arrays(
    function: ArrayFunction, layout: Layout, group: NeuronGroup, inputs: list[Blocks], shape: tuple[int, int]
) -> list[Blocks]:
    """The outputs of a type on arrays, each by block: (neurons, keys, points)."""
    neurons, points = shape
    arguments = []
    for arrays, declared in zip(inputs, function.inputs, strict=True):
        keys = [path for b in arrays for path in layout.blocks[b]]
        x = jnp.concatenate([jnp.zeros((neurons, 0, points)), *arrays.values()], axis=1)
        x = jnp.moveaxis(rearranged(x, keys, declared.entries), -1, 1)  # (neurons, points, numbers)
        full = (*declared.shape, 2) if declared.is_complex else declared.shape
        x = x.reshape(neurons, points, *full)
        arguments.append(jax.lax.complex(x[..., 0], x[..., 1]) if declared.is_complex else x)
    made = jax.vmap(jax.vmap(function.on_arrays))(*arguments)
    results = []
    for ports, x, declared in zip(group.outputs, made, function.outputs, strict=True):
        numbers = jnp.stack([x.real, x.imag], axis=-1) if declared.is_complex else x
        flat = jnp.moveaxis(numbers.reshape(neurons, points, -1), 1, -1)
        results.append({b: rearranged(flat, declared.entries, layout.blocks[b]) for b in sorted(ports.blocks)})
    return results


def _vvalue(layout: Layout, arrays: Blocks, whole: bool) -> VValue:
    """One argument of a neuron's function: blocks (neurons, keys, points), or scalars."""
    if whole:
        blocks = {f":block {b}": Block(x) for b, x in arrays.items() if b > 0}
        return add(blocks, arrays[0][:, 0]) if 0 in arrays else blocks
    return from_paths((path, x[row]) for b, x in arrays.items() for row, path in enumerate(layout.blocks[b]))


def _arrays(layout: Layout, v: VValue, ports: PortGroup) -> Blocks:
    """One result of a neuron's function, as arrays of the port group's blocks."""
    leaves = dict(paths(trim(v)))
    arrays = {}
    for b in sorted(ports.blocks):
        block = leaves.get((f":block {b}",))
        if block is not None:
            arrays[b] = block.array
        else:
            rows = [jnp.asarray(leaves.get(path, 0.0), jnp.result_type(float)) for path in layout.blocks[b]]
            arrays[b] = jnp.stack(jnp.broadcast_arrays(*rows), axis=-2 if rows[0].ndim else 0)
    return arrays
