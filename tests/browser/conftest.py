"""A headless Chromium, the site under a real Apache, and a page of the one on the other."""

import shutil

import pytest
from playwright.sync_api import sync_playwright

from tests.apache.server import apache

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser():
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("chromium is missing: as root run `apt-get install chromium`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site():
    with apache() as running:
        yield running


@pytest.fixture
def open_page(browser, site):
    """A function that opens a path of the site; what goes wrong in its pages fails the test.

    `complaints` of a page lists the browser's own: errors on its console, which name violations
    of the Content-Security-Policy, and requests that failed.
    """
    contexts = []

    def open_(path="/", width=1100, height=800, scheme="light"):
        context = browser.new_context(
            base_url=site.url, viewport={"width": width, "height": height}, color_scheme=scheme
        )
        contexts.append(context)
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda message: note(page, message.type, message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("requestfailed", lambda request: page.complaints.append(request.url))
        page.on("dialog", lambda dialog: note(page, "error", f"dialog {dialog.message}"))
        page.goto(path)
        return page

    def note(page, kind, text):
        if kind in ("error", "warning"):
            page.complaints.append(text)

    yield open_
    for context in contexts:
        context.close()
