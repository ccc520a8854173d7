"""Lazy imports: the public names of a package are imported when they are first used.

A plain installation contains only the kernel; extras install the libraries of the other parts. If a
library is missing, the error names its extra.
"""

from collections.abc import Callable
from typing import Any

import lazy_loader

EXTRAS = {  # library -> the extra that installs it
    **dict.fromkeys(["graphviz", "matplotlib", "pygraphviz"], "drawing"),
    **dict.fromkeys(["filelock", "platformdirs", "scipy", "tqdm"], "synthesis"),
    **dict.fromkeys(["anywidget", "ipywidgets", "IPython", "nbconvert", "nbformat", "papermill", "pdoc"], "journal"),
    **dict.fromkeys(["aalpy", "pandas", "pyarrow"], "tables"),
    "distributed": "cluster",
    "z3": "proofs",
}


class NotInstalled(ImportError):
    """A library of an extra is missing; the message names the extra."""


def not_installed(error: ModuleNotFoundError) -> NotInstalled | None:
    """Returns the error to raise for a missing library of an extra; None for other libraries.

    Args:
        error: the error of the failed import.
    """
    library = (error.name or "").split(".")[0]
    if library not in EXTRAS:
        return None
    return NotInstalled(f"{library} is not installed: pip install 'dmmlab[{EXTRAS[library]}]'", name=error.name)


def door(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Makes the names in a package's ``__init__.pyi`` importable lazily.

    Args:
        package: the package's ``__name__``.
        file: the package's ``__file__``.

    Returns:
        The package's ``__getattr__``, ``__dir__`` and ``__all__``. The first raises
        :class:`NotInstalled` if a library is missing.
    """
    offered, names, listed = lazy_loader.attach_stub(package, file)

    def get(name: str) -> Any:
        try:
            return offered(name)
        except ModuleNotFoundError as error:
            raise not_installed(error) or error from None

    return get, names, listed
