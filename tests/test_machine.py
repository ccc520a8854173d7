import json
import re
from dataclasses import replace

import numpy as np
import pytest

from dmmlab import Machine, NeuronType
from dmmlab.core.machine import MachineError
from dmmlab.core.neurons import ACCUM, NORM, OUTPUT, TYPES_2022, constant, constants
from dmmlab.core.vvalues import VValueError, add
from dmmlab.machines.detectors import handcrafted, published
from dmmlab.problems.catalogue import PROBLEMS


def test_handcrafted_links():
    machine = handcrafted()
    assert (machine.count(), machine.count(hard=True)) == (8, 3)
    assert {str(link) for link in machine.links() if link.hard} == {
        "timer.timer <- timer.timer",
        "input.timer <- timer.timer",
        "accum.dict-1 <- accum.dict",
    }
    assert machine.matrix == add(machine.hard, machine.soft)


def test_link_and_unlink_return_new_machines():
    machine = handcrafted()
    more = machine.link("norm.dict", "input.char", -0.5)
    assert (machine.count(), more.count()) == (8, 9)
    assert more.unlink("norm.dict", "input.char") == machine
    assert more.link("norm.dict", "input.char", 0.0) == machine  # a link of weight zero is no link
    assert machine.unlink("accum.dict-1", "accum.dict").count(hard=True) == 2
    assert machine.link("timer.timer", "timer.timer", 2.0, hard=True).hard["timer"]["timer"]["timer"]["timer"] == 2.0


def test_neurons_come_and_go():
    machine = handcrafted()
    assert machine.with_neuron("accum-2", ACCUM).count(hard=True) == 4
    assert machine.with_neuron("accum-2", ACCUM).without_neuron("accum-2") == machine
    without = machine.without_neuron("accum")
    assert (without.count(), without.count(hard=True)) == (5, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.link("norm.dict", "inptu.char", 1.0), "norm/dict/inptu/char: unknown neuron 'inptu'; did you mean 'input'?"),
        (lambda m: m.link("nomr.dict", "input.char", 1.0), "nomr/dict/input/char: unknown neuron 'nomr'; did you mean 'norm'?"),
        (lambda m: m.link("output.dict-3", "dot.dot", 1.0), "output/dict-3/dot/dot: output.dict-3: neuron type 'output' has inputs dict-1, dict-2"),
        (lambda m: m.link("norm.dict", "accum.dict-1", 1.0), "norm/dict/accum/dict-1: accum.dict-1: neuron type 'accum' has outputs dict"),
        (lambda m: m.link("norm.dict", "output.dict-1", 1.0), "norm/dict/output/dict-1: output.dict-1: neuron type 'output' has no outputs"),
        (lambda m: m.link("accum.dict-1", "accum.dict", 1.0), "accum.dict-1 <- accum.dict: there is a hard link already"),
        (lambda m: m.link("norm.dict", "accum.dict", 1.0, hard=True), "norm.dict <- accum.dict: there is a soft link already"),
        (lambda m: m.link("norm", "accum.dict", 1.0), "'norm': a port is written neuron.field"),
        (lambda m: m.unlink("norm.dict", "input.char"), "norm.dict <- input.char: there is no such link"),
        (lambda m: m.without_neuron("accun"), "unknown neuron 'accun'; did you mean 'accum'?"),
        (lambda m: m.with_neuron("accum", ACCUM), "there is a neuron 'accum' already"),
        (lambda m: m.with_neuron("a.b", ACCUM), "'a.b': a neuron needs a printable name without"),
        (lambda m: Machine({"": ACCUM}), "'': a neuron needs a printable name without"),
        (lambda m: m.with_neuron("a:b", ACCUM), "'a:b': a neuron needs a printable name"),
        (lambda m: m.with_neuron("a\nb", ACCUM), "'a\\nb': a neuron needs a printable name"),
        (lambda m: m.with_neuron("a\ud800", ACCUM), "'a\\ud800': a neuron needs a printable name"),
        (lambda m: m.with_soft({"norm": {"di\nct": {"a": {"b": 1.0}}}}), "norm/'di\\nct'/a/b: norm.'di\\nct': neuron type"),
        (lambda m: m.with_soft({"norm": {"dict": 1.0}}), "norm/dict: a link is four keys deep"),
        (lambda m: m.with_soft(3.0), "3.0: a link is four keys deep"),
        (lambda m: Machine.build({"norn-1.dict": {"input.char": 1.0}}), "neuron 'norn-1': unknown neuron type 'norn'; did you mean 'norm'?"),
        (lambda m: replace(m, hard=m.soft), "accum.dict-2 <- input.char: both hard and soft"),
    ],
)  # fmt: skip
def test_errors_are_one_line_and_name_the_place(change, message):
    with pytest.raises(MachineError) as caught:
        change(handcrafted())
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_weight_must_be_finite():
    with pytest.raises(VValueError, match="norm/dict/accum/dict: expected a finite number, got nan"):
        handcrafted().link("norm.dict", "accum.dict", float("nan"))


