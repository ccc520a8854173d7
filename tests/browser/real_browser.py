"""A real JupyterLab and a real browser, for the tests of the explorers and their benchmark.

The browser is the system's Chromium, driven by Playwright. JupyterLab runs with its own settings,
and neither reads nor changes the user's. Other users of the computer cannot use it: it requires a
random token, which no list of processes shows.
"""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from dmmlab.core.errors import LabError

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
FOLDERS = {
    "JUPYTER_CONFIG_DIR": "config", "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    "JUPYTER_RUNTIME_DIR": "runtime", "JUPYTER_DATA_DIR": "data",
}  # fmt: skip

CONNECTED = """() => {
    const session = window.jupyterapp?.shell.currentWidget?.sessionContext?.session;
    return session?.kernel?.connectionStatus === "connected" && session.kernel.status === "idle";
}"""
EXECUTED = """() => {
    const cells = [...window.jupyterapp.shell.currentWidget.content.model.cells].filter(c => c.type === "code");
    return cells.length && cells.every((c, i) => c.executionCount === i + 1);
}"""


class NoBrowser(LabError):
    """There is no Chromium, or no Playwright to drive it."""


@contextmanager
def chromium() -> Iterator[Any]:
    """Starts a headless Chromium. Raises :class:`NoBrowser`, which says what is missing."""
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        raise NoBrowser(f"no browser on this machine: none of {', '.join(BROWSERS)}")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise NoBrowser("no Playwright to drive a browser: pip install 'dmmlab[test]'") from None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(QUIET))
        yield browser
        browser.close()


class Lab(NamedTuple):
    """A running JupyterLab."""

    address: str
    token: str

    def page(self, path: str) -> str:
        """Returns the address of a page, with the access token."""
        return f"{self.address}/{path}?token={self.token}"


@contextmanager
def jupyterlab(home: Path) -> Iterator[Lab]:
    """Starts a JupyterLab that serves ``home/work`` and writes into ``home``.

    It ends, with its kernels, when the context ends. An interrupt from the terminal does not reach
    it.
    """
    (home / "work").mkdir(parents=True, exist_ok=True)
    news = home / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    news.parent.mkdir(parents=True, exist_ok=True)
    news.write_text(json.dumps({"fetchNews": "false"}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--allow-root",
        "--ServerApp.port_retries=0", f"--ServerApp.root_dir={home / 'work'}", "--LabApp.expose_app_in_browser=True",
    ]  # fmt: skip
    lab = Lab(f"http://127.0.0.1:{port}", secrets.token_hex(24))
    environment = {**os.environ, **{name: str(home / folder) for name, folder in FOLDERS.items()}, "JUPYTER_TOKEN": lab.token}
    with (home / "log").open("w") as log:
        server = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait_for(lab, server, home / "log")
        yield lab
    finally:
        server.terminate()
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_for(lab: Lab, server: subprocess.Popen, log: Path) -> None:
    """Waits until the server answers."""
    for _ in range(240):
        try:
            urllib.request.urlopen(lab.page("api/status"), timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            if server.poll() is not None:
                break
            time.sleep(0.25)
    raise LabError("JupyterLab did not start:\n" + log.read_text()[-2000:].replace(lab.token, "..."))


def write_notebook(path: Path, cells: Sequence[str]) -> None:
    """Writes a notebook of code cells."""
    import nbformat

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)


def open_notebook(browser: Any, lab: Lab, name: str, mode: str = "doc") -> Any:
    """Opens a notebook, and waits for its kernel; ``mode="lab"`` shows a file browser beside it."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.goto(lab.page(f"{mode}/tree/{name}"))
    page.wait_for_function(CONNECTED, timeout=60_000)
    return page


def run_all(page: Any, timeout: float = 180) -> None:
    """Runs all cells of an open notebook; waits ``timeout`` seconds at most."""
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    page.wait_for_function(EXECUTED, timeout=timeout * 1000)
