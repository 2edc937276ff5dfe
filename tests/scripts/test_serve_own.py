"""scripts/serve with an application of one's own, which the checkout's site.env names."""

import subprocess

import httpx
import pytest

from scripts.lib.command import ROOT
from tests.apache.server import hermetic_environment
from tests.scripts.serving import serving

pytestmark = pytest.mark.slow

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


@pytest.fixture
def own(folder, checkout):
    """The checkout of the bundle, with the application beside it."""
    notes = folder / "notes"
    (notes / "static").mkdir(parents=True)
    (notes / "notes.py").write_text(CODE)
    (notes / "static" / "notes.css").write_text("body {}")
    (checkout / "site.env").write_text(
        f"SITE_APPLICATION=notes:app\nSITE_PATH={notes}\nDATABASE_URI=sqlite://{folder}/var/n.db\n"
    )
    subprocess.run(["chmod", "-R", "go+rX", folder / "notes", checkout], check=True)
    return checkout


@pytest.mark.parametrize("prefix", ["/", "/notes"])
def test_it_is_served_with_its_links_and_static_files(folder, own, prefix):
    before = sorted(own.rglob("*.py"))
    with serving(folder, "--prefix", prefix, checkout=own) as serve:
        home = serve.url + prefix.rstrip("/")
        assert f"serving on {home}/ - " in serve.text()
        answer = httpx.post(f"{home}/", follow_redirects=True)
        assert (str(answer.url), answer.text) == (f"{home}/again", "a-note")
        assert httpx.get(f"{home}/static/notes.css").text == "body {}"
        assert httpx.get(f"{home}/static/style.css").status_code == 404
    assert sorted(own.rglob("*.py")) == before


def test_changed_code_of_it_is_picked_up(folder, own):
    code = folder / "notes" / "notes.py"
    with serving(folder, "--reload", checkout=own) as serve:
        code.write_text(CODE.replace("return Index().GET()", "return 'changed'"))
        serve.wait_for("reloaded 2 processes")
        assert f"changed: {code}" in serve.text()
        assert {httpx.get(f"{serve.url}/again").text for _ in range(20)} == {"changed"}


def refused(folder, checkout):
    done = subprocess.run(
        [ROOT / "scripts" / "serve", "--var", folder / "var"],
        env=hermetic_environment(folder) | {"SITE_SETTINGS": str(checkout / "site.env")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stderr


def test_a_folder_that_the_daemons_cannot_read_is_named(folder, own):
    notes = folder / "notes"
    notes.chmod(0o700)
    status, said = refused(folder, own)
    assert status == 2
    assert str(notes) in said and "chmod" in said


def test_an_application_that_does_not_load_stops_the_start(folder, own):
    (folder / "notes" / "notes.py").write_text(
        CODE.replace("if __name__", "if 'always' or __name__")
    )
    status, said = refused(folder, own)
    assert status == 2
    assert said.startswith("error: notes starts web.py's own server when it is imported: ")
