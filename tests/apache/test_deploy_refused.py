"""scripts/deploy if it fails: Apache, its other sites and the daemons stay as they were."""

import os
import shutil

import httpx
import pytest

from tests.apache.debian import debian
from tests.apache.server import debian_module

HOST = {"Host": "site.example.org"}
# A daemon below Apache fails while the file `refuse` exists; the try before it does not.
FAILS = """
import sys, pathlib
        refuse = pathlib.Path({path!r})
        if getattr(sys.modules.get("mod_wsgi"), "process_group", ""):
            assert not refuse.exists(), "refused"
"""


@pytest.fixture(scope="module")
def bare():
    """A Debian into which nothing has been deployed."""
    with debian(debian_module()) as made:
        yield made


@pytest.fixture(scope="module")
def machine(bare):
    """The same with a first release, which has few daemons."""
    done = bare.first("--define", "WEBPY_ONE_GROUP=1")
    assert done.returncode == 0, done.stdout + done.stderr + bare.log()
    assert restarts(bare) == 1
    return bare


def restarts(machine):
    """How often Apache was restarted gracefully."""
    return (machine.folder / "log" / "error.log").read_text().count("Doing graceful restart")


def released(machine):
    """The release that answers."""
    got = httpx.get(machine.url, headers=HOST, timeout=60)
    assert got.status_code == 200, machine.log()
    return got.text.split()[0]


def unchanged(machine):
    """What a refused deployment leaves as it was."""
    remembered = machine.home / "deploy.json"
    return (
        machine.state(),
        remembered.read_text(),
        os.readlink(machine.home / "current"),
        machine.pids(),
        sorted(os.listdir(machine.home / "releases")),
    )


def test_root_is_never_the_site_s_user(bare):
    data = bare.home / "var"
    data.mkdir(parents=True)
    done = bare.deploy("--host", "site.example.org", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "create the user webpy-site\n" in done.stdout
    done = bare.deploy("--host", "site.example.org", "--user", "root", "--dry-run")
    assert done.returncode == 2
    assert "--user" in done.stderr
    shutil.rmtree(bare.home)


def test_a_deployment_without_settings_says_that_it_serves_the_example(bare):
    done = bare.deploy("--host", "site.example.org", "--dry-run")
    assert f"no settings in {bare.home}/site.env: the example will be served" in done.stdout
    bare.home.mkdir()
    (bare.home / "site.env").write_text("DATABASE_URI=sqlite:///nowhere/site.db\n")
    done = bare.deploy("--host", "site.example.org", "--dry-run")
    assert (done.returncode, "no settings" in done.stdout) == (0, False), done.stderr
    shutil.rmtree(bare.home)


@pytest.mark.timeout(300)
def test_a_first_deployment_that_is_refused_leaves_apache_alone(bare):
    before = bare.state()
    done = bare.first("--define", "WEBPY_PROCESSES=abc")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Invalid process count" in done.stderr
    assert "run scripts/check" in done.stdout
    assert bare.state() == before
    assert restarts(bare) == 0
    assert sorted(os.listdir(bare.home)) == [".lock", "releases", "site.env", "var"]
    assert not os.listdir(bare.home / "releases")


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "options",
    [
        ("--define", "WEBPY_PROCESSES=abc"),
        ("--certificate", __file__, "--key", __file__),
    ],
)
def test_options_that_apache_refuses_are_not_remembered(machine, options):
    before = unchanged(machine)
    machine.change(f"refused with {options[0]}")
    done = machine.deploy(*options)
    assert done.returncode == 1, done.stdout + done.stderr
    assert unchanged(machine) == before
    assert released(machine) == "one"


@pytest.mark.timeout(300)
def test_a_release_that_daemons_serve_from_stays(machine):
    """Neither the new release nor the one before comes up, so that daemons of both serve."""
    refuse = machine.home / "var" / "refuse"
    first = FAILS.format(path=str(refuse)).strip()
    machine.change("steady", first)
    assert machine.deploy().returncode == 0
    # Its first daemon comes up, and the others do not.
    touch = 'if getattr(sys.modules.get("mod_wsgi"), "process_group", ""): refuse.touch()'
    commit = machine.change("half", f"{first}\n        {touch}")
    done = machine.deploy()
    assert done.returncode == 1, done.stdout + done.stderr
    again = machine.deploy("--define", "WEBPY_PROCESSES=abc")
    assert again.returncode == 1, again.stdout + again.stderr
    folders = {os.readlink(f"/proc/{pid}/cwd") for pid in machine.pids()}
    assert str(machine.home / "releases" / commit) in folders
    assert all(map(os.path.isdir, folders))
    assert "daemons of both serve" in done.stderr
    refuse.unlink()
    machine.change("after")
    assert machine.deploy().returncode == 0
    assert {released(machine) for _ in range(20)} == {"after"}


@pytest.mark.timeout(300)
def test_a_release_whose_apache_files_are_refused_is_not_rolled_back_to(machine):
    """The virtual host of the newer release has a Define that breaks the older one."""
    configuration = machine.repository / "apache" / "site.conf"
    good = configuration.read_text()
    configuration.write_text(f"{good}<IfDefine WEBPY_NEWER>\n    Nonsense\n</IfDefine>\n")
    machine.change("older")
    assert machine.deploy().returncode == 0
    configuration.write_text(good)
    machine.change("newer")
    newer = machine.deploy("--define", "WEBPY_NEWER=1")
    assert newer.returncode == 0, newer.stderr
    before = unchanged(machine)
    done = machine.deploy("--rollback")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Nonsense" in done.stderr
    assert unchanged(machine) == before
    assert released(machine) == "newer"
    assert "systemctl reload apache2" in newer.stdout
