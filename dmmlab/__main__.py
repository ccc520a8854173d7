"""``python -m dmmlab``, and the console script: the command line, whose imports take a while."""

import sys


def process() -> int:
    """:func:`dmmlab.cli.commands.process`, with an interrupt of its imports told in one line."""
    try:
        from .cli.commands import process

        return process()
    except KeyboardInterrupt:
        print("dmmlab: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(process())
