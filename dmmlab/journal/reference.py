"""The API reference of the journal's site: pdoc makes it from the docstrings of the packages.

A package of ``dmmlab`` imports its public names when they are first used; here all are imported.
A page shows the names in the package's ``__init__.pyi``, so the reference has public names only.
"""

import importlib
import pkgutil
import re
import sys
import types
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.files import write_text
from .pages import HEAD, STYLE, SWITCH
from .site import REFERENCE

TEMPLATES = Path(__file__).parent / "reference_page"
PACKAGE = "dmmlab"
MODULES = ("core.vvalues",)  # modules that a package offers as a whole
SHORT = re.compile(r"~((?:<a [^>]*>)?)(?:\w+\.)+(?=\w+(?:\(\))?<)")  # as in reStructuredText: only the last name is shown
LOCAL = re.compile(r'<a href="(?!\w+:)([^"#]+)(?:#[^"]*)?">(.*?)</a>', flags=re.S)


def write_reference(out: Path) -> Path:
    """Writes a page for each public package into ``out/html/reference``.

    Args:
        out: the folder of the journal; :func:`~dmmlab.journal.site.write_index` then links to it.

    Returns:
        The page of the package as a whole.

    Raises:
        LabError: a file cannot be written.
        JournalError: pdoc is not installed.
    """
    from .execution import JournalError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations in pdoc and its dependencies
            import pdoc.doc
            import pdoc.render
    except ImportError:
        raise JournalError("the reference needs pdoc: pip install 'dmmlab[journal]'") from None
    pages = {name: pdoc.doc.Module(module) for name, module in _open_doors().items()}
    # pdoc needs the defining modules, to link each name to the page that shows it.
    homes = {name: pdoc.doc.Module(module) for name, module in list(sys.modules.items()) if name.startswith(f"{PACKAGE}.")}
    pdoc.render.configure(docformat="google", show_source=False, search=False, template_directory=TEMPLATES)
    pdoc.render.env.globals |= {
        "journal_head": HEAD, "journal_style": STYLE, "journal_switch": SWITCH, "doors": list(pages),
    }  # fmt: skip
    folder = out / "html" / Path(REFERENCE).parent
    files = {name: folder / f"{name.replace('.', '/')}.html" for name in pages}
    for name, page in pages.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about annotations for type checkers only
            text = pdoc.render.html_module(page, {**homes, **pages})
        files[name].parent.mkdir(parents=True, exist_ok=True)
        write_text(files[name], _living(text, files[name], out / "html", set(files.values())))
    return files[PACKAGE]


def _open_doors() -> Mapping[str, types.ModuleType]:
    """Returns modules, by name, that have all public names of the packages."""
    root = importlib.import_module(PACKAGE)
    packages = [each.name for each in pkgutil.iter_modules(root.__path__) if each.ispkg and each.name != "cli"]
    doors = {name: _opened(name) for name in (PACKAGE, *(f"{PACKAGE}.{name}" for name in packages))}
    doors |= {f"{PACKAGE}.{name}": importlib.import_module(f"{PACKAGE}.{name}") for name in MODULES}
    return dict(sorted(doors.items()))


def _opened(name: str) -> types.ModuleType:
    door = importlib.import_module(name)
    opened: Any = types.ModuleType(name, door.__doc__)
    opened.__file__, opened.__path__ = door.__file__, door.__path__
    for each in door.__all__:
        setattr(opened, each, getattr(door, each))
    opened.__all__ = sorted(door.__all__, key=lambda each: (not callable(getattr(door, each)), each.lower()))
    return opened


def _living(text: str, file: Path, site: Path, there: set[Path]) -> str:
    """Removes links to modules without a page, and shortens names marked with ``~``."""
    known = {path.resolve() for path in there} | {(site / "index.html").resolve()}
    text = SHORT.sub(r"\1", text)
    return LOCAL.sub(lambda match: match[0] if (file.parent / match[1]).resolve() in known else match[2], text)
