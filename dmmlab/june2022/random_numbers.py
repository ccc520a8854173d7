"""The random numbers of 2022, bit for bit: Julia 1.7's ``randn`` after ``Random.seed!(seed)``.

The generator is Xoshiro256++ (Blackman and Vigna, "Scrambled linear pseudorandom number
generators", 2021). The SHA-256 digest of the seed gives its four words of state. The ziggurat
method of Marsaglia and Tsang ("The ziggurat method for generating random variables", 2000), with
256 levels and 51 bits, gives normal numbers. Do not use this module for new experiments: they take
a JAX key.
"""

import hashlib
import math
import struct
from collections.abc import Iterator
from decimal import Decimal, localcontext
from functools import cache
from itertools import count

from ..core.errors import LabError

_WORD = 2**64 - 1
_R = "3.6541528853610087963519472518"  # where the tail begins
_LEVELS = 256
_STEPS = 2**51


def normal_numbers(seed: int) -> Iterator[float]:
    """Yields the values of ``randn()`` in order after ``Random.seed!(seed)``.

    Raises :class:`~dmmlab.core.errors.LabError` for a seed that is not from 0 to 2**32 - 1.
    """
    if not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise LabError(f"seed {seed!r}: expected a whole number from 0 to 2**32 - 1")
    words = _words(seed)
    k, w, f = _tables()
    r = float(_R)
    while True:
        bits = next(words) >> 12
        sign, size = (-1.0 if bits & 1 else 1.0), bits >> 1
        level = size & 0xFF
        x = sign * size * w[level]
        if size < k[level]:
            yield x
        elif level == 0:
            while True:
                beyond, y = -math.log(_unit(words)) / r, -math.log(_unit(words))
                if 2 * y > beyond * beyond:
                    break
            yield -r - beyond if (size >> 8) & 1 else r + beyond
        elif (f[level - 1] - f[level]) * _unit(words) + f[level] < math.exp(-0.5 * x * x):
            yield x


def _words(seed: int) -> Iterator[int]:
    s0, s1, s2, s3 = struct.unpack("<4Q", hashlib.sha256(struct.pack("<I", seed)).digest())
    while True:
        yield (_rotate((s0 + s3) & _WORD, 23) + s0) & _WORD
        shifted = (s1 << 17) & _WORD
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= shifted
        s3 = _rotate(s3, 45)


def _rotate(x: int, bits: int) -> int:
    return ((x << bits) | (x >> (64 - bits))) & _WORD


def _unit(words: Iterator[int]) -> float:
    return (next(words) >> 11) * 2.0**-53


@cache
def _tables() -> tuple[list[int], list[float], list[float]]:
    """Returns the ziggurat's tables: thresholds k, widths w, heights f, computed to 40 digits."""
    with localcontext() as context:
        context.prec = 40
        steps, r = Decimal(_STEPS), Decimal(_R)

        def height(x: Decimal) -> Decimal:
            return (-x * x / 2).exp()

        area = r * height(r) + _tail(r)
        k, w, f = [0] * _LEVELS, [0.0] * _LEVELS, [1.0] * _LEVELS
        k[0], w[0] = int(r * height(r) / area * steps), float(area / height(r) / steps)
        w[-1], f[-1] = float(r / steps), float(height(r))
        x = r
        for level in range(_LEVELS - 2, 0, -1):
            narrower = (-2 * (area / x + height(x)).ln()).sqrt()
            k[level + 1] = int(narrower / x * steps)
            w[level], f[level] = float(narrower / steps), float(height(narrower))
            x = narrower
        k[1] = 0
        return k, w, f


def _tail(r: Decimal) -> Decimal:
    """Returns the integral of exp(-x^2/2) from r to infinity.

    It is sqrt(pi/2) minus the series of the integral from 0 to r.
    """
    term, inside = r, r
    for n in count(1):
        term *= -r * r / (2 * n)
        if abs(term) < Decimal(10) ** -45:
            break
        inside += term / (2 * n + 1)
    half_circle = Decimal("3.14159265358979323846264338327950288419716939937510") / 2
    return half_circle.sqrt() - inside
