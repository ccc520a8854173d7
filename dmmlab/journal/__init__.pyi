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
from .site import write_index as write_index
