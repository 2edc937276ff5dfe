"""scripts/benchmark --contention: many clients write ten rows, and each one gets through.

Every client has a thread of the site, so that all of their transactions run at once. A
client waits for each answer before it goes on, so that all of its writes are known.
"""

import argparse
import contextlib
import http.client
import statistics
import threading
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from scripts.lib.benchmark.sites import sites
from scripts.lib.command import CannotRun

CLIENTS = (16, 64)
ROWS = 10
# Seconds. Longer than the site goes on trying (SITE_RETRY_SECONDS and one statement).
PATIENCE = 60


@dataclass(frozen=True)
class Answer:
    """What a client was answered to one write: a status, 0 for none, and after how many seconds.

    runs: of its handler, where it was acknowledged.
    """

    status: int
    seconds: float
    runs: int = 0


@dataclass(frozen=True)
class Contention:
    """What clients were answered within some seconds, and how many writes the rows then show."""

    clients: int
    seconds: float
    answers: list
    written: int

    @property
    def acknowledged(self):
        return [answer for answer in self.answers if 200 <= answer.status < 300]

    @property
    def refused(self):
        """How many answers do not acknowledge the write."""
        return len(self.answers) - len(self.acknowledged)

    @property
    def missing(self):
        """How many acknowledged writes the rows do not show."""
        return max(0, len(self.acknowledged) - self.written)

    def is_valid(self):
        """Whether all were acknowledged, and none is missing."""
        return bool(self.answers) and not self.refused and not self.missing


def measure(options):
    """Return the Contention of each of CLIENTS. Raises CannotRun."""
    return [_measure(clients, options) for clients in CLIENTS]


def _measure(clients, options):
    threads = max(1, clients // options.processes)
    sizes = {"modes": ["bundle"], "threads": threads, "rows": ROWS}
    with sites(argparse.Namespace(**{**vars(options), **sizes})) as served:
        address = served["bundle"].url
        _, before = _ask(address, "GET", "/total")
        answers = _load(address, clients, options.seconds)
        _, after = _ask(address, "GET", "/total")
    return Contention(clients, options.seconds, answers, int(after) - int(before))


def _load(address, clients, seconds):
    answers = []
    ends = time.monotonic() + seconds
    threads = [
        threading.Thread(target=lambda: answers.extend(_write_until(ends, address)))
        for _ in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def _write_until(ends, address):
    answers = []
    while (began := time.monotonic()) < ends:
        try:
            status, text = _ask(address, "POST", "/write")
        except (OSError, http.client.HTTPException):
            status, text = 0, ""
        runs = int(text) if status == 200 else 0
        answers.append(Answer(status, time.monotonic() - began, runs))
    return answers


def _ask(address, method, path):
    # Apache may close an idle persistent connection just when it is used again.
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=PATIENCE)
    headers = {"Connection": "close"} | ({"Content-Length": "0"} if method == "POST" else {})
    with contextlib.closing(connection):
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def table(found):
    """The lines, in Markdown, of a list of Contentions. Raises CannotRun without answers."""
    yield (
        "| clients | writes/s | refused | missing | retries of 1,000 | most runs "
        "| p50 ms | p99 ms | longest ms |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for one in found:
        done = one.acknowledged
        if len(done) < 2:
            raise CannotRun(f"{one.clients} clients got no answer: see the site's log")
        retries = sum(answer.runs - 1 for answer in done) / len(done) * 1000
        waits = [answer.seconds * 1000 for answer in one.answers]
        percentiles = statistics.quantiles(waits, n=100, method="inclusive")
        yield (
            f"| {one.clients} | {len(done) / one.seconds:.0f} | {one.refused} | {one.missing} "
            f"| {retries:.1f} | {max(answer.runs for answer in done)} "
            f"| {percentiles[49]:.1f} | {percentiles[98]:.1f} | {max(waits):.0f} |"
        )
