"""scripts/benchmark: requests per second of the bundle and of SQLObject's stock ways, in turn.

Each mode has its own Apache with the shipped apache/site.conf; all run at once, and one at
a time is loaded, round by round, so that a slow moment of the machine hits all. What counts is
the ratio within a round; the table gives the median over the rounds.
"""

import sys

from scripts.lib.benchmark import (
    contention,
    growth,
    in_process,
    memory,
    open_loop,
    own_pages,
    reloads,
    report,
)
from scripts.lib.benchmark.load import ROUTES, load
from scripts.lib.benchmark.options import parse_options
from scripts.lib.benchmark.peers import versions
from scripts.lib.benchmark.sites import sites
from scripts.lib.command import ROOT, run
from scripts.lib.results.runs import described, engine_version, new_run

FOLDER = ROOT / "var" / "benchmark"


def measure(served, options):
    """Load the sites, {mode: Site}; returns {route: {mode: [the Load of each round]}}."""
    results = {route: {mode: [] for mode in options.modes} for route in options.routes}
    for number in range(options.rounds):
        for route in options.routes:
            for mode in options.modes:
                if mode == "bare" and route != "empty":
                    continue
                if sys.stderr.isatty():
                    print(f"\rround {number + 1}: {route} {mode:10}", end="", file=sys.stderr)
                results[route][mode].append(load(served[mode].url, ROUTES[route], options))
    return results


def configuration(options):
    """What was run, as a dict of text and numbers."""
    further = {"database": engine_version(options.database)}
    if options.memory:
        further |= {"served by": f"one process x {options.threads} threads"}
    else:
        further |= {
            "served by": f"{options.processes} processes x {options.threads} threads",
            "connections": options.connections,
            "rounds": options.rounds,
            "seconds of each load": options.seconds,
        }
    further |= {"rows": options.rows, "rows kept by each thread": options.kept_rows}
    packages = ("web.py", "SQLObject", "mod_wsgi")
    return described("scripts/benchmark", packages, **further, **versions(options.modes))


def compare(options):
    """Measure the modes in turn, in an open loop too if asked, and save the results."""
    ran = configuration(options)
    with sites(options) as served:
        folder = new_run(FOLDER)
        found = report.rows(measure(served, options))
        tails = open_loop.measure(served, found, options) if options.open_loop else []
    report.write_results(folder, ran, found, tails)


def grow(options):
    """Measure over what grows, and save the results."""
    ran = configuration(options)
    folder = new_run(FOLDER)
    report.write_growth(folder, ran, growth.measure(options))


def remember(options):
    """Measure a process of each mode, and save the results; returns whether ours stay flat."""
    ran = configuration(options)
    folder = new_run(FOLDER)
    found = memory.measure(options)
    report.write_memory(folder, ran, found)
    return all(one.flat for one in found if one.mode in memory.OURS)


def main(arguments):
    """Run the benchmark, print its table and save it; returns the exit status."""
    options = parse_options(arguments)
    if options.in_process:
        print("\n".join(in_process.table(in_process.measure(options))))
    elif options.path:
        print("\n".join(own_pages.table(own_pages.measure(options))))
    elif options.growth:
        grow(options)
    elif options.contention:
        found = contention.measure(options)
        print("\n".join(contention.table(found)))
        return 0 if all(one.is_valid() for one in found) else 1
    elif options.reload:
        found = reloads.measure(options)
        print("\n".join(reloads.table(found)))
        return 0 if found.is_valid() else 1
    elif options.memory:
        return 0 if remember(options) else 1
    else:
        compare(options)
    return 0


if __name__ == "__main__":
    run("scripts/benchmark", main)
