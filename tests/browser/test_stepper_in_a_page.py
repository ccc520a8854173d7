"""The stepper in a page of the site: no kernel, no network, the same picture as Python paints."""

import re
from xml.etree import ElementTree

import pytest
from nbformat import v4

from dmmlab.explorers import run_player
from dmmlab.explorers.run_player import packed_run
from dmmlab.explorers.stream_stepper import StreamStepper
from dmmlab.explorers.svg_curves import SVG, XLINK
from dmmlab.journal import pages
from dmmlab.machines.detectors import handcrafted, published
from dmmlab.problems.catalogue import PROBLEMS

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAINTED = """() => [...document.querySelectorAll(".dmmlab-picture g.edge, .dmmlab-picture g.node")].map((group) => {
    const path = group.querySelector("a path"), edge = group.classList.contains("edge");
    const texts = [...group.querySelectorAll("text")].map((text) => text.textContent);
    return [group.querySelector("a").getAttribute("xlink:title"),
        edge ? [path.getAttribute("stroke"), Number(path.getAttribute("stroke-width")), texts.at(-1) ?? ""] : null];
})"""

COLOURS = """() => [getComputedStyle(document.body).backgroundColor,
    getComputedStyle(document.querySelector(".dmmlab-string")).color]"""


def painted(svg):
    """What :data:`PAINTED` tells, of the picture that Python paints."""
    rows = []
    for group in ElementTree.fromstring(svg).iter(f"{{{SVG}}}g"):
        if group.get("class") in ("edge", "node"):
            path, texts = group.find(f".//{{{SVG}}}a/{{{SVG}}}path"), list(group.iter(f"{{{SVG}}}text"))
            look = [path.get("stroke"), float(path.get("stroke-width", 0)), (texts[-1].text or "") if texts else ""]
            rows.append([group.find(f".//{{{SVG}}}a").get(f"{{{XLINK}}}title"), look if group.get("class") == "edge" else None])
    return rows


@pytest.fixture
def opened(browser, tmp_path):
    """Opens a page of the site with steppers in it, from the disk, offline; and what it asks the network for."""
    contexts = []

    def opened(*steppers, colours="light", scripts=True):
        cells = [v4.new_code_cell("x", outputs=[v4.new_output("display_data", {"text/html": s._page()})]) for s in steppers]
        path = tmp_path / "page.html"
        path.write_text(pages.page(v4.new_notebook(cells=cells), "page"), encoding="utf-8")
        context = browser.new_context(offline=True, color_scheme=colours, java_script_enabled=scripts)
        contexts.append(context)
        page, requests = context.new_page(), []
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: requests.append(str(error)))
        page.set_default_timeout(200_000)
        page.goto(path.as_uri())
        return page, requests

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.parametrize("text", ["test string.", "<b>&\" '%: 12 12é漢"])
def test_it_shows_what_python_paints(opened, text):
    stepper = StreamStepper(published(), text, 3, PROBLEMS["duplicates"])
    page, requests = opened(stepper)
    page.locator(".dmmlab-plays output").wait_for()
    cycle = page.locator(".dmmlab-run input")
    for t in (0, 1, 17, stepper.recording.cycles - 1):
        cycle.fill(str(t))
        assert page.locator(".dmmlab-run output").inner_text() == f"{t} of {stepper.recording.cycles - 1}"
        assert page.evaluate(PAINTED) == painted(stepper.recording.circuit(t))
        letters = page.locator(".dmmlab-string span").all_inner_texts()
        assert "".join(letters).startswith("".join(item for _, item, again in stepper.recording.items if not again))
    assert [url for url in requests[1:] if not url.startswith(("data:", "blob:"))] == []


def test_two_steppers_of_a_page_step_alone(opened):
    page, _ = opened(
        StreamStepper(handcrafted(), "noon.", 1), StreamStepper(handcrafted(), "ab", 2, cycle=3, repeat_last=False)
    )
    first, second = page.locator(".dmmlab-still").all()
    second.scroll_into_view_if_needed()
    second.locator("output").wait_for()
    first.locator("[data-go=last]").click()
    assert first.locator("output").inner_text() == "24 of 24"
    assert second.locator("output").inner_text() == "3 of 23"
    assert second.locator(".dmmlab-here").inner_text() == "b"
    second.locator("[data-go=on]").click()
    assert second.locator(".dmmlab-here").count() == 0  # the string is over
    assert second.locator(".dmmlab-over").inner_text().strip() == "the string is over"
    first.locator("g.node", has_text="accum").locator("text").first.click()
    assert first.locator(".dmmlab-detail").inner_text().startswith("accum: dict-1 = {")
    assert second.locator(".dmmlab-picked").count() == 0


def test_a_part_of_a_run_steps_from_where_it_begins(opened, monkeypatch):
    stepper = StreamStepper(handcrafted(), "".join(map(chr, range(0x4E00, 0x4E00 + 400))), 1, cycle=300)
    monkeypatch.setattr(run_player, "packed_run", lambda recording, cycle: packed_run(recording, cycle, 13_000))
    page, _ = opened(stepper)
    page.locator(".dmmlab-plays [data-go=first]").click()
    first, last = map(int, page.locator("output").inner_text().split(" of "))
    assert 0 < first < 300 < last <= 399
    page.locator("[data-go=on]").click()
    assert page.evaluate(PAINTED) == painted(stepper.recording.circuit(first + 1))


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_it_can_be_read_by_day_and_by_night(opened, colours, tmp_path):
    page, _ = opened(StreamStepper(published(), problem=PROBLEMS["duplicates"], cycle=34), colours=colours)
    page.locator(".dmmlab-plays output").wait_for()
    seen = page.evaluate(COLOURS)
    paper, ink = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in seen)  # rgb(r, g, b), or rgba
    assert abs(paper - ink) > 380
    page.screenshot(path=tmp_path / f"{colours}.png")  # to be looked at


def test_without_scripts_there_are_pictures(opened):
    page, _ = opened(StreamStepper(handcrafted(), "noon."), scripts=False)
    assert page.locator(".dmmlab-pictures img").count() == 2
    assert page.locator(".dmmlab-pictures img").first.is_visible()
    assert not page.locator(".dmmlab-recorded").is_visible()
