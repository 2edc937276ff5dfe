"""The lab under a real Apache: the faults of three modes show, and the bundle has none of them."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from scripts.lib.coherency.checkers import aborted_read, counter, register
from scripts.lib.coherency.checkers.result import Outcome
from scripts.lib.coherency.load.client import Client
from scripts.lib.serving.daemons import daemon_pids, loaded_pids
from scripts.lib.serving.own_site import own_site
from tests.apache.server import TOKEN, apache, debian_module, pypi_module

pytestmark = pytest.mark.timeout(300)

MODES = ("default", "nocache", "recipe", "bundle")
DEFINES = {"WEBPY_LAB": 1, "WEBPY_LAB_PROCESSES": 3, "WEBPY_LAB_THREADS": 3}


@pytest.fixture(scope="module")
def site():
    with apache(processes=1, threads=2, settings={"SITE_LAB": "1"}, defines=DEFINES) as running:
        yield running


@contextmanager
def fresh(site, mode):
    """A client of a mode whose eight keys have just been set to 0."""
    with Client(site.url, mode, TOKEN) as client:
        client.reset(8, 0)
        yield client


def writes_followed_by_reads(site, mode):
    with fresh(site, mode) as client:
        for value in range(1, 51):
            client.transact("write", ("write", 1, value))
            for _ in range(4):
                client.read("read", 1)
        return register.check(client.history)


def increments_at_once(site, mode):
    def increment(number):
        with Client(site.url, mode, TOKEN, number) as client:
            for _ in range(10):
                client.transact("add", ("read", 2), ("sleep", 5), ("add", 2, 1))
            return client.history

    with fresh(site, mode) as last, ThreadPoolExecutor(6) as pool:
        parts = list(pool.map(increment, range(1, 7)))
        last.read("read", 2)
        return counter.check([operation for part in [*parts, last.history] for operation in part])


def handlers_that_raise(site, mode):
    with fresh(site, mode) as client:
        for value in range(1, 6):
            client.transact("crash", ("write", 3, value), ("raise",))
            client.read("read", 3)
        return aborted_read.check(client.history)


@pytest.mark.parametrize(
    ("mode", "drive", "anomaly"),
    [
        ("default", writes_followed_by_reads, "stale read"),
        ("recipe", increments_at_once, "lost update"),
        ("recipe", handlers_that_raise, "G1a"),
    ],
)
def test_the_fault_of_a_stock_mode_shows_and_the_bundle_has_none(site, mode, drive, anomaly):
    fault = drive(site, mode)
    assert fault.outcome is Outcome.INVALID
    assert anomaly in fault.counts
    assert drive(site, "bundle").outcome is Outcome.VALID


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_keeps_web_sessions_and_takes_uploads(site, mode):
    with Client(site.url, mode, TOKEN) as client:
        client.reset(2, [])
        visit = client.visit("visit", ("read", 2), ("append", 2, 7))
        assert visit.value == (("read", 2, ()), ("append", 2, 7))
        assert client.visit("visit", ("read", 2)).value == (("read", 2, (7,)),)
        upload = client.upload("upload", ("read", 2), ("append", 2, 8))
        assert upload.value == (("read", 2, (7,)), ("append", 2, 8))
        assert (upload.runs, upload.odd) == (2 if mode == "bundle" else 1, "")
        last = client.get("list", ("list", (1, 2)), ("count", (1, 2, [])))
        assert last.value == (("list", (1, 2), ((1, ()), (2, (7, 8)))), ("count", (1, 2, ()), 1))


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_has_its_own_processes(site, mode):
    seen = {}
    for served in MODES:
        with fresh(site, served) as client:
            seen[served] = {client.read("read", 1).pid for _ in range(20)}
    own = seen.pop(mode)
    assert own
    assert not own & set.union(site.pids(), *seen.values())


def test_the_lab_s_processes_are_not_taken_for_the_site_s(site):
    assert len(daemon_pids(site.process.pid, site.server.name)) == 1


@pytest.mark.parametrize("module", [pypi_module, debian_module], ids=["own", "Debian"])
def test_the_lab_s_processes_load_the_application_before_the_first_request(module):
    options = {"settings": {"SITE_LAB": "1"}, "defines": DEFINES, "module": module()}
    with apache(processes=1, threads=2, **options) as running:
        deadline = time.monotonic() + 60
        while sum(map(has_loaded_the_application, lab_pids(running))) < 3 * len(MODES):
            assert time.monotonic() < deadline, running.error_log()
            time.sleep(0.1)
        for mode in MODES:
            answer = httpx.get(f"{running.url}/lab/{mode}/keys?ids=1")
            assert "There is no key 1" in answer.json()["detail"]
        assert "[wsgi:error]" not in running.error_log()


def lab_pids(site):
    return set.union(*(loaded_pids(site.process.pid, mode, "lab") for mode in MODES))


def has_loaded_the_application(pid):
    """Whether it has loaded the database driver, which nothing else imports."""
    return "_sqlite3" in Path(f"/proc/{pid}/maps").read_text()


def test_the_lab_leaves_the_site_s_addresses_alone(site):
    assert "text/html" in httpx.get(f"{site.url}/").headers["Content-Type"]
    assert httpx.get(f"{site.url}/app/lab/lab.wsgi").status_code == 404


def test_the_lab_s_addresses_say_that_it_is_off_without_the_setting():
    with apache(processes=1, threads=2, defines=DEFINES) as running:
        for mode in MODES:
            answer = httpx.get(f"{running.url}/lab/{mode}/keys?ids=1")
            assert answer.status_code == 404
            assert "SITE_LAB" in answer.json()["detail"]


def test_without_the_define_there_is_no_lab(site):
    with apache(processes=1, threads=2, settings={"SITE_LAB": "1"}) as running:
        assert httpx.get(f"{running.url}/lab/default/keys?ids=1").status_code == 404


def test_the_largest_values_fit_into_mariadb(mariadb_server):
    pypi_module()
    values = [2**53 - 1] * 3854
    with (
        own_site("mariadb", 1, 1, lab=True) as lab,
        Client(lab.url, "bundle", lab.token) as client,
    ):
        client.reset(400, values)
        assert client.transact("write", ("write", 400, values)).ok
