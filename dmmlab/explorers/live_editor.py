"""The live editor: edits a machine while it runs.

:class:`~dmmlab.explorers.live_run.LiveRun` does the work, without a browser.
"""

import html
import os
from collections.abc import Sequence

import ipywidgets
from ipywidgets import Layout

from ..core.errors import LabError
from ..core.machine import Machine
from ..core.neuron_type import NeuronType
from ..core.summaries import plural
from ..drawing.circuits import circuit
from ..drawing.graphviz_drawing import Drawing
from .explorer import Explorer, table
from .live_run import OFFERED, LiveRun
from .svg_curves import inline

EXAMPLE = '{"accum-1": {"dict-1": {"accum-1": {"dict": 1}}, "dict-2": {"timer": {"timer": 2}}}}'
SHOWN = 6  # cycles in the table


class LiveEditor(Explorer):
    """Edits a machine while it runs: every change is a V-value that is added to its matrix.

    To add a link, click its source neuron, then its target neuron; or choose two ports; or type a
    change as JSON. The lists of ports also offer new neurons. A click on a link cuts it. A change
    takes effect two cycles after the machine reads it.

    Args:
        machine: it emits its matrix at ``self.single``; by default,
            :func:`~dmmlab.machines.rewriting_machines.editing`.
        types: the types of new neurons on offer.
        figures: the folder for exports, created when it is needed.
    """

    def __init__(
        self,
        machine: Machine | None = None,
        types: Sequence[NeuronType] = OFFERED,
        figures: str | os.PathLike = "figures",
    ):
        super().__init__(figures, "edited.svg")
        self.types = types
        self.live = LiveRun(machine, types)
        self._source: str | None = None  # the neuron that was clicked first
        port = Layout(width="auto", flex="1 1 120px")
        self.source = ipywidgets.Dropdown(options=self.live.outputs, description="from", layout=port)
        self.to = ipywidgets.Dropdown(options=self.live.inputs, description="to", layout=port)
        for knob in (self.source, self.to):
            knob.style.description_width = "34px"
        self.weight = ipywidgets.FloatText(value=1.0, step=0.5, description="weight", layout=Layout(width="120px"))
        self.weight.style.description_width = "48px"
        self.text = ipywidgets.Text(placeholder=EXAMPLE, description="change", continuous_update=False)
        self.text.layout = Layout(width="auto", flex="1 1 150px")
        self.text.style.description_width = "48px"
        self.buttons = {
            "link": self.button("link", self._link, "sends this link; its weight is added to what is there"),
            "send": self.button("send", self._send_typed, "sends what is typed"),
            "step": self.button("1 cycle", lambda: self._run(1)),
            "run": self.button("10 cycles", lambda: self._run(10)),
            "anew": self.button("begin anew", self._begin_anew, "the machine as it was at first"),
        }
        self.picture.on_pick(self.guarded_pick)
        self.picture.on_msg(lambda _, content, __: self.guarded(lambda: self._clicked(content.get("neuron")))())
        by = self.buttons
        self.arrange(
            ipywidgets.HBox([by["step"], by["run"], by["anew"]]),
            ipywidgets.HBox([self.source, self.to]),
            ipywidgets.HBox([self.weight, by["link"]]),
            ipywidgets.HBox([self.text, by["send"]]),
        )
        self.say("click the neuron that a link is to come from, then the one that it is to lead to")

    def guarded_pick(self, name: str) -> None:
        """Cuts the link that was clicked."""
        self.guarded(lambda: self._cut(name))()

    def repaint(self) -> None:
        live = self.live
        self.picture.svg = inline(self.drawing())
        self.picture.picked = self._source or ""
        for knob, ports in ((self.source, live.outputs), (self.to, live.inputs)):
            self.move(knob, knob.value if knob.value in ports else ports[0], ports)
        self.measures.value = table({"cycles": f"{live.cycle:,}", "links": str(live.machine.count())})
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td>{''.join(f'<td>{html.escape(text)}</td>' for text in texts)}</tr>"
            for name, texts in live.table(SHOWN).items()
        )
        self.curves.value = f'<table data-name="emitted" style="border-spacing:8px 1px">{rows}</table>'

    def drawing(self) -> Drawing:
        machine = self.live.machine
        if not machine.neurons:
            raise LabError("nothing is left of the machine: its matrix is empty; begin anew")
        return circuit(machine, dead="show")

    def still(self) -> list[str]:
        return [self.picture.svg]

    def _run(self, cycles: int) -> str:
        try:
            self.live.run(cycles)
        except LabError as error:
            self.repaint()
            return str(error)
        self.repaint()
        emitted = self.live.table(1)
        return f"after {plural(self.live.cycle, 'cycle')}: {plural(len(emitted), 'output')} beside the matrix"

    def _link(self) -> str:
        self.live.link(self.to.value, self.source.value, float(self.weight.value))
        return f"sent: {self.to.value} <- {self.source.value}, {self.weight.value:g}; run it for three cycles to see it"

    def _cut(self, name: str) -> str:
        to, _, source = name.partition(" <- ")
        self.live.cut(to, source)
        return f"sent: away with {name}; run it for three cycles to see it go"

    def _clicked(self, neuron: object) -> str | None:
        there = self.live.machine.neurons
        if not isinstance(neuron, str) or neuron not in there:
            return None
        if self._source is None:
            outputs = there[neuron].outputs
            if not outputs:
                raise LabError(f"{neuron} has no output that a link could come from")
            self._source = neuron
            self.move(self.source, f"{neuron}.{outputs[0]}")
            self.picture.picked = neuron
            return f"from {neuron}; now click the neuron that the link is to lead to"
        linked = {(link.to_neuron, link.to_field) for link in self.live.machine.links()}
        inputs = there[neuron].inputs
        free = [field for field in inputs if (neuron, field) not in linked]
        self._source, self.picture.picked = None, ""
        if not inputs:
            raise LabError(f"{neuron} has no input that a link could lead to")
        self.move(self.to, f"{neuron}.{(free or inputs)[0]}")
        return self._link()

    def _send_typed(self) -> str:
        self.live.send(self.text.value)
        return "sent; run it for three cycles to see it"

    def _begin_anew(self) -> str:
        self.live, self._source = LiveRun(self.live.first, self.types), None
        self.repaint()
        return "as it was at first"
