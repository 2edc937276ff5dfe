"""The old applications in the image, by the steps of docs/from-an-old-application.md."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from scripts.lib.command import ROOT
from tests.applications import page
from tests.applications.moved import APPLICATION, edited
from tests.applications.stock import OLD, by_its_own_server, data_folder
from tests.docker.project import project

pytestmark = pytest.mark.timeout(900)
PROCESSES = 2


def exported():
    """What the page has one export for the wiki."""
    [line] = re.findall("export (.*)", page.blocks("sh")[-1])
    return dict(word.split("=", 1) for word in shlex.split(line))


@pytest.fixture(params=OLD)
def served(request, engine, image, tmp_path):
    """An application in the image with SQLite on its volume, and its address."""
    old = OLD[request.param]
    settings = exported()
    assert settings["SITE_APPLICATION"] == APPLICATION["wiki"]
    if old.name != "wiki":
        settings |= {"SITE_APPLICATION": APPLICATION[old.name], "SITE_DATABASE": old.tables}
        settings["SITE_HEALTH"] = old.asked
    place = edited(old, tmp_path / old.name)
    [override] = page.blocks("yaml")
    further = tmp_path / "compose.override.yaml"
    environment = old.environment(Path("/srv/site/var"), "")
    lines = [f"      - {name}={value}\n" for name, value in environment.items() if value]
    head, _, line = override.partition("      - WIKI_")
    assert old.name != "wiki" or f"      - WIKI_{line}" in lines
    further.write_text(head + "".join(lines))
    settings |= {"SITE_PATH": str(place), "WEBPY_IMAGE": f"{image}-{old.name}"}
    settings["WEBPY_PROCESSES"] = str(PROCESSES)
    with project(engine, ("compose.yaml", further), up=False, **settings) as made:
        made.compose("build")
        made.up()
        yield old, made.url


def checkout():
    """What git says of the checkout's files."""
    command = ["git", "-c", "safe.directory=*", "status", "--porcelain"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout


def test_it_answers_as_it_did_stock_and_loses_nothing(request):
    before = checkout()
    old, base = request.getfixturevalue("served")
    with data_folder() as data:
        with by_its_own_server(old, data, f"sqlite:{data}/site.db") as stock:
            expected = old.visits.flow(stock)
        assert old.visits.flow(base) == expected
    old.visits.no_view_is_lost(base)
    old.visits.nothing_is_lost(base)
    old.visits.no_page_is_stale(base, PROCESSES)
    assert checkout() == before
