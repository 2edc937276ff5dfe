"""Clients that read and write the site all the time, and know which writes were acknowledged."""

import contextlib
import threading
import time
from itertools import count

import httpx

from tests.docker.project import client

# Seconds that a client waits for an answer: longer than the balancer waits for a reading request.
SECONDS = 14

_numbers = count(1)


class Load:
    """Some clients at work on a project; the attributes are lists that grow.

    acknowledged: names of users whose POST was answered 201. reads: times (time.monotonic()) of
    answered reads. failures: (time of the start, method, what came) of each request without its
    proper answer; a client then waits a moment.
    """

    def __init__(self, made):
        self.made = made
        self.acknowledged, self.reads, self.failures = [], [], []
        self._stop = threading.Event()

    def read_all_the_time(self):
        with client(self.made, timeout=SECONDS) as http:
            while not self._stop.is_set():
                if self._try(http, "GET", "/api/users?limit=5", 200):
                    self.reads.append(time.monotonic())

    def write_all_the_time(self):
        with client(self.made, timeout=SECONDS) as http:
            while not self._stop.is_set():
                name = f"load{next(_numbers)}"
                user = {"name": name, "fullname": "of a load", "password": "a password"}
                if self._try(http, "POST", "/api/users", 201, json=user):
                    self.acknowledged.append(name)

    def _try(self, http, method, path, status, **options):
        started = time.monotonic()
        try:
            answer = http.request(method, path, **options)
        except httpx.HTTPError as error:
            came = repr(error)
        else:
            if answer.status_code == status:
                return True
            came = f"{answer.status_code} {answer.text[:200]}"
        self.failures.append((started, method, came))
        self._stop.wait(0.05)
        return False

    def failed_since(self, moment, *methods):
        """The failures of requests that started after `moment`, of the methods if given."""
        return [
            failure
            for failure in self.failures
            if failure[0] >= moment and (not methods or failure[1] in methods)
        ]

    def wait_for_writes(self, number, seconds=60):
        """Wait until `number` further writes are acknowledged."""
        before = len(self.acknowledged)
        self.made.wait_until(
            lambda: len(self.acknowledged) >= before + number, f"{number} writes", seconds
        )


@contextlib.contextmanager
def load(made, readers=3, writers=3):
    """Yield a Load at work; its clients have ended when the block is left."""
    running = Load(made)
    work = [running.read_all_the_time] * readers + [running.write_all_the_time] * writers
    threads = [threading.Thread(target=function) for function in work]
    for thread in threads:
        thread.start()
    try:
        yield running
    finally:
        running._stop.set()
        for thread in threads:
            thread.join()
