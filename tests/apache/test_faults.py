"""Faults under a real Apache: none loses an acknowledged write, leaves a half one, or lasts."""

import contextlib
import itertools
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from scripts.lib.command import ROOT
from scripts.lib.serving.own_site import daemon_user
from tests.apache.counting import clients
from tests.apache.server import apache, own_folder, run_as_daemon

pytestmark = pytest.mark.timeout(300)

APPLICATION = Path(__file__).parent / "faults"
MEGABYTE = 2**20
SIZE = 24 * MEGABYTE
TABLE = "CREATE TABLE half (id INTEGER PRIMARY KEY, number INT, filling TEXT)"
MAKE = f"import sqlite3, sys; raw = sqlite3.connect(sys.argv[1]); raw.execute({TABLE!r})"
_numbers = itertools.count(1)


class Faults:
    """The application in tests/apache/faults, served, and its database on a small disk."""

    def __init__(self, site, path):
        self.site = site
        self.path = path
        host, port = site.url.removeprefix("http://").split(":")
        self.address = host, int(port)
        # The numbers of the pairs that were acknowledged.
        self.acknowledged = set()

    def post(self, path="pairs", *more, client=httpx, **options):
        """Add a pair with its own number; return the answer."""
        number = next(_numbers)
        url = "/".join([self.site.url, path, str(number), *more])
        answer = client.post(url, timeout=60, **options)
        if answer.status_code == 200:
            self.acknowledged.add(number)
        return answer

    def get(self, path="read/0"):
        return httpx.get(f"{self.site.url}/{path}", timeout=60)

    def stored(self):
        """How many rows each number has."""
        with contextlib.closing(sqlite3.connect(self.path)) as raw:
            return dict(raw.execute("SELECT number, COUNT(*) FROM half GROUP BY number"))

    def check(self):
        """Whether all acknowledged pairs are stored, and none by half."""
        stored = self.stored()
        return self.acknowledged <= set(stored) and set(stored.values()) <= {2}

    def log(self):
        return self.site.error_log()

    def kill(self):
        """Kill all daemons and wait until others serve."""
        before = self.site.pids()
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: self.site.pids() and not self.site.pids() & before)

    @contextlib.contextmanager
    def load(self, count=6):
        """Have clients post pairs all the time; yields a function: how many are acknowledged."""
        done = threading.Event()

        def work(number, client):
            while not done.is_set():
                with contextlib.suppress(httpx.HTTPError):
                    self.post(client=client)

        thread = threading.Thread(target=clients, args=(count, work))
        thread.start()
        try:
            yield lambda: len(self.acknowledged)
        finally:
            done.set()
            thread.join()


def wait_until(condition, seconds=60):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)


