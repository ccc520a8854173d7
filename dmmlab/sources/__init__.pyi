from .commands import Command as Command
from .examples import Examples as Examples, Judged as Judged
from .recorded_strings import Recorded as Recorded
from .table_machines import machine_of_rows as machine_of_rows
