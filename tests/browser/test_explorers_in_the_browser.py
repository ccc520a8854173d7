"""The explorers as a reader uses them: with keyboard and mouse, in JupyterLab."""

import re
from functools import partial

import pytest
from real_browser import open_notebook, run_all, write_notebook

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FIRST = """
import jax
import dmmlab as dm
problem = dm.PROBLEMS["duplicates"]
"""
CELLS = {
    "pruning": 'explorer = dm.PruningExplorer(dm.PruningSession(dm.Task(problem, dm.published(), seed=1)), "out")\nexplorer',
    "stepper": 'explorer = dm.StreamStepper(dm.handcrafted(), problem=problem, figures="out")\nexplorer',
    "editor": 'explorer = dm.MachineEditor(dm.published(), problem=problem, figures="out")\nexplorer',
    "slow editor": """
import time
class Slow(dm.MachineEditor):
    def _recorded(self):
        turned, recording = self.machine != dm.published(), super()._recorded()
        time.sleep(turned)
        return recording
explorer = Slow(dm.published(), problem=problem, figures="out")
explorer
""",
    "training": "task = dm.Task(problem, dm.feedforward(2, 2), seed=1)\n"
    'explorer = dm.TrainingExplorer(task, task.initial_weights(jax.random.key(0)), figures="out")\nexplorer',
    "dashboard": "settings = dm.Settings(restarts=2, rounds=1, ramp_steps=1500, cool_steps=300, finish_steps=300, trials=20)\n"
    'explorer = dm.SynthesisDashboard("sum", seed=1, settings=settings, figures="out")\nexplorer',
    "live": 'explorer = dm.LiveEditor(figures="out")\nexplorer',
    "network": "task = dm.Task(problem, seed=1)\n"
    'explorer = dm.PruningExplorer(dm.PruningSession(task, task.initial_weights(jax.random.key(0))), "out")\nexplorer',
}


HALF_WAY = """name => {
    const edge = [...document.querySelectorAll(".dmmlab-picture g.edge")].find(each => each.dataset.name === name);
    edge.scrollIntoView({ block: "center" });
    const path = edge.querySelector("a path");
    const point = path.getPointAtLength(path.getTotalLength() / 2).matrixTransform(path.getScreenCTM());
    return [point.x, point.y];
}"""


