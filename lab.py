#!/usr/bin/env python3
"""Sets everything up and runs it; needs Python 3.11 or newer and nothing else.

    python3 lab.py journal    executes the journal (more: python3 lab.py journal --help)
    python3 lab.py test       passes the tests (more: python3 lab.py test --help)
    python3 lab.py open       opens a copy of the notebooks in JupyterLab, build/lab, to play with
    python3 lab.py edit       opens the notebooks themselves

With --isa SSE4_2, or AVX2, the journal and the tests run as on a processor with narrower vectors.

Packages go to the folder .venv beside this file, once; one that it did not make stays as it is.
Inside the conda environment of environment.yml they are there already, and nothing is installed.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

PROJECT = Path(__file__).resolve().parent
PLAYGROUND = PROJECT / "build" / "lab"
EXTRAS = ".[cluster,drawing,journal,proofs,synthesis,tables,test]"
COMMANDS = {
    "journal": ["dmmlab", "journal"],
    "test": ["pytest", "--numprocesses", "auto", "--dist", "loadfile", "--no-loadscope-reorder"],
    "open": [
        "jupyterlab",
        f"--ServerApp.root_dir={PLAYGROUND}",
        f"--ServerApp.preferred_dir={PLAYGROUND / 'notebooks'}",
        "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb",
    ],
    "edit": ["jupyterlab", str(PROJECT / "notebooks")],
}


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in COMMANDS:
        print(__doc__.strip(), file=sys.stderr)
        return 0 if arguments in (["-h"], ["--help"]) else 2
    if sys.version_info < (3, 11):
        print(f"lab.py: this is Python {sys.version.split()[0]}; 3.11 or newer is needed", file=sys.stderr)
        return 2
    python = sys.executable if _is_conda_environment() else _python_of_venv()
    if arguments[0] == "open":
        copy_notebooks(PROJECT / "notebooks", PLAYGROUND)
    if "--isa" in arguments[:-1] and COMMANDS[arguments[0]][0] != "jupyterlab":
        at = arguments.index("--isa")  # sums are taken in another order, as on a processor with narrower vectors
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_max_isa={arguments[at + 1]}".strip()
        del arguments[at : at + 2]
    module, *rest = COMMANDS[arguments[0]]
    folder = PROJECT if module == "pytest" else None
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(PROJECT / "build" / "jax-cache"))  # what JAX compiles is kept
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    return _run([str(python), "-m", module, *rest, *arguments[1:]], folder)


class NotOurs(Exception):
    """A folder that somebody else made."""


def _run(command: list[str], folder: Path | None) -> int:
    """The exit status of a process. It hears Ctrl-C as this one does, and is given time to end."""
    with subprocess.Popen(command, cwd=folder) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                pass


def copy_notebooks(source: Path, playground: Path) -> None:
    """Copies the notebooks, and the tables and figures that they read, to a folder ignored by git.

    A copy that the reader has changed stays; an unchanged one follows the checkout. A figure that
    is there already stays: a notebook may have exported it.
    """
    (playground / "notebooks").mkdir(parents=True, exist_ok=True)
    (playground / "figures").mkdir(exist_ok=True)
    figures = source.parent / "figures"
    for path in [path for path in figures.rglob("*") if path.is_file()]:
        target = playground / "figures" / path.relative_to(figures)
        if path.suffix == ".csv" or not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    record = playground / "copied.json"  # what each notebook was like when it was copied
    try:
        copied = dict(json.loads(record.read_text()))
    except (OSError, ValueError, TypeError):
        copied = {}
    for path in sorted(source.glob("[0-9]*.ipynb")):
        target, now = playground / "notebooks" / path.name, _digest(path)
        if target.exists() and _digest(target) not in (now, copied.get(path.name)):
            if copied.get(path.name) != now:
                print(f"lab.py: {target} has your changes and stays; to get the newer one, delete it", file=sys.stderr)
            continue
        shutil.copyfile(path, target)
        copied[path.name] = now
    record.write_text(json.dumps(copied, indent=1) + "\n")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _is_conda_environment() -> bool:
    return os.environ.get("CONDA_DEFAULT_ENV") == "dmmlab"


def _python_of_venv() -> Path:
    """The interpreter of .venv, which is made anew whenever pyproject.toml has changed."""
    home = PROJECT / ".venv"
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = home / "installed.txt"  # it says that the folder is lab.py's, and of which pyproject.toml
    wanted = hashlib.sha256((PROJECT / "pyproject.toml").read_bytes() + str(PROJECT).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    if home.is_symlink() or (home.exists() and not stamp.exists() and any(home.iterdir())):
        raise NotOurs(
            f"{home} is there already, and lab.py did not make it: it stays as it is. Move it away, or use it yourself: "
            f"install into it with pip install --editable '{EXTRAS}', then dmmlab journal"
        )
    print("lab.py: installing what the journal needs into .venv (once, some minutes)", file=sys.stderr)
    if home.exists():
        shutil.rmtree(home)
    home.mkdir()
    stamp.write_text("unfinished")
    venv.EnvBuilder(with_pip=True).create(home)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--editable", EXTRAS], cwd=PROJECT, check=True)
    stamp.write_text(wanted)
    return python


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except NotOurs as error:
        print(f"lab.py: {error}", file=sys.stderr)
        sys.exit(2)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"lab.py: the set-up failed: {error}")
    except KeyboardInterrupt:
        print("lab.py: interrupted; the same command begins again", file=sys.stderr)
        sys.exit(130)