def test_live_part():
    machine = handcrafted()
    assert machine.live() == machine
    dangling = machine.with_neuron("accum-2", ACCUM).with_neuron("accum-3", ACCUM)
    dangling = dangling.link("accum-2.dict-2", "input.char", 1.0)  # it reaches no output
    dangling = dangling.link("compare.dict-2", "accum-3.dict", 1.0)  # nothing reaches it
    assert dangling.live() == machine
    cut = machine.unlink("compare.dict-1", "norm.norm").live()
    assert "norm" not in cut.neurons
    assert cut.count() == 6


def test_both_forms_of_json_come_back_equal(tmp_path):
    for machine in (handcrafted(), published(), handcrafted().with_neuron("accum-2", ACCUM)):
        machine.to_json(tmp_path / "machine.json")
        assert Machine.from_json(tmp_path / "machine.json") == machine
    published().to_json(tmp_path / "soft.json", form="published")
    assert json.loads((tmp_path / "soft.json").read_text()) == published().soft
    assert Machine.from_json(tmp_path / "soft.json") == published()


def test_the_published_form_loses_nothing_silently(tmp_path):
    with pytest.raises(MachineError, match="the published form would lose neurons or hard links"):
        handcrafted().with_neuron("accum-2", ACCUM).to_json(tmp_path / "soft.json", form="published")
    assert list(tmp_path.iterdir()) == []


def test_numpy_weights_are_written_as_they_are(tmp_path):
    machine = published().astype(np.float32)
    machine.to_json(tmp_path / "machine.json")
    again = Machine.from_json(tmp_path / "machine.json").astype(np.float32)
    assert again == machine


def test_types_of_your_own(tmp_path):
    leaky = NeuronType("leaky", ("old", "new"), ("sum",), lambda old, new: add(old, new), feedback=(("old", "sum"),))
    machine = Machine.build({"leaky-1.new": {"input.char": 1.0}}, types=(*TYPES_2022, leaky))
    machine.to_json(tmp_path / "machine.json")
    assert Machine.from_json(tmp_path / "machine.json", types=(*TYPES_2022, leaky)) == machine
    with pytest.raises(MachineError, match="neurons/leaky-1: unknown neuron type 'leaky'"):
        Machine.from_json(tmp_path / "machine.json")
    handcrafted(end_mark="!").to_json(tmp_path / "machine.json")
    assert Machine.from_json(tmp_path / "machine.json").neurons["eos"].activate({}) == {"char": {"!": 1.0}}  # data, no function


def test_the_published_machines_load(reference):
    assert Machine.from_json(reference / "published-19-link-machine.json").count() == 19
    assert Machine.from_json(reference / "published-16-link-machine.json").count() == 16


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON: line 1, column 1"),
        ("{", "not JSON: line 1, column 2"),
        ("\x00\x01", "not JSON"),
        ("3", "a machine is a JSON object, this is 3"),
        ('{"norm": {"dict": {"input": {"char": NaN}}}}', "NaN is not a number that a machine can use"),
        ('{"norm": {"dict": {"input": {"char": 1e999}}}}', "norm/dict/input/char: expected a finite number, got inf"),
        ('{"norm": {"dict": {"input": {"char": "1"}}}}', "norm/dict/input/char: expected a finite number, got '1'"),
        ('{"norm": {"dict": {"input": {"char": true}}}}', "norm/dict/input/char: expected a finite number, got True"),
        ('{"norm": {"dict": {"input": 1}}}', "norm/dict/input: a link is four keys deep"),
        ('{"norm": {"dict": {"input": {"char": 1, "char": 2}}}}', "the key 'char' stands twice"),
        ('{"norm": {"dict": {"nowhere": {"char": 1}}}}', "neuron 'nowhere': unknown neuron type 'nowhere'"),
        ('{"norm": {"dikt": {"input": {"char": 1}}}}', "norm/dikt/input/char: norm.dikt: neuron type 'norm' has inputs dict"),
        ('{"format": "dmmlab machine 9"}', "format: expected 'dmmlab machine 1', got 'dmmlab machine 9'"),
        ('{"format": "dmmlab machine 1"}', "neurons: expected an object of names and types, got None"),
        ('{"format": "dmmlab machine 1", "neurons": {}, "sfot": {}}', "unknown key 'sfot'; did you mean 'soft'?"),
        ('{"format": "dmmlab machine 1", "neurons": {"a": "acum"}}', "neurons/a: unknown neuron type 'acum'; did you mean 'accum'?"),
        ('{"format": "dmmlab machine 1", "neurons": {"a": ["acum"]}}', "neurons/a: unknown neuron type"),
        ('{"a": ' * 100_000 + "1" + "}" * 100_000, "nested too deeply"),
        ('{"a": ' * 500 + "1" + "}" * 500, "a/a/a/a: nested deeper than 64 levels"),
        ('{"a": ' + "9" * 10_000 + "}", "a number cannot be read"),
    ],
)  # fmt: skip
def test_bad_files_are_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / "machine.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"machine\.json: ") as caught:
        Machine.from_json(path)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_files_that_are_none(tmp_path):
    (tmp_path / "large.json").write_bytes(b" " * (16 * 2**20 + 1))
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    for name, message in [
        ("large.json", "larger than 16 MiB"),
        ("binary.json", "not a text file"),
        ("missing.json", "cannot be read: No such file"),
        (".", "cannot be read: Is a directory"),
    ]:
        with pytest.raises(ValueError, match=message):
            Machine.from_json(tmp_path / name)


