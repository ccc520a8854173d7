"""A page of HTML that a notebook shows, and that changes in its place."""

import sys
from typing import Any


def in_notebook() -> bool:
    """Whether a notebook's kernel runs this."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython  # type: ignore[attr-defined]

    return hasattr(get_ipython(), "kernel")


class LivePage:
    """What a notebook shows below the cell, until it is shown anew."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._page = ""

    def show(self, page: str) -> None:
        """Shows a page, in the place of the one before.

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