class Reader:
    """What a reader does with an explorer: looks, presses keys, drags, clicks, types."""

    def __init__(self, browser, lab, folder, name, mode="doc"):
        file = f"{name}-{len(list(folder.glob('*.ipynb')))}.ipynb"  # JupyterLab remembers a notebook by its name
        write_notebook(folder / file, [FIRST, CELLS[name], "1 + 1"])
        self.page = open_notebook(browser, lab, file, mode)
        self.page.set_default_timeout(200_000)
        run_all(self.page)
        self.page.locator(".dmmlab-picture svg").first.wait_for()

    def number(self, name):
        return self.page.locator(f'.widget-html b[data-name="{name}"]').inner_text()

    def message(self):
        return self.page.locator(".dmmlab-message").inner_text()

    def until(self, look, wanted, timeout=200_000):
        """Waits until ``look()`` satisfies ``wanted``, and returns what was seen.

        A machine of a tenth of the speed is in time. What comes too late for a person, ``slider_moves.py`` tells.
        """
        for _ in range(timeout // 50):
            seen = look()
            if wanted(seen) if callable(wanted) else seen == wanted:
                return seen
            self.page.wait_for_timeout(50)
        raise AssertionError(f"still {seen!r}")

    def handle(self, label):
        row = self.page.locator(".widget-inline-hbox", has=self.page.locator(f"label:text-is('{label}')")).first
        return row.locator(".noUi-handle")

    def press(self, label, key, times=1):
        self.handle(label).focus()
        for _ in range(times):
            self.page.keyboard.press(key)

    def drag(self, label, pixels):
        handle = self.handle(label)

        def grab():
            handle.scroll_into_view_if_needed()
            place = handle.bounding_box()
            x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
            self.page.mouse.up()
            self.page.mouse.move(x, y)
            self.page.mouse.down()
            return "noUi-active" in handle.get_attribute("class") and (x, y)

        x, y = self.until(grab, lambda held: held)  # it may move meanwhile
        for step in range(1, 6):
            self.page.mouse.move(x + pixels * step / 5, y)
        self.page.mouse.up()

    def click_link(self, name):
        """Clicks the line of a link, half way."""
        x, y = self.page.evaluate(HALF_WAY, name)
        self.page.mouse.click(x, y)

    def click(self, label):
        """Clicks a button, once: again only if it moved away between the mouse's down and up."""
        button = self.page.locator(f"button:text-is('{label}')").element_handle()
        button.evaluate("it => it.addEventListener('click', () => it.dataset.clicked = 'yes', { once: true })")

        def clicked():
            button.click()
            return button.evaluate("it => { const was = it.dataset.clicked; delete it.dataset.clicked; return was }")

        self.until(clicked, "yes")

    def type(self, label, text):
        row = self.page.locator(".widget-inline-hbox", has=self.page.locator(f"label:text-is('{label}')")).first
        field = row.locator("input").first
        field.fill(text)
        field.press("Enter")

    def lines(self):
        return self.page.locator(".dmmlab-picture g.edge").count()

    def dotted(self):
        return self.page.locator('.dmmlab-picture g.edge path[stroke-dasharray]:not([stroke="transparent"])').count()

    def export(self, folder, name):
        field = self.page.locator(".widget-text input").last
        field.fill(name)
        field.press("Tab")
        self.click("export")
        self.until(self.message, lambda text: text.startswith("written:") and name in text)
        return folder / "out" / name


@pytest.fixture
def reader(browser, lab, lab_folder, request):
    opened = Reader(browser, lab, lab_folder, request.param)
    yield opened
    assert "Traceback" not in opened.page.locator(".jp-Notebook").inner_text()
    opened.page.close()


def explorer(name):
    return pytest.mark.parametrize("reader", [name], indirect=True, ids=[name])


@explorer("pruning")
def test_the_pruning_explorer(reader, lab_folder):
    assert reader.number("links") == "19"
    lines, loss = reader.lines(), reader.number("training loss")
    reader.press("threshold", "ArrowRight", 60)
    by_key = int(reader.until(lambda: reader.number("links"), lambda n: int(n) < 19))
    reader.until(lambda: reader.number("training loss"), lambda text: text != loss)
    reader.until(reader.dotted, lambda n: n > 0)
    assert reader.lines() == lines  # what is cut keeps its place, dotted
    reader.drag("threshold", 120)
    reader.until(lambda: int(reader.number("links")), lambda n: n < by_key)
    reader.click("undo")
    reader.until(lambda: reader.number("links"), "19")
    edge = (
        reader.page.locator(".dmmlab-picture g.edge", has_text="0.71")
        .or_(reader.page.locator(".dmmlab-picture g.edge", has_text="1.07"))
        .first
    )
    edge.locator("path").last.click(force=True)
    picked = reader.until(reader.message, lambda text: "weight" in text)
    assert re.fullmatch(r"\S+ <- \S+: weight \S+, kept", picked)
    reader.click("cut")
    reader.until(lambda: reader.number("links"), "18")
    assert reader.until(reader.message, lambda text: text.endswith("cut"))
    reader.click("restore")
    reader.until(lambda: reader.number("links"), "19")
    reader.click("pin")
    reader.press("threshold", "End")
    reader.until(lambda: reader.number("links"), "1")  # the pinned one
    reader.click("undo")
    reader.click("undo")
    reader.until(lambda: reader.number("links"), "19")
    for name, start in (("seen.svg", b"<?xml"), ("seen.pdf", b"%PDF"), ("seen.tex", b"% Made by"), ("seen.json", b"{")):
        assert reader.export(lab_folder, name).read_bytes().startswith(start)


@explorer("pruning")
def test_odd_input_of_the_pruning_explorer(reader):
    reader.press("threshold", "End")
    reader.until(reader.message, lambda text: "all links are cut" in text)
    assert reader.number("links") == "0"
    reader.type("link", "nonsense")
    reader.until(reader.message, lambda text: "there is no link 'nonsense'" in text)
    reader.click("train")
    reader.until(reader.message, lambda text: "no links are left" in text)
    reader.page.locator(".widget-text input").last.fill("../../x.svg")
    reader.click("export")
    reader.until(reader.message, lambda text: "give a file's name alone" in text)


@explorer("network")
def test_the_pruning_explorer_of_the_whole_network(reader):
    assert reader.number("links") == "1,486"
    assert reader.lines() > 1486
    reader.drag("threshold", 150)
    reader.until(lambda: reader.number("links"), lambda n: n != "1,486")
    reader.press("threshold", "End")
    reader.press("threshold", "ArrowLeft", 15)  # of 200 steps: to about the eleven largest of these weights
    reader.until(lambda: int(reader.number("links").replace(",", "")), lambda n: 0 < n <= 60)
    reader.until(lambda: reader.page.locator(".dmmlab-picture g.edge text").count(), lambda n: n > 0)  # now with numbers


@explorer("stepper")
def test_the_stream_stepper(reader, lab_folder):
    page, run = reader.page, ".dmmlab-explorer:not(.dmmlab-still) .dmmlab-run"
    cycle = page.locator(f"{run} input[type=range]")
    height = page.locator(".dmmlab-explorer").first.bounding_box()["height"]

    def shown():
        return page.locator(f"{run} output").inner_text()

    def text(selector):
        return page.locator(f"{run} {selector}").all_inner_texts()

    cycle.focus()
    for _ in range(34):
        page.keyboard.press("ArrowRight")
    reader.until(shown, "34 of 139")
    assert text(".dmmlab-here") == ["t"]
    assert "{t: 2, e: 1, s: 1}" in text('[data-neuron="accum"] code')
    assert "t 2 …" in page.locator(f"{run} g.edge text").all_text_contents()  # on the links, too
    page.keyboard.press("End")
    reader.until(shown, "139 of 139")
    assert text(".dmmlab-again.dmmlab-here") == ["."]
    page.keyboard.press("Home")
    reader.until(shown, "0 of 139")
    for button, wanted in (("on", 1), ("on", 2), ("back", 1), ("last", 139), ("on", 139), ("first", 0), ("back", 0)):
        page.locator(f"{run} [data-go={button}]").click()
        reader.until(shown, f"{wanted} of 139")
    curves = page.locator(f"{run} [data-now]").first.locator("xpath=ancestor::*[local-name()='svg']").bounding_box()
    page.mouse.click(curves["x"] + curves["width"] / 2, curves["y"] + curves["height"] / 2)
    reader.until(shown, lambda told: 55 < int(told.split()[0]) < 70)
    reader.click_link("norm.dict <- accum.dict")
    reader.until(lambda: text(".dmmlab-detail")[0], lambda told: told.startswith("norm.dict <- accum.dict: {t: 3, e: 1"))
    assert page.locator(f"{run} g.edge.dmmlab-picked").count() == 1
    assert page.locator(f"{run} .dmmlab-line.dmmlab-picked").get_attribute("data-neuron") == "accum"
    page.locator(f"{run} [data-go=play]").click()
    reader.until(lambda: text("[data-go=play]")[0], "❚❚ pause")
    before = int(shown().split()[0])
    reader.until(shown, lambda told: int(told.split()[0]) > before + 1)
    page.locator(f"{run} [data-go=play]").click()
    reader.until(lambda: text("[data-go=play]")[0], "▶ play")
    reader.type("string", "")
    reader.until(reader.message, lambda told: "an empty stream" in told)
    reader.type("string", "x")
    reader.until(reader.message, "")
    reader.until(shown, lambda told: told.endswith("of 29"))
    reader.type("string", "y" * 10_000)
    reader.until(reader.message, lambda told: "10,000 characters: the first 400 of 100,020 cycles" in told)
    reader.until(shown, lambda told: told.endswith("of 399"))
    assert page.locator(".dmmlab-explorer").first.bounding_box()["height"] == height
    assert reader.export(lab_folder, "flow.svg").read_text().startswith("<svg")


@explorer("editor")
def test_the_machine_editor(reader, lab_folder):
    def error():
        return reader.number("largest error on this string")

    first, label = error(), "norm-2-1.dict <- accum-1-2.dict"
    row = reader.page.locator(".dmmlab-sliders .dmmlab-picked .widget-label")
    assert row.count() == 0  # to be looked at turns nothing
    reader.click_link(label)
    reader.until(row.all_inner_texts, [label])
    box, sliders = row.bounding_box(), reader.page.locator(".dmmlab-sliders").bounding_box()
    assert sliders["y"] <= box["y"] <= sliders["y"] + sliders["height"]  # it was brought into sight
    reader.until(lambda: reader.page.evaluate("() => document.activeElement.getAttribute('role')"), "slider")
    for _ in range(20):
        reader.page.keyboard.press("ArrowRight")
    reader.until(error, lambda text: text != first)
    reader.click("reset")
    reader.until(error, first)
    other = "output.dict-1 <- compare-3-1.false"
    reader.handle(other).focus()
    reader.until(lambda: reader.page.locator("g.edge.dmmlab-picked").first.get_attribute("data-name"), other)
    reader.until(row.all_inner_texts, [other])
    reader.drag(label, -20)
    reader.until(error, lambda text: text != first)
    reader.click("reset")  # how far a handle is dragged depends on how busy the page is
    reader.until(error, first)
    reader.type("string", "aab")
    reader.until(lambda: float(error()), lambda wrong: wrong > 0.9)
    reader.type("string", "")
    reader.until(reader.message, lambda text: "an empty stream" in text)
    assert '"soft"' in reader.export(lab_folder, "edited.json").read_text()


@explorer("slow editor")
def test_a_reset_outlives_what_was_turned_before(reader):
    """Turns and clicks are handled in two threads, and a slider's last move is sent after the click."""

    def shown():
        return reader.number("largest error on this string"), value.inner_text()

    label = "norm-2-1.dict <- accum-1-2.dict"
    row = reader.page.locator(".widget-slider", has=reader.page.locator(f"label:text-is('{label}')"))
    value = row.locator(".widget-readout")
    first = shown()
    for key, times in (("End", 1), ("ArrowRight", 20)):
        reader.press(label, key, times)
        reader.click("reset")
        reader.page.wait_for_timeout(3000)  # a second for each turn
        reader.until(shown, first)
    reader.press(label, "ArrowRight", 20)  # the slider is as free as it was
    reader.until(shown, lambda seen: seen[0] != first[0] and seen[1] == f"{float(first[1]) + 0.2:.2f}")


@explorer("training")
def test_attended_training(reader, lab_folder):
    def steps():
        return int(reader.number("steps").replace(",", ""))

    reader.click("start")
    reader.until(steps, lambda n: n > 0)
    cell = reader.page.locator(".jp-Notebook .jp-CodeCell").nth(2)  # the kernel stays usable meanwhile
    cell.locator(".cm-content").fill("6 * 7")
    reader.page.keyboard.press("Shift+Enter")
    reader.until(lambda: cell.locator(".jp-OutputArea-output").first.inner_text(), "42")
    reader.press("rate", "ArrowLeft", 3)
    reader.press("L1", "ArrowRight", 5)
    reader.click("pause")
    reader.until(lambda: reader.page.locator("button:text-is('resume')").count(), 1)
    reader.click("checkpoint")
    reader.until(
        reader.page.locator(".widget-dropdown option").count, lambda n: n > 0
    )  # a late message of the pause may hide its own
    stopped, links = steps(), int(reader.number("links").replace(",", ""))
    reader.click("cut the smallest")
    reader.until(lambda: int(reader.number("links").replace(",", "")), lambda n: n <= links - 10)
    reader.click("undo")
    reader.until(reader.message, lambda text: text.startswith("taken back: the cut at step"))
    reader.click("cut the smallest")
    reader.until(lambda: int(reader.number("links").replace(",", "")), lambda n: n <= links - 10)
    assert re.fullmatch(r"1:\s\d+\slinks,\sloss\s\S+", reader.page.locator(".widget-dropdown option").first.inner_text())
    reader.page.locator(".widget-dropdown select").select_option(index=0)
    reader.click("back to")
    reader.until(reader.message, lambda text: text.startswith("back at checkpoint 1"))
    reader.until(lambda: int(reader.number("links").replace(",", "")), links)
    reader.until(steps, stopped)
    reader.drag("L1", 60)
    reader.click("resume")
    reader.until(steps, lambda n: n > stopped)
    reader.click("pause")
    reader.until(lambda: reader.page.locator("button:text-is('resume')").count(), 1)
    schedule = reader.export(lab_folder, "schedule.json").read_text()
    assert all(act in schedule for act in ("steps", "rate", "l1", "cut", "checkpoint", "back"))


MAIN_CONTROLS = {
    "pruning": "label:text-is('threshold')",
    "network": "label:text-is('threshold')",
    "stepper": ".dmmlab-run input[type=range]",
    "editor": "label:text-is('accum-1-2.dict-2 <- input.char')",
    "training": "button:text-is('start')",
    "dashboard": "button:text-is('stop')",
    "live": "button:text-is('10 cycles')",
}
SIZES = [(1400, 900), (1100, 700)]


def outside(reader, places):
    """Of what is looked for, what is not wholly within the notebook's part of the window."""
    window = reader.page.locator(".jp-WindowedPanel-outer").first.bounding_box()

    def within(box):  # to a pixel, which scrolling may halve
        return all(
            window[start] - 1 <= box[start] and box[start] + box[size] <= window[start] + window[size] + 1
            for start, size in (("x", "width"), ("y", "height"))
        )

    boxes = {place: reader.page.locator(place).first.bounding_box() for place in places}
    return {place: box for place, box in boxes.items() if box is None or not within(box)}


@pytest.mark.parametrize("name", MAIN_CONTROLS)
def test_circuit_main_control_and_number_of_links_are_seen_together(browser, lab, lab_folder, tmp_path, name):
    reader = Reader(browser, lab, lab_folder, name, mode=f"lab/workspaces/{name}")  # with the file browser
    page = reader.page
    page.locator(".jp-FileBrowser").first.wait_for()
    links = [] if name == "stepper" else ['.widget-html b[data-name="links"]']  # whose links are what they are
    places = [".dmmlab-explorer", ".dmmlab-picture svg", MAIN_CONTROLS[name], ".dmmlab-message", *links]
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})

        def missing():
            top = "e => e.closest('.jp-OutputArea-output').scrollIntoView({block: 'start'})"
            page.locator(".dmmlab-explorer").first.evaluate(top)
            return outside(reader, places)

        reader.until(missing, {}, 30_000)
        size = "e => Math.max(e.getBoundingClientRect().width, e.getBoundingClientRect().height)"
        circuit = page.locator(".dmmlab-picture svg").first  # drawn anew while a synthesis goes on
        reader.until(partial(circuit.evaluate, size), lambda pixels: pixels >= 150)  # that of a sum is small
        page.screenshot(path=tmp_path / f"{name}-{width}.png")  # to be looked at
    page.close()


