"""Tables of examples: what the rows say comes out, and what is wrong with a table is told by row and column."""

import json
import random

import numpy as np
import pandas as pd
import pytest

import dmmlab as dm
from dmmlab.cli.commands import main
from dmmlab.core.errors import LabError
from dmmlab.sources.examples import Examples
from dmmlab.sources.table_machines import machine_of_rows
from dmmlab.sources.table_networks import machine_of_network


def thermostat(rows=2000):
    rng, on, found = random.Random(1), 0, []
    for _ in range(rows):
        level = rng.randrange(31)
        on = 1 if level < 18 else 0 if level > 22 else on
        found.append((level, on))
    return pd.DataFrame(found, columns=["level", "heater"])


def quadrature(rows=2000):
    rng, phases, k, position, found = random.Random(2), [(0, 0), (1, 0), (1, 1), (0, 1)], 0, 0, []
    for _ in range(rows):
        step = rng.choice((-1, 0, 1))
        k, position = (k + step) % 4, position + step
        found.append((*phases[k], position))
    return pd.DataFrame(found, columns=["a", "b", "position"])


def vending(runs=200, items=10):
    rng, found = random.Random(3), []
    for run in range(runs):
        credit = 0
        for _ in range(items):
            word, drink, back = rng.choice(["coin", "note", "refund", "push"]), 0, 0
            if word == "refund":
                back, credit = credit, 0
            elif word == "push":
                drink = int(credit >= 3)
                credit -= 3 * drink
            else:
                credit = min(4, credit + (1 if word == "coin" else 2))
            found.append((f"run {run}", word, drink, back))
    return pd.DataFrame(found, columns=["run", "item", "drink", "back"])


def noisy(runs=100, items=20):
    rng, found = random.Random(4), []
    for run in range(runs):
        total = 0
        for _ in range(items):
            x = rng.randrange(10)
            total += x
            found.append((run, x, total * (1 + rng.gauss(0, 0.01))))
    return pd.DataFrame(found, columns=["run", "x", "total"])


def buttons(rows=400):
    rng, position, found = random.Random(5), 0, []
    for _ in range(rows):
        button, by = rng.choice(["up", "down", "hold"]), rng.randint(1, 4)
        position += {"up": by, "down": -by, "hold": 0}[button]
        found.append((button, by, position))
    return pd.DataFrame(found, columns=["button", "by", "position"])


def made(frame, inputs, outputs, string=None, **more):
    examples = Examples.from_table(frame, inputs, outputs, string, **more)
    machine, delays = machine_of_rows(examples, 60.0)
    return examples.with_delay(delays), machine


@pytest.mark.parametrize(
    ("frame", "inputs", "outputs", "string", "links"),
    [
        (thermostat(), ["level"], ["heater"], None, 20),
        (quadrature(), ["a", "b"], ["position"], None, 25),
        (vending(), ["item"], ["drink", "back"], "run", 120),
        (buttons(), ["button", "by"], ["position"], None, 25),
    ],
    ids=["thermostat", "quadrature decoder", "vending machine", "words beside numbers"],
)
@pytest.mark.slow
def test_the_circuit_behind_a_table_comes_out(frame, inputs, outputs, string, links):
    examples, machine = made(frame, inputs, outputs, string)
    assert examples.sentence(machine) == f"reproduces all {len(frame) // 5} test rows"
    assert machine.count() <= links


@pytest.mark.slow
def test_a_noisy_sum_is_a_sum():
    examples, machine = made(noisy(), ["x"], ["total"], "run")
    assert machine.count() == 3
    assert {float(link.weight) for link in machine.links() if not link.hard} == {1.0}
    assert "of 400 test rows; 100.0% of the variance is explained" in examples.sentence(machine)


