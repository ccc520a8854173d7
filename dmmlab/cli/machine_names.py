"""Machines by their command-line names; results as JSON."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import LabError, one_of
from ..core.files import read_text

if TYPE_CHECKING:
    from ..core.machine import Machine


def machine_named(name: str) -> "Machine":
    """Returns the machine of a file, a run's folder, or the journal. Raises :class:`LabError`."""
    from ..core.machine import Machine
    from ..machines import detectors

    if name == "handcrafted":
        return detectors.handcrafted()
    if name == "published":
        return detectors.published()
    if Path(name).is_dir():
        if not (Path(name) / "machine.json").is_file():
            raise LabError(f"{name}: a folder without machine.json, so no finished run")
        return Machine.from_json(Path(name) / "machine.json")
    if name.endswith(".dmm"):
        text = read_text(name)
        try:
            return Machine.from_program(text)
        except LabError as error:
            raise LabError(f"{name}: {error}") from None
    if not Path(name).exists() and not name.endswith(".json"):
        raise LabError(f"{one_of('machine', name, ('handcrafted', 'published'))}, or the name of a file")
    return Machine.from_json(name)


def report(as_json: bool, value: Any, *lines: object) -> int:
    """Prints the result of a command: the value as one line of JSON, or else the lines; returns 0.

    JSON allows no infinities.
    """
    print(*([json.dumps(value, allow_nan=False)] if as_json else lines), sep="\n")
    return 0
