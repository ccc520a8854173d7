"""The explorers without a browser: knobs are moved, buttons clicked, and nothing that is given ends in a traceback."""

import gzip
import html
import json
import re
import threading
import time
from xml.etree import ElementTree

import jax
import numpy as np
import pytest

from dmmlab import Machine
from dmmlab.compiler.weights import flatten
from dmmlab.core.errors import LabError
from dmmlab.core.files import read_json
from dmmlab.core.streams import symbols
from dmmlab.drawing.graphviz_drawing import FORMATS
from dmmlab.explorers import run_player
from dmmlab.explorers.pruning_explorer import PruningExplorer
from dmmlab.explorers.pruning_session import PruningSession
from dmmlab.explorers.stream_stepper import MachineEditor, StreamStepper
from dmmlab.explorers.training_explorer import RUNNING, TrainingExplorer
from dmmlab.learning.session import replay_schedule
from dmmlab.machines.detectors import handcrafted, published
from dmmlab.machines.networks import feedforward
from dmmlab.problems.catalogue import PROBLEMS
from dmmlab.pruning.rounding import Verdict
from dmmlab.pruning.tasks import Task
from dmmlab.pruning.trace import Trace
from dmmlab.search.synthesis_result import Synthesis

DUPLICATES = PROBLEMS["duplicates"]
SMALLEST = "compare-3-1.dict-2 <- norm-2-1.norm"  # -0.25
ODD_STRINGS = ["", "a", "noon" * 2500, "\n\t\x00", "<b>&\"'", "αβ😀\u202e", "\ud800", ":number", " "]


def said(explorer):
    """The line at the foot."""
    (text,) = re.fullmatch('<span role="status">(.*)</span>', explorer.message.value, flags=re.S).groups()
    return html.unescape(text)


def number(explorer, name):
    return re.search(f'<b data-name="{name}">([^<]*)</b>', explorer.measures.value)[1]


def pictures(explorer):
    """The circuit and the curves, or the data of the run that the browser makes them of."""
    if isinstance(explorer, StreamStepper):
        run = json.loads(gzip.decompress(explorer.player.packed))
        return run["svg"], run["curves"]
    return explorer.picture.svg, explorer.curves.value


def shows_pictures(explorer):
    for svg in pictures(explorer):
        ElementTree.fromstring(svg)
    return True


@pytest.fixture(scope="module")
def task():
    return Task(DUPLICATES, published(), seed=1)


@pytest.fixture(scope="module")
def network():
    """A network, its task and weights to be trained."""
    task = Task(DUPLICATES, feedforward(2, 1), DUPLICATES.training(0, strings=4, cycles=24))
    return task, task.initial_weights(jax.random.key(1), 0.3)


@pytest.fixture
def pruner(task, tmp_path):
    return PruningExplorer(PruningSession(task), tmp_path / "figures")


@pytest.fixture
def stepper(tmp_path):
    return StreamStepper(handcrafted(), "noon.", 4, DUPLICATES, tmp_path / "figures")


@pytest.fixture
def editor(tmp_path):
    return MachineEditor(handcrafted(), "noon.", 4, DUPLICATES, tmp_path / "figures")


@pytest.fixture
def trainings(network, tmp_path):
    """Makes attended trainings, and ends their threads: a process in which JAX runs must not be left with one."""
    made = []

    def make(**given):
        made.append(TrainingExplorer(*network, figures=tmp_path / "figures", **given))
        return made[-1]

    yield make
    for training in made:
        training.pause()
        assert training._thread is None or not training._thread.is_alive()
        training.close()
    assert not [thread for thread in threading.enumerate() if "_train" in thread.name]


@pytest.fixture(params=["pruner", "stepper", "editor", "training"])
def explorer(request):
    return request.getfixturevalue("trainings")() if request.param == "training" else request.getfixturevalue(request.param)


