"""Front doors: every name that a package's ``__init__.pyi`` promises is there, and is imported when it is used."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import dmmlab

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
    assert {name for name in imported if name.startswith("dmmlab.")} == set()
    assert imported.isdisjoint({"jax", "optax", "numpy", "matplotlib", "networkx", "pygraphviz"})


def test_machines_and_the_tree_engine_take_no_jax():
    program = """
import dmmlab as dm
dm.Machine; dm.NeuronType; dm.core.PRODUCT
machine = dm.handcrafted()
states = list(dm.run(machine, dm.characters("aa."), 40))
assert states[-1].arrived("output.dict-1") == 1.0, states[-1]
dm.machines.canonical(machine), dm.same(machine, dm.published()), dm.imitation_error(machine, dm.characters("a"), 5)
"""
    imported = modules_after(program)
    assert "dmmlab.core.engine" in imported
    assert not {name for name in imported if name.split(".")[0] in ("jax", "jaxlib", "optax")}


@pytest.mark.slow
def test_what_is_used_is_imported_when_it_is_used():
    before = modules_after("import dmmlab as dm; dm.compiler; dm.learning")
    assert "jax" not in before
    after = modules_after("import dmmlab as dm; dm.compile_machine; dm.learning.TrainingSession")
    assert {"jax", "optax", "dmmlab.learning.session"} <= after
    assert "matplotlib" not in after
