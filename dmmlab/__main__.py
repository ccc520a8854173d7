"""``python -m dmmlab``, and the console script: the command line, whose imports take a while."""

import sys


def process() -> int:
    """:func:`dmmlab.cli.commands.process`; a line tells of an interrupt or a missing library."""
    try:
        from .cli.commands import process

        return process()
    except ModuleNotFoundError as error:
        from .core.doors import not_installed

        if (missing := not_installed(error)) is None:
            raise
        print(f"dmmlab: {missing}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("dmmlab: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(process())