def until(condition, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


# All explorers


@pytest.mark.slow
def test_a_reader_without_a_kernel_sees_still_pictures_and_how_to_make_them_live(explorer):
    bundle = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    page = bundle["text/html"]
    assert page.count('<img src="data:image/svg+xml;base64,') == 2
    told = "A recorded run: step through it here." if isinstance(explorer, StreamStepper) else "A still picture of an explorer."
    assert told in page
    assert "run this notebook: <b>Run › Run All Cells</b> in JupyterLab" in page
    assert "python3 lab.py open" in page
    assert explorer.measures.value in page


@pytest.mark.parametrize("name", ["../x.svg", "", "  ", ".", "..", ".x.svg", "/tmp/x.svg", "a/b.svg", "x.bmp", "x\x00.svg", "x" * 300 + ".svg"])  # fmt: skip
def test_files_that_cannot_be_written_are_told_of(explorer, tmp_path, name):
    explorer.file.value = name
    explorer.export_button.click()
    assert said(explorer)
    assert "written" not in said(explorer).replace("it is written into", "").replace("cannot be written", "")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_folder_that_cannot_be_made_is_told_of(explorer, tmp_path):
    (tmp_path / "figures").write_text("a file")
    explorer.export_button.click()
    assert "figures" in said(explorer)
    assert (tmp_path / "figures").read_text() == "a file"


@pytest.mark.parametrize("kind", [*FORMATS, "json", "SVG"])
def test_export(pruner, editor, tmp_path, kind):
    for explorer in (pruner, editor):
        explorer.file.value = f" machine.{kind} "
        explorer.export_button.click()
        path = tmp_path / "figures" / f"machine.{kind}"
        assert said(explorer) == f"written: {path}"
        assert path.stat().st_size > 300
        if kind == "json":
            assert Machine.from_json(path).count() == (19 if explorer is pruner else 8)
        path.unlink()


# PruningSession


def test_a_threshold_is_moved_and_moved_back(pruner):
    assert (number(pruner, "links"), number(pruner, "of these live")) == ("19", "19")
    pruner.threshold.value = 0.3
    assert number(pruner, "links") == "17"
    assert pruner.picture.svg.count("stroke-dasharray") == 2
    pruner.show_cut.value = False
    assert pruner.picture.svg.count("stroke-dasharray") == 0
    pruner.buttons["undo"].click()
    assert said(pruner).startswith("undone: threshold.")
    assert number(pruner, "links") == "19"
    assert pruner.threshold.value == pytest.approx(10**pruner.threshold.min)
    pruner.buttons["undo"].click()
    assert said(pruner) == "there is nothing to undo"


def test_all_links_cut_by_a_threshold_beyond_all_weights(pruner):
    pruner.threshold.value = 10**pruner.threshold.max
    assert number(pruner, "links") == "0"
    assert said(pruner).startswith("all links are cut: the machine answers nothing")
    assert shows_pictures(pruner)
    pruner.buttons["train"].click()
    assert said(pruner) == "no links are left to be trained"
    pruner.show_cut.value = False
    assert shows_pictures(pruner)
    assert "<img" in pruner._repr_mimebundle_()["text/html"]


def test_links_are_cut_restored_and_pinned_by_hand(pruner):
    pruner.buttons["cut"].click()
    assert said(pruner) == "first pick a link: click it, or type its name"
    pruner.link.value = SMALLEST
    assert said(pruner) == f"{SMALLEST}: weight -0.25, kept"
    for button, status, links in (("cut", "cut", "18"), ("restore", "kept", "19"), ("pin", "pinned", "19")):
        pruner.buttons[button].click()
        assert said(pruner).endswith(status)
        assert number(pruner, "links") == links
    pruner.threshold.value = 10**pruner.threshold.max
    assert number(pruner, "links") == "1"
    for unknown in ("nobody", "<b>", "x" * 10_000):
        pruner.link.value = unknown
        pruner.buttons["cut"].click()
        assert "there is no link" in said(pruner)


def test_a_click_on_a_link_picks_it(pruner):
    for content in ({"picked": SMALLEST}, {"picked": 3}, {}, {"picked": None}):
        pruner.picture._handle_custom_msg(content, [])
    assert pruner.link.value == SMALLEST
    assert "kept" in said(pruner)
    pruner.picture._handle_custom_msg({"picked": "input.timer <- timer.timer"}, [])
    assert "is a hard link" in said(pruner)


def test_a_link_is_named_with_or_without_spaces_or_in_part(pruner):
    for text in ("compare-3-1.dict-2<-norm-2-1.norm", " compare-3-1.dict-2  <-norm-2-1.norm ", "3-1.dict-2 <- norm"):
        pruner.link.value = text
        assert pruner.link.value == pruner.picture.picked == SMALLEST
        pruner.link.value = ""
        assert pruner.picture.picked == ""
    pruner.link.value = "compare-3-1.dict-2"
    assert re.match("2 links have 'compare-3-1.dict-2' in their names: .* <- .*, .* <- ", said(pruner))
    pruner.pruning.cut("3-1.dict-2<-norm")
    assert pruner.pruning.undo() == f"cut {SMALLEST}"


def test_what_is_pinned_is_marked(pruner):
    pruner.link.value = SMALLEST
    for pinned in ([SMALLEST], []):
        pruner.buttons["pin"].click()
        assert pruner.picture.pinned == pinned


def test_strings_are_shown(pruner, task):
    labels = [label for label, _ in pruner.string.options]
    assert all(re.fullmatch(r"\d+: [abc.]{3,23}…?", label) for label in labels)
    assert len(set(labels)) == len(labels)
    items = [item for item in re.findall(r'text-anchor="middle">(.)</text>', pruner.curves.value) if item != "·"]
    assert items == [next(iter(item)) for item in task.problem.items_of(task.samples[0]) if item]


def test_training_what_is_left_by_a_click(pruner):
    before = float(number(pruner, "training loss"))
    pruner.buttons["train"].click()
    assert float(number(pruner, "training loss")) < before
    pruner.buttons["undo"].click()
    assert said(pruner).startswith("undone: train 100 steps.")
    assert float(number(pruner, "training loss")) == before


def test_strings_of_the_task(pruner):
    curves = [(setattr(pruner.string, "value", i), pruner.curves.value)[1] for i in range(3)]
    assert len(set(curves)) == 3


def test_the_history_of_a_synthesis(task, tmp_path):
    weights = flatten(task.weights(published()))
    pruning = PruningSession(task, history=Trace([], [2 * weights, np.where(np.abs(weights) < 0.5, 0, weights)]))
    explorer = PruningExplorer(pruning, tmp_path)
    few = number(explorer, "links")
    explorer.moment.value = 0
    assert (few, number(explorer, "links")) == (str((np.abs(weights) >= 0.5).sum()), "19")
    explorer.buttons["undo"].click()
    assert (explorer.moment.value, number(explorer, "links")) == (1, few)


def test_a_network_too_large_for_numbers_is_shown_as_a_bundle(network, tmp_path):
    explorer = PruningExplorer(PruningSession(*network), tmp_path)
    assert explorer.picture.svg.count('class="edge"') > 90
    explorer.threshold.value = 0.6
    assert explorer.picture.svg.count("<text") > int(number(explorer, "links")) > 0  # a circuit, with numbers


# Stepping and editing


def test_a_run_goes_to_the_browser_once(stepper):
    sent = stepper.player.packed
    for t, shown in ((-1, 0), (2, 2), (10**6, 39)):
        stepper.cycle = t
        assert stepper.cycle == stepper.player.cycle == shown
    assert stepper.player.packed is sent
    stepper.text.value = "noon"
    assert stepper.player.packed != sent
    assert len(sent) < 20_000


@pytest.mark.parametrize("name", ["stepper", "editor"])
@pytest.mark.parametrize("text", ODD_STRINGS, ids=range(len(ODD_STRINGS)))
def test_any_string(request, name, text):
    explorer = request.getfixturevalue(name)
    before = pictures(explorer)
    explorer.text.value = text
    assert shows_pictures(explorer)
    refused = text in ("", "\ud800")
    assert (said(explorer) != "") == (refused or len(text) > 1000)
    assert pictures(explorer) == before or not refused
    explorer.text.value = "noon"
    assert said(explorer) == ""
    assert explorer.recording.text == "noon"


def test_a_shorter_string_keeps_the_cycle_in_range(stepper):
    stepper.cycle = 39
    stepper.text.value = "a"
    assert stepper.cycle == 23
    stepper.period.value = 100
    assert stepper.recording.cycles == 120
    stepper.period.value = 0
    assert stepper.period.value == 1


def test_a_still_picture_of_a_chosen_cycle(tmp_path):
    stepper = StreamStepper(handcrafted(), "noon", 10, figures=tmp_path, cycle=25)
    assert stepper.cycle == 25
    assert StreamStepper(handcrafted(), "noon", 10, figures=tmp_path, cycle=10**6).cycle == 59
    stepper.export_button.click()
    assert (tmp_path / "stepped.svg").read_text() == stepper.recording.circuit(25)


def test_any_streams_and_another_string(tmp_path):
    streams, targets = {"input": symbols(["to", "be", "to"], 2, repeat_last=False)}, np.zeros((2, 9))
    stepper = StreamStepper(handcrafted(), figures=tmp_path, streams=streams, targets=targets, problem=DUPLICATES)
    assert [text for _, text, _ in stepper.recording.items] == ["to", "·", "be", "·", "to", "·", "·", "·", "·"]
    assert np.array_equal(stepper.recording.targets, targets)
    stepper.text.value = "noon"
    assert stepper.recording.error == 0.0  # now the problem's targets
    stepper.text.value = ""
    assert stepper.recording.cycles == 9


def synthesized(machine, problem=DUPLICATES, exact=False):
    """What a synthesis would give that ended with this machine."""
    error = 0.0 if exact else 1.0
    best = Verdict(machine, machine.count(), 0.0, error, rounded=True, test_max_abs_error=error)
    return Synthesis(problem, Task(problem, machine, problem.training(0, strings=2, cycles=24)), best, [], 1.0)


@pytest.mark.slow
def test_a_stepper_opens_where_a_synthesis_errs(tmp_path):
    wrong = handcrafted().link("compare.dict-2", "const_1.const_1", 0.25)
    synthesis = synthesized(wrong)
    stepper, found = StreamStepper.at_failure(synthesis, tmp_path), synthesis.counterexample
    assert stepper.cycle == found.cycle
    assert np.array_equal(stepper.recording.answers, found.answers)
    assert np.array_equal(stepper.recording.targets, found.targets, equal_nan=True)
    assert said(stepper) == str(found)
    assert "right answer" in json.loads(gzip.decompress(stepper.player.packed))["curves"]
    stepper.text.value = "aab"
    assert stepper.recording.error == pytest.approx(0.75)


@pytest.mark.slow
def test_a_stepper_at_a_failure_of_a_machine_that_explodes_ends_before(tmp_path):
    loop = handcrafted().link("accum.dict-2", "accum.dict", 1e150).link("output.dict-1", "accum.dict", 1.0)
    synthesis = synthesized(loop)
    stepper = StreamStepper.at_failure(synthesis, tmp_path)
    assert np.isfinite(stepper.recording.answers).all()
    assert stepper.cycle < stepper.recording.cycles


def test_there_is_no_failure_to_open(tmp_path):
    with pytest.raises(LabError, match=r"^exact: .*; StreamStepper\(synthesis.machine\) steps through any string$"):
        StreamStepper.at_failure(synthesized(handcrafted(), exact=True))
    searched = synthesized(handcrafted())
    vars(searched)["counterexample"] = None  # which a search would find after a while
    with pytest.raises(LabError, match=r"^not exact, but no string was found on which it errs"):
        StreamStepper.at_failure(searched)


def test_the_page_of_a_run_too_large_for_it_has_pictures_alone(stepper, monkeypatch):
    monkeypatch.setattr(run_player, "packed_run", lambda recording, cycle: b"")
    page = stepper._repr_mimebundle_()["text/html"]
    assert page.count("<img") == 2
    assert "<script" not in page


def test_a_page_says_nothing_that_the_site_would_strike_out(stepper):
    page = stepper._repr_mimebundle_()["text/html"]
    assert page.count("<script") == 1
    assert "http" not in page.partition("<script")[2]  # the site takes out scripts that name an address
    assert len(page) < 150_000


def test_weights_are_turned_and_reset(editor):
    link, slider = next((k, v) for k, v in editor.weights.items() if str(k) == "compare.dict-2 <- const_1.const_1")
    assert number(editor, "largest error on this string") == "0"
    slider.value = 0.25
    assert editor.machine.count() == 8
    assert float(number(editor, "largest error on this string")) == pytest.approx(0.75)
    slider.value = 0
    assert number(editor, "links") == "7"
    assert "stroke-dasharray" in editor.picture.svg
    slider.value = link.weight
    assert editor.machine == handcrafted()
    for each in editor.weights.values():
        each.value = 0
    assert said(editor) == "all links are cut: the machine answers nothing"
    assert shows_pictures(editor)
    editor.buttons["reset"].click()
    assert editor.machine == handcrafted()
    assert [each.value for each in editor.weights.values()] == [1.0] * 8
    assert said(editor) == ""


def test_what_a_click_in_a_browser_moved_stays_until_the_browser_has_seen_it(editor):
    """It may send a slider's last move after the click."""
    (_, slider), (_, other) = list(editor.weights.items())[:2]

    def reset():
        editor.buttons["reset"]._handle_custom_msg({"event": "click"}, [])

    slider.value = 0.5
    reset()
    slider.value = 0.25  # late
    assert (slider.value, editor.machine) == (1.0, handcrafted())
    other.value = 0.5  # it was not moved by the click
    assert editor.machine != handcrafted()
    for answer in (0, "1", None):
        editor.picture._handle_custom_msg({"seen": answer}, [])
    slider.value = 0.25
    assert slider.value == 1.0
    editor.picture._handle_custom_msg({"seen": 1}, [])
    slider.value = 0.25
    assert slider.value == 0.25
    reset()
    editor.picture._handle_custom_msg({"seen": 1}, [])  # of the click before
    slider.value = 0.25
    assert (slider.value, editor.machine) == (1.0, handcrafted())
    editor.buttons["reset"].click()  # in Python nothing is late
    slider.value = 0.25
    assert slider.value == 0.25


def test_turns_and_clicks_that_come_in_two_threads_take_turns(editor, monkeypatch):
    reset, slider = editor.buttons["reset"], next(iter(editor.weights.values()))
    turning, recorded = threading.Event(), editor._recorded

    def slowly():
        recording = recorded()
        if editor.machine != editor.before:
            turning.set()
            time.sleep(0.2)
        return recording

    monkeypatch.setattr(editor, "_recorded", slowly)
    turn = threading.Thread(target=lambda: setattr(slider, "value", 0.25))
    turn.start()
    assert turning.wait(60)
    reset.click()
    turn.join()
    assert (slider.value, editor.machine) == (1.0, handcrafted())
    assert number(editor, "largest error on this string") == "0"


def test_a_link_is_marked_by_a_click_and_by_its_slider(editor):
    editor.picture._handle_custom_msg({"picked": "norm.dict <- accum.dict"}, [])
    assert editor.picture.picked == "norm.dict <- accum.dict"
    link, slider = list(editor.weights.items())[2]
    slider.value = 0.5
    assert editor.picture.picked == str(link)


def test_what_a_browser_rounds_is_not_turned(tmp_path):
    """It shows a weight in steps of 0.01, and sends what it shows."""
    machine = handcrafted().link("norm.dict", "accum.dict", 0.123456)
    editor = MachineEditor(machine, "noon.", 4, DUPLICATES, tmp_path)
    recording, (link, slider) = editor.recording, next(pair for pair in editor.weights.items() if pair[0].to_neuron == "norm")
    slider.value = 0.12000000000000011
    assert editor.machine is machine
    assert editor.recording is recording
    assert editor.picture.picked == ""
    slider.value = 0.13000000000000012
    assert dict(editor.now)[link] == 0.13
    editor.buttons["reset"].click()
    assert editor.machine == machine


def test_a_loop_that_explodes_is_told_of(tmp_path):
    machine = handcrafted().link("accum.dict-2", "accum.dict", 1.0)
    editor = MachineEditor(machine, "noon" * 40, 2, figures=tmp_path)
    before = editor.picture.svg
    slider = next(v for k, v in editor.weights.items() if str(k) == "accum.dict-2 <- accum.dict")
    slider.max = 1000.0
    slider.value = 1000.0
    assert "cycle" in said(editor)
    assert editor.picture.svg == before
    editor.buttons["reset"].click()
    assert said(editor) == ""


@pytest.mark.parametrize("machine", [handcrafted().with_soft({}), feedforward(2, 1).random(jax.random.key(0))])
def test_machines_that_the_editor_has_no_sliders_for(machine, tmp_path):
    with pytest.raises(LabError, match=rf"{machine.count()} soft links: the editor has sliders for 1 to 40"):
        MachineEditor(machine, figures=tmp_path)


# TrainingSession training


@pytest.mark.slow
def test_training_is_started_paused_and_resumed_and_can_be_replayed(trainings, network, tmp_path):
    explorer = trainings()
    training = explorer.training
    explorer.start.click()
    assert explorer.start.description == "pause"
    until(lambda: training.steps >= 100)
    explorer.learning_rate.value = 3e-2  # while it runs
    explorer.l1.value = 1e-4
    explorer.buttons["keep"].click()
    assert said(explorer).startswith("checkpoint 1: ")
    until(lambda: training.steps >= 300)
    explorer.start.click()
    assert explorer.start.description == "resume"
    assert not explorer._thread.is_alive()
    steps = training.steps
    assert number(explorer, "steps") == f"{steps:,}"
    explorer.smallest.value = 5
    explorer.buttons["cut"].click()
    assert number(explorer, "links") == str(training.links)
    explorer.start.click()
    until(lambda: training.steps >= steps + 50)
    explorer.start.click()
    explorer.buttons["back"].click()
    explorer.file.value = "schedule.json"
    explorer.export_button.click()
    again = replay_schedule(
        network[0].descent(), network[0].batch, network[1], read_json(tmp_path / "figures" / "schedule.json")
    )
    assert again.losses == training.losses
    assert np.array_equal(flatten(again.weights), flatten(training.weights))
    assert {key for act in training.schedule for key in act} == {"rate", "l1", "checkpoint", "steps", "cut", "back"}
    assert {"rate": 3e-2} in training.schedule
    json.dumps(training.schedule)


def test_one_trains_at_a_time(trainings):
    one, other = trainings(), trainings()
    one.start.click()
    until(lambda: one.training.steps > 0)
    other.start.click()
    assert not one._thread.is_alive()
    assert one.start.description == "resume"
    steps = one.training.steps
    until(lambda: other.training.steps > 50)
    assert one.training.steps == steps
    assert list(RUNNING) == [other]
    other.start.click()
    assert list(RUNNING) == []


def neurons(explorer):
    """Where the neurons stand: their names and places in the picture."""
    root = ElementTree.fromstring(explorer.picture.svg)
    nodes = [group for group in root.iter("{http://www.w3.org/2000/svg}g") if group.get("class") == "node"]
    return {node[0].text: next(node.iter("{http://www.w3.org/2000/svg}text")).get("x") for node in nodes}


def test_a_cut_is_taken_back_and_checkpoints_say_what_they_are(trainings):
    explorer = trainings()
    links, loss = number(explorer, "links"), number(explorer, "loss")
    explorer.buttons["undo"].click()
    assert said(explorer) == "there is no cut to take back"
    explorer.buttons["cut"].click()
    assert number(explorer, "links") == str(int(links) - 10)
    assert [label for label, _ in explorer.checkpoint.options] == [f"1: {links} links, loss {float(loss):.2g}"]
    explorer.buttons["undo"].click()
    assert said(explorer) == "taken back: the cut at step 0."
    assert (number(explorer, "links"), number(explorer, "loss")) == (links, loss)
    explorer.buttons["keep"].click()
    assert said(explorer) == f"checkpoint 2: {links} links, loss {float(loss):.2g}"
    assert float(number(explorer, "largest error on validation strings")) > 0
    assert "links were cut" in explorer.curves.value


def test_the_penalty_returns_to_zero(trainings):
    explorer = trainings()
    assert (explorer.l1.label, explorer.training.l1) == ("0", 0.0)
    explorer.l1.value = 1e-4
    assert (explorer.l1.label, explorer.training.l1) == ("0.0001", 1e-4)
    explorer.buttons["keep"].click()
    explorer.l1.index = 0
    assert explorer.training.l1 == 0.0
    assert said(explorer).startswith("checkpoint 1: ")  # a move that comes late takes no message away
    explorer.training.set_l1(3.33e-5)  # in Python, off the slider's marks
    explorer.repaint()
    assert (explorer.l1.value, explorer.training.schedule[-1]) == (3.33e-5, {"l1": 3.33e-5})


def test_neurons_keep_their_places_when_links_are_cut(trainings):
    explorer = trainings()
    before = neurons(explorer)
    explorer.smallest.value = int(number(explorer, "links")) - 70  # still a bundle
    explorer.buttons["cut"].click()
    assert neurons(explorer) == before
    explorer.smallest.value = 30
    explorer.buttons["cut"].click()
    before = neurons(explorer)  # a circuit, whose neurons stand elsewhere
    explorer.buttons["cut"].click()
    assert number(explorer, "links") == "10"
    assert neurons(explorer) == before
    assert explorer.picture.svg.count("stroke-dasharray") == 30
    explorer.show_cut.value = False
    assert explorer.picture.svg.count("stroke-dasharray") == 0
    explorer.buttons["undo"].click()
    assert number(explorer, "links") == "40"


def test_what_training_cannot_do_is_told(trainings):
    explorer = trainings()
    explorer.buttons["back"].click()
    assert said(explorer) == "there is no checkpoint to go back to"
    explorer.smallest.value = 100_000
    explorer.buttons["cut"].click()
    assert said(explorer) == "all links are cut or driven to zero: undo, or go back to a checkpoint"
    assert shows_pictures(explorer)
    explorer.start.click()
    until(lambda: explorer.training.steps >= 50)
    explorer.start.click()
    assert number(explorer, "links") == "0"


def test_training_that_explodes_pauses_and_says_so(trainings):
    explorer = trainings()
    explorer.training.set_learning_rate(1e30)
    explorer.start.click()
    until(lambda: not explorer._thread.is_alive())
    assert "the loss is no longer finite; a smaller rate may help" in said(explorer)
    assert explorer.start.description == "resume"
    assert list(RUNNING) == []


def test_a_training_that_is_closed_ends_its_thread(trainings):
    explorer = trainings()
    explorer.start.click()
    until(lambda: explorer.training.steps > 0)
    explorer.close()
    until(lambda: not explorer._thread.is_alive())
