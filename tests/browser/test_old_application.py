"""An old application's scripts and styles in a browser: they work only if moved into files."""

import contextlib
import shutil

import pytest

from tests.applications import page as docs
from tests.applications.moved import moved_in
from tests.applications.stock import WIKI, data_folder


@pytest.fixture
def visit(browser):
    """Serve the wiki, changed by `change(place)`, and press its undo button as a user does.

    Returns what the browser complained of and the questions that it asked.
    """
    with contextlib.ExitStack() as stack:

        def visit(change=None):
            data = stack.enter_context(data_folder())
            uri = f"sqlite://{data}/site.db"
            base = stack.enter_context(moved_in(WIKI, data, uri, "/wiki", change=change))
            context = stack.enter_context(contextlib.closing(browser.new_context()))
            complaints, questions = [], []
            page = context.new_page()
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("dialog", lambda dialog: (questions.append(dialog.message), dialog.dismiss()))
            page.goto(f"{base}/register")
            page.fill("[name=name]", "ada")
            page.fill("[name=password]", "lovelace")
            page.click("[type=submit]")
            page.click("text='Undo the last change'")
            page.wait_for_load_state()
            return complaints, questions

        yield visit


def test_scripts_and_styles_in_files_work_below_a_prefix(visit):
    complaints, questions = visit()
    [message] = docs.messages()["Inline script and style"]
    assert not [one for one in complaints if message in one]
    assert questions == ["Really?"]


def test_those_in_the_page_are_left_out_with_the_message_of_the_docs(visit):
    def forget(place):
        for name in ("layout.html", "page.html"):
            shutil.copy(WIKI.folder / "wiki" / "templates" / name, place / "wiki" / "templates")

    complaints, questions = visit(forget)
    [message] = docs.messages()["Inline script and style"]
    assert sum(message in one for one in complaints) >= 2
    assert questions == []