@explorer("pruning")
def test_an_explorer_whose_kernel_is_restarted_says_so(reader):
    dead = reader.page.locator(".dmmlab-dead")
    assert not dead.is_visible()
    reader.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    reader.until(dead.is_visible, True)
    assert "Run All Cells" in dead.inner_text()
    reader.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    reader.until(dead.is_visible, False)
    reader.press("threshold", "End")
    reader.until(lambda: reader.number("links"), "0")


@explorer("live")
def test_a_machine_is_edited_while_it_runs(reader, tmp_path):
    page = reader.page

    def click(neuron):
        page.locator(f".dmmlab-picture g.node[data-name='{neuron}'] text").first.click(force=True)

    click("timer")
    reader.until(reader.message, lambda text: "now click" in text)
    click("input")
    reader.until(reader.message, lambda text: "sent: input.timer <- timer.timer" in text)
    reader.click("begin anew")
    for knob, port in (("from", "timer.timer"), ("to", "accum-1.dict-2")):
        page.locator(".widget-dropdown", has=page.locator(f"label:text-is('{knob}')")).locator("select").select_option(port)
    reader.click("link")
    reader.until(reader.message, lambda text: "sent: accum-1.dict-2 <- timer.timer" in text)
    reader.click("10 cycles")
    reader.until(lambda: reader.number("links"), "6")
    reader.until(lambda: page.locator(".dmmlab-picture g.node[data-name='accum-1']").count(), 1)
    row = page.locator("[data-name=emitted] tr", has_text="accum-1.dict")
    reader.until(lambda: row.locator("td").all_inner_texts()[-2:], ["35", "44"])
    page.screenshot(path=tmp_path / "live.png")


