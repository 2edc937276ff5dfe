"""A small application, as users name theirs in the settings: notes, and a page of them all."""

CODE = """
import web
from sqlobject import SQLObject, StringCol

urls = ("/", "Index", "/again", "Again")
app = web.application(urls, globals())


class Note(SQLObject):
    text = StringCol()


class Index:
    def GET(self):
        return " ".join(note.text for note in Note.select())

    def POST(self):
        Note(text="a-note")
        raise web.seeother("/again")


class Again:
    def GET(self):
        return Index().GET()


if __name__ == "__main__":
    app.run()
"""


def make(folder, uri):
    """Write the application into `folder`, readable for everyone; returns its settings, a dict.

    `uri`: the address of its database.
    """
    (folder / "static").mkdir(parents=True)
    (folder / "notes.py").write_text(CODE)
    (folder / "static" / "notes.css").write_text("body {}")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return {"SITE_APPLICATION": "notes:app", "SITE_PATH": str(folder), "DATABASE_URI": uri}
