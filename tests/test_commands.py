"""Programs as targets: run on each string, never by a shell; what goes wrong is told in one line."""

import json
import shlex
import sys

import pytest

import dmmlab as dm
from dmmlab.cli.commands import main
from dmmlab.core.errors import LabError

RESET = """
import sys
n = 0
for line in sys.stdin:
    x = int(line)
    n = 0 if x == 2 else n + x
    print(n)
"""


@pytest.fixture
def program(tmp_path):
    def make(text):
        path = tmp_path / "program.py"
        path.write_text(text)
        return [sys.executable, "-I", "-S", str(path)]  # which starts fast

    return make


def test_a_program_answers_each_item(program):
    assert list(dm.Command(program(RESET))([1, 1, 2, 1])) == [(1,), (2,), (0,), (1,)]
    echo = "import sys\nfor line in sys.stdin: print(len(line.strip()))"
    assert list(dm.Command(program(echo))([{"word": 1.0}, {}, {"a": 2, "b": 3}])) == [(4,), (0,), (3,)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import sys\nsys.exit('out of paper')", "ended with status 1: 'out of paper'"),
        ("print(1)", "wrote 1 lines for 2 items"),
        ("import sys\nfor line in sys.stdin: print('one')", "line 1 is 'one': expected numbers"),
        ("import sys\nfor line in sys.stdin: print('nan')", "line 1 is 'nan': expected numbers"),
        ("import time\ntime.sleep(60)", "took longer than 0.5 s for 2 items"),
    ],
)
def test_programs_that_fail(program, text, message):
    with pytest.raises(LabError, match=message):
        list(dm.Command(program(text), seconds=0.5 if "sleep" in text else 10.0)([1, 2]))


@pytest.mark.parametrize(("arguments", "message"), [("", "no command"), ([], "no command"), ("'", "No closing quotation")])
def test_commands_that_cannot_be(arguments, message):
    with pytest.raises(LabError, match=message):
        dm.Command(arguments)


def test_a_program_that_is_not_there():
    with pytest.raises(LabError, match="cannot be run: No such file"):
        list(dm.Command("./not-there")([1]))


@pytest.mark.slow
def test_on_the_command_line(tmp_path, capsys, program):
    given = ["--command", shlex.join(program(RESET)), "--alphabet", "0:3"]
    assert main(["synthesize", *given, "--restarts", "1", "--budget", "300", "--out", str(tmp_path / "run"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["exact"]
    assert said["links"] <= 12
    assert main(["verify", str(tmp_path / "run"), *given, "--seconds", "3"]) == 0
    assert capsys.readouterr().out.startswith(("exhaustive", "tested"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["synthesize"], "name one problem, or a program with --command"),
        (["synthesize", "sum", "--command", "x"], "name one problem, or a program with --command"),
        (["synthesize", "--command", "x"], "--command needs --alphabet"),
        (["synthesize", "sum", "--alphabet", "0:3"], "--alphabet belongs to --command"),
        (["synthesize", "sum", "--inputs", "a"], "belong to a table"),
        (["synthesize", "x.csv"], "say which columns are read"),
        (["synthesize", "--command", "x", "--alphabet", "3"], "expected A:B"),
        (["synthesize", "x.csv", "--inputs", "a,,b"], "expected names of columns"),
        (["synthesize", "x.csv", "--tolerance", "-1"], "expected a number above 0"),
    ],
)
def test_arguments_that_cannot_be(arguments, message, tmp_path, capsys):
    try:
        status = main([*arguments, "--out", str(tmp_path / "out")])
    except SystemExit as ended:
        status = ended.code
    said = capsys.readouterr().err
    assert status == 2
    assert message in said
    assert said.count("\n") == 1
