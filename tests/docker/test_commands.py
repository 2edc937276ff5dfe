"""The documents' Docker commands run, from a fresh clone, and what they say of them is true."""

import re
import shlex
import subprocess
from dataclasses import fields

import pytest

from app.settings import ROOT, Settings
from tests.docker.project import Project, client
from tests.documents import DOCUMENTS, all_commands

pytestmark = pytest.mark.timeout(600)
COMMANDS = [command for command in all_commands() if "docker compose" in command]


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A clone of this checkout's last commit, as a user has it."""
    folder = tmp_path_factory.mktemp("clone") / "site"
    command = ["git", "-c", "safe.directory=*", "clone", "--quiet", "--no-local", ROOT, folder]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_serves_the_site(engine, image, clone, command):
    """With --detach and --wait, so that it ends; with a port and an image of the tests."""
    words = shlex.split(command)
    given = dict(word.split("=", 1) for word in words[: words.index("docker")])
    made = Project(engine, (), given, clone)
    try:
        made.compose(*words[words.index("compose") + 1 :], "--detach", "--wait")
        with client(made) as http:
            assert "Users" in http.get("/").raise_for_status().text
            assert ("/add" in http.get("/").text) == ("SITE_DEMO" in given)
            lab = http.get("/lab/bundle/keys?ids=1").json()["detail"]
            assert ("There is no key 1" in lab) == ("SITE_LAB" in given)
        scale = re.search(r"web=(\d+)", command)
        if scale:
            assert len(made.containers("web")) == int(scale[1])
    finally:
        made.compose(*_files(words), "down", "--volumes", "--timeout", "30", check=False)


def _files(words):
    return [word for word in words if word == "-f" or word.endswith(".yaml")]


def test_the_document_gives_the_images_size(engine, image):
    """In whole MB of 10**6, as docker images shows it; the stand-in's base differs a little."""
    [said] = re.findall(r"It has (\d+) MB", DOCUMENTS["docker/README.md"])
    size = int(engine.output("image", "inspect", "--format", "{{.Size}}", image))
    assert abs(size / 1e6 - int(said)) < 15


def test_compose_passes_every_setting_on():
    """All but SITE_SETTINGS and SITE_PATH, which would name something in the container."""
    variables = {item.metadata["variable"] for item in fields(Settings) if item.metadata}
    text = (ROOT / "compose.yaml").read_text()
    passed = set(re.findall(r"^ +- ((?:SITE|DATABASE)_\w+)$", text, re.MULTILINE))
    assert passed == variables - {"SITE_PATH"}
