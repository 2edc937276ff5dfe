"""The steps of docs/from-an-old-application.md, run as written, with a used wiki."""

import hashlib
import os
import shutil
import subprocess

import pytest

from scripts.lib.command import ROOT
from scripts.lib.serving.own_site import daemon_user
from tests.apache.server import folders
from tests.applications import page
from tests.applications.moved import edited
from tests.applications.stock import WIKI, by_its_own_server
from tests.scripts.serving import serving

pytestmark = pytest.mark.timeout(300)
CHECKOUT = ("app", "apache", "scripts", "wsgi")


def at_home(text, folder):
    """The page's `text` with the folders of this test in place of those in /srv."""
    user = daemon_user() or str(os.getuid())
    return text.replace("/srv/", f"{folder}/").replace("www-data:", f"{user}:")


@pytest.fixture
def srv(tmp_path):
    """What the page calls /srv: the checkout in `site` and a used wiki in `wiki`.

    Yields the folder and what the wiki shows.
    """
    with folders() as folder:
        for name in CHECKOUT:
            shutil.copytree(ROOT / name, folder / "site" / name)
        edited(WIKI, folder / "wiki")
        data = folder / "wiki" / "data"
        shutil.copytree(folder / "data", data)
        shutil.chown(data, daemon_user() or os.getuid())
        with by_its_own_server(WIKI, data, f"sqlite:{data}/wiki.db") as base:
            WIKI.visits.flow(base)
            yield folder, WIKI.visits.shown(base)


def files(folder):
    """Each file of the checkout with its content, except what the site itself creates."""
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.parametrize("prefix", ["", "/wiki"])
def test_the_steps_serve_the_wiki_with_all_that_it_had(srv, prefix):
    folder, shown = srv
    before = files(folder / "site")
    [lines] = page.blocks("ini")
    (folder / "site" / "site.env").write_text(at_home(lines, folder))
    commands = page.blocks("sh")[0]
    *preparing, serve = at_home(commands, folder).splitlines()
    assert serve == "scripts/serve"
    subprocess.run(["bash", "-ec", "\n".join(preparing)], check=True)
    options = ["--prefix", prefix] if prefix else []
    with serving(folder, *options, checkout=folder / "site") as served:
        assert WIKI.visits.shown(served.url + prefix) == shown
    after = files(folder / "site")
    assert after.pop((folder / "site" / "site.env").relative_to(folder / "site"))
    assert after == before


def test_the_page_names_defines_that_exist():
    configuration = (ROOT / "apache" / "site.conf").read_text()
    for block in page.blocks("apache"):
        for line in block.splitlines():
            word, name = line.split()[:2]
            assert word == "Include" or f"<IfDefine !{name}>" in configuration
