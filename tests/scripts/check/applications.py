"""Small applications for scripts/check to look at, in their own folder."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from scripts.lib.check.inside import look

MODEL = """\
from sqlobject import SQLObject, StringCol


class Note(SQLObject):
    text = StringCol(length=50, default="")
"""

PAGES = """\
import web
from app.transactions import savepoint
from notes.model import Note

urls = ("/", "Index")
app = web.application(urls, globals())
render = web.template.render("templates", globals={"ctx": web.ctx})


class Index:
    def GET(self):
        return render.index(list(Note.select()))

    def POST(self):
        with savepoint():
            Note(text="new")
        raise web.seeother("/")


if __name__ == "__main__":
    app.run()
"""

TEMPLATE = """\
$def with (notes)
<!doctype html>
<title>Notes</title>
<link rel="stylesheet" href="$ctx.homepath/static/notes.css">
<script src="$ctx.homepath/static/notes.js"></script>
<script type="application/json">{"data": "is not run"}</script>
$for note in notes:
    <p class="note"><a href="$ctx.homepath/$note.id">$note.text</a>
    <a href="https://example.org/">elsewhere</a></p>
<form method="post" action=""><input type="submit"></form>
"""


class Application:
    """The application `notes`, without a fault at first, in `folder`, a Path that is created."""

    def __init__(self, folder, uri=None):
        """`uri`: the database; a file of SQLite in `folder` by default."""
        self.folder = folder
        self.uri = uri or f"sqlite://{folder}/data/site.db"
        self.settings = self.write("notes.env", "")
        self.write("notes/__init__.py", "")
        self.write("notes/model.py", MODEL)
        self.write("notes/pages.py", PAGES)
        self.write("templates/index.html", TEMPLATE)

    def write(self, name, text):
        """Write a file below the folder; returns its path as text."""
        path = Path(self.folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    def add(self, text, name="notes/pages.py", before="class Index:"):
        """Put `text` before a line of a file; returns the file and the number of the line."""
        path = Path(self.folder, name)
        head, found, tail = path.read_text().partition(before)
        assert found or not before
        path.write_text(f"{head}{text}{found}{tail}")
        return str(path), head.count("\n") + 1

    def environment(self, **further):
        """The variables with which it is looked at; one that is None is left out."""
        variables = {
            name: value for name, value in os.environ.items() if not name.startswith("SITE_")
        }
        variables.pop("PYTHONPATH", None)
        variables |= {
            "DATABASE_URI": self.uri,
            "SITE_APPLICATION": "notes.pages:app",
            "SITE_PATH": str(self.folder),
            "SITE_SETTINGS": self.settings,
            **further,
        }
        return {name: value for name, value in variables.items() if value is not None}

    def look(self, part="application", seconds=30, policy=None, **further):
        """The Findings of `part`."""
        return look(part, self.environment(**further), seconds, policy).findings


def only_bad(findings):
    """The Findings that are not ok."""
    return [one for one in findings if one.level != "ok"]


def found(application, level, file, line, *said, **options):
    """Check that exactly one thing is found, with this level, place and texts."""
    [finding] = only_bad(application.look(**options))
    assert (finding.level, finding.file, finding.line) == (level, file, line), finding
    for text in said:
        assert text in finding.text


def query(application, text):
    """Run and commit a query on the application's SQLite database; returns its rows."""
    with closing(sqlite3.connect(application.folder / "data" / "site.db")) as raw, raw:
        return raw.execute(text).fetchall()
