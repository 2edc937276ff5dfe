"""scripts/loadtest on your own application: by its pages, and by a locustfile."""

import json
import subprocess

import pytest

from scripts.lib.command import ROOT
from tests import notes
from tests.apache.server import hermetic_environment, pypi_module

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
LATEST = ROOT / "var" / "loadtest" / "latest"

LOCUSTFILE = """
import os
from locust import HttpUser, task


class Writer(HttpUser):
    @task
    def write(self):
        self.client.post("/", name=os.environ["NAME_OF_MINE"])
"""


def run(folder, *options, **variables):
    """Run the script on the notes; returns its exit status and all that it printed."""
    pypi_module()
    settings = notes.make(folder / "notes", f"sqlite://{folder}/data/notes.db")
    done = subprocess.run(
        [ROOT / "scripts" / "loadtest", "--seconds", "3", "--users", "4", *options],
        env=hermetic_environment(folder) | settings | variables,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


def kinds():
    return {kind["kind"] for kind in json.loads((LATEST / "results.json").read_text())["kinds"]}


def test_its_pages_are_opened(folder):
    status, said = run(folder, "--path", "/", "--path", "/again?number=1")
    assert status == 0, said
    assert kinds() == {"GET /", "GET /again?number=1"}
    assert "- load: pages / /again?number=1" in said
    assert "your own application" in said


def test_a_missing_page_is_a_failure(folder):
    status, said = run(folder, "--path", "/", "--path", "/nowhere")
    assert status == 1, said
    assert "404" in said


def test_your_own_locustfile_brings_its_users(folder):
    mine = folder / "mine.py"
    mine.write_text(LOCUSTFILE)
    status, said = run(folder, "--locustfile", mine, NAME_OF_MINE="a-note")
    assert status == 0, said
    # Locust follows the redirect under the same name.
    assert kinds() == {"POST a-note"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--path", "nowhere"), "argument --path: 'nowhere' is not like /page?number=1"),
        (("--path", "/", "--lab", "bundle"), "each is a load; give one of them"),
        (("--path", "/", "--locustfile", "x.py"), "each is a load; give one of them"),
        (("--locustfile", "nowhere.py"), "argument --locustfile: there is no file nowhere.py"),
        (("--path", "/", "--database", "postgres"), "argument --database: your own"),
    ],
)
def test_a_wrong_option_is_told_with_status_2(folder, options, said):
    status, told = run(folder, *options)
    assert (status, said in told) == (2, True), told
