from .benchmarks import BENCHMARKS as BENCHMARKS, bench as bench
from .measurement import Row as Row
