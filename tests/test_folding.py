"""What a page folds away: imports and checks, line for line, and nothing else."""

import html
import re

import pytest
from nbconvert.filters.highlight import Highlight2HTML
from nbformat import v4

from dmmlab.journal import pages
from dmmlab.journal.folding import as_details, foldable, folding

SOURCE = '''import numpy as np

import dmmlab as dm

dm.journal_style()
x = """a
assert b
"""
assert x  # it is
# and more:
for y in x:
    assert y
x'''


@pytest.mark.parametrize(
    ("source", "folds"),
    [
        (SOURCE, [(1, 5, "imports"), (9, 12, "checks")]),
        ("x = 1", []),
        ("", []),
        ("%matplotlib inline\nimport x", []),
        ("import x; y = 1", []),
        ("for x in y:\n    assert x\n    print(x)", []),
        ("assert (\n    1\n)\n2\nassert 3", [(1, 3, "checks"), (5, 5, "checks")]),
        ("from a import b\nassert b", [(1, 1, "imports"), (2, 2, "checks")]),
        ("assert x\nwith y:\n    assert x", [(1, 3, "checks")]),
        ("x = 1; assert x", []),
        ("if x:\n    assert y\nelse:\n    assert z", [(1, 4, "checks")]),
        ("if x:\n    assert y\nelse:\n    z = 1", []),
    ],
)
def test_what_is_folded(source, folds):
    assert list(foldable(source)) == folds


def highlighted(source):
    return as_details(folding(Highlight2HTML(pygments_lexer="ipython3"))(source, metadata={}))


def text(page):
    return html.unescape(re.sub("<[^>]*>", "", page)).strip("\n")


@pytest.mark.parametrize(
    "source", [SOURCE, "x = '<div>'", "import x", "assert '''\n<div class=\"fold checks lines-1\">\n'''\n\n\nx\n"]
)
def test_nothing_is_lost(source):
    page = highlighted(source)
    shown = re.sub(r"<summary.*?</summary>(.*?)</details>", lambda m: f"\n{m[1]}\n", page, flags=re.S)
    assert [line for line in text(shown).split("\n") if line] == [line for line in source.split("\n") if line]


def test_a_page_has_what_is_folded_in_its_place():
    page = pages.page(v4.new_notebook(cells=[v4.new_code_cell(SOURCE), v4.new_code_cell("print(1)")]), "a")
    folds = re.findall(r'<details class="fold"><summary data-lines="([^"]*)">(\w+)</summary>(.*?)</details>', page, flags=re.S)
    assert [(lines, what) for lines, what, _ in folds] == [("5 lines", "imports"), ("4 lines", "checks")]
    assert text(folds[0][2]).split("\n") == SOURCE.split("\n")[:5]
    assert "for y in x:" in text(folds[1][2])
    assert "&lt;div" not in page


def test_a_table_of_contents_where_there_are_sections():
    cells = [
        v4.new_markdown_cell("# 01 · A"),
        v4.new_markdown_cell("## The *first* part"),
        v4.new_markdown_cell("## `x` & y\n### z"),
    ]
    page = pages.page(v4.new_notebook(cells=cells), "a")
    (contents,) = re.findall(
        r'<nav aria-label="Contents" id="contents">.*?</nav>|<nav id="contents".*?</nav>', page, flags=re.S
    )
    targets = re.findall(r'href="#([^"]*)"', contents)
    assert len(targets) == 2
    assert all(f'<h2 id="{target}">' in page for target in targets)
    assert "<em>first</em>" in contents
    assert '<nav id="contents"' not in pages.page(v4.new_notebook(cells=cells[:2]), "a")
