"""What is public says what it is in a few lines, however large it is."""

import importlib
import inspect
from enum import Enum

import jax
import numpy as np
import pandas as pd
import pytest

import dmmlab as dm
from dmmlab.bench.measurement import Row
from dmmlab.compiler import ChunkRunner, Chunks, compile_rewriting
from dmmlab.core import ACCUM, Formula, Inbox, State, StochasticDown
from dmmlab.core.summaries import LONGEST, MOST_FACTS, summarised
from dmmlab.drawing import as_tree
from dmmlab.explorers import (
    LiveEditor,
    LiveRun,
    MachineEditor,
    PruningExplorer,
    PruningSession,
    Recording,
    StreamStepper,
    SynthesisDashboard,
    TrainingExplorer,
)
from dmmlab.journal import Executed
from dmmlab.june2022 import RUNS
from dmmlab.learning import EvolutionStrategy, GradientDescent, HardConcreteGates, Imitation, SelfModification, TrainingSession
from dmmlab.learning.training_loop import constantly
from dmmlab.machines import wave
from dmmlab.machines.detectors import ImitationError
from dmmlab.problems import PROBLEMS
from dmmlab.proofs import Proof
from dmmlab.proofs.counterexamples import counterexample
from dmmlab.pruning import Evaluator, Event, Settings, Task, Trace, Verdict
from dmmlab.search import Repair, Restart, SearchState
from dmmlab.search.repairs import DAMAGES
from dmmlab.search.synthesis_result import Synthesis
from dmmlab.sources import Examples, Judged

PACKAGES = [
    "core",
    "compiler",
    "machines",
    "learning",
    "june2022",
    "drawing",
    "problems",
    "pruning",
    "proofs",
    "transitions",
    "search",
    "runs",
    "sources",
    "explorers",
    "journal",
    "bench",
    "cli",
]
MOST = 1500
ROUND = {"self.delta": {f"update-{k}.single": 1.0 for k in (1, 2, 3)}}  # the links of the wave that may change
LONG = "a long name " * 20


def public_classes():
    """The classes of the front doors, without errors and enumerations."""
    classes = set()
    for package in ("dmmlab", *(f"dmmlab.{name}" for name in PACKAGES)):
        door = importlib.import_module(package)
        classes |= {thing for name in door.__all__ if inspect.isclass(thing := getattr(door, name))}
    return {c for c in classes if c.__module__.startswith("dmmlab") and not issubclass(c, BaseException | Enum)}


def ended_dashboard():
    dashboard = SynthesisDashboard("no such problem", figures="build")
    with pytest.raises(dm.core.LabError, match="no such problem"):
        dashboard.wait()
    return dashboard


@pytest.fixture(scope="module")
def instances():
    """One of each public class, and where it may be large, a large one."""
    problem, network = PROBLEMS["duplicates"], dm.feedforward(layers=5, copies=2)
    machine = network.machine(np.linspace(-1, 1, len(network.links)))
    stream = dm.characters("noon. " * 3000, period=1)
    smaller = dm.feedforward(layers=2, copies=1)
    compiled = dm.compile_machine(smaller.machine([0.1] * len(smaller.links)), dm.characters("no."), 30)
    batch = dm.imitation_batch(compiled, [dm.characters("no.", 3)], 30, teacher=dm.handcrafted())
    descent = GradientDescent(Imitation(compiled, ("l1",)))
    state = descent.initial_state(compiled.weights())
    small = dm.handcrafted()
    small_compiled = dm.compile_machine(small, dm.characters("no."), 30)
    task = Task(problem, small, seed=1)
    events = [Event("prune", f"link {i}", 1486 - i, 0.1, True, 1.0) for i in range(1400)]
    trace = Trace(events, [np.zeros(1486)] * 1400)
    verdict = Verdict(machine, 1486, 0.1, 0.2, False, 0.3)
    restart = Restart(0, task.weights(small), 5, trace, verdict)
    search = SearchState(problem.question, 100)
    search.events, search.verdicts = dict.fromkeys(range(100), events), {3: verdict}
    training = dm.train(small_compiled, dm.imitation_batch(small_compiled, [dm.characters("no.", 3)], 30, teacher=small), 3)
    session = PruningSession(task)
    frame = pd.DataFrame({"x": np.arange(5000) % 7, "y": np.arange(5000) % 3})
    examples = Examples.from_table(frame, ["x"], ["y"])
    return [
        machine, network, stream, ACCUM, Formula("(%s)", "(%s)"), next(machine.links()), compiled, compiled.layout, batch,
        State(3, {f"n{i}": {"dict": {str(k): 1.0 for k in range(1000)}} for i in range(1000)}, {"m": {"x": machine.soft}}),
        ChunkRunner(compiled, lambda answers, more: answers), Chunks({0: np.zeros((4, 1, 2, 3))}, np.zeros(4)),
        descent, state, constantly(0.1), Imitation(compiled), EvolutionStrategy(compiled, 4), HardConcreteGates(compiled), training,
        TrainingSession(descent, batch, compiled.weights()), RUNS["feedforward-run-3"], ImitationError(0.1, 0.2),
        counterexample(problem, DAMAGES[next(iter(DAMAGES))](small)), problem, problem.preview(), problem.training(1)[0],
        Evaluator(small, {"validation": problem.training(1)}), search, Repair(verdict, trace, 3), restart, verdict, Settings(),
        Synthesis(problem, task, verdict, [restart] * 1, 3.0), task, trace, events[0], dm.drawing.pretty(machine.soft),
        session, Recording(small, "no." * 30), as_tree({"a": 1.0}), Executed("01", 1.0, *[dm.__path__[0]] * 2), Row("a", 1, "b", 2, 3),
        PruningExplorer(session, figures="build"), MachineEditor(small, text="noon"), StreamStepper(small, "noon"),
        TrainingExplorer(task, task.weights(small)), ended_dashboard(), LiveEditor(), LiveRun(),
        dm.Automaton((0,) * 1000, lambda state, item: (state, item)), Proof("proved", "long " * 200, (2,)),
        dm.core.ArrayShape((3, 4)), wave(), compile_rewriting(wave().machine, ROUND, {}, 1, wave().initial_outputs), Inbox(), StochasticDown(0),
        dm.Command("cat"), examples, examples.strings[0], Judged(np.zeros((5000, 1)), "row 1"),
        dm.drawing.animate([small.soft], small.neurons), SelfModification(compile_rewriting(wave().machine, ROUND, {}, 1, wave().initial_outputs), ROUND),
    ]  # fmt: skip


