"""A headless Chromium, the site under a real Apache, and a page of the one on the other."""

import contextlib
import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from tests.apache.server import apache
from tests.http_client import add_user

PASSWORD = "correct horse battery"

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextlib.contextmanager
def chromium():
    """A running Chromium; skips the test if it is not installed."""
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("chromium is missing: as root run `apt-get install chromium`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def site():
    with apache() as running:
        yield running


@pytest.fixture(scope="module")
def editor(browser, site):
    """The `storage_state` of a browser in which the editor "eve" is signed in."""
    add_user(site.data, "eve", PASSWORD, "editor")
    with contextlib.closing(browser.new_context(base_url=site.url)) as context:
        sign_in(context.new_page(), "eve")
        return context.storage_state()


def sign_in(page, name, password=PASSWORD):
    """Sign in on a page of the site by its form."""
    page.goto("/sign-in")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name=name, exact=True).first.wait_for()


def check_access(page):
    """Fail if axe-core finds that the page, as it is shown, is not accessible to all."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


@pytest.fixture
def open_page(browser, site):
    """A function that opens a path of the site in a new browser, with further `options`.

    `complaints` of a page lists the browser's own: errors on its console, which name violations
    of the Content-Security-Policy, and requests that failed.
    """
    contexts = []

    def open_(path="/", width=1100, height=800, scheme="light", **options):
        context = browser.new_context(
            base_url=site.url,
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            **options,
        )
        contexts.append(context)
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda message: note(page, message.type, message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("requestfailed", lambda request: note_failure(page, request))
        page.on("dialog", lambda dialog: note(page, "error", f"dialog {dialog.message}"))
        page.goto(path)
        return page

    def note(page, kind, text):
        if kind in ("error", "warning"):
            page.complaints.append(text)

    def note_failure(page, request):
        # The page was left before the answer came.
        if request.failure != "net::ERR_ABORTED":
            page.complaints.append(f"{request.url} {request.failure}")

    yield open_
    for context in contexts:
        context.close()
