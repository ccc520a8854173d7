"""The JupyterLab of the browser tests and of ``slider_moves.py``: nobody else on the machine can use it."""

import urllib.error
import urllib.request
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.browser]


def test_it_asks_for_a_token(lab):
    for path in ("api/contents", "api/kernels", "api/terminals"):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(f"{lab.address}/{path}", timeout=30)
        with urllib.request.urlopen(lab.page(path), timeout=30) as answer:
            assert answer.status == 200
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{lab.address}/api/kernels?token={lab.token[:-1]}", timeout=30)


def test_no_list_of_processes_shows_it(lab, lab_folder):
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    servers = [command for command in commands if str(lab_folder).encode() in command]
    assert servers
    assert not any(lab.token.encode() in command for command in commands)