@pytest.mark.slow
def test_every_public_class_is_here(instances):
    missing = public_classes() - {type(instance) for instance in instances}
    assert {c.__name__ for c in missing} == set()


@pytest.mark.slow
def test_what_is_public_says_what_it_is_in_a_few_lines(instances):
    for instance in instances:
        if type(instance).__name__ == "Pretty":
            continue  # it is asked for to see a whole V-value
        text = repr(instance)
        assert len(text) < MOST, text[:200]
        assert text.count("\n") < 40, text
        assert type(instance).__name__ in text or "\n" in text or "machine" in text, text
        assert " at 0x" not in text, text  # which changes in every run
        page = getattr(instance, "_repr_html_", lambda: "")()
        assert len(page) < 100_000 or type(instance).__name__ == "Synthesis"


def test_what_it_says():
    assert repr(dm.handcrafted()).startswith(
        "Machine: 9 neurons, 8 soft links, 3 hard\n  accum.dict-2 <- input.char         1\n"
    )
    assert repr(dm.feedforward(2, 1)).startswith("Network: 13 neurons, 92 soft links to be given weights\n")
    machine = dm.feedforward(5, 2).random(jax.random.key(0))
    assert repr(machine).splitlines()[-1].split() == [
        "…",
        f"{machine.count() + machine.count(hard=True) - MOST_FACTS:,}",
        "more",
    ]
    assert repr(dm.characters("ab")).splitlines() == [
        "Stream: 2 events, the last again every 10 cycles",
        "  cycle 0   {'a': 1.0}",
        "  cycle 10  {'b': 1.0}",
    ]


def test_in_a_notebook_it_is_a_table():
    page = dm.Machine.build({"output.dict-1": {"norm.norm": 0.5}})._repr_html_()
    assert "<b>Machine: 4 neurons, 1 soft link, 2 hard</b>" in page
    assert '<td style="text-align:left">output.dict-1 &lt;- norm.norm</td><td style="text-align:left">0.5</td>' in page


@summarised
class Anything:
    def __init__(self, title, facts):
        self._summary = lambda: (title, facts)


@pytest.mark.parametrize(
    ("facts", "lines"),
    [
        ([], ["it"]),
        ([("a", 1)], ["it", "  a  1"]),
        ([("a", 1), ("bcd", 1234567)], ["it", "  a    1", "  bcd  1,234,567"]),
        ([("x", 0.1 + 0.2), ("y", np.float32(2)), ("z", True)], ["it", "  x  0.3", "  y  2", "  z  True"]),
        ([("a\nb", "c\x1bd")], ["it", "  a�b  c�d"]),
    ],
)
def test_summaries(facts, lines):
    assert repr(Anything("it", facts)).splitlines() == lines


def test_whatever_is_told_stays_short():
    text = repr(Anything(LONG, [(LONG + str(i), {str(k): LONG for k in range(1000)}) for i in range(1000)]))
    assert len(text.splitlines()) == MOST_FACTS + 2
    assert max(map(len, text.splitlines())) == LONGEST
    assert text.splitlines()[-1].split() == ["…", "988", "more"]
    assert "<script>" not in Anything("<script>", [("<script>", "<script>")])._repr_html_()
