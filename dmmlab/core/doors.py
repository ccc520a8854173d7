"""The doors of packages: what a package offers is imported when it is first used.

A plain installation brings the kernel alone, and extras bring the libraries of the rest. Where one
is missing, the error names the extra.
"""

from collections.abc import Callable
from typing import Any

import lazy_loader

EXTRAS = {  # by library, what installs it
    **dict.fromkeys(["graphviz", "matplotlib", "pygraphviz"], "drawing"),
    **dict.fromkeys(["filelock", "platformdirs", "scipy", "tqdm"], "synthesis"),
    **dict.fromkeys(["anywidget", "ipywidgets", "IPython", "nbconvert", "nbformat", "papermill", "pdoc"], "journal"),
    **dict.fromkeys(["aalpy", "pandas", "pyarrow"], "tables"),
    "distributed": "cluster",
    "z3": "proofs",
}


class NotInstalled(ImportError):
    """A library that an extra brings is missing; the message names the extra."""


def not_installed(error: ModuleNotFoundError) -> NotInstalled | None:
    """The error to raise for a library that an extra brings; None for any other library.

    Args:
        error: of the import that failed.
    """
    library = (error.name or "").split(".")[0]
    if library not in EXTRAS:
        return None
    return NotInstalled(f"{library} is not installed: pip install 'dmmlab[{EXTRAS[library]}]'", name=error.name)


def door(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """What a package of the lab needs to offer what its ``__init__.pyi`` lists.

    Args:
        package: its ``__name__``.
        file: its ``__file__``.

    Returns:
        Its ``__getattr__``, ``__dir__`` and ``__all__``. The first raises :class:`NotInstalled`
        where a library is missing.
    """
    offered, names, listed = lazy_loader.attach_stub(package, file)

    def get(name: str) -> Any:
        try:
            return offered(name)
        except ModuleNotFoundError as error:
            raise not_installed(error) or error from None

    return get, names, listed
