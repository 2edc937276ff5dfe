"""scripts/deploy: into an existing Apache, with releases and a rollback under load."""

import os
import pwd
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests import told
from tests.apache.debian import debian
from tests.apache.server import debian_module

HOST = {"Host": "site.example.org"}


@pytest.fixture(scope="module")
def machine():
    """A Debian with another site, into which the first release has been deployed."""
    with debian(debian_module()) as made:
        made.before = made.state()
        dry = made.first("--dry-run")
        assert (dry.returncode, dry.stderr) == (0, "")
        assert made.state() == made.before
        assert not (made.home / "releases").exists()
        with pytest.raises(KeyError):
            pwd.getpwnam(made.user)
        done = made.first()
        assert done.returncode == 0, done.stdout + done.stderr + made.log()
        made.told = dry.stdout, done.stdout
        yield made


def answer(machine, path="/"):
    """The words that the site tells: release, process, working directory, web.py, user."""
    got = httpx.get(machine.url + path, headers=HOST, timeout=60)
    assert got.status_code == 200, machine.log()
    return got.text.split()


class Load:
    """Asks all the time, and collects the answers."""

    def __init__(self, machine, clients=6, slow=2, seconds=3):
        self.machine = machine
        self.done = threading.Event()
        self.answers = []
        self.pool = ThreadPoolExecutor(clients + slow)
        self.asking = [self.pool.submit(self._ask, "/") for _ in range(clients)]
        self.asking += [self.pool.submit(self._ask, f"/?seconds={seconds}") for _ in range(slow)]

    def _ask(self, path):
        with httpx.Client(timeout=60, headers=HOST) as client:
            while not self.done.is_set():
                begin = time.monotonic()
                got = client.get(self.machine.url + path)
                self.answers.append((begin, got.status_code, got.text.split()[0]))

    def end(self):
        """Stop; returns the answers as (when it was asked, status, release)."""
        self.done.set()
        for one in self.asking:
            one.result()
        return self.answers


def test_it_is_served_by_its_own_user_from_its_own_release(machine):
    release, _, folder, package, user = answer(machine)
    assert release == "one"
    assert folder == str(machine.home / "releases" / machine.commit)
    assert package.startswith(f"{folder}/.venv/")
    entry = pwd.getpwnam(machine.user)
    assert int(user) == entry.pw_uid
    assert entry.pw_shell.endswith("nologin")


def test_only_that_user_reads_the_settings(machine):
    status = (machine.home / "site.env").stat()
    assert status.st_mode & 0o777 == 0o400
    assert status.st_uid == pwd.getpwnam(machine.user).pw_uid


def test_other_sites_stay_byte_for_byte(machine):
    after = machine.state()
    assert {name: after.get(name) for name in machine.before} == machine.before
    new = set(after) - set(machine.before)
    assert {name for name in new if name.startswith("sites-")} == {
        "sites-available/webpy-site.conf",
        "sites-enabled/webpy-site.conf",
    }
    got = httpx.get(machine.url + "/page.txt", headers={"Host": "other.example.org"})
    assert got.text == "the other site's"


def test_a_dry_run_tells_what_is_done(machine):
    dry, done = (text.splitlines() for text in machine.told)
    assert dry[:-1] == [line for line in done if line in dry[:-1]]
    assert dry[-1] == f"would serve {machine.commit} as site.example.org"


@pytest.mark.timeout(300)
def test_a_release_and_its_rollback_under_load_lose_no_request(machine):
    load = Load(machine)
    machine.change("two")
    done = machine.deploy()
    assert done.returncode == 0, done.stdout + done.stderr
    deployed = time.monotonic()
    time.sleep(1)
    back = machine.deploy("--rollback")
    rolled_back = time.monotonic()
    time.sleep(1)
    answers = load.end()
    assert back.returncode == 0, back.stdout + back.stderr
    assert {status for _, status, _ in answers} == {200}
    between = {release for begin, _, release in answers if deployed < begin < deployed + 0.5}
    assert between == {"two"}
    assert {release for begin, _, release in answers if begin > rolled_back} == {"one"}


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("first", "said"),
    [
        ("raise LookupError('broken release')", "LookupError: broken release"),
        ("syntax error", "SyntaxError"),
    ],
)
def test_after_a_failed_upgrade_the_old_release_is_served(machine, first, said):
    before, pids = answer(machine)[0], machine.pids()
    served = os.readlink(machine.home / "current")
    commit = machine.change("bad", first)
    done = machine.deploy()
    assert done.returncode == 1, done.stdout + done.stderr
    assert said in done.stderr
    assert (answer(machine)[0], machine.pids()) == (before, pids)
    assert os.readlink(machine.home / "current") == served
    assert not (machine.home / "releases" / commit).exists()


@pytest.mark.timeout(300)
def test_a_release_that_fails_only_under_apache_is_taken_back(machine):
    """The try before it has no mod_wsgi."""
    before = answer(machine)[0]
    only = (
        "import sys; assert not getattr(sys.modules.get('mod_wsgi'), 'process_group', ''), 'bad'"
    )
    machine.change("bad", only)
    done = machine.deploy()
    assert done.returncode == 1, done.stdout + done.stderr
    assert "AssertionError: bad" in done.stderr
    assert {answer(machine)[0] for _ in range(20)} == {before}


@pytest.mark.timeout(300)
def test_a_daemon_that_is_replaced_later_runs_the_current_release(machine):
    commit = machine.change("three")
    assert machine.deploy().returncode == 0
    before = machine.pids()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while len(machine.pids() - before) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    release, _, folder, package, _ = answer(machine)
    assert (release, folder) == ("three", str(machine.home / "releases" / commit))
    assert package.startswith(folder)


@pytest.mark.timeout(300)
def test_the_last_five_releases_stay(machine):
    for number in range(3):
        machine.change(f"number-{number}")
        assert machine.deploy().returncode == 0
    assert answer(machine)[0] == "number-2"
    kept = list((machine.home / "releases").iterdir())
    assert len(kept) == 5
    # Their packages are the same files.
    packages = {next(one.glob(".venv/lib/python3*/site-packages/web/__init__.py")) for one in kept}
    assert len({path.stat().st_ino for path in packages}) == 1


def test_uncommitted_changes_are_not_deployed(machine):
    told.write(machine.repository, "uncommitted")
    done = machine.deploy()
    assert done.returncode == 2
    assert "told.py" in done.stderr


def test_uninstall_leaves_the_data_and_the_other_sites_alone(machine):
    machine.add_site("later.example.org", "Header set X-Later yes")
    before = machine.state()
    done = machine.deploy("--uninstall")
    assert done.returncode == 0, done.stderr
    sites = {"sites-available/webpy-site.conf", "sites-enabled/webpy-site.conf"}
    assert machine.state() == {name: before[name] for name in before if name not in sites}
    modules = done.stdout.splitlines()[-1]
    assert "headers" in modules.split()
    assert sorted(path.name for path in machine.home.iterdir()) == ["site.env", "var"]
    assert (machine.home / "var" / "site.db").exists()
    for name, later in (("other.example.org", None), ("later.example.org", "yes")):
        got = httpx.get(machine.url + "/page.txt", headers={"Host": name})
        assert (got.text, got.headers.get("X-Later")) == ("the other site's", later)
    assert httpx.get(machine.url + "/", headers=HOST).status_code != 200
