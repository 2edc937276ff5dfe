"""One load of a benchmark: wrk asks for one route for a while."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from scripts.lib.command import CannotRun

SCRIPT = Path(__file__).parent / "load.lua"


@dataclass(frozen=True)
class Route:
    """A load: every `write_every`-th request writes (0: none), the others read `path`."""

    title: str
    path: str
    write_every: int = 0


ROUTES = {
    "empty": Route("page without database", "/empty"),
    "row": Route("one row by id", "/row"),
    "twenty": Route("twenty gets", "/twenty"),
    "list": Route("list of 100", "/list"),
    "mix": Route("nine reads of a row to one write", "/row", 10),
    "write": Route("read and write a row", "/row", 1),
}


@dataclass(frozen=True)
class Load:
    """What a load came to: requests per second, two percentiles in ms, number of errors."""

    rate: float
    p50: float
    p99: float
    errors: int


def load(address, route, options):
    """Load a Route for the seconds of the options; returns the Load.

    Raises CannotRun if wrk fails.
    """
    command = ["wrk", "-t1", f"-c{options.connections}", f"-d{options.seconds}s", "--latency"]
    command += ["-s", str(SCRIPT), address, "--", route.path, str(route.write_every)]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        raise CannotRun(f"wrk failed: {run.stderr.strip() or run.stdout.strip()}")

    def found(pattern):
        return re.findall(pattern, run.stdout)

    failures = sum(map(int, found(r"Non-2xx or 3xx responses: (\d+)")))
    for errors in found(r"Socket errors: (.*)"):
        failures += sum(map(int, re.findall(r"\d+", errors)))
    times = [
        _milliseconds(*found(rf"\s{percent}%\s+([\d.]+)(us|ms|s)")[0]) for percent in (50, 99)
    ]
    return Load(float(found(r"Requests/sec:\s+([\d.]+)")[0]), *times, failures)


def _milliseconds(number, unit):
    """Convert wrk's notation of a time."""
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]
