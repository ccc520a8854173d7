"""Front doors: every name that a package's ``__init__.pyi`` promises is there, and is imported when it is used."""

import ast
import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import dmmlab
from dmmlab.core.doors import EXTRAS

PACKAGE = Path(dmmlab.__file__).parent
STUBS = sorted(PACKAGE.rglob("__init__.pyi"))


def package(stub):
    return ".".join([PACKAGE.name, *stub.parent.relative_to(PACKAGE).parts])


def promised(stub):
    """The names of a stub, and the module each comes from (``.``: it is a module itself)."""
    tree = ast.parse(stub.read_text())
    assert all(isinstance(node, ast.ImportFrom) and node.level == 1 for node in tree.body), stub
    for node in tree.body:
        for alias in node.names:
            assert alias.asname == alias.name, f"{stub}: a name is exported as {alias.name} as {alias.name}"
            yield alias.name, node.module or "."


def test_every_package_has_a_front_door():
    assert {stub.parent for stub in STUBS} == {path.parent for path in PACKAGE.rglob("__init__.py")}


@pytest.mark.parametrize("stub", STUBS, ids=package)
def test_every_name_resolves(stub):
    door = importlib.import_module(package(stub))
    names = dict(promised(stub))
    assert names
    assert sorted(door.__all__) == sorted(names)
    assert set(names) <= set(dir(door))
    for name, module in names.items():
        found = getattr(door, name)
        if module == ".":
            assert found is importlib.import_module(f"{package(stub)}.{name}")
        else:
            assert found is getattr(importlib.import_module(f"{package(stub)}.{module}"), name)
    with pytest.raises(AttributeError):
        door.there_is_no_such_name  # noqa: B018


def modules_after(program):
    """The modules that a fresh interpreter has imported after a program."""
    ending = "\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program + ending], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.split())


def test_the_front_door_takes_nothing_heavy():
    imported = modules_after("import dmmlab as dm")
    assert "dmmlab" in imported
    assert {name for name in imported if name.startswith("dmmlab.")} == {"dmmlab.core", "dmmlab.core.doors"}
    assert imported.isdisjoint({"jax", "optax", "numpy", "matplotlib", "networkx", "pygraphviz"})


def test_machines_and_the_tree_engine_take_no_jax():
    program = """
import dmmlab as dm
dm.Machine; dm.NeuronType; dm.core.PRODUCT
machine = dm.handcrafted()
states = list(dm.run(machine, dm.characters("aa."), 40))
assert states[-1].arrived("output.dict-1") == 1.0, states[-1]
dm.machines.canonical(machine), dm.same(machine, dm.published()), dm.machines.imitation_error(machine, dm.characters("a"), 5)
"""
    imported = modules_after(program)
    assert "dmmlab.core.engine" in imported
    assert not {name for name in imported if name.split(".")[0] in ("jax", "jaxlib", "optax")}


@pytest.mark.slow
def test_what_is_used_is_imported_when_it_is_used():
    before = modules_after("import dmmlab as dm; dm.machines; dm.learning")
    assert "jax" not in before
    after = modules_after("import dmmlab as dm; dm.compile_machine; dm.learning.TrainingSession")
    assert {"jax", "optax", "dmmlab.learning.session"} <= after
    assert "matplotlib" not in after


BARE = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in LIBRARIES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
"""
KERNEL = """
from typing import NamedTuple
import numpy as np
import dmmlab as dm
from dmmlab.pruning import Sample, Settings, Task
from dmmlab.pruning.phases import finish, fit
from dmmlab.pruning.pruning import prune
from dmmlab.pruning.rounding import round_off
from dmmlab.pruning.trace import Trace

machine, text = dm.handcrafted(), dm.characters("test.", period=1)
compiled = dm.compile_machine(machine, text)
assert compiled.answers(text, 9) == dm.answers(machine, text, 9)
batch = dm.imitation_batch(compiled, [text], 9, machine)
assert dm.train(compiled, batch, 3).history["loss"][0] == 0.0

class Twice(NamedTuple):  # a question of one's own, that no problem asks
    question = "Twice the number"
    answers, inputs = ("answer",), ("input",)
    network = dm.Machine.build(
        {"output.answer": {"input.char": 1.0}},
        {"timer": dm.core.TIMER, "input": dm.core.INPUT, "output": dm.core.answering(("answer",))},
    )

    def training(self, seed):
        numbers = [1.0, 3.0, 2.0, 5.0]
        return [Sample({"input": dm.values(numbers)}, np.array([[0.0, *(2 * x for x in numbers)]]), "some")]

    def validation(self, *, apart_from=(), lengths=()):
        return self.training(1)

    def test(self, seed, *, apart_from=()):
        return self.training(2)

task, settings, trace = Task(Twice()), Settings(), Trace()
weights = fit(task, task.compiled.weights(), settings, trace)
weights = finish(task, prune(task, weights, settings, trace), settings, trace)
print([link.weight for link in round_off(task, task.machine(weights)).machine.links() if not link.hard])
"""


def on_the_bare_kernel(program, *arguments):
    """Runs a program where no library of an extra can be imported (JAX needs SciPy itself)."""
    libraries = set(EXTRAS) - {"scipy"}
    program = BARE.replace("LIBRARIES", repr(libraries)) + program
    return subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)


@pytest.mark.slow
def test_the_kernel_works_alone():
    ended = on_the_bare_kernel(KERNEL)
    assert ended.stderr == ""
    assert ended.stdout == "[2.0]\n"


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import dmmlab as dm; dm.draw", "NotInstalled: graphviz is not installed: pip install 'dmmlab[drawing]'"),
        ("import dmmlab as dm; dm.StreamStepper", "NotInstalled: ipywidgets is not installed: pip install 'dmmlab[journal]'"),
        (
            "from dmmlab.__main__ import process; sys.exit(process())",
            "dmmlab: platformdirs is not installed: pip install 'dmmlab[synthesis]'",
        ),
    ],
)
def test_a_library_that_is_missing_is_named_with_its_extra(program, said):
    ended = on_the_bare_kernel(program)
    assert ended.returncode
    assert ended.stderr.splitlines()[-1].removeprefix("dmmlab.core.doors.") == said


def test_each_library_of_an_extra_has_one():
    extras = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(EXTRAS.values()) <= set(extras)
