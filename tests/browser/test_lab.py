"""The lab's page in a real browser: it shows the faults of the stock modes and none of ours."""

import pytest
from playwright.sync_api import expect

from tests.apache.server import apache
from tests.browser.test_browser import CONTRASTS

pytestmark = pytest.mark.timeout(300)
DEFINES = {"WEBPY_LAB": 1, "WEBPY_LAB_PROCESSES": 3, "WEBPY_LAB_THREADS": 3}


@pytest.fixture(scope="module")
def site():
    with apache(processes=1, threads=2, settings={"SITE_LAB": "1"}, defines=DEFINES) as running:
        yield running


def counts(page, mode):
    """{column: number} of a mode's row."""
    names = page.locator("#counts thead th").all_text_contents()[1:]
    cells = page.locator(f"tr[data-mode={mode}] td").all_text_contents()
    return dict(zip(names, map(int, cells), strict=True))


def drawn(page, mode):
    """Whether anything is drawn on a mode's plot."""
    return page.evaluate(
        """mode => {
          const canvas = document.querySelector(`canvas[data-mode="${mode}"]`);
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          return data.some(value => value > 0);
        }""",
        mode,
    )


def test_run_shows_stale_reads_of_default_and_none_of_the_bundle(open_page, tmp_path):
    page = open_page("/lab/")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Run").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_contain_text("bundle had", timeout=120_000)
    default, bundle = counts(page, "default"), counts(page, "bundle")
    assert default["Stale"] > 0
    assert bundle["Reads"] > 0 and bundle["Added"] > 0
    assert bundle["Stale"] == bundle["Lost"] == bundle["Errors"] == 0
    assert "bundle had none of" in page.locator("#said").text_content()
    assert all(drawn(page, mode) for mode in ("default", "nocache", "recipe", "bundle"))
    # Stock SQLObject under mod_wsgi answers some requests with 500, which the browser reports.
    assert [text for text in page.complaints if "500" not in text] == []
    page.screenshot(path=tmp_path / "lab.png", full_page=True)
    page.get_by_role("button", name="Run").click()
    assert set(page.locator("tr[data-mode=bundle] td").all_text_contents()) == {"–"}
    assert not drawn(page, "bundle")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1100])
def test_the_page_is_legible_and_fits(open_page, tmp_path, width, scheme):
    page = open_page("/lab/", width=width, scheme=scheme)
    page.screenshot(path=tmp_path / "lab.png", full_page=True)
    contrasts = page.evaluate(CONTRASTS)
    assert [(text, ratio) for text, ratio in contrasts if ratio < 4.5] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.complaints == []


def test_the_page_says_that_the_processes_of_the_lab_are_missing(browser):
    with apache(processes=1, threads=2, settings={"SITE_LAB": "1"}) as running:
        page = browser.new_page()
        page.goto(f"{running.url}/lab/")
        page.get_by_role("button", name="Run").click()
        expect(page.locator("#said")).to_contain_text("Apache needs the Define WEBPY_LAB")
        page.close()


def test_the_page_says_that_the_lab_is_off(browser):
    with apache(processes=1, threads=2) as running:
        page = browser.new_page()
        answer = page.goto(f"{running.url}/lab/")
        assert answer.status == 404
        assert "The lab is off: the setting SITE_LAB is not on." in page.content()
        page.close()
