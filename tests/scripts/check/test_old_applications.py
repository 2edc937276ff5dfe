"""The two old applications as the check sees them: before their edits, and after."""

import subprocess
import sys

import pytest

from app.check.findings import WRONG
from scripts.lib.check.inside import PARTS, look
from scripts.lib.command import ROOT
from tests.applications.moved import edited, settings
from tests.applications.stock import OLD
from tests.scripts.check.applications import Application, only_bad

# The edits of docs/from-an-old-application.md that can be seen without a request: the file, a part
# of the line, and a part of what is told of it.
EDITED = {
    "wiki": [
        ("wiki/code.py", "app.add_processor(load_sqlo)", "adds the application's own load_sqlo"),
        ("wiki/code.py", "DBStore(", "stores sessions by a connection of web.py's own"),
        ("wiki/code.py", "threading.Thread(", "starts a thread in a request"),
        ("wiki/code.py", "connectionForURI(", "have a thread or a script run in in_transaction()"),
        ("wiki/code.py", "try:", "catches DuplicateEntryError outside of savepoint()"),
        ("wiki/model.py", "def load_sqlo(", "remove the function"),
        ("wiki/model.py", "web.database(", "what it writes is no part of a request's transaction"),
        ("wiki/templates/layout.html", "<style>", "an inline <style>"),
        ("wiki/templates/layout.html", "<script>", "an inline <script>"),
        ("wiki/templates/page.html", "onsubmit=", "onsubmit= on <form>"),
    ],
    "shop": [
        ("main.py", "sqlhub.doInTransaction(", "calls doInTransaction in a request"),
        ("admin.py", "try:", "catches DuplicateEntryError outside of savepoint()"),
        ("model.py", "sqlhub.processConnection =", "which the bundle replaces by the site's"),
        ("model.py", '_title = Setting.byName("title")', "_title holds what one request has read"),
        ("templates/layout.html", "<style>", "an inline <style>"),
        ("templates/cart.html", "onsubmit=", "onsubmit= on <form>"),
        ("templates/layout.html", 'href="/"', "links such as"),
        ("templates/product.html", 'action="/cart"', "1 link such as"),
    ],
}


@pytest.fixture(params=OLD)
def old(request):
    return OLD[request.param]


def environment(old, place, folder):
    uri = f"sqlite://{folder}/site.db"
    given = settings(old, place, folder, uri)
    return Application(folder / "unused", uri).environment(**given)


def test_what_must_be_edited_is_told(old, tmp_path):
    told = only_bad(look("application", environment(old, old.folder, tmp_path)).findings)
    for name, part, said in EDITED[old.name]:
        places = [one for one in told if one.file == f"{old.folder}/{name}" and said in one.text]
        lines = (old.folder / name).read_text().splitlines()
        assert any(part in lines[one.line - 1] for one in places), (name, part, places)


def test_after_the_edits_nothing_is_wrong(old, tmp_path):
    place = edited(old, tmp_path / old.name)
    (tmp_path / "sessions").mkdir()
    given = environment(old, place, tmp_path)
    command = [sys.executable, "-m", "app.database"]
    subprocess.run(command, cwd=ROOT, env=given, check=True, capture_output=True)
    for part in PARTS:
        assert [one for one in look(part, given).findings if one.level == WRONG] == []
