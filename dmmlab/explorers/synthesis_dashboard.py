"""The dashboard of a synthesis: shows its working restarts, and the best circuit as it shrinks.

The synthesis runs in a thread, so that the notebook's other cells can be used meanwhile.
:func:`dmmlab.search.portfolio.synthesize` does the work, without a browser.
"""

import os
import threading
import time
import weakref
from pathlib import Path

import ipywidgets

from ..core.errors import LabError
from ..core.machine import Machine
from ..drawing.bundles import circuit_or_bundle
from ..drawing.graphviz_drawing import Drawing
from ..machines.networks import Network
from ..problems.problems import Problem
from ..pruning.rounding import rank
from ..pruning.settings import Settings
from ..search.portfolio import synthesize
from ..search.progress import SearchState, in_words, table_of_restarts
from ..search.synthesis_result import Synthesis
from .explorer import Explorer, table
from .svg_curves import inline, restart_curves

REFRESH = 0.5  # seconds between two updates
LEARNED = 0.05  # relative squared error: a restart above it has not learned yet
AT_WORK: "weakref.WeakSet[SynthesisDashboard]" = weakref.WeakSet()  # one at a time


class SynthesisDashboard(Explorer):
    """Starts a synthesis, and shows its progress::

        dashboard = dm.SynthesisDashboard("sum", seed=1, budget=60)
        dashboard                    # in a separate cell: the dashboard appears
        found = dashboard.wait()     # or, once it has ended: dashboard.result

    A dashboard that is already running, perhaps from the same cell, is stopped.

    Args:
        problem: the problem, or its name.
        network: the network to start from; by default, the problem's own network.
        seed: determines the strings and all random weights.
        settings: the defaults if left out.
        budget: the time limit in seconds; no limit if left out.
        folder: where each restart is saved.
        figures: the folder for exports; ``.json`` writes the machine.
    """

    def __init__(
        self,
        problem: Problem | str,
        network: Network | None = None,
        *,
        seed: int = 0,
        settings: Settings | None = None,
        budget: float | None = None,
        folder: str | os.PathLike | None = None,
        figures: str | os.PathLike = "../figures",
    ):
        super().__init__(figures, "synthesis.svg")
        for other in list(AT_WORK):
            other.stop()
        self.state: SearchState | None = None
        self._found: Synthesis | None = None
        self._failed: Exception | None = None
        self._asked_to_stop = threading.Event()
        self._machine: Machine | None = None  # the one that is shown
        self._made_of: object = None  # the verdict or snapshot that it comes from
        self._shown, self._preparing = 0.0, True
        self.stop_button = self.button("stop", self.stop, "end the synthesis, and keep the best machine")
        self.restarts = ipywidgets.HTML()
        self.arrange(ipywidgets.HBox([self.stop_button]), details=[self.restarts])
        self.say("preparing, which takes some seconds")
        options = {"seed": seed, "settings": settings, "budget": budget, "folder": folder}
        self._thread = threading.Thread(target=self._work, args=(problem, network), kwargs=options, daemon=True)
        AT_WORK.add(self)
        self._thread.start()

    @property
    def result(self) -> Synthesis:
        """The result of the synthesis.

        Raises :class:`~dmmlab.core.errors.LabError` while it is running, and if it has no result.
        """
        if self._failed is not None:
            raise self._failed
        if self._found is None:
            raise LabError("the synthesis is still at work; wait() waits for it, stop() ends it")
        return self._found

    def wait(self) -> Synthesis:
        """Waits until the synthesis has ended, and returns its result.

        An interrupt (the notebook's stop button) ends the synthesis and keeps the best machine.
        Raises :class:`~dmmlab.core.errors.LabError` if there is nothing to keep.
        """
        try:
            self._thread.join()
        except KeyboardInterrupt:
            self.stop()
            self._thread.join()
        self.renew_still()
        return self.result

    def stop(self) -> str:
        """Ends the synthesis within a second or two, and keeps the best machine so far."""
        if not self._thread.is_alive():
            return "the synthesis has ended"
        self._asked_to_stop.set()
        self.stop_button.disabled = True
        return "stopping, and judging what there is"

    def close(self) -> None:
        self._asked_to_stop.set()
        super().close()

    def repaint(self) -> None:
        state = self.state
        if state is None:
            self.measures.value = table({"links": "–", "restarts": "–", "best so far": "–"})
            return
        with state.lock:
            events = {i: [(e.seconds, e.error, e.links) for e in rows if e.accepted] for i, rows in state.events.items()}
            best, leader = state.best, _leader(state)
        if self._found is not None:
            best, leader = self._found.best, self._found.best_restart.index
        make = best.machine.live if best is not None else None if leader is None else state.snapshots[leader]
        source = best or make
        if make is not None and source is not self._made_of:
            self._made_of, self._machine = source, make()
            self.picture.svg = inline(self.drawing())
        self.curves.value = restart_curves({i: rows for i, rows in events.items() if rows}, leader)
        self.restarts.value = f'<div style="overflow-x: auto; font-size: 11px">{table_of_restarts(state)}</div>'
        left = f", {state.seconds_left:.0f} s left" if state.seconds_left is not None and self._found is None else ""
        self.measures.value = table(
            {
                "links": "–" if self._machine is None else f"{self._machine.count():,}",
                "best so far": "–" if best is None else in_words(best),
                "restarts": f"{len(state.verdicts)} of up to {state.planned} done",
                "time": f"{state.seconds if self._found is None else self._found.seconds:.0f} s{left}",
            }
        )

    def drawing(self) -> Drawing:
        machine = self._machine
        if machine is None:
            raise LabError("there is no machine yet")
        return circuit_or_bundle(machine)

    def save(self, path: Path) -> Path:
        if path.suffix == ".json" and self._machine is not None:
            self._machine.to_json(path)
            return path
        return super().save(path)

    def still(self) -> list[str]:
        return [self.picture.svg, self.curves.value]

    def _view(self, state: SearchState) -> None:
        self.state = state
        if time.monotonic() - self._shown < REFRESH:
            return
        if state.events and self._preparing:
            self._preparing = False
            self.say("")
        self.guarded(self.repaint)()
        self._shown = time.monotonic()

    def _work(self, problem: Problem | str, network: Network | None, **options: object) -> None:
        """Runs the synthesis in the thread."""
        try:
            found = synthesize(problem, network, progress=self._view, stop=self._asked_to_stop, **options)  # type: ignore[arg-type]
            self._found = found
            self.guarded(self.repaint)()
            wrong = f" For example, {found.counterexample}." if found.counterexample is not None else ""
            self.say(f"{found.verdict}.{wrong}")
        except Exception as error:
            self._failed = error
            self.say(str(error) if isinstance(error, LabError) else f"{type(error).__name__}: {error}")
        finally:
            AT_WORK.discard(self)
            self.stop_button.disabled = True
            self.guarded(self.renew_still)()


def _leader(state: SearchState) -> int | None:
    """Returns the restart with the best verdict, or else the smallest one that has learned."""
    judged = {i: verdict for i, verdict in state.verdicts.items() if verdict is not None}
    if judged:
        return min(judged, key=lambda i: rank(judged[i]))
    last = {i: [event for event in state.events[i] if event.accepted][-1] for i in state.snapshots}
    return min(last, key=lambda i: (last[i].error > LEARNED, last[i].links, last[i].error), default=None)
