"""A benchmark of the explorers: the time from a slider move to the new picture, in a browser::

    python tests/browser/slider_moves.py

The time runs from a key press to the frame after the picture is redrawn. In between, the kernel
cuts the links, measures the losses, lays the circuit out and sends it to JupyterLab. The result is
the median of fifty moves that change the picture, over the whole range of the slider.
"""

import statistics
import tempfile
from pathlib import Path
from typing import Any

from real_browser import chromium, jupyterlab, open_notebook, run_all, write_notebook

MOVES = 50
PATIENCE = 700  # milliseconds from one move to the next
FIRST = """
import jax, numpy as np
import dmmlab as dm
from dmmlab.compiler import flatten, unflatten
problem = dm.PROBLEMS["duplicates"]
task = dm.Task(problem, seed=1)
weights = task.initial_weights(jax.random.key(0))
largest = np.argsort(-np.abs(flatten(weights)))[:60]
few = np.zeros_like(flatten(weights))
few[largest] = flatten(weights)[largest]
"""
CASES = {  # the explorer, and the target in milliseconds
    "19 links": ("dm.PruningExplorer(dm.PruningSession(dm.Task(problem, dm.published(), seed=1)))", 150.0),
    "60 links": ("dm.PruningExplorer(dm.PruningSession(task, unflatten(few, weights)))", 150.0),
    "1486 links": ("dm.PruningExplorer(dm.PruningSession(task, weights))", 1000.0),
}
LISTEN = """() => {
    const picture = document.querySelector(".dmmlab-picture");
    window.moves = [];
    let pressed = null;
    document.addEventListener("keydown", () => { pressed = performance.now(); }, true);
    new MutationObserver(() => requestAnimationFrame(() => requestAnimationFrame(() => {
        if (pressed !== null) { window.moves.push(performance.now() - pressed); pressed = null; }
    }))).observe(picture, { attributes: true, attributeFilter: ["data-painted"] });
}"""


def _measure() -> dict[str, list[float]]:
    """Returns the milliseconds of each move, by case."""
    times = {}
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        home = Path(folder)
        with jupyterlab(home) as lab:
            for number, (name, (explorer, _)) in enumerate(CASES.items()):
                file = f"repaint-{number}.ipynb"
                write_notebook(home / "work" / file, [FIRST, explorer])
                page = open_notebook(browser, lab, file)
                run_all(page)
                page.locator(".dmmlab-picture svg").first.wait_for()
                page.evaluate(LISTEN)
                page.locator(".noUi-handle").first.focus()
                times[name] = _moves(page)
                page.close()
    return times


def _moves(page: Any) -> list[float]:
    """Returns the milliseconds of slider moves, up and down, that changed the picture.

    A key press moves five of 200 steps. Presses repeat until there are :data:`MOVES` moves.
    """
    key, places = "PageUp", range(1, 201 // 5)
    while True:
        for _ in places:
            page.keyboard.press(key)
            page.wait_for_timeout(PATIENCE)
            times = page.evaluate("() => window.moves")
            if len(times) >= MOVES:
                return times[:MOVES]
        key = "PageDown" if key == "PageUp" else "PageUp"


if __name__ == "__main__":
    for name, times in _measure().items():
        seen, asked = statistics.median(times), CASES[name][1]
        print(f"{name}: {seen:.1f} ms, target {asked:g} ms; {len(times)} moves, the slowest {max(times):.0f} ms")
