"""``python -m dmmlab``: the command line without its console script."""

import sys

from .cli import main

sys.exit(main())
