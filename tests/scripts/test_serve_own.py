"""scripts/serve with your application, which the checkout's site.env names."""

import subprocess

import httpx
import pytest

from scripts.lib.command import ROOT
from tests import notes
from tests.apache.server import hermetic_environment
from tests.scripts.serving import serving

pytestmark = pytest.mark.slow


@pytest.fixture
def own(folder, checkout):
    """The checkout of the bundle, with the application beside it."""
    settings = notes.make(folder / "notes", f"sqlite://{folder}/var/notes.db")
    lines = [f"{name}={value}\n" for name, value in settings.items()]
    (checkout / "site.env").write_text("".join(lines))
    (checkout / "site.env").chmod(0o644)
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
        code.write_text(notes.CODE.replace("return Index().GET()", "return 'changed'"))
        serve.wait_for("reloaded 4 processes")
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
    closed = folder / "notes"
    closed.chmod(0o700)
    status, said = refused(folder, own)
    assert status == 2
    assert str(closed) in said and "chmod" in said


def test_an_application_that_loads_everywhere_but_in_a_daemon_stops_the_start(folder, own):
    code = folder / "notes" / "notes.py"
    code.write_text(notes.CODE + "\nimport sys\nif sys.argv == ['mod_wsgi']:\n    1 / 0\n")
    line = code.read_text().count("\n")
    status, said = refused(folder, own)
    assert status == 2, said
    assert f"wrong   {code}:{line}: cannot be imported: ZeroDivisionError" in said


def test_what_would_be_served_wrongly_is_told_at_the_start(folder, own):
    code = folder / "notes" / "notes.py"
    lines = notes.CODE.replace(
        "return Index().GET()", "return sqlhub.doInTransaction(Index().GET)"
    )
    code.write_text(lines.replace("StringCol", "StringCol, sqlhub", 1))
    number = lines[: lines.index("doInTransaction")].count("\n") + 1
    with serving(folder, checkout=own) as serve:
        serve.wait_for(f"wrong   {code}:{number}: calls doInTransaction in a request")
        assert "scripts/check tells everything" in serve.text()


def test_an_application_that_does_not_load_stops_the_start(folder, own):
    code = notes.CODE.replace('== "__main__"', "is not None")
    (folder / "notes" / "notes.py").write_text(code)
    status, said = refused(folder, own)
    assert status == 2
    assert said.startswith("error: notes starts web.py's own server when it is imported: ")