@pytest.mark.slow
def test_a_synthesis_of_a_table_speaks_of_its_rows():
    found = dm.synthesize(Examples.from_table(thermostat(), ["level"], ["heater"]), progress=False)
    assert found.start == "rows"
    assert found.best.exact
    assert found.verdict == f"{found.best.links} links, reproduces all 400 test rows"
    assert str(found.proof) == "tested: it reproduces all 400 test rows"
    assert found.counterexample is None
    assert "reproduces all 400 test rows" in repr(found)


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_on_the_command_line(tmp_path, capsys, ending):
    path = tmp_path / f"thermostat.{ending}"
    if ending == "csv":
        thermostat().to_csv(path, index=False)
    elif ending == "parquet":
        pytest.importorskip("pyarrow")
        thermostat().to_parquet(path)
    else:
        thermostat().to_json(path, orient="records", lines=True)
    columns = ["--inputs", "level", "--outputs", "heater"]
    assert main(["synthesize", str(path), *columns, "--out", str(tmp_path / "run"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["grade"], said["rows"], said["exact"]) == ("tested", 2000, True)
    assert main(["verify", str(tmp_path / "run"), str(path), *columns]) == 0
    assert capsys.readouterr().out == "tested: it reproduces all 400 test rows\n"
    assert main(["test", str(tmp_path / "run"), "--problem", str(path), *columns]) == 0


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        (None, (["levle"], ["heater"]), "column 'levle'; did you mean 'level'"),
        (None, (["level"], []), "at least one input, one output"),
        (None, (["level"], ["heater"], "run"), "unknown column 'run'"),
        (("heater", 3, np.inf), (["level"], ["heater"]), "row 4, column 'heater': inf is no answer"),
        (("level", 3, np.inf), (["level"], ["heater"]), "row 4, column 'level': inf is no number"),
        (("heater", None, 1), (["level"], ["heater"]), "output 'heater' is 1 in every row: there is nothing to learn"),
        (("heater", None, np.nan), (["level"], ["heater"]), "output 'heater' is missing in every row"),
    ],
)
def test_what_is_wrong_with_a_table_is_told(change, arguments, message):
    frame = thermostat(50).astype(float)
    if change is not None:
        name, row, value = change
        frame.loc[slice(None) if row is None else row, name] = value
    with pytest.raises(LabError, match=message):
        Examples.from_table(frame, *arguments)


def test_rows_that_contradict_each_other_are_named():
    frame = pd.DataFrame({"run": ["x", "x", "y", "y"], "item": [1, 2, 1, 2], "answer": [0, 1, 0, 2]})
    message = "item 2 of string 'x' and item 2 of string 'y' come after the same items, and have the answers 1 and 2"
    with pytest.raises(LabError, match=message):
        Examples.from_table(frame, ["item"], ["answer"], "run")
    Examples.from_table(frame, ["item"], ["answer"], "run", tolerance=1.0)


@pytest.mark.parametrize("name", ["no.csv", "no.xlsx"])
def test_files_that_cannot_be_read(tmp_path, name):
    with pytest.raises(LabError, match=r"no such file|ending '\.xlsx'"):
        Examples.from_table(tmp_path / name, ["a"], ["b"])


def test_a_missing_output_is_not_asked_for_and_a_missing_input_is_silence():
    frame = pd.DataFrame({"run": np.repeat(range(20), 5), "x": [1.0, 2.0, np.nan, 1.0, 3.0] * 20})
    frame["total"] = frame.groupby("run").x.cumsum().ffill()
    frame.loc[frame.index % 7 == 3, "total"] = np.nan
    examples = Examples.from_table(frame, ["x"], ["total"], "run")
    assert examples.silence
    assert examples.strings[0].items[2] == {}
    assert np.isnan(examples.strings[0].answers[3, 0])
    machine, delays = machine_of_rows(examples, 30.0)
    judged = examples.with_delay(delays).judge(machine)
    assert judged.share() == 1.0
    assert judged.rows == int((~np.isnan(np.concatenate([s.answers for s in examples.parts[2]]))).sum())


