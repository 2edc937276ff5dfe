"""The report of scripts/coherency, opened from disk in a real browser."""

import dataclasses

import pytest

from scripts.lib.coherency.checkers import counter, register
from scripts.lib.coherency.history import Fault
from scripts.lib.coherency.report.html_report import write_report
from scripts.lib.coherency.report.results import Row, write_history
from tests.browser.conftest import check_access
from tests.scripts.coherency.histories import op

EVIL = '<script>alert(1)</script><img src=x onerror="alert(2)">$evil & Co.'
S, MS = 10**9, 10**6


def row(folder, mode, workload, check, history, expected=""):
    write_history(folder, mode, workload, history)
    faults = (Fault(f"kill -9 {EVIL}", history[0].t0, history[-1].t1),)
    ok = sum(operation.ok for operation in history)
    return Row(workload, mode, check(history), len(history), ok, 2, expected, faults)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run whose bundle is wrong, with text that is hard to show."""
    folder = tmp_path_factory.mktemp("run")
    stale = [op(0, MS, ("write", 1, 1)), op(2 * MS, 3 * MS, ("read", 1, 0))]
    stale = [dataclasses.replace(one, host=EVIL, pid=7) for one in stale]
    lost = [op(n * MS, n * MS + 9, ("add", 1, 1)) for n in range(900)]
    lost += [op(S, S + MS, ("read", 1, 3)), op(S, S + MS, ("add", 1, 1), type="info")]
    rows = [
        row(folder, "default", "register", register.check, stale, "stale read"),
        row(folder, "default", "counter", counter.check, lost, "lost update"),
        row(folder, "bundle", "register", register.check, stale),
    ]
    write_report(folder, {"database": f"SQLite {EVIL}", "command": "w" * 300}, rows)
    return folder


@pytest.fixture
def open_report(browser, run):
    """A function that opens the report; the page's `requests` go beyond the file."""
    contexts = []

    def open_(width=1100, scheme="light"):
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme
        )
        contexts.append(context)
        page = context.new_page()
        page.complaints, page.requests = [], []
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("dialog", lambda dialog: page.complaints.append(dialog.message))
        page.on("request", lambda request: page.requests.append(request.url))
        page.goto(f"file://{run}/report.html")
        page.requests = [url for url in page.requests[1:] if not url.startswith("data:")]
        return page

    yield open_
    for context in contexts:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_the_report_is_legible_and_fits(open_report, tmp_path, width, scheme):
    page = open_report(width=width, scheme=scheme)
    page.screenshot(path=tmp_path / "report.png", full_page=True)
    check_access(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert (page.complaints, page.requests) == ([], [])


def test_the_report_opens_with_the_verdict_and_marks_what_is_wrong_in_words(open_report):
    page = open_report()
    assert page.locator("main > *").nth(1).text_content().startswith("Invalid: the bundle has")
    wrong = page.locator("tr.bundle .fault").all_text_contents()
    assert "1 stale read" in wrong[0] and "not as expected" in wrong[-1]
    assert page.locator("tr.default .fault").count() == 0


def test_markup_in_a_value_is_shown_and_not_run(open_report):
    page = open_report()
    assert page.get_by_text(EVIL).count() >= 3
    assert page.locator("script, img[src=x]").count() == 0
    assert page.complaints == []


def test_an_anomaly_leads_to_its_witness(open_report):
    page = open_report()
    page.get_by_role("link", name="897 lost update").click()
    heading = page.locator(":target")
    assert heading.text_content() == "lost update: counter, default"
    assert heading.bounding_box()["y"] < 800
    assert page.get_by_text("further additions, acknowledged").count() == 1


def test_every_plot_is_shown_with_words_beside_it(open_report):
    page = open_report()
    plots = page.locator("figure img")
    assert plots.count() == 4
    for plot in plots.all():
        assert plot.evaluate("image => image.naturalWidth") > 100
        assert len(plot.get_attribute("alt")) > 20
    assert page.locator("figure figcaption").count() == 4


def test_the_plots_change_with_the_colour_scheme(open_report):
    shots = {
        open_report(scheme=scheme).locator("figure img").first.screenshot()
        for scheme in ("light", "dark")
    }
    assert len(shots) == 2


def test_the_report_can_be_read_without_seeing_it(open_report):
    page = open_report()
    assert page.locator("h1").count() == 1
    assert page.locator("table:not(:has(caption))").count() == 0
    assert page.locator("th:not([scope])").count() == 0
    for box in page.locator(".wide").all():
        assert box.get_attribute("tabindex") == "0"
        assert box.get_attribute("aria-label") or box.get_attribute("aria-labelledby")
    names = page.evaluate("[...document.querySelectorAll('[id]')].map(element => element.id)")
    assert len(names) == len(set(names))
