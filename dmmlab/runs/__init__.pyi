from .run_folder import compare_runs as compare_runs, run_into_folder as run_into_folder, summary as summary
from .streaming_benchmark import run_tasks as run_tasks
from .sweeps import success_rates as success_rates, sweep as sweep
