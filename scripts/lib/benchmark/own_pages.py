"""scripts/benchmark --path: your own pages, with and without the bundle's cache."""

import statistics
import sys
from contextlib import ExitStack

from scripts.lib.benchmark.load import Route, load
from scripts.lib.benchmark.report import ratio_told
from scripts.lib.command import CannotRun
from scripts.lib.results.runs import described, described_lines
from scripts.lib.serving.own_site import own_application_site

# The base of the ratios is the bundle without kept rows.
MODES = {"uncached": {"SITE_CACHE_ROWS": "0"}, "bundle": {}}


def measure(options):
    """Load the pages of `options.path` in turn; returns (what was run, {path: {mode: [Load]}}).

    Both modes use the database of the settings. Raises CannotRun if a page is not answered well.
    """
    results = {path: {mode: [] for mode in MODES} for path in options.path}
    with ExitStack() as stack:
        addresses = {
            mode: stack.enter_context(
                own_application_site(options.processes, options.threads, **settings)
            ).url
            for mode, settings in MODES.items()
        }
        for number in range(options.rounds):
            for path, loads in results.items():
                for mode, address in addresses.items():
                    if sys.stderr.isatty():
                        print(f"\rround {number + 1}: {path} {mode:10}", end="", file=sys.stderr)
                    loads[mode].append(load(address, Route(path, path), options))
                    _check(path, loads[mode][-1])
    return _described(options), results


def _check(path, one):
    """A page of errors is answered fast."""
    if one.errors:
        raise CannotRun(f"argument --path: {one.errors} answers of {path} were not 200 to 399")


def _described(options):
    further = {
        "served by": f"{options.processes} processes x {options.threads} threads",
        "connections": options.connections,
        "rounds": options.rounds,
        "seconds of each load": options.seconds,
    }
    return described("scripts/benchmark", ("web.py", "SQLObject", "mod_wsgi"), **further)


def table(measured):
    """The table's lines, in Markdown, of what `measure` has returned: medians over the rounds."""
    ran, results = measured
    yield from described_lines(ran)
    yield ""
    yield "| page | mode | requests/s | to uncached (range) | closed-loop p50 ms | p99 ms |"
    yield "|---|---|---|---|---|---|"
    for path, modes in results.items():
        for mode, loads in modes.items():
            pairs = zip(loads, modes["uncached"], strict=True)
            ratio = ratio_told([one.rate / base.rate for one, base in pairs])
            rate, p50, p99 = (
                statistics.median(getattr(one, name) for one in loads)
                for name in ("rate", "p50", "p99")
            )
            yield f"| {path} | {mode} | {rate:.0f} | {ratio} | {p50:.1f} | {p99:.1f} |"
