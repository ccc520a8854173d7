"""An HTML page that a notebook shows and updates in place."""

import sys
from typing import Any


def in_notebook() -> bool:
    """Returns whether this code runs in a notebook's kernel."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython  # type: ignore[attr-defined]

    return hasattr(get_ipython(), "kernel")


class LivePage:
    """HTML output below a notebook cell, which each new page replaces."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._page = ""

    def show(self, page: str) -> None:
        """Shows a page in place of the previous one.

        Args:
            page: HTML.
        """
        from IPython.display import HTML, display

        if page == self._page:
            return
        self._page = page
        if self._handle is None:
            self._handle = display(HTML(page), display_id=True)
        else:
            self._handle.update(HTML(page))
