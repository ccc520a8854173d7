"""Colours, widths and shades of links in circuits, bundles and runs.

The browser script that steps through a run (``explorers/run_player.js``) duplicates ``flow_line``:
change both.

Positive soft links are dark blue, negative ones ochre; both are distinguishable in greyscale and
for the colour-blind. Hard links are red. Widths are in points. Sizes are ``|weight|`` as a fraction
of the largest soft weight, from 0 to 1.
"""

import math

from ..core.machine import Link, Machine

POSITIVE, NEGATIVE, HARD = "#17375e", "#c77700", "#d01515"
INK, PALE, CUT = "#000000", "#c4c4c4", "#8c8c8c"
THIN = 0.7  # points: of hard links, of dead ones, and of the smallest soft ones
FAINT = 1 / 40  # of the largest weight: smaller ones have the palest colour in a bundle


def largest_weight(machine: Machine) -> float:
    """Returns the largest absolute weight of a soft link; 1.0 if there is none."""
    return max((abs(float(link.weight)) for link in machine.links() if not link.hard), default=1.0)


def relative_size(link: Link, largest: float) -> float:
    """Returns ``|weight| / largest``, but at most 1."""
    return min(1.0, abs(float(link.weight)) / largest)


def circuit_line(link: Link, size: float, style: str) -> tuple[str, float]:
    """Returns a link's colour and width in a circuit; ``style``: ``live``, ``dead`` or ``cut``."""
    if style == "cut":
        return CUT, 1.2
    if style == "dead":
        return PALE, THIN
    return (HARD, THIN) if link.hard else (mixed(_sign(link), 0.5 * (1 - math.sqrt(size))), THIN + 1.5 * size)


def bundle_line(link: Link, size: float) -> tuple[str, float]:
    """Returns a link's colour and width in a bundle."""
    if link.hard:
        return HARD, 0.8
    return PALE if size < FAINT else mixed(_sign(link), 0.75 * (1 - size)), 0.25 + 2.2 * size


def flow_line(link: Link, norm: float) -> tuple[str, float]:
    """Returns the colour and width of a link on which a V-value of this max norm flows.

    The width is logarithmic in the norm, and the colour is the link's, faint where nothing flows.
    It is never grey, because grey marks links that cannot influence the output.
    """
    colour = HARD if link.hard else _sign(link)
    return (colour, 1.0 + min(4.0, 1.3 * math.log1p(norm))) if norm else (mixed(colour, 0.5), 0.8)


def mixed(colour: str, white: float) -> str:
    """Mixes a colour ``#rrggbb`` with a fraction of white, from 0 to 1."""
    parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(part + (255 - part) * white):02x}" for part in parts)


def _sign(link: Link) -> str:
    return POSITIVE if link.weight > 0 else NEGATIVE
