from .execution import (
    CellFailed as CellFailed,
    Executed as Executed,
    JournalError as JournalError,
    execute as execute,
    notebooks as notebooks,
    parse_parameters as parse_parameters,
    prepare as prepare,
    update as update,
)
from .exploring import exploring_notebook as exploring_notebook
from .reference import write_reference as write_reference
from .several_at_once import automatic_jobs as automatic_jobs, execute_all as execute_all
from .site import write_index as write_index
