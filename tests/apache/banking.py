"""The bank on each engine under a real Apache, clients that load it, and what its tables have."""

import contextlib
import sqlite3
import threading
import time
from pathlib import Path

from scripts.lib.command import ROOT
from tests.apache.counting import PROCESSES, THREADS, clients
from tests.apache.server import apache

TOTAL = 800
SERVERS = ["postgres", "mariadb"]


class Bank:
    """The application in tests/apache/bank, served, and its database."""

    def __init__(self, site, server, uri):
        self.site = site
        self.url = site.url
        self.server = server
        self.uri = uri

    def execute(self, query):
        """Run `query` in its own session; returns its rows."""
        if self.server:
            return self.server.execute(query, self.uri.rpartition("/")[2])
        with contextlib.closing(sqlite3.connect(self.site.data / "bank.db")) as raw:
            return raw.execute(query).fetchall()


@contextlib.contextmanager
def served_bank(request):
    """The bank on the engine that the fixture's `request` has as its parameter."""
    server = uri = None
    if request.param != "sqlite":
        server = request.getfixturevalue(f"{request.param}_server")
        uri = server.new_database()
    settings = {"PROJECT": str(ROOT)} | ({"BANK_URI": uri} if uri else {})
    application = Path(__file__).parent / "bank"
    with apache(application, PROCESSES, THREADS, settings, path="/balances") as site:
        yield Bank(site, server, uri)


class Load:
    """Clients that post pairs, each with its own number, until `stop` is called."""

    def __init__(self, bank, first):
        self.answers = []
        self._bank = bank
        self._numbers = iter(range(first, first + 10**6))
        self._done = threading.Event()
        self._thread = threading.Thread(target=clients, args=(PROCESSES * THREADS, self._work))
        self._thread.start()

    def _work(self, _, client):
        while not self._done.is_set():
            number = next(self._numbers)
            status = client.post(f"{self._bank.url}/pairs/{number}").status_code
            self.answers.append((time.monotonic(), number, status))

    def wait_for(self, count, status):
        """Wait until `count` more answers have `status`."""
        expected = len(self.numbers(status)) + count
        ends = time.monotonic() + 60
        while len(self.numbers(status)) < expected:
            assert time.monotonic() < ends, f"after a minute not {count} more answers {status}"
            time.sleep(0.02)

    def stop(self):
        self._done.set()
        self._thread.join()

    def numbers(self, status):
        return {number for _, number, found in list(self.answers) if found == status}


def rows_per_number(bank):
    return dict(bank.execute("SELECT number, COUNT(*) FROM half GROUP BY number"))