@contextlib.contextmanager
def small_disk(size=SIZE):
    """A file system of `size` bytes that the daemons can write; skips the test without root."""
    with own_folder("disk-") as folder:
        mounted = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(folder)]
        if subprocess.run(mounted, capture_output=True).returncode:
            pytest.skip("a small disk cannot be mounted here: run the tests as root")
        try:
            if daemon_user():
                shutil.chown(folder, daemon_user(), daemon_user())
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk):
    """Leave no room on a small disk; returns the path of the file that takes it."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (MEGABYTE, 4096):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass
    return filler


@contextlib.contextmanager
def served(processes=2, threads=4, defines=(), **settings):
    with small_disk() as disk:
        path = disk / "faults.db"
        run_as_daemon([sys.executable, "-c", MAKE, str(path)])
        settings = {"PROJECT": str(ROOT), "FAULTS_URI": f"sqlite://{path}", **settings}
        # `pids` knows all processes then.
        defines = {"WEBPY_ONE_GROUP": 1, **dict(defines)}
        with apache(
            APPLICATION, processes, threads, settings, path="/process", defines=defines
        ) as site:
            yield Faults(site, path)


@pytest.fixture(scope="module")
def faults():
    with served() as site:
        yield site


@pytest.fixture(scope="module")
def alone():
    """One process with one thread, whose requests are interrupted after 2 seconds."""
    defines = {"WEBPY_REQUEST_TIMEOUT": 2, "WEBPY_INTERRUPT_AFTER": 2}
    with served(1, 1, defines, REQUEST_SECONDS="1") as site:
        yield site


@pytest.mark.parametrize("all_at_once", [False, True])
def test_killed_daemons_lose_nothing_acknowledged_and_leave_nothing_half_done(faults, all_at_once):
    before = faults.site.pids()
    with faults.load() as count:
        slow = threading.Thread(target=lambda: hangs_up(lambda: faults.post("slow", "3")))
        slow.start()
        started = count()
        wait_until(lambda: count() > started + 20)
        for pid in before if all_at_once else list(before)[:1]:
            os.kill(pid, signal.SIGKILL)
        killed = count()
        wait_until(lambda: count() > killed + 100)
        slow.join()
    assert faults.check()
    assert faults.get().status_code == 200


def hangs_up(ask):
    with contextlib.suppress(httpx.HTTPError):
        ask()


def test_a_stopped_daemon_loses_nothing_and_goes_on(faults):
    stopped = next(iter(faults.site.pids()))
    with faults.load() as count:
        started = count()
        wait_until(lambda: count() > started + 20)
        os.kill(stopped, signal.SIGSTOP)
        try:
            time.sleep(10)
        finally:
            os.kill(stopped, signal.SIGCONT)
        went_on = count()
        wait_until(lambda: count() > went_on + 100)
    assert stopped in faults.site.pids()
    assert faults.check()


def test_a_full_disk_is_told_loses_nothing_and_recovers_when_there_is_room(faults):
    # SQLite first switches a new file to WAL.
    assert faults.post().status_code == 200
    filler = fill(faults.path.parent)
    refused = 0
    for _ in range(2000):
        answer = faults.post()
        assert answer.status_code in (200, 503)
        refused += answer.status_code == 503
        if refused == 20:
            break
    assert refused == 20
    assert answer.headers["Retry-After"] == "1"
    assert "no room left" in answer.text
    assert f"{faults.path}: database or disk is full; there is no room left on its" in faults.log()
    assert faults.get().status_code == 200
    assert faults.check()
    filler.unlink()
    assert {faults.post().status_code for _ in range(20)} == {200}
    assert faults.check()


@pytest.fixture
def settled(faults):
    """The faults' site with everything in the database's file and nothing beside it in use."""
    with contextlib.closing(sqlite3.connect(faults.path)) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return faults


def answers_until_killed(faults):
    """Get new daemons, which open the database; return the answers of a GET and a POST."""
    faults.kill()
    return faults.get(), faults.post()


def test_a_missing_database_is_told_and_nothing_is_created_in_its_place(settled):
    away = settled.path.rename(settled.path.with_name("away"))
    read, write = answers_until_killed(settled)
    assert (read.status_code, write.status_code) == (503, 503)
    assert not settled.path.exists()
    assert f"{settled.path} is not there: put the database back" in settled.log()
    away.rename(settled.path)
    assert settled.post().status_code == 200
    assert settled.check()


def test_a_database_that_cannot_be_written_is_told(settled):
    settled.path.chmod(0o440)
    settled.path.parent.chmod(0o555)
    try:
        if daemon_user():
            shutil.chown(settled.path, "root")
            shutil.chown(settled.path.parent, "root")
        read, write = answers_until_killed(settled)
    finally:
        settled.path.parent.chmod(0o755)
        # SQLite gives the log the rights of the file.
        for file in settled.path.parent.glob(f"{settled.path.name}*"):
            file.chmod(0o640)
        if daemon_user():
            shutil.chown(settled.path, daemon_user())
            shutil.chown(settled.path.parent, daemon_user())
    assert write.status_code == 503
    assert read.status_code in (200, 503)
    assert "it cannot be opened and written: give its file" in settled.log()
    settled.kill()
    assert settled.post().status_code == 200
    assert settled.check()


def test_a_damaged_database_is_told(settled):
    whole = settled.path.read_bytes()
    settled.kill()
    for beside in ("-wal", "-shm"):
        settled.path.with_name(settled.path.name + beside).unlink(missing_ok=True)
    settled.path.write_bytes(whole[:100] + bytes(8000) + whole[8100:])
    read, write = answers_until_killed(settled)
    assert (read.status_code, write.status_code) == (503, 503)
    assert "it is damaged: stop the site and put a backup in its place" in settled.log()
    settled.path.write_bytes(whole)
    settled.kill()
    assert settled.post().status_code == 200
    assert settled.check()


def test_a_database_of_a_newer_schema_is_served_by_the_older_code(settled):
    """As in the middle of an upgrade; a column that is gone is told by its name."""

    def change(query):
        with contextlib.closing(sqlite3.connect(settled.path)) as raw:
            raw.execute(query)

    change("ALTER TABLE half ADD COLUMN newer TEXT DEFAULT ''")
    assert (settled.get().status_code, settled.post().status_code) == (200, 200)
    change("ALTER TABLE half RENAME COLUMN filling TO filled")
    try:
        assert settled.post().status_code == 500
        assert "no column named filling" in settled.log()
    finally:
        change("ALTER TABLE half RENAME COLUMN filled TO filling")
    assert settled.post().status_code == 200
    assert settled.check()


def ask_each_process(faults, path):
    """Have each daemon answer `path`."""
    asked = set()

    def ask():
        asked.add(int(faults.get(path).text))
        return asked >= faults.site.pids()

    wait_until(ask)


def test_a_daemon_without_free_file_descriptors_tells_it_and_recovers(faults):
    faults.kill()
    # The process can accept connections, but cannot open the database.
    ask_each_process(faults, "files/2")
    try:
        assert {faults.post().status_code for _ in range(10)} == {503}
    finally:
        ask_each_process(faults, "files/0")
    assert "it cannot be opened and written" in faults.log()
    assert "enough open files" in faults.log()
    assert {faults.post().status_code for _ in range(20)} == {200}
    assert faults.check()


def test_a_statement_that_hangs_is_given_up_at_the_deadline(alone):
    answer = alone.post("statement")
    assert (answer.status_code, "took too long" in answer.text) == (503, True)
    assert "Nothing was changed" in answer.text
    assert alone.check() and not set(alone.stored()) - alone.acknowledged
    assert alone.post().status_code == 200


def test_a_handler_that_hangs_past_the_deadline_is_rolled_back(alone):
    answer = alone.post("slow", "1.3")
    assert (answer.status_code, "Nothing was changed" in answer.text) == (503, True)
    assert not set(alone.stored()) - alone.acknowledged
    assert alone.post().status_code == 200


def test_a_handler_that_mod_wsgi_interrupts_is_rolled_back(alone):
    """mod_wsgi 6 does it; the process goes on."""
    before = alone.site.pids()
    answer = alone.post("slow", "60")
    assert answer.status_code >= 500
    assert not set(alone.stored()) - alone.acknowledged
    assert alone.post().status_code == 200
    assert alone.site.pids() == before


def test_an_interruption_after_the_commit_leaves_the_answer_as_it_is(alone):
    before = alone.site.pids()
    answer = alone.post("late", "60")
    assert (answer.status_code, answer.text) == (200, "added")
    assert alone.check()
    assert "a function given to on_commit failed" in alone.log()
    assert alone.site.pids() == before


def request_line(method, path, *headers):
    lines = [f"{method} /{path} HTTP/1.1", "Host: localhost", *headers, "", ""]
    return "\r\n".join(lines).encode()


def test_a_client_that_leaves_in_mid_answer_holds_no_snapshot(faults):
    for _ in range(12):
        with socket.create_connection(faults.address) as raw:
            raw.sendall(request_line("GET", "stream"))
            assert raw.recv(1000).startswith(b"HTTP/1.1 200")
    assert faults.post().status_code == 200

    def nobody_reads():
        with contextlib.closing(sqlite3.connect(faults.path)) as raw:
            return raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)

    wait_until(nobody_reads)
    assert faults.get().status_code == 200


def test_a_client_that_half_closes_gets_its_answer(faults):
    with socket.create_connection(faults.address) as raw:
        raw.sendall(request_line("GET", "read/0", "Connection: close"))
        raw.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: raw.recv(10_000), b""))
    assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("half", [False, True])
def test_a_client_that_leaves_in_mid_upload_writes_nothing(faults, half):
    number = next(_numbers)
    for _ in range(12):
        with socket.create_connection(faults.address) as raw:
            raw.sendall(request_line("POST", f"upload/{number}", "Content-Length: 20000"))
            raw.sendall(b"x" * 10_000)
            if half:
                raw.shutdown(socket.SHUT_WR)
                raw.settimeout(60)
                assert not raw.recv(1000).startswith(b"HTTP/1.1 200")
    assert faults.post("upload", content=b"x" * 20_000).text == "20000"
    assert number not in faults.stored()
    assert faults.check()
