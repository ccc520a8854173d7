"""What holds the project together: one list of requirements, imports that point downwards, clean code."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[1]
MODULES = sorted((PROJECT / "dmmlab").glob("*.py"))

# From the ground floor up. A module imports only what stands before it.
FLOORS = [
    "errors", "files", "blocks", "vvalues", "neurons", "machine", "streams", "engine", "detectors",
    "layout", "kernels", "stages", "compiled", "xoshiro", "networks", "training", "seeds", "replay",
    "problems", "heldout", "tasks", "simplify", "phases", "synthesis", "repair",
    "attended", "tikz", "graphics", "circuits", "comparisons", "bundles", "programs", "runs", "views", "plots",
    "sketches", "pruning", "stepping", "knobs", "attending", "watching", "widgets", "browser",
    "timing", "bench_torch", "bench_synthesis", "bench_repaint", "bench",
    "site", "journal", "__init__", "arguments", "cli", "__main__",
]  # fmt: skip


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield from [node.module] if node.module else [alias.name for alias in node.names]


def test_imports_point_downwards():
    assert {path.stem for path in MODULES} == set(FLOORS)
    for path in MODULES:
        for imported in imports(path):
            assert FLOORS.index(imported) < FLOORS.index(path.stem), f"{path.stem} imports {imported}"


@pytest.mark.parametrize("module", FLOORS[: FLOORS.index("graphics")])
def test_the_engines_know_nothing_of_display(module):
    text = (PROJECT / "dmmlab" / f"{module}.py").read_text()
    assert not re.search(
        r"import (matplotlib|ipywidgets|pygraphviz|graphviz|papermill|IPython)|from (matplotlib|IPython)", text
    )


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_every_module_opens_with_an_essay(path):
    assert ast.get_docstring(ast.parse(path.read_text()))


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
    assert ".[journal,test]" in (PROJECT / "lab.py").read_text()


def test_the_readme_names_commands_that_there_are():
    readme = (PROJECT / "README.md").read_text()
    commands = set(re.findall(r"^dmmlab (\w+) ", readme, flags=re.M))
    assert commands
    helped = subprocess.run([sys.executable, "-m", "dmmlab", "--help"], capture_output=True, text=True).stdout
    assert commands <= set(helped.split())
    for linked in re.findall(r"\]\((?!http)([^)#]+)\)", readme):
        assert (PROJECT / linked).exists(), linked


def test_the_code_is_clean():
    for command in (["ruff", "check", "."], ["ruff", "format", "--check", "."]):
        done = subprocess.run([sys.executable, "-m", *command], cwd=PROJECT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_the_types_agree():
    done = subprocess.run([sys.executable, "-m", "mypy"], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
