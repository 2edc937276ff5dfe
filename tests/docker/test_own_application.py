"""Your application in the image: its code, its requirements, its health, its drain."""

import subprocess

import pytest

from scripts.lib.command import ROOT
from tests.docker.project import APPLICATION, CLUSTER, SINGLE, Project, client, project

pytestmark = pytest.mark.timeout(900)

CODE = """
import iniconfig
import web
from sqlobject import SQLObject, StringCol

urls = ("/", "Index")
app = web.application(urls, globals())


class Note(SQLObject):
    text = StringCol()


class Index:
    def GET(self):
        return " ".join(note.text for note in Note.select())

    def POST(self):
        Note(text=iniconfig.__name__)
        raise web.seeother("/")
"""
OWN_IMAGE = "webpy-sqlobject-site-test-own"
ALONE = (*SINGLE, *APPLICATION)


@pytest.fixture(scope="module")
def own(engine, image, tmp_path_factory):
    """Settings of a project whose image has the application."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "static").mkdir()
    (folder / "notes.py").write_text(CODE)
    (folder / "static" / "notes.css").write_text("body {}")
    (folder / "requirements.txt").write_text("iniconfig==2.3.1\n")
    settings = {
        "SITE_APPLICATION": "notes:app",
        "SITE_PATH": str(folder),
        "WEBPY_APPLICATION_IMAGE": OWN_IMAGE,
    }
    with project(engine, ALONE, up=False, **settings) as made:
        made.compose("build")
        yield settings


@pytest.mark.parametrize("prefix", ["/", "/notes"])
def test_it_is_served_and_healthy_and_nothing_of_the_checkout_changed(engine, own, prefix):
    before = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True)
    with project(engine, ALONE, WEBPY_PREFIX=prefix, **own) as made:
        home = prefix.rstrip("/")
        with client(made) as http:
            answer = http.post(f"{home}/", follow_redirects=True)
            assert (answer.status_code, answer.text) == (200, "iniconfig")
            assert http.get(f"{home}/static/notes.css").text == "body {}"
            assert http.get(f"{home}/static/style.css").status_code == 404
        assert made.sh("docker/healthcheck").stdout == "200 ok\n"
        listing = made.sh("ls -l /srv/application/notes.py").stdout
        assert listing.startswith("-r--r--r-- 1 root")
    after = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True)
    assert after.stdout == before.stdout


def test_an_application_that_does_not_load_is_told_before_apache_starts(engine, own):
    made = Project(engine, ALONE, own | {"SITE_APPLICATION": "notes:no_such_name"})
    try:
        assert made.compose("up", "--detach", "--wait", check=False).returncode != 0
        assert "there is no no_such_name in notes" in made.log("web")
    finally:
        made.compose("down", "--volumes", "--timeout", "5")


def test_the_cluster_serves_it_at_a_prefix_and_no_request_is_lost_by_a_stop(engine, own):
    further = {"WEBPY_PREFIX": "/notes"}
    with project(engine, (*CLUSTER, *APPLICATION), **own, **further) as made:
        assert len(made.containers("web")) == 3
        with client(made) as http:
            assert http.post("/notes/").status_code == 303
            first = made.containers("web")[0]
            stopping = subprocess.Popen(
                ["docker", "stop", "--time", "90", first], env=engine.environment
            )
            answers = set()
            while stopping.poll() is None:
                answers.add((http.get("/notes/").status_code, http.post("/notes/").status_code))
            assert answers == {(200, 303)}
