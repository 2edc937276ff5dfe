"""docs/from-an-old-application.md tells the old applications' edits, and what is seen."""

import json
import os
import re
import subprocess
import sys

import pytest

from scripts.lib.command import ROOT
from tests.applications import page
from tests.applications.forgotten import FORGOTTEN
from tests.applications.moved import edited, settings
from tests.applications.stock import HERE, OLD

# Rows that the two applications lack, or that show nothing in them.
NOT_IN_THEM = {
    "A class with a connection",
    "A commit, a rollback",
    "A request inside a handler",
    "A value stored in a module",
    "Options in the URI",
    "SQL past the models",
    "What a thread is given",
}
# The browser reports it: tests/browser/test_old_application.py.
IN_THE_BROWSER = {"Inline script and style"}


def sources(folder):
    return "\n".join(
        path.read_text() for path in sorted(folder.rglob("*")) if path.suffix in (".py", ".html")
    )


@pytest.fixture(scope="module")
def before_and_after(tmp_path_factory):
    """All code of the two applications, stock and edited."""
    folder = tmp_path_factory.mktemp("edited")
    return (
        "\n".join(sources(old.folder) for old in OLD.values()),
        "\n".join(sources(edited(old, folder / old.name)) for old in OLD.values()),
    )


@pytest.mark.parametrize("name", sorted(page.rows().keys() - NOT_IN_THEM))
def test_a_row_is_from_the_two_applications(before_and_after, name):
    stock, moved = before_and_after
    before, after, _ = page.rows()[name]
    for span in before:
        assert page.has(stock, span), span
    for span in after:
        assert page.has(moved, span), span
    assert before + after


@pytest.mark.parametrize("name", OLD)
def test_the_edits_of_an_application_are_what_the_page_tells(name):
    """Each hunk of its patch has code of the page; imports, and lines that only moved, aside."""
    stock = sources(OLD[name].folder)
    for hunk in re.split(r"(?m)^@@ .*$|^--- .*$", (HERE / f"{name}.patch").read_text()):
        lines = [line for line in hunk.splitlines() if line and not line.startswith("+++")]
        whole = "\n".join(line[1:] for line in lines)
        changed = [line for line in lines if line[0] in "+-" and "import " not in line]
        new = [line for line in changed if line[0] == "-" or line[1:].strip() not in stock]
        told = any(page.has(whole, code) for code in page.code())
        assert told or not any(line[1:].strip() for line in new), hunk


def test_every_row_with_a_message_is_forgotten_once():
    assert page.messages().keys() - IN_THE_BROWSER == FORGOTTEN.keys()


@pytest.mark.parametrize("name", FORGOTTEN)
def test_the_message_of_a_forgotten_edit_is_the_page_s(tmp_path, name):
    forgotten = FORGOTTEN[name]
    old = OLD[forgotten.application]
    place = edited(old, tmp_path / old.name)
    given = {name: value for name, value in os.environ.items() if not name.startswith("SITE_")}
    given |= settings(old, place, tmp_path, f"sqlite://{tmp_path}/site.db")
    _run([sys.executable, "-m", "app.database"], given)
    forgotten.undo(place, tmp_path / "site.db")
    given["DATABASE_URI"] = forgotten.uri or given["DATABASE_URI"]
    (tmp_path / "site.env").write_text(f"DATABASE_URI={given.pop('DATABASE_URI')}\n")
    given["SITE_SETTINGS"] = str(tmp_path / "site.env")
    command = [sys.executable, HERE / "ask.py", json.dumps(forgotten.requests)]
    said = _run(command, given | {"PROJECT": str(ROOT)})
    for message in page.messages()[name]:
        assert message in said
    assert re.findall(r"^(?:GET|POST) \S+ (\d+)", said, re.MULTILINE) == forgotten.statuses


def _run(command, environment):
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    return done.stdout + done.stderr