def test_writing_leaves_no_half_file(tmp_path):
    target = tmp_path / "machine.json"
    handcrafted().to_json(target)
    before = target.read_bytes()
    with pytest.raises(ValueError, match="unknown form"):
        handcrafted().to_json(target, form="complet")
    with pytest.raises(ValueError, match="cannot be written: No such file"):
        handcrafted().to_json(tmp_path / "no" / "such" / "folder.json")
    assert target.read_bytes() == before
    assert list(tmp_path.iterdir()) == [target]


def test_constants_and_answers_of_ones_own_are_kept_on_disk(tmp_path):
    problem = PROBLEMS["sentences"]
    machine = Machine.build(
        {
            "dot-1-1.dict-1": {"input.char": 1.0},
            "dot-1-1.dict-2": {"end.char": 1.0},
            "output.answer": {"dot-1-1.dot": 1.0},
        },
        problem.network.neurons,
    ).live()
    machine.to_json(tmp_path / "machine.json")
    again = Machine.from_json(tmp_path / "machine.json")
    assert (again.soft, again.hard, list(again.neurons)) == (machine.soft, machine.hard, list(machine.neurons))
    assert again == machine
    assert again.neurons["end"].activate({}) == {"char": {".": 1.0, "!": 1.0, "?": 1.0}}
    assert again.neurons["output"].inputs == ("answer",)
    again.to_json(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_text() == (tmp_path / "machine.json").read_text()


def test_types_that_would_be_read_as_others_are_not_written(tmp_path):
    one, other = constant("c", "char", {"a": 1.0}), constant("c", "char", {"b": 1.0})
    two = Machine.build({"output.dict-1": {"x.char": 1.0, "y.char": 1.0}}, {"x": one, "y": other, "output": OUTPUT}, hard={})
    with pytest.raises(MachineError, match="neuron 'y': there is another type called 'c'; rename one of them"):
        two.to_json(tmp_path / "machine.json")
    odd = Machine({"norm": replace(NORM, function=lambda v: 42.0)})
    with pytest.raises(MachineError, match="neuron 'norm': there is another type called 'norm'"):
        odd.to_json(tmp_path / "machine.json")
    with pytest.raises(MachineError, match="neuron 'accum-1': there is another type called 'accum'"):
        Machine({"accum": constant("accum", "dict", 1.0), "accum-1": ACCUM}).to_json(tmp_path / "machine.json")
    assert not (tmp_path / "machine.json").exists()
    pair = constants("pair", {"one": np.float32(0.5), "two": {"a": 1.0}})
    Machine({"pair": pair}).to_json(tmp_path / "machine.json")
    again = Machine.from_json(tmp_path / "machine.json")
    assert again.neurons["pair"].activate({}) == {"one": 0.5, "two": {"a": 1.0}}
    handcrafted("/").to_json(tmp_path / "machine.json")
    assert Machine.from_json(tmp_path / "machine.json").neurons["eos"].activate({}) == {"char": {"/": 1.0}}


@pytest.mark.parametrize(
    ("types", "message"),
    [
        ([], "types: expected an object, got []"),
        ({"end": 1}, "types/end: expected"),
        ({"end": {"emits": {}}}, "types/end: expected"),
        ({"end": {"emits": {"char": {"a": "b"}}}}, "types/end/emits/char/a: expected a finite number, got 'b'"),
        ({"output": {"answers": ["a.b"]}}, "each needs a name of its own"),
    ],
)
def test_types_that_are_none(tmp_path, types, message):
    (tmp_path / "machine.json").write_text(json.dumps({"format": "dmmlab machine 1", "neurons": {}, "types": types}))
    with pytest.raises(MachineError, match=re.escape(message)):
        Machine.from_json(tmp_path / "machine.json")
