"""What strangers did and nobody had thought of: each fault that they met, as the right behaviour."""

import contextlib
import copy
import importlib
import inspect
import os
import pickle
import pkgutil
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest

import dmmlab as dm
from dmmlab.cli import commands
from dmmlab.cli.commands import main
from dmmlab.core.errors import LabError, Pickled, one_line
from dmmlab.core.files import write_json
from dmmlab.core.neuron_type import NeuronType
from dmmlab.core.neurons import ACCUM, COMPARE, CONST_1, DOT, INPUT, NORM, TIMER, TYPES, answering, constant
from dmmlab.core.tree_neurons import NEST
from dmmlab.core.vvalues import VValueError
from dmmlab.drawing.circuits import circuit, graph
from dmmlab.drawing.plots import STYLE, plot_matrix, save_figure
from dmmlab.drawing.python_programs import python_program
from dmmlab.drawing.standalone_functions import nest
from dmmlab.journal.pages import _with_distinct_anchors
from dmmlab.machines.detectors import handcrafted
from dmmlab.problems.automata import Automaton
from dmmlab.problems.problem_checks import ProblemWarning
from dmmlab.problems.problems import Problem
from dmmlab.problems.streaming_tasks import STREAMING_TASKS
from dmmlab.pruning.rounding import round_off
from dmmlab.pruning.settings import Settings
from dmmlab.pruning.tasks import Task
from dmmlab.runs import sweeps
from dmmlab.runs.job_tables import Job, JobResult, fill_table
from dmmlab.search import portfolio
from dmmlab.transitions.exact_fits import Affine, Hinge, Product

# Synthesis


def test_hinges_products_and_linear_parts_are_never_equal():
    assert len({Hinge((0, 1), 1), Affine((0, 1), 1), Product((0, 1), 1)}) == 3


def test_a_hinge_and_a_linear_part_alike():
    problem = Problem(
        "x and its positive part", Automaton(0, lambda s, x: (0, x + max(x, 0))), silence=False, alphabet=range(-5, 6)
    )
    found = dm.synthesize(problem, progress=False)
    assert found.best.exact
    assert found.proof.grade == "proved"


def test_zeros_of_two_inputs_arrive():
    def differences(items):
        for item in items:
            yield item["left"] - item["right"]

    alphabet = [{"left": a, "right": b} for a in range(3) for b in range(3)]
    problem = Problem("difference", differences, inputs=("left", "right"), silence=False, alphabet=alphabet)
    items = [{"left": 0, "right": 2}, {"left": 1, "right": 0}, {"left": 0, "right": 0}]
    assert problem.answers_to(items).tolist() == [[-2, 1, 0]]
    sample = problem.sample(items)
    assert problem.answers_to(problem.items_of(sample)).tolist() == [[-2, 1, 0]]
    with_silence = Problem(
        "difference",
        lambda items: ((item or alphabet[0])["left"] for item in items),
        inputs=("left", "right"),
        alphabet=alphabet,
    )
    assert with_silence.answers_to(with_silence.items_of(with_silence.sample([items[1], {}, items[0]]))).tolist() == [[1, 0, 0]]


def test_silence_among_numbers_is_told_of():
    problem = Problem("doubled", lambda items: (2 + item for item in items), draw=lambda rng, letters, n: [1.0] * n)
    with pytest.raises(LabError, match=r"\{\} is a cycle without an item: a problem with silence=False has none"):
        problem.answers_to([1, {}])


def test_an_error_of_a_later_try_keeps_the_best(monkeypatch):
    problem = STREAMING_TASKS["Sum_All"]

    def refused():
        raise ZeroDivisionError("of the reader's own")

    def tries(*_):
        yield portfolio.Strategy("first", lambda: portfolio._made(problem, 0, None))
        yield portfolio.Strategy("second", refused)

    monkeypatch.setattr(portfolio, "_tries", tries)
    with pytest.warns(ProblemWarning, match="a later try failed, .* is kept: ZeroDivisionError: of the reader's own"):
        found = dm.synthesize(problem, progress=False)
    assert found.best.exact


