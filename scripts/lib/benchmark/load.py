"""One load of a benchmark: wrk asks for one route for a while."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from scripts.lib.command import CannotRun

SCRIPT = Path(__file__).parent / "load.lua"


@dataclass(frozen=True)
class Route:
    """A load: of a hundred requests `writes` write, evenly spread; the others read `path`."""

    title: str
    path: str
    writes: int = 0


ROUTES = {
    "empty": Route("page without database", "/empty"),
    "row": Route("one row by id", "/row"),
    "twenty": Route("twenty gets", "/twenty"),
    "list": Route("list of 100", "/list"),
    "mix": Route("nine reads of a row to one write", "/row", 10),
    "write": Route("read and write a row", "/row", 100),
}
# For tables with more rows than a thread keeps.
ANY_ROW = Route("any row by id", "/any")


@dataclass(frozen=True)
class Load:
    """The result of a load: good answers per second, two percentiles in ms, number of errors.

    The load is a closed loop: a connection sends its next request after the answer. A stall
    counts for one request of each connection only; open_loop.py counts all that would have come.
    written: number of acknowledged writes whose site tells their runs; retried: how often their
    handlers were run again.
    """

    rate: float
    p50: float
    p99: float
    errors: int
    written: int = 0
    retried: int = 0


def load(address, route, options):
    """Load a Route for the seconds of the options; returns the Load.

    Raises CannotRun if wrk fails.
    """
    command = ["wrk", "-t1", f"-c{options.connections}", f"-d{options.seconds}s", "--latency"]
    command += ["-s", str(SCRIPT), address, "--", route.path, str(route.writes)]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        raise CannotRun(f"wrk failed: {run.stderr.strip() or run.stdout.strip()}")

    def found(pattern):
        return re.findall(pattern, run.stdout)

    answers = int(found(r"(\d+) requests in ")[0])
    failures = bad = sum(map(int, found(r"Non-2xx or 3xx responses: (\d+)")))
    for errors in found(r"Socket errors: (.*)"):
        failures += sum(map(int, re.findall(r"\d+", errors)))
    times = [
        _milliseconds(*found(rf"\s{percent}%\s+([\d.]+)(us|ms|s)")[0]) for percent in (50, 99)
    ]
    # An error is answered fast, and does no work.
    good = (answers - bad) / answers if answers else 0
    rate = float(found(r"Requests/sec:\s+([\d.]+)")[0]) * good
    [(written, retried)] = found(r"Written: (\d+), retried: (\d+)")
    return Load(rate, *times, failures, int(written), int(retried))


def _milliseconds(number, unit):
    """Convert wrk's notation of a time."""
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]
