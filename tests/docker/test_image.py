"""The image: its size, what is not in it, and that changed code renews only the last layers."""

import json
import re
import secrets
import shutil
import subprocess
import tomllib

import pytest

from scripts.lib.command import ROOT
from tests.docker.project import Project

pytestmark = pytest.mark.timeout(600)
LARGEST = 220_000_000
MARK = "a-mark-of-these-tests-in-what-is-secret"


def in_image(engine, image, command):
    """Run a shell command in a new container as root; returns its output."""
    options = ("--rm", "--user", "0", "--entrypoint", "sh", "--network", "none")
    return engine.output("run", *options, image, "-c", command)


def test_the_image_is_small(engine, image):
    [about] = json.loads(engine.output("image", "inspect", image))
    assert about["Size"] < LARGEST


def test_the_image_says_what_it_is_and_how_to_stop_it(engine, image):
    [about] = json.loads(engine.output("image", "inspect", image))
    config = about["Config"]
    assert config["User"] == "33:33"
    assert config["StopSignal"] == "SIGWINCH"
    assert config["Healthcheck"]["Test"] == ["CMD", "docker/healthcheck"]
    assert config["Labels"]["org.opencontainers.image.title"] == "webpy-sqlobject-site"


def test_nothing_of_the_build_is_left(engine, image):
    looked_for = "gcc cc apxs apxs2 pip pip3 make git curl wget"
    found = in_image(engine, image, f"for name in {looked_for}; do command -v $name; done; true")
    assert found == ""
    names = "-name pip -o -name setuptools -o -name wheel -o -name '*.deb' -o -name '*.c'"
    assert in_image(engine, image, f"find / -xdev \\( {names} \\) -print") == ""


def test_the_packages_have_the_pinned_versions(engine, image):
    """Those that pyproject.toml pins; `psycopg[binary]` is psycopg with an extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = [*project["dependencies"], *project["optional-dependencies"]["postgres"]]
    for requirement in pinned:
        name, _, version = re.sub(r"\[.*\]", "", requirement).partition("==")
        program = f'from importlib.metadata import version; print(version("{name}"))'
        command = f"python -c '{program}'"
        assert in_image(engine, image, command) == version, name


def test_only_what_serves_the_site_is_in_it(engine, image):
    entries = in_image(engine, image, "ls -A /srv/site").split()
    folders = [".venv", "app", "apache", "docker", "secrets", "var", "wsgi"]
    assert sorted(entries) == sorted(["LICENSE", *folders])
    assert in_image(engine, image, "find /srv/site/var /srv/site/secrets -type f") == ""
    assert in_image(engine, image, "find /run/secrets -type f 2>/dev/null; true") == ""


def test_every_python_file_is_compiled(engine, image):
    command = """cd /srv/site && find app .venv/lib -name '*.py' ! -path '*/__pycache__/*' |
        while read -r name; do
            set -- "$(dirname "$name")/__pycache__/$(basename "$name" .py)".*.pyc
            [ -e "$1" ] || echo "$name"
        done"""
    assert in_image(engine, image, command) == ""


def test_the_user_of_the_image_can_change_no_file_of_the_site(engine, image):
    command = "find /srv/site -xdev -writable ! -type l -print"
    options = ("--rm", "--entrypoint", "sh", "--network", "none")
    found = engine.output("run", *options, image, "-c", command).split()
    writable = ["secrets/database", "secrets/web", "var"]
    assert sorted(found) == [f"/srv/site/{name}" for name in writable]


def test_apache_serves_the_checkouts_site_conf(engine, image):
    assert in_image(engine, image, "cat /srv/site/apache/site.conf") == (
        (ROOT / "apache" / "site.conf").read_text().rstrip("\n")
    )
    assert "Include /srv/site/apache/site.conf" in (ROOT / "docker/server.conf").read_text()


@pytest.fixture(scope="module")
def changed(engine, image, tmp_path_factory):
    """A build of a copy of the checkout with one more file in app/ and files that hold MARK.

    Yields the new image's name and what the build said.
    """
    copy = tmp_path_factory.mktemp("changed")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    (copy / "app" / "another.py").write_text(f"# {secrets.token_hex()}\n")
    for name in ("site.env", ".env", "var/site.db", ".git/config", "docker/notes"):
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_text(f"SITE_API_TOKEN={MARK}\n")
    made = Project(engine, ("compose.yaml",), {"WEBPY_IMAGE": f"{image}-changed"}, copy)
    built = made.compose("--progress", "plain", "build")
    yield f"{image}-changed", built.stdout + built.stderr
    engine.run("rmi", "--force", f"{image}-changed")


def test_a_change_of_code_builds_neither_packages_nor_environment_again(engine, changed):
    name, said = changed
    assert _cached(said, "apt-get") and _cached(said, "pip")
    assert not _cached(said, "/code/app")
    assert in_image(engine, name, "ls /srv/site/app/another.py") == "/srv/site/app/another.py"


def test_the_builder_finds_no_fault_in_the_dockerfile(changed):
    """BuildKit from 0.15 on checks each build and says `1 warning found`."""
    _, said = changed
    assert not re.search(r"\bwarnings? found\b|\bdeprecated\b", said, re.IGNORECASE), said


def test_settings_and_secrets_of_the_checkout_do_not_get_into_it(engine, changed):
    name, _ = changed
    command = f"grep -rl {MARK} /srv /etc /home /root /opt /tmp /var; true"
    assert in_image(engine, name, command) == ""


def _cached(said, word):
    """Whether every RUN step with `word` in its command was taken from the cache."""
    numbers = {line.split()[0] for line in said.splitlines() if " RUN " in line and word in line}
    cached = {line.split()[0] for line in said.splitlines() if line.endswith(" CACHED")}
    return bool(numbers) and numbers <= cached
