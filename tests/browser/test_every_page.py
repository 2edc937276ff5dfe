"""Every page in a real browser: legible, of any width, in both colour schemes, and for all.

Each run leaves a screenshot of every page, narrow and wide, light and dark, in the temporary
folder of the run, whose place `pytest --basetemp` sets.
"""

import contextlib
import re
import sqlite3

import httpx
import pytest

from tests.apache.server import apache
from tests.browser.conftest import PASSWORD, check_access, sign_in
from tests.http_client import add_user

LONG = ("W" * 100, "long " * 20 + "w" * 100)
EVIL = ("<script>alert(1)</script>", "<img src=x onerror=alert(1)>")
# Chromium's message for an answer with an error status, which some pages must have.
TELLS_STATUS = re.compile(r"the server responded with a status of [45]\d\d")


@pytest.fixture(scope="module")
def site():
    with apache(processes=2, threads=2, settings={"SITE_LAB": "on"}) as site:
        with database(site) as raw:
            for name, fullname in (LONG, EVIL, *((f"n{i}", f"Full {i}") for i in range(120))):
                query = "INSERT INTO users (name, fullname, password) VALUES (?, ?, '')"
                raw.execute(query, (name, fullname))
        add_user(site.data, "rob", PASSWORD)
        yield site


@contextlib.contextmanager
def database(site):
    """The site's database, opened by another process."""
    with contextlib.closing(sqlite3.connect(site.data / "site.db")) as raw, raw:
        yield raw


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory):
    return tmp_path_factory.mktemp("screenshots")


def with_faults(page, site):
    page.goto("/users/new")
    page.locator("form.fields").evaluate("form => form.noValidate = true")
    page.get_by_label("Full name").fill("Kept")
    page.get_by_role("button", name="Save").click()


def changed_meanwhile(path):
    def lead(page, site):
        page.goto(path)
        headers = {"Authorization": f"Bearer {site.token}", "If-Match": "*"}
        user = re.search(r"\d+", path)[0]
        body = {"fullname": f"Theirs {page.evaluate('Date.now()')}"}
        httpx.patch(f"{site.url}/api/users/{user}", json=body, headers=headers).raise_for_status()
        if path.endswith("edit"):
            page.get_by_label("Full name").fill("Mine")
        page.get_by_role("main").get_by_role("button").click()

    return lead


def without_its_table(page, site):
    with database(site) as raw:
        raw.execute("ALTER TABLE users RENAME TO away")
    try:
        page.goto("/view")
    finally:
        with database(site) as raw:
            raw.execute("ALTER TABLE away RENAME TO users")


def refused_sign_in(page, site):
    page.context.clear_cookies()
    page.goto("/sign-in")
    page.get_by_label("Name").fill("eve")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("main").get_by_role("button").click()


def a_reader_is_refused(page, site):
    page.context.clear_cookies()
    sign_in(page, "rob")
    page.goto("/users/new")


def signed_out(path):
    def lead(page, site):
        page.context.clear_cookies()
        page.goto(path)

    return lead


def with_a_message(page, site):
    page.goto("/users/1/edit")
    page.get_by_label("Full name").fill(f"Saved {page.evaluate('Date.now()')}")
    page.get_by_role("button", name="Save").click()


# The name of a page, how to get there, and its status. An editor opens the paths.
PAGES = {
    "start": (signed_out("/"), 200),
    "second-page": ("/?after=100#user-101", 200),
    "end": ("/?after=9000", 200),
    "searched": ("/?q=full+1&sort=-fullname", 200),
    "nothing-found": ("/?q=nobody+there", 200),
    "user": ("/users/2", 200),
    "long-user": ("/users/4", 200),
    "saved": (with_a_message, 200),
    "add": ("/users/new", 200),
    "add-faults": (with_faults, 422),
    "edit": ("/users/2/edit", 200),
    "edit-conflict": (changed_meanwhile("/users/2/edit"), 409),
    "delete": ("/users/5/delete", 200),
    "delete-conflict": (changed_meanwhile("/users/2/delete"), 409),
    "sign-in": (signed_out("/sign-in"), 200),
    "sign-in-refused": (refused_sign_in, 422),
    "account": ("/account", 200),
    "sessions": ("/account/sessions", 200),
    "lab": ("/lab/", 200),
    "wrong-address": ("/?sort=king", 400),
    "forbidden": (a_reader_is_refused, 403),
    "missing": ("/nothing", 404),
    "failed": (without_its_table, 500),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_and_has_no_violation(open_page, site, editor, screenshots, name):
    lead, status = PAGES[name]
    page = open_page("about:blank", storage_state=editor)
    statuses = []
    page.on("response", lambda answer: statuses.append((answer.url, answer.status)))
    if callable(lead):
        lead(page, site)
    else:
        page.goto(lead)
    page.wait_for_load_state()
    assert [code for url, code in statuses if url == page.url.partition("#")[0]][-1] == status
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for width in (320, 1200):
            page.set_viewport_size({"width": width, "height": 900})
            page.screenshot(path=screenshots / f"{name}-{width}-{scheme}.png", full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        check_access(page)
    assert [text for text in page.complaints if not TELLS_STATUS.search(text)] == []


def test_the_colour_schemes_differ(open_page):
    grounds = {
        open_page(scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    }
    assert len(grounds) == 2


def test_markup_in_a_name_is_shown_and_not_run(open_page):
    page = open_page("/?q=script")
    assert page.get_by_text(EVIL[0], exact=True).is_visible()
    assert page.get_by_text(EVIL[1], exact=True).is_visible()
    assert page.locator("main :is(script, img)").count() == 0
    assert page.complaints == []


def test_the_start_page_says_what_this_is_leads_to_the_lab_and_names_who_answered(open_page, site):
    page = open_page()
    assert page.get_by_text("A small directory of people").is_visible()
    told = page.locator("footer").text_content()
    process = int(re.search(r"process (\d+), thread \d+ on \S+", told)[1])
    assert process in site.pids()
    page.get_by_role("link", name="See in the coherency lab").click()
    assert page.get_by_role("heading").first.text_content() == "Coherency lab"


def test_a_missing_page_leads_back(open_page):
    page = open_page("/nothing")
    assert page.get_by_role("heading").text_content() == "Not Found"
    page.get_by_role("link", name="Back to the users").click()
    assert page.get_by_role("heading").first.text_content() == "Users"
