"""The lab under a real Apache: the faults of three modes show, and the bundle has none of them."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from scripts.lib.coherency import aborted_read, counter, register
from scripts.lib.coherency.client import Client
from scripts.lib.coherency.result import Outcome
from scripts.lib.daemons import daemon_pids
from tests.apache.server import TOKEN, apache

pytestmark = pytest.mark.timeout(300)

MODES = ("default", "nocache", "recipe", "bundle")
LAB_PROCESSES = 3
LOADED = re.compile(r"pid (\d+).* Loading .*/app/lab/lab\.wsgi'")
DEFINES = {"WEBPY_LAB": 1, "WEBPY_LAB_PROCESSES": LAB_PROCESSES, "WEBPY_LAB_THREADS": 3}


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


def test_every_process_of_the_lab_has_loaded_it_before_the_first_request():
    """Apache's log names a process for each script that it loads, and has no error."""
    with apache(processes=1, threads=2, settings={"SITE_LAB": "1"}, defines=DEFINES) as running:
        deadline = time.monotonic() + 60
        while len(set(LOADED.findall(running.error_log()))) < len(MODES) * LAB_PROCESSES:
            assert time.monotonic() < deadline, running.error_log()
            time.sleep(0.1)
        assert ":error]" not in running.error_log()


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_has_processes_of_its_own(site, mode):
    seen = {}
    for served in MODES:
        with fresh(site, served) as client:
            seen[served] = {client.read("read", 1).pid for _ in range(20)}
    own = seen.pop(mode)
    assert own
    assert not own & set.union(site.pids(), *seen.values())


def test_the_lab_s_processes_are_not_taken_for_the_site_s(site):
    assert len(daemon_pids(site.process.pid, site.server.name)) == 1


def test_the_lab_leaves_the_site_s_addresses_alone(site):
    assert "text/html" in httpx.get(f"{site.url}/").headers["Content-Type"]
    assert httpx.get(f"{site.url}/app/lab/lab.wsgi").status_code == 404


def test_the_lab_s_addresses_say_that_it_is_off_without_the_setting():
    with apache(processes=1, threads=2, defines=DEFINES) as running:
        for mode in MODES:
            answer = httpx.get(f"{running.url}/lab/{mode}/keys?ids=1")
            assert answer.status_code == 404
            assert "SITE_LAB" in answer.json()["detail"]


def test_without_the_define_the_lab_is_not_there(site):
    with apache(processes=1, threads=2, settings={"SITE_LAB": "1"}) as running:
        assert httpx.get(f"{running.url}/lab/default/keys?ids=1").status_code == 404