def test_what_reads_stays():
    machine = handcrafted().without_neuron("eos")
    unread = machine.with_soft({"output": {"dict-1": {"const_1": {"const_1": 1.0}}}})
    assert "input" not in unread.live().neurons
    kept = unread.live(["input"])
    assert {"input", "timer"} <= kept.neurons.keys()
    assert len(list(dm.run(kept, {"input": dm.core.symbols("ab", 1)}, 3))) == 3
    task = Task(STREAMING_TASKS["Sum_All"], seed=0)
    silent = task.compiled.machine.with_soft({})
    assert "input" in round_off(task, silent).machine.neurons


def test_nan_is_no_error_where_jax_looks_for_it():
    seen = []

    class Phases(dict):
        def values(self):
            return [lambda task, weights, settings, trace, key: seen.append(bool(jnp.log(-1.0) != 0)) or weights]

    with jax.debug_nans(True), pytest.MonkeyPatch.context() as patch:
        for module in ("pruning.phases", "search.search"):
            patch.setattr(f"dmmlab.{module}.PHASES", Phases(one=None))
        task = Task(STREAMING_TASKS["Sum_All"], seed=0)
        dm.synthesize(task.problem, task=task, settings=dm.Settings(restarts=1, rounds=1), progress=False)
    assert seen == [True]


# Errors and machines that go to other processes