@explorer("dashboard")
def test_the_dashboard_of_a_synthesis(reader, lab_folder):
    page = reader.page
    reader.until(lambda: reader.number("best so far"), "exact")
    reader.until(reader.message, lambda text: "exact" in text)
    assert reader.number("links") == "2"
    assert page.locator(".dmmlab-picture g.edge text").count() == 2
    assert page.locator(".dmmlab-more td:text-is('exact')").count() >= 1
    assert page.locator("button:text-is('stop')").is_disabled()
    cell = page.locator(".jp-Notebook .jp-CodeCell").nth(2)
    cell.locator(".cm-content").fill("print(explorer.result.verdict)")
    page.keyboard.press("Shift+Enter")
    reader.until(lambda: cell.locator(".jp-OutputArea-output").first.inner_text(), lambda text: "2 links" in text)
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    page.reload()
    reader.until(lambda: page.evaluate(STILLS), 2)  # the circuit that was found, and the curves
    page.screenshot(path=lab_folder.parent / "still.png")
    assert "exact" in page.locator("[id^=dmmlab-]").first.inner_text()


STILLS = "() => [...document.querySelectorAll('[id^=dmmlab-] img')].filter(image => image.offsetParent).length"


@explorer("editor")
def test_a_notebook_saved_with_an_explorer_shows_its_still_picture(reader):
    saved(reader)
    reader.until(lambda: reader.page.evaluate(STILLS), 2)
    assert reader.page.locator(".dmmlab-picture").count() == 0
    reader.until(reader.page.locator(".jp-OutputArea-output.jupyter-widgets").count, 1)  # JupyterLab finds it dead
    assert "Error displaying widget" not in reader.page.locator(".jp-Notebook").inner_text()


@explorer("stepper")
def test_a_saved_stepper_steps_without_a_kernel(reader):
    saved(reader)
    page = reader.page
    page.locator(".dmmlab-plays [data-go=last]").click()
    reader.until(page.locator(".dmmlab-plays output").inner_text, "139 of 139")
    assert page.evaluate(STILLS) == 0
    assert "A recorded run: step through it here." in page.locator(".dmmlab-recorded").inner_text()


def saved(reader):
    """Saves the notebook, ends its kernel, and opens it again."""
    page = reader.page
    assert page.evaluate(STILLS) == 0  # as long as the explorer is alive
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    page.reload()
