"""``python -m dmmlab``: the command line without its console script."""

import sys

from .cli.commands import process

sys.exit(process())
