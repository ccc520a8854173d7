"""The explorer for pruning a machine by hand: set a threshold, cut or pin links, train the rest.

:class:`dmmlab.explorers.pruning_session.PruningSession` does the work, without a browser.
"""

import math
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import ipywidgets
from ipywidgets import Layout

from ..core.errors import LabError
from ..drawing.graphviz_drawing import Drawing
from ..problems.previews import item_text
from ..pruning.tasks import Task
from .explorer import NARROW, WIDE, Explorer, table
from .pruning_session import PruningSession
from .svg_curves import SILENCE, answer_curves, inline

LONGEST = 24  # characters of a string in the list of strings


class PruningExplorer(Explorer):
    """Cuts links by threshold and by hand, and shows the remaining machine and its quality.

    Args:
        pruning: a :class:`~dmmlab.explorers.pruning_session.PruningSession` of a machine, a
            network, or the history of a synthesis.
        figures: the folder for exports, created when it is needed.
        name: the suggested file name for exports.
    """

    def __init__(self, pruning: PruningSession, figures: str | os.PathLike = "figures", name: str = "pruned.svg"):
        super().__init__(figures, name)
        self.pruning = pruning
        low, high = (math.log10(x) for x in pruning.range)
        self.threshold = ipywidgets.FloatLogSlider(
            value=10**low,
            min=low,
            max=high,
            step=(high - low) / 200,
            description="threshold",
            readout_format=".3",
            layout=WIDE,
        )
        moments = max(0, len(pruning.history) - 1)
        self.moment = ipywidgets.IntSlider(value=moments, max=moments, description="moment", layout=WIDE)
        self.string = ipywidgets.Dropdown(
            options=[(f"{i + 1}: {_beginning(pruning.task, i)}", i) for i in range(len(pruning.task.samples))],
            description="string",
            style={"description_width": "auto"},
            layout=Layout(width="210px"),
        )
        self.show_cut = ipywidgets.Checkbox(value=True, description="show what is cut", indent=False, layout=NARROW)
        self.link = ipywidgets.Combobox(
            placeholder="click a link, or type its name", description="link", continuous_update=False, layout=WIDE
        )
        self.link.options = pruning.links
        self.on_change(self.threshold, self._threshold_moved)
        self.on_change(self.moment, self._moment_moved)
        for knob in (self.show_cut, self.string):
            self.on_change(knob, self.repaint)
        self.on_change(self.link, self._picked)
        self.picture.on_pick(self.guarded_pick)
        by_hand = [
            self.button(label, partial(self._by_hand, act), tip)
            for label, act, tip in (
                ("cut", pruning.cut, "cut this link, whatever its weight"),
                ("restore", pruning.restore, "bring this link back"),
                ("pin", pruning.pin, "keep this link, whatever the threshold; once more: let go"),
            )
        ]
        more = [self.button("train", self._train, "100 steps of training for what is left"), self.button("undo", self._undo)]
        self.buttons = {made.description: made for made in (*by_hand, *more)}
        self.threshold.tooltip = "links with weights up to this are cut; at the left end none is"
        self.moment.tooltip = "what was kept, in order: the first is the network, the last the machine that was found"
        self.string.tooltip = "the string learned from whose answers are shown"
        history = [self.moment] if moments else []
        options = ipywidgets.HBox([self.string, self.show_cut])
        self.arrange(*history, self.threshold, self.link, ipywidgets.HBox([*by_hand, *more]), options)

    def repaint(self) -> str:
        pruning = self.pruning
        self.picture.svg = inline(self.drawing())
        measured = pruning.measure()
        self.measures.value = table(
            {
                "links": f"{measured.links:,}",
                "of these live": f"{measured.live:,}",
                "training loss": f"{measured.train_loss:.3g}",
                "largest error on validation strings": f"{measured.validation_error:.3g}",
            }
        )
        items = list(enumerate(_items(pruning.task, self.string.value)))
        self.curves.value = answer_curves(pruning.task.answer_names, *pruning.answers(self.string.value), items=items)
        self.picture.picked = self.link.value
        self.picture.pinned = sorted(pruning.names[i] for i in pruning.place.pinned)
        if not measured.links:
            return "all links are cut: the machine answers nothing; undo, or move the threshold down"
        return self._describe_link() if measured.live else "nothing reaches the output any more"

    def drawing(self) -> Drawing:
        return self.pruning.drawing(self.show_cut.value)

    def save(self, path: Path) -> Path:
        return self.pruning.export(path, self.show_cut.value)

    def guarded_pick(self, name: str) -> None:
        """Handles a click on a link."""
        self.move(self.link, name)
        self.guarded(self._picked)()

    def _threshold_moved(self) -> str:
        lowest = self.threshold.value <= 10**self.threshold.min * 1.0001
        self.pruning.move_threshold(0.0 if lowest else self.threshold.value)
        return self.repaint()

    def _moment_moved(self) -> str:
        self.pruning.go_to(self.moment.value)
        return self._weights_changed()

    def _by_hand(self, act: Callable[[str], None]) -> str:
        if not self.link.value:
            raise LabError("first pick a link: click it, or type its name")
        act(self.link.value)
        return self.repaint()

    def _picked(self) -> str:
        if not self.link.value:
            self.picture.picked = ""
            return ""
        self.move(self.link, self.pruning.named(self.link.value))
        self.picture.picked = self.link.value
        return self._describe_link()

    def _describe_link(self) -> str:
        name, pruning = self.link.value, self.pruning
        if not name:
            return ""
        return f"{name}: weight {pruning.weight(name):.4g}, {pruning.status(name)}"

    def _train(self) -> str:
        self.pruning.train(100)
        return self._weights_changed()

    def _undo(self) -> str:
        undone = self.pruning.undo()
        return f"undone: {undone}. {self._weights_changed()}"

    def _weights_changed(self) -> str:
        self.move(self.threshold, max(self.pruning.place.threshold, 10**self.threshold.min))
        self.move(self.moment, self.pruning.place.moment)
        self.link.options = self.pruning.links
        return self.repaint()


def _items(task: Task, string: int) -> list[str]:
    """Returns the items of a string of the task, one for each cycle, as text."""
    return [item_text(item) for item in task.problem.items_of(task.samples[string])]


def _beginning(task: Task, string: int) -> str:
    """Returns the first items of a string, without silence."""
    text = "".join(item for item in _items(task, string) if item != SILENCE)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
