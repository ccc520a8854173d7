"""A real JupyterLab, and a real browser that looks at it."""

import shutil
from pathlib import Path

import pytest
from real_browser import NoBrowser, chromium, jupyterlab

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def browser():
    try:
        with chromium() as found:
            yield found
    except NoBrowser as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def lab_folder(tmp_path_factory):
    """What the JupyterLab of :func:`lab` serves: a folder with a copy of the notebooks."""
    home = tmp_path_factory.mktemp("jupyter lab")  # with a space in its name
    shutil.copytree(PROJECT / "notebooks", home / "work" / "notebooks", ignore=shutil.ignore_patterns(".*"))
    (home / "work" / "figures").mkdir()
    return home / "work"


@pytest.fixture(scope="session")
def lab(lab_folder):
    """A JupyterLab that serves a copy of the notebooks, with settings of its own."""
    with jupyterlab(lab_folder.parent) as running:
        yield running
