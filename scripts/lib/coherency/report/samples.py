"""What the plots show, worked out from histories: latencies, quantiles, rates, staleness.

A mode's workloads run at different times, because other modes run in between; here they are
placed one after the other on one axis of seconds.
"""

import dataclasses
import math
from array import array
from collections import defaultdict

from scripts.lib.coherency.checkers import register
from scripts.lib.coherency.history import TYPES

NS_PER_S = 10**9
NS_PER_MS = 10**6
QUANTILES = (0.5, 0.95, 0.99)
MOST_BINS = 150
MOST_POINTS = 30_000


@dataclasses.dataclass(frozen=True)
class Cell:
    """A workload in one mode, from `begin` to `end` on the mode's axis; times in seconds.

    times, latencies: {type of operation: array}, of each when it began, and how many ms it took.
    faults: (name, from, to) of each.
    """

    workload: str
    begin: float
    end: float
    times: dict
    latencies: dict
    faults: tuple


@dataclasses.dataclass(frozen=True)
class Bin:
    """The operations that began within `width` seconds around `middle`.

    quantiles: the ms of QUANTILES of the acknowledged, or None without any. rates: {type of
    operation: how many a second}.
    """

    middle: float
    width: float
    quantiles: tuple | None
    rates: dict


def cell(workload, history, faults, begin):
    """Return the Cell of a history that is not empty, and of its Faults, from `begin` on."""
    first = min(operation.t0 for operation in history)
    times = {type: array("d") for type in TYPES}
    latencies = {type: array("d") for type in TYPES}
    for operation in history:
        times[operation.type].append(begin + (operation.t0 - first) / NS_PER_S)
        latencies[operation.type].append((operation.t1 - operation.t0) / NS_PER_MS)
    end = begin + (max(operation.t1 for operation in history) - first) / NS_PER_S
    bands = tuple(
        (fault.name, begin + (fault.t0 - first) / NS_PER_S, begin + (fault.t1 - first) / NS_PER_S)
        for fault in faults
    )
    return Cell(workload, begin, end, times, latencies, bands)


def bins(cells):
    """Yield for each of a mode's cells the list of its Bins, of about the same width in all."""
    widest = (cells[-1].end - cells[0].begin) / MOST_BINS
    for one in cells:
        length = one.end - one.begin
        count = max(1, math.floor(length / widest)) if widest else 1
        yield _bins_of(one, count, max(length / count, 1 / NS_PER_S))


def _bins_of(one, count, width):
    counts = {type: [0] * count for type in TYPES}
    acknowledged = [[] for _ in range(count)]
    for type in TYPES:
        for time, latency in zip(one.times[type], one.latencies[type], strict=True):
            place = min(count - 1, int((time - one.begin) / width))
            counts[type][place] += 1
            if type == "ok":
                acknowledged[place].append(latency)
    return [
        Bin(
            middle=one.begin + (place + 0.5) * width,
            width=width,
            quantiles=quantiles(acknowledged[place]),
            rates={type: counts[type][place] / width for type in TYPES},
        )
        for place in range(count)
    ]


def quantiles(values):
    """Return the QUANTILES of numbers by the nearest rank, or None where there are none."""
    ordered = sorted(values)
    if not ordered:
        return None
    return tuple(ordered[math.ceil(share * len(ordered)) - 1] for share in QUANTILES)


def thinned(values, most=MOST_POINTS):
    """Return every n-th of the values, n so that at most `most` are left."""
    return values[:: max(1, math.ceil(len(values) / most))]


def staleness(history):
    """Return {(host, process): array of the ms by which each of its reads of registers is stale}.

    A fresh read has 0. The history must be one of the workload "register".
    """
    found = defaultdict(lambda: array("d"))
    for operation, age in register.staleness(history):
        found[operation.host, operation.pid].append(age / NS_PER_MS)
    return dict(sorted(found.items()))


def shares_at_least(ages):
    """Return the ages above 0 in order, and for each the percentage of all that are as large."""
    stale = sorted(age for age in ages if age > 0)
    return stale, [100 * (len(stale) - place) / len(ages) for place in range(len(stale))]
