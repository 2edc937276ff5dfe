"""The lab's page in a real browser: it shows the faults of the stock modes and none of ours."""

import re

import pytest
from playwright.sync_api import expect

from tests.apache.server import apache
from tests.browser.conftest import check_access

pytestmark = pytest.mark.timeout(300)
MODES = ("default", "nocache", "recipe", "bundle")
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


@pytest.fixture(scope="module")
def run_page(browser, site):
    """The page after a run, which was begun by the keyboard."""
    page = browser.new_page(base_url=site.url)
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.goto("/lab/")
    page.get_by_role("button", name="Run").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_contain_text("bundle answered", timeout=120_000)
    yield page
    page.close()


def test_run_shows_stale_reads_of_default_and_none_of_the_bundle(run_page):
    default, bundle = counts(run_page, "default"), counts(run_page, "bundle")
    assert default["Stale"] > 0
    assert bundle["Reads"] > 0 and bundle["Added"] > 0
    assert bundle["Stale"] == bundle["Lost"] == bundle["Errors"] == 0
    assert all(drawn(run_page, mode) for mode in MODES)
    # Stock SQLObject under mod_wsgi answers some requests with 500, which the browser reports.
    assert [text for text in run_page.complaints if "500" not in text] == []


def test_one_sentence_says_what_is_seen(run_page):
    said = run_page.locator("#said").text_content()
    default, bundle = counts(run_page, "default"), counts(run_page, "bundle")
    assert said.startswith(
        f"default answered {default['Stale']} of {default['Reads']} reads with an old value "
    )
    assert said.endswith(
        f"; and bundle answered none of {bundle['Reads']} reads with an old value "
        f"and lost none of {bundle['Added']} additions."
    )
    assert said.count(".") == 1


def test_the_last_run_is_remembered_and_can_be_saved_as_a_picture(run_page, tmp_path):
    """A new page shows it, in each colour scheme and width."""
    said = run_page.locator("#said").text_content()
    before = run_page.locator("#counts").text_content()
    for scheme in ("light", "dark"):
        for width in (320, 1100):
            run_page.emulate_media(color_scheme=scheme)
            run_page.set_viewport_size({"width": width, "height": 900})
            run_page.reload()
            expect(run_page.locator("#said")).to_have_text(
                re.compile("^The last run, .*: default")
            )
            assert run_page.locator("#said").text_content().endswith(said)
            assert run_page.locator("#counts").text_content() == before
            assert all(drawn(run_page, mode) for mode in MODES)
            assert run_page.evaluate("document.documentElement.scrollWidth") <= width
            check_access(run_page)
            run_page.screenshot(path=tmp_path / f"lab-{width}-{scheme}.png", full_page=True)
        with run_page.expect_download() as saved:
            run_page.get_by_role("button", name="Save as a picture").click()
        assert saved.value.suggested_filename == "coherency-lab.png"
        file = tmp_path / f"saved-{scheme}.png"
        saved.value.save_as(file)
        assert file.read_bytes().startswith(b"\x89PNG")
        # An empty picture has some 5 kB.
        assert file.stat().st_size > 30_000


def test_another_run_forgets_the_last_one(run_page):
    run_page.get_by_role("button", name="Run").click()
    assert set(run_page.locator("tr[data-mode=bundle] td").all_text_contents()) == {"–"}
    assert not drawn(run_page, "bundle")
    assert not run_page.get_by_role("button", name="Save as a picture").is_visible()


def test_what_is_remembered_of_another_kind_is_not_shown(open_page):
    page = open_page("/lab/")
    for stored in ("null", "1", "{", '{"runs": []}', '{"runs": [{"mode": "default"}]}'):
        page.evaluate("stored => localStorage.setItem('lab /lab/', stored)", stored)
        page.reload()
        expect(page.locator("#said")).to_have_text("Press Run.")
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