def exceptions():
    """Every class of exception that the package defines."""
    found = set()
    for module in pkgutil.walk_packages(dm.__path__, "dmmlab."):
        if ".reference_page" not in module.name and "__main__" not in module.name:
            for each in vars(importlib.import_module(module.name)).values():
                if inspect.isclass(each) and issubclass(each, BaseException) and each.__module__.startswith("dmmlab"):
                    found.add(each)
    return sorted(found, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", exceptions(), ids=lambda kind: kind.__name__)
def test_errors_survive_pickling(kind):
    count = 0 if kind.__init__ is BaseException.__init__ else len(inspect.signature(kind.__init__).parameters) - 1
    arguments = [("a", "b") if name == "path" else "told" for name in list(inspect.signature(kind.__init__).parameters)[1:]]
    error = kind(*arguments) if issubclass(kind, Pickled) and count and kind.__init__ is not Pickled.__init__ else kind("told")
    error.hidden = lambda: None  # what cannot be pickled is left out
    again = pickle.loads(pickle.dumps(error)) if issubclass(kind, Pickled) else pickle.loads(pickle.dumps(kind("told")))
    assert type(again) is kind
    assert str(again) == str(error)
    if issubclass(kind, Pickled):
        assert vars(again) == {key: value for key, value in vars(error).items() if key != "hidden"}


def test_an_error_with_a_path_survives():
    again = pickle.loads(pickle.dumps(VValueError(("a", "b"), "no number")))
    assert (str(again), again.path) == ("a/b: no number", ("a", "b"))


def test_machines_can_be_pickled():
    mine = constant("mine", "char", {"x": 0.5})
    machine = dm.Machine.build({"output.count": {"mine.char": 2.0}}, {"mine": mine, "output": answering(("count",))})
    for each in (handcrafted(), handcrafted().astype(np.float32), machine):
        again = pickle.loads(pickle.dumps(each))
        assert again.json_text() == each.json_text()
        assert again.neurons.keys() == each.neurons.keys()
    assert all(pickle.loads(pickle.dumps(kind)) is kind for kind in TYPES)
    own = NeuronType("own", ("x",), ("y",), lambda v: v)
    with pytest.raises(Exception, match="lambda"):
        pickle.dumps(own)
    assert copy.deepcopy(own).function is own.function


# Sweeps


def test_a_sweep_whose_first_row_is_not_exact(tmp_path, monkeypatch, capsys):
    row = dict.fromkeys(sweeps.COLUMNS) | {"problem": "sum", "seed": 0, "exact": False, "verdict": "not exact"}

    def one(*_, tell, **__):
        tell(row)
        return [row]

    monkeypatch.setattr(sweeps, "sweep", one)
    assert main(["sweep", "sum", "--seeds", "0", "--out", str(tmp_path / "out"), "--json"]) == 0
    assert '"exact": 0' in capsys.readouterr().out


def finished(n):
    return JobResult({"n": n}, {"machine.json": "{}\n"})


def stuck(folder, n):
    Path(folder, f"worker {os.getpid()}").touch()
    time.sleep(120)


@contextlib.contextmanager
def threads():
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        yield pool


def test_a_row_without_its_files_is_made_again(tmp_path):
    jobs = {f"{n}": Job(finished, (n,)) for n in range(3)}
    rows = fill_table(jobs, tmp_path, {}, threads)
    (tmp_path / "1" / "machine.json").unlink()
    told = []
    assert fill_table(jobs, tmp_path, {}, threads, resume=True, tell=told.append) == rows
    assert told == [{"n": 1}]
    assert (tmp_path / "1" / "machine.json").is_file()


@pytest.mark.parametrize("row", [3, [], {}, {"n": 1}, {"n": 1, "files": 3}])
def test_rows_that_are_none(tmp_path, row):
    jobs = {f"{n}": Job(finished, (n,)) for n in range(2)}
    fill_table(jobs, tmp_path, {}, threads)
    write_json(tmp_path / "1" / "row.json", row)
    with pytest.raises(LabError, match=r"row\.json: no row of this run; without it the job is done again"):
        fill_table(jobs, tmp_path, {}, threads, resume=True)


def test_rows_of_others_are_not_adopted(tmp_path):
    jobs = {f"{n}": Job(finished, (n,)) for n in range(2)}
    (tmp_path / "1").mkdir()
    write_json(tmp_path / "1" / "row.json", {"m": 1, "files": []})
    with pytest.raises(LabError, match=r"and no run\.json that says of which run: name another folder"):
        fill_table(jobs, tmp_path, {}, threads)
    write_json(tmp_path / "run.json", {})
    (tmp_path / "0").mkdir()
    write_json(tmp_path / "0" / "row.json", {"n": 0, "files": []})
    with pytest.raises(LabError, match="rows of different columns: name another folder"):
        fill_table(jobs, tmp_path, {}, threads, resume=True)


PARENT = """
import sys
sys.path.insert(0, {tests!r})
from test_odd_uses import stuck
from dmmlab.runs.job_tables import Job, fill_table, processes
if __name__ == "__main__":
    fill_table({{str(n): Job(stuck, ({folder!r}, n)) for n in range(2)}}, {folder!r}, {{}}, processes(2))
"""


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_parent(tmp_path, sent):
    script = tmp_path / "parent.py"
    script.write_text(PARENT.format(tests=str(Path(__file__).parent), folder=str(tmp_path)))
    with subprocess.Popen([sys.executable, str(script)], stderr=subprocess.DEVNULL, start_new_session=True) as parent:
        wait_for(lambda: len(list(tmp_path.glob("worker *"))) == 2)
        parent.send_signal(sent)  # to it alone
        parent.wait(60)
    workers = [int(path.name.split()[1]) for path in tmp_path.glob("worker *")]
    wait_for(lambda: not any(is_running(pid) for pid in workers))


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def missing(n):
    raise LabError(f"problem.py: no such file ({n})")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # what Dask says when its scheduler is lost
@pytest.mark.parametrize("what", ["an error", "an interrupt", "a lost scheduler"])
def test_a_cluster_that_fails_is_told_in_one_line(tmp_path, what):
    from test_sweeps import _free_port, _wait_for

    from dmmlab.runs.job_tables import cluster

    address = f"tcp://127.0.0.1:{_free_port()}"
    common = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    common["env"] = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    dask = [sys.executable, "-m", "dask"]
    scheduler = subprocess.Popen([*dask, "scheduler", "--host", address, "--no-dashboard"], **common)
    worker = [*dask, "worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--death-timeout", "5"]
    worker = subprocess.Popen([*worker, "--local-directory", str(tmp_path / "worker")], **common)

    def tell(row):
        if what == "an interrupt":
            raise KeyboardInterrupt
        scheduler.kill()

    jobs = {"0": Job(missing, (0,))} if what == "an error" else {"0": Job(finished, (0,)), "1": Job(stuck, (str(tmp_path), 1))}
    try:
        _wait_for(address, 1)
        began = time.monotonic()
        expected = {
            "an error": (LabError, r"problem\.py: no such file \(0\)"),
            "an interrupt": (KeyboardInterrupt, ""),
            "a lost scheduler": (LabError, "--resume goes on"),
        }[what]
        with pytest.raises(expected[0], match=expected[1]):
            fill_table(jobs, tmp_path / "run", {}, cluster(address), tell=tell)
        assert time.monotonic() - began < 100
    finally:
        for process in (worker, scheduler):
            process.kill()
            process.wait()


# Names, drawings, exports


def test_labels_show_texts_as_they_are():
    text = r"a &lt; b, C:\data, \N"
    drawing = circuit(handcrafted(), title=text, below={str(link): text for link in handcrafted().links()})
    shown = [re.sub("&#45;", "-", each) for each in re.findall(r"<text[^>]*>([^<]*lt;[^<]*)<", drawing.pipe("svg").decode())]
    assert {each.strip() for each in shown} == {r"a &amp;lt; b, C:\data, \N"}
    tex = drawing.pipe("tex").decode()
    assert r"a \&lt; b, C:\textbackslash{}data, \textbackslash{}N" in tex
    assert "textbackslash{}\\textbackslash" not in tex


def test_headings_of_the_same_text_have_anchors_of_their_own():
    heading = '<h2 id="Result">Result<a class="anchor-link" href="#Result">¶</a></h2>'
    again = heading.replace("Result<", "Result <")
    assert _with_distinct_anchors(heading + again) == heading + again.replace('"Result"', '"Result-2"').replace(
        '"#Result"', '"#Result-2"'
    )


def crowded(seed):
    """Circuits for which Graphviz finds no room for a link."""
    rng = random.Random(seed)
    kinds = [rng.choice([ACCUM] * 4 + [COMPARE, NORM, DOT]) for _ in range(rng.randint(2, 5))]
    neurons = {"timer": TIMER, "input": INPUT, "const_1": CONST_1} | {f"{k.name}-{i}": k for i, k in enumerate(kinds)}
    neurons["output"] = answering(("a", "b"))
    clock = {"timer.timer": {"timer.timer": 1.0}, "input.timer": {"timer.timer": 1.0}}
    machine, order = dm.Machine.build({}, neurons, clock), list(neurons)
    for to in order[3:]:
        for field in neurons[to].inputs:
            for source in rng.sample(order[1:-1], rng.randint(0, 3)):
                port = f"{source}.{rng.choice(neurons[source].outputs)}"
                machine = machine.link(f"{to}.{field}", port, rng.choice([1.0, -1.0, 0.5, 0.123]))
    return machine


@pytest.mark.parametrize("seed", [23, 130, 131, 136])
def test_graphviz_says_nothing(seed, capfd):
    drawing = circuit(crowded(seed), hide={"timer"})
    assert drawing.pipe("svg").count(b'class="edge"') == len(drawing.placed["edges"])
    assert capfd.readouterr().err == ""


def test_graphs_can_be_written(tmp_path):
    g = graph(handcrafted())
    nx.write_graphml(g, tmp_path / "g.graphml")
    nx.write_gexf(g, tmp_path / "g.gexf")
    again = nx.read_graphml(tmp_path / "g.graphml", force_multigraph=True)
    assert again.number_of_edges() == g.number_of_edges()
    assert again.nodes["input"] == g.nodes["input"]


@pytest.mark.parametrize("ending", ["pdf", "eps"])
def test_fonts_of_plots_are_no_type_3(tmp_path, ending):
    import matplotlib.pyplot as plt

    with plt.rc_context(STYLE):
        save_figure(plot_matrix(handcrafted()), tmp_path / f"m.{ending}")
    assert re.search(rb"/(?:Subtype|FontType) */?(?:Type3|3)\b", (tmp_path / f"m.{ending}").read_bytes()) is None


def test_a_nest_that_carries_nothing_stays_empty():
    v = {}
    for _ in range(50):
        v = nest({"a": {"x": 1, "y": 1}, "b": 1}, v)
    assert not v
    assert nest({"a": 0}, {"b": 2}) == {}
    neurons = {"timer": TIMER, "input": INPUT, "nest": NEST, "output": answering(("a",))}
    links = {
        f"nest.{NEST.inputs[0]}": {"input.char": 1.0},
        f"nest.{NEST.inputs[1]}": {f"nest.{NEST.outputs[0]}": 1.0},
        "output.a": {f"nest.{NEST.outputs[0]}": 1.0},
    }
    clock = {"timer.timer": {"timer.timer": 1.0}, "input.timer": {"timer.timer": 1.0}}
    namespace = {}
    exec(python_program(dm.Machine.build(links, neurons, clock)), namespace)
    assert not any(answer["a"] for answer in namespace["run"]([{"x": 1.0, "y": 1.0}] * 60))


def test_precisions_that_machines_do_not_have():
    with pytest.raises(LabError, match="precision bfloat16: expected a floating-point type of NumPy"):
        handcrafted().astype(jnp.bfloat16)


# The command line


def problem_file(folder, source):
    path = folder / "mine.py"
    path.write_text(source)
    return f"{path}:problem"


BROKEN = """
class Broken(Exception):
    def __str__(self):
        raise RuntimeError("broken")

raise Broken
"""
SOURCES = {
    "an exit": ("raise SystemExit", "line 1: SystemExit"),
    "an exit with a status": ("import sys; sys.exit(0)", "line 1: SystemExit: 0"),
    "an error that cannot be told": (BROKEN, "Broken: (its message cannot be told: RuntimeError)"),
    "escape sequences": ("raise ValueError('\\x1b[2Ja\\nb')", r"ValueError: \x1b[2Ja b"),
    "a long error": ("raise ValueError('x' * 100_000)", "xxx..."),
}


@pytest.mark.parametrize("source", SOURCES)
def test_problem_files_that_end_otherwise(tmp_path, capsys, source):
    text, said = SOURCES[source]
    assert main(["test", "handcrafted", "--problem", problem_file(tmp_path, text)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert error[:-1].isprintable()
    assert len(error) < 1200


def test_a_path_that_is_too_long():
    for command in (["test", "handcrafted", "--problem", f"{'x' * 5000}.py:a"], ["draw", "x" * 5000, "--out", "a.svg"]):
        done = subprocess.run([sys.executable, "-m", "dmmlab", *command], capture_output=True, text=True, timeout=120)
        assert done.returncode == 2
        assert "cannot be written" not in done.stderr
        assert done.stderr.count("\n") == 1
        assert len(done.stderr) < 1200


def test_a_cache_of_matplotlib_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    environment = {**os.environ, "MPLCONFIGDIR": str(tmp_path / "file" / "folder")}
    command = [sys.executable, "-m", "dmmlab", "draw", "handcrafted", "--out", str(tmp_path / "none" / "a.svg")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1, done.stderr


def test_messages_are_of_one_line():
    assert one_line(ValueError("a\nb\x1b[1m")) == r"a b\x1b[1m"
    assert len(one_line(ValueError("x" * 10**6))) == 1000


def test_what_is_old_in_the_cache_goes(tmp_path):
    for i in range(5):
        (tmp_path / f"{i}").write_bytes(b"x" * 100)
        os.utime(tmp_path / f"{i}", (i, i))
    commands._drop_what_is_old(tmp_path, 250)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3", "4"]
    commands._drop_what_is_old(tmp_path / "none", 250)


@pytest.mark.slow
def test_a_stopped_process_that_holds_the_cache_stops_no_other(tmp_path):
    """JAX waits ten seconds for the lock of a cache with a limit, once for each program."""
    import filelock

    environment = {key: value for key, value in os.environ.items() if not key.startswith("JAX_COMPILATION")}
    environment["XDG_CACHE_HOME"] = str(tmp_path)
    folder = tmp_path / "dmmlab"
    folder.mkdir()
    command = [sys.executable, "-m", "dmmlab", "replay", "first-feedforward-run", "--steps", "2"]
    with filelock.FileLock(folder / ".lockfile"):
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    assert "rror" not in done.stderr


@pytest.mark.parametrize(("networks_only", "first"), [(False, "transitions"), (True, "feedforward")])
def test_networks_can_be_trained_at_once(networks_only, first):
    """Whatever the target shows: what gradients do by themselves can be measured."""
    attempts = SimpleNamespace(is_solved=lambda: False, best=None, latest=None)
    strategies = portfolio._tries(STREAMING_TASKS["Parity_All"], None, 0, Settings(), None, networks_only, attempts)
    assert next(strategies).name.startswith(first)
