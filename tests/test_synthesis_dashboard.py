"""The dashboard of a synthesis, without a browser: it shows the work, is stopped, and holds what came of it."""

import html
import re
import time
from xml.etree import ElementTree

import jax
import pytest

import dmmlab as dm
from dmmlab.core.errors import LabError
from dmmlab.explorers.svg_curves import restart_curves
from dmmlab.explorers.synthesis_dashboard import AT_WORK, SynthesisDashboard
from dmmlab.pruning import Event, Verdict
from dmmlab.search import SearchState

SMALL = dm.Settings(restarts=2, rounds=1, ramp_steps=1500, cool_steps=300, finish_steps=300, trials=20)
ENDLESS = dm.Settings(restarts=2, rounds=1, fit_steps=10_000_000)
LONG = dm.Settings(restarts=2, rounds=1, ramp_steps=10_000_000)


def said(dashboard):
    return html.unescape(re.sub("<[^>]*>", "", dashboard.message.value))


def number(dashboard, name):
    return re.search(f'<b data-name="{name}">([^<]*)</b>', dashboard.measures.value)[1]


@pytest.fixture
def dashboards(tmp_path):
    made = []

    def make(problem="sum", **options):
        made.append(SynthesisDashboard(problem, figures=tmp_path, **options))
        return made[-1]

    yield make
    for dashboard in made:
        dashboard.close()
        dashboard._thread.join()
    assert not list(AT_WORK)


@pytest.mark.slow
def test_it_shows_a_synthesis_to_its_end(dashboards, tmp_path):
    dashboard = dashboards(seed=1, settings=SMALL)
    with pytest.raises(LabError, match=r"still at work; wait\(\) waits for it"):
        dashboard.result  # noqa: B018
    found = dashboard.wait()
    assert found is dashboard.result
    assert found.best.exact
    assert said(dashboard) == f"{found.verdict}."
    assert number(dashboard, "links") == str(found.best.links)
    assert number(dashboard, "best so far") == "exact"
    assert dashboard.stop_button.disabled
    assert dashboard.stop() == "the synthesis has ended"
    for svg in (dashboard.picture.svg, dashboard.curves.value):
        ElementTree.fromstring(svg)
    assert dashboard.curves.value.count("<circle") == 4  # two restarts, error and links
    assert "exact" in dashboard.restarts.value
    assert dashboard._repr_mimebundle_()["text/html"].count("<img") == 2
    for name in ("found.svg", "found.json"):
        dashboard.file.value = name
        dashboard.export_button.click()
        assert (tmp_path / name).stat().st_size > 300
    assert dm.program(dm.Machine.from_json(tmp_path / "found.json")) == dm.program(found.machine.live())


def test_the_circuit_of_the_restart_that_leads_is_shown_and_then_the_best(dashboards):
    dashboard = dashboards("nobody")
    dashboard._thread.join()
    state = SearchState("a question", planned=2)

    def at(restart, machine, error, accepted=True):
        event = Event("prune", "", machine.count(), error, accepted, 1.0)
        state.events.setdefault(restart, []).append(event)
        if accepted:
            state.snapshots[restart] = lambda: machine
        dashboard._shown = 0.0  # long ago
        dashboard._view(state)
        return number(dashboard, "links")

    large, none = dm.feedforward(2, 2).random(jax.random.key(0)), dm.handcrafted().with_soft({})
    assert at(0, large, 0.9) == str(large.count())
    first = dashboard.picture.svg.count('class="edge"')
    assert at(1, dm.published(), 0.01) == "19"
    assert first > 200 > 30 > dashboard.picture.svg.count('class="edge"') > 18
    assert at(0, none, 1.0) == "19"  # few links, but it has learned nothing
    assert at(1, dm.handcrafted(), 0.5, accepted=False) == "19"
    assert "blue: restart 1, the best so far" in dashboard.curves.value
    state.verdicts[1] = Verdict(dm.handcrafted(), 8, 0.0, 0.0, True)
    assert at(1, dm.published(), 0.01) == "8"
    assert number(dashboard, "best so far") == "exact"
    assert number(dashboard, "restarts") == "1 of up to 2 done"


@pytest.mark.slow
def test_the_same_as_without_dashboard(dashboards):
    found = dashboards(seed=3, settings=SMALL).wait()
    alone = dm.synthesize("sum", seed=3, settings=SMALL, progress=False)
    assert found.machine == alone.machine


@pytest.mark.slow
def test_a_second_dashboard_stops_the_first(dashboards):
    first = dashboards(settings=ENDLESS)
    first.export_button.click()
    assert said(first) == "there is no machine yet"
    second = dashboards(settings=LONG)
    with pytest.raises(LabError, match="stopped, and there is no machine to keep yet"):
        first.wait()
    assert "stopped" in said(first)
    end = time.monotonic() + 300
    while "fit" not in second.restarts.value:
        assert time.monotonic() < end
        time.sleep(0.01)
    second.stop_button.click()
    assert said(second) == "stopping, and judging what there is"
    found = second.wait()
    assert found.ended_early == "stopped"
    assert "(stopped)" in said(second)
    assert number(second, "links") == f"{found.machine.live().count():,}"


def test_a_problem_that_is_none_is_told(dashboards):
    dashboard = dashboards("nobody")
    with pytest.raises(LabError, match="nobody"):
        dashboard.wait()
    assert "nobody" in said(dashboard)
    assert "dashboard" not in said(dashboard)


@pytest.mark.slow
def test_a_budget_that_is_spent(dashboards):
    dashboard = dashboards(settings=ENDLESS, budget=0.5)
    with pytest.raises(LabError, match=r"the budget of 0.5 s is spent"):
        dashboard.wait()


def test_curves_of_restarts_are_drawn_whatever_the_numbers():
    for restarts in ({}, {0: [(0.0, 0.0, 0)]}, {0: [(0.1, float("nan"), 1486)], 3: [(1.0, 1e300, 5), (9.0, 1e-14, 2)]}):
        svg = restart_curves(restarts, 3 if 3 in restarts else None)
        ElementTree.fromstring(svg)
        assert "nan" not in svg
    assert "blue: restart 3" in svg
