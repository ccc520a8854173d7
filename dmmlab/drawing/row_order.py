"""Orders the neurons of a row, and the lines that arrive at an input, so that few lines cross.

The barycentre method of Sugiyama, Tagawa and Toda (1981): the rows are swept up and down, and each
is sorted by the mean place of its neighbours in the row before. A line that passes a row has a
place in it, as a neuron has.
"""

import itertools
from collections.abc import Hashable, Mapping
from statistics import fmean
from typing import Any

SWEEPS = 10  # the last one is downwards: it decides in which order lines arrive

Ends = tuple[str, float, str, float]  # of a line: a neuron, where on it, from 0 (left) to 1; another, and where


def in_order(layer: Mapping[str, int], lines: Mapping[Any, Ends]) -> tuple[list[list[str]], dict[Any, float]]:
    """Orders neurons and lines from left to right.

    Args:
        layer: the row of each neuron, counted upwards.
        lines: the ends of each line, which leads to a higher row.

    Returns:
        The neurons of each row, from the lowest row to the highest; and for each line, its place in
        the last row below its end.
    """
    rows: dict[int, list] = {}
    for name in sorted(layer):
        rows.setdefault(layer[name], []).append(name)
    below: dict[Hashable, list[tuple[Hashable, float]]] = {}
    above: dict[Hashable, list[tuple[Hashable, float]]] = {}
    for key, (source, start, to, end) in lines.items():
        passed = [(key, n) for n in range(layer[source] + 1, layer[to])]
        for item in passed:
            rows.setdefault(item[1], []).append(item)
        chain = [(source, start), *((item, 0.5) for item in passed), (to, end)]
        for (a, x), (b, y) in itertools.pairwise(chain):
            below.setdefault(b, []).append((a, x - y))
            above.setdefault(a, []).append((b, y - x))
    place: dict[Hashable, float] = {item: i for row in rows.values() for i, item in enumerate(row)}
    for sweep in range(SWEEPS):
        near = above if sweep % 2 else below
        for n in sorted(rows, reverse=near is above):
            aims = {item: fmean([place[other] + by for other, by in near.get(item, [(item, 0.0)])]) for item in rows[n]}
            rows[n].sort(key=aims.__getitem__)
            place |= {item: i - (len(rows[n]) - 1) / 2 for i, item in enumerate(rows[n])}
    arrivals = {key: place.get((key, layer[to] - 1), place[source] + start) for key, (source, start, to, _) in lines.items()}
    return [[item for item in rows[n] if item in layer] for n in sorted(rows)], arrivals
