"""How links look: colours, widths and shades, in circuits, bundles and runs.

What steps through a run in the browser (``explorers/run_player.js``) repeats ``flow_line``: change
both.

Positive soft links are dark blue, negative ones ochre, which is told apart in grey and by the
colour-blind; hard links are red. Widths are in points. Sizes are ``|weight|`` as a part of the
largest soft weight, from 0 to 1.
"""

import math

from ..core.machine import Link, Machine

POSITIVE, NEGATIVE, HARD = "#17375e", "#c77700", "#d01515"
INK, PALE, CUT = "#000000", "#c4c4c4", "#8c8c8c"
THIN = 0.7  # points: of hard links and dead ones, and of the smallest
FAINT = 1 / 40  # of the largest weight: what is smaller is as pale as can be in a bundle


def largest_weight(machine: Machine) -> float:
    """The largest absolute weight of a soft link; 1.0 if there is none."""
    return max((abs(float(link.weight)) for link in machine.links() if not link.hard), default=1.0)


def relative_size(link: Link, largest: float) -> float:
    """``|weight| / largest``, and no more than 1."""
    return min(1.0, abs(float(link.weight)) / largest)


def circuit_line(link: Link, size: float, style: str) -> tuple[str, float]:
    """Colour and width of a link in a circuit, where ``style`` is ``live``, ``dead`` or ``cut``."""
    if style == "cut":
        return CUT, 1.2
    if style == "dead":
        return PALE, THIN
    return (HARD, THIN) if link.hard else (mixed(_sign(link), 0.5 * (1 - math.sqrt(size))), THIN + 1.5 * size)


def bundle_line(link: Link, size: float) -> tuple[str, float]:
    """Colour and width of a link among a thousand."""
    if link.hard:
        return HARD, 0.8
    return PALE if size < FAINT else mixed(_sign(link), 0.75 * (1 - size)), 0.25 + 2.2 * size


def flow_line(link: Link, norm: float) -> tuple[str, float]:
    """Colour and width of a link on which a V-value of this max norm flows.

    Of logarithmic width, in the link's colour; faint where nothing flows. It is never grey, for
    grey is what cannot influence the output.
    """
    colour = HARD if link.hard else _sign(link)
    return (colour, 1.0 + min(4.0, 1.3 * math.log1p(norm))) if norm else (mixed(colour, 0.5), 0.8)


def mixed(colour: str, white: float) -> str:
    """``#rrggbb`` with so much white, from 0 to 1, mixed into it."""
    parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(part + (255 - part) * white):02x}" for part in parts)


def _sign(link: Link) -> str:
    return POSITIVE if link.weight > 0 else NEGATIVE
