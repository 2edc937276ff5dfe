"""scripts/benchmark --open-loop: how long requests at fixed rates take, answered or not.

The peak of each mode on a route is its rate in the closed loop. Requests then come at shares of
the peak. Each is due at its own instant, from which its time is counted. wrk cannot do that, wrk2
has no package, and Locust waits for an answer before it plans the next request; so this
has its own client.
"""

import dataclasses
import json
import statistics
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from scripts.lib.benchmark.load import ROUTES
from scripts.lib.command import CannotRun

CLIENT = Path(__file__).parent / "open_loop_client.py"
# Of the peak, in percent.
SHARES = (25, 50, 75, 90)
# Below the 400 that Apache takes by default: it would not serve a further one, but queue it.
CONNECTIONS = 256
# The share of late requests above which the 99.9th percentile may be the client's own.
LATE = 0.001


@dataclasses.dataclass(frozen=True)
class Measured:
    """The result of one round of requests at a rate, times in ms; see the client's `told`."""

    sent: int
    rate: float
    p50: float
    p99: float
    p999: float
    worst: float
    errors: dict
    late: int
    lateness: float
    busy: float

    @property
    def on_schedule(self):
        """Whether the client has kept its schedule well enough for the percentiles."""
        return self.late <= self.sent * LATE


@dataclasses.dataclass(frozen=True)
class Tail:
    """A route in a mode at `share` percent of its peak: each round's Measured."""

    route: str
    mode: str
    share: int
    asked: float
    rounds: list

    def median(self, name):
        """The median over the rounds of the field called `name`."""
        return statistics.median(getattr(one, name) for one in self.rounds)

    @property
    def worst(self):
        """The longest of all requests, in ms."""
        return max(one.worst for one in self.rounds)

    @property
    def errors(self):
        """How many requests of all rounds failed or were not answered."""
        return sum(sum(one.errors.values()) for one in self.rounds)

    @property
    def on_schedule(self):
        """Whether the client has kept its schedule in every round."""
        return all(one.on_schedule for one in self.rounds)


def measure(served, peaks, options):
    """Send requests at all rates, in turn; returns Tails.

    served: {mode: Site}. peaks: the Rows of the closed loop, whose rate is the peak.
    """
    tails = [
        Tail(row.route, row.mode, share, row.rate * share / 100, [])
        for row in peaks
        if row.rate
        for share in SHARES
    ]
    # One mode after the other at each share, so that a slow moment of the machine hits all.
    tails.sort(key=lambda tail: (list(ROUTES).index(tail.route), tail.share))
    for number in range(options.rounds):
        for tail in tails:
            if sys.stderr.isatty():
                where = f"{tail.route} {tail.share} % {tail.mode:10}"
                print(f"\rround {number + 1}: {where}", end="", file=sys.stderr)
            address = served[tail.mode].url
            one = send(address, ROUTES[tail.route], tail.asked, options.seconds)
            tail.rounds.append(one)
    return tails


def send(address, route, rate, seconds):
    """Send `rate` requests of a Route a second; returns the Measured. Raises CannotRun."""
    parts = urlsplit(address)
    numbers = [parts.port, route.path, route.writes, rate, seconds, CONNECTIONS]
    command = [sys.executable, "-P", CLIENT, parts.hostname, *map(str, numbers)]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        raise CannotRun(f"the open loop's client failed: {run.stderr.strip()}")
    return Measured(**json.loads(run.stdout))


def table(tails):
    """The table's lines, in Markdown: medians over the rounds, and the worst of all."""
    yield "Open loop: times from when a request was due."
    yield ""
    columns = "route | mode | of its peak | requests/s | p50 ms | p99 ms | p99.9 ms | worst ms"
    yield f"| {columns} | errors |"
    yield "|---" * 9 + "|"
    for tail in tails:
        times = [tail.median(name) for name in ("p50", "p99", "p999")]
        told = " | ".join(f"{time:.1f}" for time in [*times, tail.worst])
        rate = f"{tail.asked:.0f}" + ("" if tail.on_schedule else " (!)")
        yield (
            f"| {ROUTES[tail.route].title} | {tail.mode} | {tail.share} % | {rate} "
            f"| {told} | {tail.errors} |"
        )
    if not all(tail.on_schedule for tail in tails):
        yield ""
        yield (
            "(!) The client could not keep its schedule: more than one request in a thousand was "
            "sent over 5 ms late, so the times are in part its own. Measure on a quieter machine."
        )


def figures(tails):
    """The Tails as JSON takes them."""
    return [dataclasses.asdict(tail) | {"on schedule": tail.on_schedule} for tail in tails]
