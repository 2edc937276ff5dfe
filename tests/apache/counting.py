"""The counters' application under a real Apache, and clients that load it."""

import contextlib
from functools import partial
from pathlib import Path

import httpx
import pytest

from scripts.lib.command import ROOT
from tests.apache.server import apache
from tests.threads import in_threads

PROCESSES = THREADS = 4
COUNTERS = (
    "CREATE TABLE counter (id INT PRIMARY KEY, value INT)",
    "INSERT INTO counter VALUES (1,0), (2,0), (3,0), (4,0), (5,0), (6,0), (7,0), (8,0)",
)


@contextlib.contextmanager
def counters(mode, server=None):
    """Serve tests/apache/counters in `mode` with 4 processes x 4 threads; yields the Site.

    The database is in a SQLite file, or in a `server` of tests/servers.py.
    """
    application = Path(__file__).parent / "counters"
    settings = {"MODE": mode, "PROJECT": str(ROOT)}
    if server:
        settings["COUNTERS_URI"] = uri = server.new_database()
        for query in COUNTERS:
            server.execute(query, uri.rpartition("/")[2])
    with apache(application, PROCESSES, THREADS, settings, path="/empty") as site:
        yield site


def fails_on_the_recipe(fact):
    """Parametrise a test over the recipe, on which it must fail, and the bundle."""
    failing = pytest.mark.xfail(strict=True, raises=AssertionError, reason=fact)
    return pytest.mark.parametrize("mode", [pytest.param("recipe", marks=failing), "bundle"])


def clients(count, work):
    """Call `work(number, client)` in `count` threads, each with its own httpx.Client.

    Returns the results in order; raises the first exception of any of them.
    """

    def run(number):
        with httpx.Client(timeout=60) as client:
            return work(number, client)

    return in_threads(*(partial(run, number) for number in range(count)))
