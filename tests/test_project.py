"""What holds the project together: one list of requirements, imports that point downwards, clean code."""

import ast
import graphlib
import importlib
import inspect
import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[1]
PACKAGE = PROJECT / "dmmlab"
MODULES = sorted(PACKAGE.rglob("*.py"))

# The floors, from the ground up. A package imports only from those that stand before it, and from itself.
FLOORS = [
    "core", "compiler", "machines", "learning", "pruning", "june2022", "drawing", "problems", "proofs", "transitions", "sources", "search", "runs",
    "explorers", "journal", "bench", "cli",
]  # fmt: skip
KERNEL = FLOORS[:5]  # V-values, execution, training, sparsify and prune: a reader can know it in an afternoon
KERNEL_LIBRARIES = {"jax", "optax", "numpy", "networkx", "lazy_loader"}
DISPLAY = {"matplotlib", "ipywidgets", "anywidget", "pygraphviz", "graphviz", "papermill", "IPython", "pandas", "jupyterlab"}


def floor(path):
    """The package that a module belongs to; the front door and ``__main__`` stand on the roof."""
    return path.relative_to(PACKAGE).parts[0] if path.parent != PACKAGE else "dmmlab"


def imports(path):
    """The modules that a module imports, as absolute names, those inside functions and for type checkers too."""
    package = path.relative_to(PROJECT).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            yield ".".join([*base, *([node.module] if node.module else [])])
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def edges():
    """Pairs of packages, the first of which imports from the second."""
    pairs = {(floor(path), name.split(".")[1]) for path in MODULES for name in imports(path) if name.startswith("dmmlab.")}
    return {(importer, imported) for importer, imported in pairs if importer != imported}


def test_imports_point_downwards():
    assert {floor(path) for path in MODULES} == {*FLOORS, "dmmlab"}
    for importer, imported in edges():
        if importer != "dmmlab":
            assert FLOORS.index(imported) < FLOORS.index(importer), f"{importer} imports {imported}"


def test_the_kernel_needs_few_libraries():
    """Beside these, only tables and progress bars, which are imported when somebody asks for one (test_front_doors.py)."""
    for path in MODULES:
        if floor(path) in KERNEL:
            roots = {name.split(".")[0] for name in imports(path)} - {"dmmlab"} - sys.stdlib_module_names
            assert roots <= KERNEL_LIBRARIES | {"pandas", "tqdm"}, path
            top = {each for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import) for each in node.names}
            assert not {name.name for name in top} & {"pandas", "tqdm"}, path


def test_packages_are_small():
    for package in FLOORS:
        assert len(list((PACKAGE / package).glob("*.py"))) <= 21, package  # one of them the door


def test_no_module_stands_outside_the_packages():
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py", "__main__.py"}


def test_modules_of_a_package_import_in_no_circle():
    graph = {}
    for path in MODULES:
        name = ".".join(path.relative_to(PROJECT).with_suffix("").parts)
        graph[name] = {each for each in imports(path) if each.startswith("dmmlab.")} - {name}
    order = graphlib.TopologicalSorter(graph)
    order.prepare()  # raises a CycleError, which names the circle


@pytest.mark.slow
def test_the_engines_know_nothing_of_display():
    for path in MODULES:
        if floor(path) in set(FLOORS[: FLOORS.index("explorers")]) - {"drawing"}:
            roots = {name.split(".")[0] for name in imports(path)} - {"pandas"}  # tables are made where they are asked for
            assert not roots & DISPLAY, path
    widgets = {floor(path) for path in MODULES if {"ipywidgets", "anywidget"} & {n.split(".")[0] for n in imports(path)}}
    assert widgets == {"explorers"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE).with_suffix("")))
def test_every_module_opens_with_an_essay(path):
    assert ast.get_docstring(ast.parse(path.read_text()))


def public():
    """The names of the front doors, with what they are: ``[("dmmlab.core.run", function), ...]``."""
    seen = {}
    for package in ("dmmlab", *(f"dmmlab.{name}" for name in FLOORS)):
        door = importlib.import_module(package)
        for name in door.__all__:
            thing = getattr(door, name)
            if not inspect.ismodule(thing) and getattr(thing, "__module__", "").startswith("dmmlab"):
                seen.setdefault(id(thing), (f"{thing.__module__}.{name}", thing))
    return sorted(seen.values(), key=lambda pair: pair[0])


@pytest.mark.parametrize(("name", "thing"), public(), ids=[name for name, _ in public()])
def test_what_is_public_says_what_it_takes_and_gives(name, thing):
    """Functions name their arguments, what they return, and what they raise; classes say what they are."""
    text = inspect.getdoc(thing) or ""
    assert text, name
    if not inspect.isfunction(thing):
        return
    signature = inspect.signature(thing)
    if len(signature.parameters) > 1:
        section = text.partition("Args:")[2]
        for parameter in signature.parameters:
            assert re.search(rf"^\s+{parameter}: ", section, flags=re.M), f"{name}: nothing is said of {parameter}"
        if signature.return_annotation not in (None, "None"):
            assert "Returns:" in text, f"{name}: what it returns is not said"
    source = ast.parse(textwrap.dedent(inspect.getsource(thing)))
    if any(isinstance(node, ast.Raise) for node in ast.walk(source)):
        assert "Raises" in text, f"{name}: what it raises is not said"


def test_environment_and_pyproject_agree():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    environment = yaml.safe_load((PROJECT / "environment.yml").read_text())
    assert environment["name"] == project["name"]
    assert environment["channels"] == ["conda-forge"]
    python, pip, installed = environment["dependencies"]
    assert python == "python" + project["requires-python"]
    assert pip == "pip"
    extras = re.fullmatch(r"-e \.\[(.*)\]", installed["pip"][0])
    assert len(installed["pip"]) == 1
    assert set(extras[1].split(",")) == set(project["optional-dependencies"])
    assert ".[cluster,drawing,journal,proofs,synthesis,tables,test]" in (PROJECT / "lab.py").read_text()


def test_the_readme_names_commands_that_there_are():
    readme = (PROJECT / "README.md").read_text() + (PROJECT / "guide.md").read_text()
    commands = set(re.findall(r"^dmmlab (\w+) ", readme, flags=re.M))
    assert len((PROJECT / "README.md").read_text().splitlines()) <= 150
    assert commands
    helped = subprocess.run([sys.executable, "-m", "dmmlab", "--help"], capture_output=True, text=True).stdout
    assert commands <= set(helped.split())
    for linked in re.findall(r"\]\((?!http)([^)#]+)\)", readme):
        assert (PROJECT / linked).exists(), linked


def test_each_reference_is_cited_and_each_citation_is_a_reference():
    entries = re.findall(r"^@\w+\{(\w+),", (PROJECT / "references.bib").read_text(), flags=re.M)
    cited = set(re.findall(r"`(\w+?\d{4}\w+)`", (PROJECT / "related-work.md").read_text()))
    assert len(set(entries)) == len(entries)
    assert cited == set(entries)


def test_the_code_is_clean():
    for command in (["ruff", "check", "."], ["ruff", "format", "--check", "."]):
        done = subprocess.run([sys.executable, "-m", *command], cwd=PROJECT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_the_types_agree():
    done = subprocess.run([sys.executable, "-m", "mypy"], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
