"""scripts/benchmark --growth: requests per second and memory over what grows, one at a time.

For each value of an axis each mode has its own Apache, and all are loaded in turn.
"""

import argparse
import dataclasses
import statistics
import sys

from scripts.lib.benchmark.load import ANY_ROW, ROUTES, Route, load
from scripts.lib.benchmark.process_size import MB, process_size
from scripts.lib.benchmark.sites import sites

MODES = ("default", "recipe", "bundle")


@dataclasses.dataclass(frozen=True)
class Axis:
    """What grows: its title, its values, the Route that is loaded, and the options it fixes.

    option: the name of the option that has the value; None where it is the share of writes.
    """

    title: str
    values: tuple
    route: Route
    option: str | None
    fixed: dict = dataclasses.field(default_factory=dict)

    def applied(self, options, value):
        """(the options with the value, the Route to load with them)."""
        changed = dict(self.fixed)
        if self.option:
            changed[self.option] = value
            route = self.route
        else:
            route = dataclasses.replace(self.route, writes=value)
        return argparse.Namespace(**(vars(options) | changed)), route


MIX = ROUTES["mix"]
AXES = {
    "processes": Axis("processes", (1, 2, 4, 8), MIX, "processes"),
    "connections": Axis("connections", (16, 32, 64, 128, 256), MIX, "connections"),
    "rows": Axis(
        "rows of the table", (100, 1000, 10_000, 100_000, 1_000_000), ANY_ROW, "rows"
    ),
    "kept": Axis(
        "rows that a thread keeps", (0, 10, 100, 1000, 10_000), ANY_ROW, "kept_rows",
        {"rows": 10_000},
    ),
    "writes": Axis("percent of writes", (0, 10, 25, 50, 75, 100), MIX, None),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Point:
    """A mode at one value of an axis: requests/s of each round, and the daemons' memory after it.

    pss: bytes of all daemons together. rss: bytes of the largest. errors: of all rounds.
    """

    axis: str
    value: int
    mode: str
    rates: list
    pss: int
    rss: int
    errors: int

    @property
    def rate(self):
        """The median of the rounds' requests per second."""
        return statistics.median(self.rates)


def axis_values(text):
    """A type for add_argument: the (name, values) of an axis, from "rows" or "rows=100,1000"."""
    name, given, listed = text.partition("=")
    if name not in AXES:
        raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(AXES)}")
    if not given:
        return name, AXES[name].values
    words = listed.split(",")
    if not all(word.isdecimal() and word.isascii() for word in words):
        raise argparse.ArgumentTypeError(f"{text!r} is not like {name}={AXES[name].values[0]},…")
    values = tuple(sorted({int(word) for word in words}))
    return name, _checked(name, values)


def _checked(name, values):
    least = 0 if 0 in AXES[name].values else 1
    most = 100 if name == "writes" else 10_000_000
    if not least <= values[0] <= values[-1] <= most:
        raise argparse.ArgumentTypeError(f"{name}: values are from {least} to {most}")
    return values


def measure(options):
    """Return the Points of the axes in `options.growth`, pairs of name and values."""
    return [
        point
        for name, values in options.growth
        for value in values
        for point in _points(name, value, options)
    ]


def _points(name, value, options):
    applied, route = AXES[name].applied(options, value)
    with sites(applied) as served:
        loads = {mode: [] for mode in served}
        for number in range(options.rounds):
            for mode, site in served.items():
                if sys.stderr.isatty():
                    print(
                        f"\r{name} {value}, round {number + 1}: {mode:10}", end="", file=sys.stderr
                    )
                loads[mode].append(load(site.url, route, applied))
        for mode, site in served.items():
            sizes = [process_size(pid) for pid in site.pids()]
            yield Point(
                axis=name,
                value=value,
                mode=mode,
                rates=[one.rate for one in loads[mode]],
                pss=sum(size["pss"] for size in sizes),
                rss=max(size["rss"] for size in sizes),
                errors=sum(one.errors for one in loads[mode]),
            )


def table(points):
    """The table's lines, in Markdown: medians over the rounds with their range, and memory."""
    columns = "what grows | value | mode | requests/s (range) | MB of all processes | MB of one"
    yield f"| {columns} | errors |"
    yield "|---" * 7 + "|"
    for point in points:
        yield (
            f"| {AXES[point.axis].title} | {point.value:,} | {point.mode} "
            f"| {point.rate:.0f} ({min(point.rates):.0f}–{max(point.rates):.0f}) "
            f"| {point.pss / MB:.0f} | {point.rss / MB:.0f} | {point.errors} |"
        )


def loaded(name):
    """What measures the axis called `name`, as the end of a sentence."""
    axis = AXES[name]
    what = "reads of a row and writes" if axis.option is None else axis.route.title
    fixed = "".join(f", {value:,} {name}" for name, value in axis.fixed.items())
    return f"{what}{fixed}"
