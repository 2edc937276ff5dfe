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


def steps(srv):
    """The page's commands for the image, with the folder `srv` in place of /srv."""
    return page.blocks("sh")[-1].replace("/srv/", f"{srv}/").splitlines()


def checkout():
    """What git says of the checkout's files."""
    command = ["git", "-c", "safe.directory=*", "status", "--porcelain"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout


@pytest.fixture(params=OLD)
def served(request, engine, image, tmp_path):
    """An application in the image with SQLite on its volume, and its address.

    The page shows the steps with the wiki; the shop is served by the same ones.
    """
    old = OLD[request.param]
    before = checkout()
    place = edited(old, tmp_path / "wiki")
    (place / "data").mkdir()
    (place / "data" / "wiki.db").write_text("not to be in the image")
    ignore, export, build, up = steps(tmp_path)
    subprocess.run(["bash", "-c", ignore], check=True)
    settings = dict(word.split("=", 1) for word in shlex.split(export)[1:])
    [environment] = page.blocks("yaml")
    if old.name != "wiki":
        settings |= {"SITE_APPLICATION": APPLICATION[old.name], "SITE_DATABASE": old.tables}
        lines = [
            f"      - {name}={value}"
            for name, value in old.environment(Path("/srv/site/var"), "").items()
            if value
        ]
        environment = "\n".join([environment.partition("      - ")[0].rstrip(), *lines, ""])
    (place / "environment.yaml").write_text(environment)
    settings |= {
        "WEBPY_APPLICATION_IMAGE": f"{image}-{old.name}",
        "WEBPY_PROCESSES": str(PROCESSES),
    }
    assert (build, up.split()[-2:]) == ("docker compose build", ["up", "--build"])
    files = re.findall(r"-f (\S+)", up)
    with project(engine, files, up=False, **settings) as made:
        made.up("--build")
        assert made.sh("test ! -e /srv/application/data").returncode == 0
        yield old, made.url
    assert checkout() == before


def test_it_answers_as_it_did_stock_and_loses_nothing(served):
    old, base = served
    with data_folder() as data:
        with by_its_own_server(old, data, f"sqlite:{data}/site.db") as stock:
            expected = old.visits.flow(stock)
        assert old.visits.flow(base) == expected
    old.visits.no_view_is_lost(base)
    old.visits.nothing_is_lost(base)
    old.visits.no_page_is_stale(base, PROCESSES)
