"""The command line as its users meet it: a process, its exit status, its two streams."""

import html
import json
import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from dmmlab import Machine
from dmmlab.cli.commands import main
from dmmlab.machines.detectors import handcrafted
from dmmlab.problems.catalogue import PROBLEMS
from dmmlab.pruning.rounding import Verdict
from dmmlab.runs import run_folder
from dmmlab.search.synthesis_result import Synthesis


def dmmlab(*arguments, cwd=None, env=None):
    return subprocess.run(
        [sys.executable, "-m", "dmmlab", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=env,
        timeout=120,
    )


def test_the_published_loss(reference):
    done = dmmlab("test", reference / "published-19-link-machine.json", "--string", "test string.", "--cycles", 140, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout)
    assert result["loss"] == pytest.approx(0.0016100588, rel=1e-5)
    assert result["max_squared_error"] == pytest.approx(0.0005265353, rel=1e-5)
    assert result["links"] == 19


def test_run_as_json(capsys):
    assert main(["run", "handcrafted", "--string", "aa", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["cycles"] == 40
    assert result["outputs"][14] == {"cycle": 14, "output": {"dict-1": 1.0}}
    assert [row["cycle"] for row in result["outputs"]] == list(range(40))


def test_run_as_text(capsys):
    assert main(["run", "handcrafted", "--string", "to be to", "--words", "--period", "3", "--cycles", "11"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["cycle", "reads", "output.dict-1", "output.dict-2"]
    assert lines[1].split() == ["0", "to", "0", "0"]
    assert [line.split()[0] for line in lines[1:-1]] == ["0", "3", "6", "10"]  # a word is read, or an answer changes
    assert lines[-2].split() == ["10", "1", "0"]
    assert lines[-1] == "11 cycles; 7 in which nothing is read and no answer changes are left out (--every-cycle)"


def test_run_as_text_in_every_cycle(capsys):
    assert main(["run", "handcrafted", "--string", "aa", "--every-cycle"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["cycle", *map(str, range(40))]


@pytest.mark.parametrize("json_too", [False, True])
def test_the_last_character_repeats_on_request(capsys, json_too):
    """By hand: in "b." there is one full stop; or one every two cycles, of which four came three cycles ago or earlier."""
    for repeat, stops in (([], 1), (["--repeat-last"], 4)):
        assert (
            main(["run", "handcrafted", "--string", "b.", "--period", "2", "--cycles", "13", *repeat, *["--json"] * json_too])
            == 0
        )
        out = capsys.readouterr().out
        last = json.loads(out)["outputs"][-1]["output"]["dict-2"] if json_too else float(out.splitlines()[-2].split()[-1])
        assert last == stops


def test_a_long_run_in_which_little_happens(capsys):
    assert main(["run", "handcrafted", "--string", "ab", "--period", "10000000", "--cycles", "30", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["outputs"]) == 30


@pytest.mark.slow
def test_the_limit_can_be_lifted():
    command = [sys.executable, "-m", "dmmlab", "run", "handcrafted", "--string", "a", "--cycles", "10000000", "--no-limit"]
    command.append("--every-cycle")  # so that it soon finds that nobody reads
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().startswith("cycle")
        process.stdout.close()
        assert process.stderr.read() == ""


@pytest.mark.slow
def test_a_run_that_takes_long_shows_its_progress_on_a_terminal():
    """Its output goes to a file, so that standard error alone is a terminal."""
    master, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 100))
    command = [sys.executable, "-m", "dmmlab", "run", "handcrafted", "--string", "a", "--cycles", "100000", "--json"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=terminal) as process:
        os.close(terminal)
        shown = b""
        while b"cycles/s" not in shown:
            shown += os.read(master, 10_000)
        process.terminate()
    os.close(master)
    assert b"100000" in shown


def test_a_short_run_shows_no_progress():
    master, terminal = pty.openpty()
    command = [sys.executable, "-m", "dmmlab", "run", "handcrafted", "--string", "a", "--json"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=terminal) as process:
        os.close(terminal)
        assert process.wait(timeout=60) == 0
    with pytest.raises(OSError, match="Input/output error"):  # the end of a terminal of which nothing was written
        os.read(master, 10)
    os.close(master)


def test_test_as_text(capsys):
    assert main(["test", "handcrafted", "--string", "test string."]) == 0
    assert "loss               0   (sum of squared errors over 140 cycles)" in capsys.readouterr().out


@pytest.mark.parametrize("ending", ["svg", "pdf", "png", "eps", "gv", "tex"])
def test_draw(tmp_path, ending, capsys):
    out = tmp_path / f"machine.{ending}"
    assert main(["draw", "published", str(out), "--live", "--hide", "timer", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"drawing": str(out), "links": 19}
    assert out.stat().st_size > 1000


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [["--beside", "handcrafted"], ["--as", "matrix"], ["--as", "bundle", "--title", "a bundle"], ["--merge", "--digits", "1"]],
    ids=lambda options: options[0] + options[1],
)
def test_other_ways_to_draw(tmp_path, options, capsys):
    out = tmp_path / "machine.svg"
    assert main(["draw", "published", str(out), *options]) == 0
    assert "accum-1-2" in html.unescape(out.read_text())
    assert capsys.readouterr() == ("", "")


def test_show(capsys):
    assert main(["show", "published"]) == 0
    assert "norm-2-1          = max_norm(0.68*accum-1-2 - 0.50*input)\n" in capsys.readouterr().out
    assert main(["show", "handcrafted", "--latex", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["links"] == 8
    assert result["text"].startswith("\\begin{align*}")


def test_a_program_in_a_file_is_a_machine(tmp_path, capsys):
    assert main(["show", "published", "--exact"]) == 0
    text = capsys.readouterr().out
    assert "accum-1-2: accum\n    dict-1 = accum-1-2 [hard]\n    dict-2 = 0.76*input\n" in text
    (tmp_path / "published.dmm").write_text(text)
    assert main(["show", str(tmp_path / "published.dmm"), "--exact"]) == 0
    assert capsys.readouterr().out == text


@pytest.mark.slow
def test_drawing_says_nothing_on_standard_error(tmp_path):
    done = dmmlab("draw", "handcrafted", tmp_path / "x.png", env={"PATH": ""})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "dmmlab: the following arguments are required: COMMAND"),
        (["rnu"], "dmmlab: argument COMMAND: invalid choice: 'rnu'"),
        (["run", "handcrafted"], "dmmlab run: the following arguments are required: --string"),
        (["run", "handcrafted", "--string", ""], "dmmlab run: --string '': give at least one character"),
        (["run", "handcrafted", "--string", "  ", "--words"], "dmmlab run: --string '  ': give at least one word"),
        (["run", "handcrafted", "--string", ":number", "--words"], "dmmlab run: item ':number': expected text other than"),
        (["run", "handcrafted", "--string", "a", "--cycles", "0"], "dmmlab run: argument --cycles: '0': expected a whole number from 1"),
        (["run", "handcrafted", "--string", "a", "--cycles", "x"], "dmmlab run: argument --cycles: 'x': expected a whole number"),
        (["run", "handcrafted", "--string", "a", "--cycles", "10000000"], "dmmlab run: 10,000,000 cycles: at most 100,000 are run, for they take long; --no-limit lifts"),
        (["run", "handcrafted", "--string", "ab", "--period", "10000000", "--json"], "dmmlab run: 20,000,020 cycles: at most 100,000 are run"),
        (["test", "handcrafted", "--string", "ab", "--period", "10000000"], "dmmlab test: 20,000,020 cycles: at most 100,000 are run"),
        (["run", "handcraftde", "--string", "a"], "dmmlab run: unknown machine 'handcraftde'; did you mean 'handcrafted'?"),
        (["run", "no.json", "--string", "a"], "dmmlab run: no.json: cannot be read: No such file or directory"),
        (["run", "no\0.json", "--string", "a"], "dmmlab run: "),
        (["run", ".", "--string", "a"], "dmmlab run: .: a folder without machine.json, so no finished run"),
        (["run", "/dev/zero", "--string", "a"], "dmmlab run: /dev/zero: larger than 16 MiB"),
        (["test", "bad.json", "--string", "a"], "dmmlab test: bad.json: not JSON: line 1, column 1"),
        (["run", "explodes.json", "--string", "a", "--json"], "dmmlab run: cycle 3, inputs: accum/dict-1/a: expected a finite number, got inf"),
        (["replay", "run-3"], "dmmlab replay: unknown run 'run-3'; "),
        (["bench", "stpe"], "dmmlab bench: unknown benchmark 'stpe'; did you mean 'step'?"),
        (["draw", "handcrafted", "x.png", "--dpi", "10000000"], "dmmlab draw: argument --dpi: '10000000': expected a whole number from 10 to 2400"),
        (["test", "explodes.json", "--string", "a"], "dmmlab test: accum/dict-1/accum/dict: expected a finite number, got inf"),
        (["draw", "handcrafted", "x.bmp"], "dmmlab draw: x.bmp: the name must end in one of .svg, .pdf, .png, .eps, .gv, .tex"),
        (["draw", "handcrafted", "x.svg", "--as", "matrix", "--hide", "timer"], "dmmlab draw: --hide has no meaning for a matrix"),
        (["draw", "handcrafted", "x.svg", "--as", "matrix", "--beside", "published"], "dmmlab draw: --as has no meaning for two machines side by side"),
        (["draw", "handcrafted", "x.gv", "--as", "matrix"], "dmmlab draw: x.gv: a matrix or a plot is drawn as one of .svg, .pdf, .png, .eps"),
        (["draw", "handcrafted", "x.svg", "--beside", "nobody"], "dmmlab draw: unknown machine 'nobody'; known: handcrafted, published, or the name of a file"),
        (["show", "no.json"], "dmmlab show: no.json: cannot be read: No such file or directory"),
        (["show", "no.dmm"], "dmmlab show: no.dmm: cannot be read: No such file or directory"),
        (["show", "bad.dmm"], "dmmlab show: bad.dmm: line 2: 'compare-9' is not a neuron"),
        (["draw", "handcrafted", "no/x.svg"], "dmmlab draw: no/x.svg: cannot be written: No such file or directory"),
        (["draw", "handcrafted", "x.svg", "--hide", "tmier"], "dmmlab draw: unknown neuron 'tmier'; did you mean 'timer'?"),
        (["journal", "99"], "dmmlab journal: notebook '99': no such notebook; there are 00_"),
        (["journal", "01", "-p", "wrod", "x"], "dmmlab journal: unknown parameter 'wrod'; did you mean 'word'?"),
        (["journal", "01", "-p", "word"], "dmmlab journal: argument -p: expected 2 arguments"),
        (["journal", "01", "-p", "word", "x", "--update"], "dmmlab journal: --update stores outputs of the journal as it is"),
    ],
)  # fmt: skip
def test_bad_usage_and_input_is_one_line_and_status_2(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.json").write_text("no JSON")
    (tmp_path / "bad.dmm").write_text("x: norm\n    dict = compare-9.true\n")
    exploding = handcrafted().unlink("accum.dict-1", "accum.dict").link("accum.dict-1", "accum.dict", 1e200)
    exploding.to_json(tmp_path / "explodes.json")
    try:
        status = main(arguments)
    except SystemExit as exit:
        status = exit.code
    captured = capsys.readouterr()
    assert status == 2
    assert captured.out == ""
    assert captured.err.startswith(message)
    assert captured.err.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"bad.dmm", "bad.json", "explodes.json"}


@pytest.mark.parametrize("command", [[], ["run"], ["test"], ["replay"], ["bench"], ["draw"], ["show"], ["journal"]])
def test_help(command, capsys):
    with pytest.raises(SystemExit) as caught:
        main([*command, "--help"])
    assert caught.value.code == 0
    assert "usage: dmmlab" in capsys.readouterr().out


def test_help_starts_without_jax():
    done = subprocess.run([sys.executable, "-c", "import sys, dmmlab, dmmlab.cli; sys.exit('jax' in sys.modules)"], timeout=60)
    assert done.returncode == 0


def test_a_closed_pipe_is_no_error():
    command = [sys.executable, "-m", "dmmlab", "run", "handcrafted", "--string", "ab" * 400]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().startswith("cycle")
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=60) == 0


def test_a_full_disk_is_told_in_one_line():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "dmmlab", "run", "handcrafted", "--string", "ab"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert (done.returncode, done.stderr) == (2, "dmmlab: output cannot be written: No space left on device\n")


@pytest.mark.slow
def test_replay(capsys):
    assert main(["replay", "feedforward-run-2", "--steps", "3", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["weights"] == 950
    assert len(result["loss"]) == 3


def test_both_engines_print_the_same(capsys):
    for engine in ("tree", "compiled"):
        assert main(["run", "handcrafted", "--string", "abba.", "--engine", engine, "--json"]) == 0
    tree, compiled = map(json.loads, capsys.readouterr().out.splitlines())
    assert tree == compiled


def test_machine_files_in_a_folder_with_a_space(tmp_path, capsys):
    folder = tmp_path / "my machines"
    folder.mkdir()
    handcrafted().to_json(folder / "hand made.json")
    assert main(["run", str(folder / "hand made.json"), "--string", "aa", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["machine"].endswith("hand made.json")
    assert Machine.from_json(folder / "hand made.json") == handcrafted()


@pytest.mark.slow
def test_synthesize(tmp_path, capsys):
    arguments = ["synthesize", "difference", "--seed", "3", "--restarts", "1", "--out", str(tmp_path / "run")]
    assert main([*arguments, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["exact"] is True
    assert (result["links"], result["heldout_max_abs_error"], result["train_loss"]) == (2, 0.0, 0.0)
    assert result["seconds"] > 0
    assert Machine.from_json(result["machine"]).count() == 2
    assert (tmp_path / "run" / "circuit.svg").read_text().count("output") > 0
    assert (tmp_path / "run" / "circuit.pdf").read_bytes().startswith(b"%PDF")
    assert main(arguments) == 2
    assert capsys.readouterr().err.endswith("holds a run already; --resume goes on with it, or name another folder\n")
    assert main([*arguments, "--resume"]) == 0
    assert capsys.readouterr().out.startswith(
        "difference: 2 links, all of weight 1 or -1, exact on all validation and test strings\n"
    )


def test_a_machine_that_does_not_read_its_input_is_drawn_all_the_same(tmp_path, monkeypatch, capsys):
    def run_into_folder(name, seed, folder, *_, **__):
        machine = handcrafted().with_soft({}).live()
        return Synthesis(PROBLEMS[name], None, Verdict(machine, 0, 0.0, 0.0, True, 0.0), [], 1.0)

    monkeypatch.setattr(run_folder, "run_into_folder", run_into_folder)
    assert main(["synthesize", "sum", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("sum: 0 links, exact")
    assert {"circuit.svg", "circuit.pdf"} <= {path.name for path in tmp_path.iterdir()}


def finished_run(folder, name, **settings):
    """The folder of a synthesis of the handcrafted machine, as if it had been found."""
    folder.mkdir()
    handcrafted().to_json(folder / "machine.json")
    row = {"problem": name, "seed": 3, "links": 8, "exact": True, "test_max_abs_error": 0.0, "starts": 4}
    (folder / "result.json").write_text(json.dumps({**row, "exact_restarts": 3, "seconds": 1.5}))
    (folder / "run.json").write_text(json.dumps({"settings": {"restarts": 8, "penalty": "proximal", **settings}}))
    return str(folder)


def test_runs_side_by_side(tmp_path, capsys):
    runs = [finished_run(tmp_path / "a b", "duplicates"), finished_run(tmp_path / "c", "duplicates", penalty="gates")]
    assert main(["compare", *runs, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["run"], row["links"], row["restarts"], row["exact_restarts"]) for row in rows] == [
        (run, 8, 4, 3) for run in runs
    ]
    assert [row["penalty"] for row in rows] == ['"proximal"', '"gates"']
    assert "restarts" in rows[0]  # of the result; as a setting it is the same for both
    assert main(["compare", *runs]) == 0
    assert "penalty" in capsys.readouterr().out
    assert main(["compare", str(tmp_path)]) == 2
    assert capsys.readouterr().err.endswith("holds no finished run\n")


def test_a_run_is_a_machine(tmp_path, capsys):
    run = finished_run(tmp_path / "a b", "duplicates")
    assert main(["show", run]) == 0
    assert "accum" in capsys.readouterr().out


@pytest.mark.slow
def test_on_a_problem(capsys):
    assert main(["test", "handcrafted", "--problem", "duplicates", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["validation_max_abs_error"], result["test_max_abs_error"], result["counterexample"]) == (0.0, 0.0, None)
    assert main(["test", "published", "--problem", "duplicates"]) == 0
    assert "for example, on “" in capsys.readouterr().out
    assert main(["test", "handcrafted", "--problem", "sum"]) == 2
    assert "dmmlab test: " in capsys.readouterr().err
    assert main(["test", "handcrafted"]) == 2
    assert capsys.readouterr().err == "dmmlab test: give either --string S or --problem P\n"


def test_an_interrupt_says_what_to_type_to_go_on(tmp_path, monkeypatch, capsys):
    def interrupted(name, seed, folder, *_, **__):
        Path(folder).mkdir()
        (Path(folder) / "run.json").write_text("{}")
        raise KeyboardInterrupt

    monkeypatch.setattr(run_folder, "run_into_folder", interrupted)
    arguments = ["synthesize", "sum", "--seed", "3", "--out", str(tmp_path / "a b")]
    assert main(arguments) == 130
    told = f"dmmlab synthesize: interrupted; to go on: dmmlab synthesize sum --seed 3 --out '{tmp_path}/a b' --resume\n"
    assert capsys.readouterr().err == told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["duplicate", "--out", "x"], "unknown problem 'duplicate'; did you mean 'duplicates'"),
        (["sum", "--out", "pyproject.toml/x"], "cannot be made"),
    ],
)
def test_synthesize_tells_bad_input_in_one_line(arguments, message, capsys):
    assert main(["synthesize", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
