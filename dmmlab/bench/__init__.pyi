from .compiled_machines import BENCHMARKS as BENCHMARKS, bench as bench
from .measurement import Row as Row
