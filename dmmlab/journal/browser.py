"""A real JupyterLab and a real browser, for the tests of the explorers and their benchmark.

The browser is the Chromium of the system, driven by Playwright. JupyterLab runs with settings of
its own, so that it neither sees nor changes those of the person at the machine.
"""

import json
import os
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
from typing import Any

from ..core.errors import LabError

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
    """A headless Chromium. Raises :class:`NoBrowser`, which says what is missing."""
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


@contextmanager
def jupyterlab(home: Path) -> Iterator[str]:
    """A JupyterLab that serves ``home/work`` and writes into ``home``; gives its address."""
    (home / "work").mkdir(parents=True, exist_ok=True)
    news = home / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    news.parent.mkdir(parents=True, exist_ok=True)
    news.write_text(json.dumps({"fetchNews": "false"}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--allow-root",
        "--ServerApp.port_retries=0", f"--ServerApp.root_dir={home / 'work'}", "--IdentityProvider.token=",
        "--ServerApp.disable_check_xsrf=True", "--LabApp.expose_app_in_browser=True",
    ]  # fmt: skip
    environment = {**os.environ, **{name: str(home / folder) for name, folder in FOLDERS.items()}}
    with (home / "log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield _address(f"http://127.0.0.1:{port}", home / "log")
    finally:
        server.terminate()
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _address(address: str, log: Path) -> str:
    """The address, as soon as the server answers."""
    for _ in range(120):
        try:
            urllib.request.urlopen(f"{address}/api", timeout=5).close()
            return address
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise LabError("JupyterLab did not start:\n" + log.read_text()[-2000:])


def write_notebook(path: Path, cells: Sequence[str]) -> None:
    """A notebook of code cells."""
    import nbformat

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)


def open_notebook(browser: Any, address: str, name: str, mode: str = "doc") -> Any:
    """A page with a notebook, its kernel idle; ``mode="lab"`` has a file browser beside it."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.goto(f"{address}/{mode}/tree/{name}")
    page.wait_for_function(CONNECTED, timeout=60_000)
    return page


def run_all(page: Any, timeout: float = 180) -> None:
    """Runs all cells of an open notebook; so many seconds at most."""
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    page.wait_for_function(EXECUTED, timeout=timeout * 1000)
