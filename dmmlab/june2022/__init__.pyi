from .random_numbers import normal_numbers as normal_numbers
from .replay import (
    GRADIENTS as GRADIENTS,
    RUNS as RUNS,
    Run as Run,
    initial_machine as initial_machine,
    prepare as prepare,
    recurrent_2022 as recurrent_2022,
    replay as replay,
)
from .truncated_gradients import TRUNCATED as TRUNCATED, truncated as truncated