def test_texts_as_answers_are_one_answer_each():
    frame = pd.DataFrame({"x": [0, 1, 0, 1], "state": ["off", "on", "off", "on"]})
    examples = Examples.from_table(frame, ["x"], ["state"])
    assert examples.answers == ("state=off", "state=on")
    assert examples.strings[0].answers.tolist() == [[1, 0], [0, 1]] * 2


def test_parts_share_no_string():
    examples = Examples.from_table(vending(), ["item"], ["drink"], "run")
    names = [{each.name for each in part} for part in examples.parts]
    assert [len(part) for part in names] == [120, 40, 40]
    assert len(set.union(*names)) == 200


def test_the_first_wrong_row_is_told():
    examples, machine = made(thermostat(), ["level"], ["heater"])
    other = thermostat()
    other.loc[1900, "heater"] = 5
    wrong = Examples.from_table(other, ["level"], ["heater"], tolerance=0.5).with_delay(examples.delays)
    judged = wrong.judge(machine)
    assert judged.first_wrong == "row 1,901"
    assert not wrong.reproduces(machine)
    assert judged.share(0.5) == pytest.approx(399 / 400)


def edges(rows_wrong, strings=200, items=20):
    """A detector of edges, with some wrong answers."""
    rng, found = random.Random(6), []
    for run in range(strings):
        last = 0
        for _ in range(items):
            x = rng.randrange(2)
            found.append((run, x, int(x != last) ^ (rng.random() < rows_wrong)))
            last = x
    return pd.DataFrame(found, columns=["run", "x", "edge"])


@pytest.mark.slow
def test_the_function_behind_a_table_with_mistakes_comes_out_through_a_network():
    examples = Examples.from_table(edges(0.01), ["x"], ["edge"], "run", tolerance=0.4)
    machine, delays = machine_of_network(examples, 120.0)
    right = Examples.from_table(edges(0.0), ["x"], ["edge"], "run").with_delay(delays)
    assert right.reproduces(machine)
    assert 0.97 < examples.with_delay(delays).judge(machine).share(0.4) < 1.0


def test_a_network_needs_strings_with_whole_answers():
    with pytest.raises(LabError, match="at least ten strings with whole answers"):
        machine_of_network(Examples.from_table(noisy(), ["x"], ["total"], "run"), 1.0)
    with pytest.raises(LabError, match="at least ten strings with whole answers"):
        machine_of_network(Examples.from_table(thermostat(), ["level"], ["heater"]), 1.0)


@pytest.mark.slow
def test_a_network_that_does_not_learn_the_rows_makes_no_machine():
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({"run": np.arange(400) // 8, "x": rng.integers(0, 10, 400), "coin": rng.integers(0, 2, 400)})
    with pytest.raises(LabError, match=r"a recurrent network is right on .* of the validation rows only"):
        machine_of_network(Examples.from_table(frame, ["x"], ["coin"], "run", tolerance=0.4), 10.0)


@pytest.mark.slow
def test_what_no_machine_explains_ends_with_how_much_is_explained():
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"x": rng.integers(0, 10, 300), "coin": rng.integers(0, 2, 300)})
    found = dm.synthesize(Examples.from_table(frame, ["x"], ["coin"]), progress=False, budget=15.0)
    assert "of 60 test rows" in found.verdict
    assert "if answers are rounded" in found.verdict or "the first wrong one is row" in found.verdict
    assert found.tried[0].startswith("rows: ")
    assert found.tried[-1] == "the budget of 15 s is spent"


def test_in_fractions_and_in_double_precision_alike(monkeypatch):
    examples, machine = made(quadrature(400), ["a", "b"], ["position"])
    exactly = examples.judge(machine.link("output.position", "a.char", 0.5))
    monkeypatch.setattr("dmmlab.sources.examples.IN_FRACTIONS", 0)
    compiled = examples.judge(machine.link("output.position", "a.char", 0.5))
    assert np.allclose(exactly.errors, compiled.errors, atol=1e-9, equal_nan=True)
    assert exactly.first_wrong == compiled.first_wrong
