"""scripts/benchmark: requests per second of the bundle and of SQLObject's stock ways, in turn.

Each mode has an Apache of its own with the shipped apache/site.conf; all run at once, and one at
a time is loaded, round by round, so that the machine's mood is the same for all. What counts is
the ratio within a round; the table gives the median over the rounds.
"""

import argparse
import sys

from scripts.lib.benchmark import report
from scripts.lib.benchmark.load import ROUTES, BenchmarkError, load
from scripts.lib.benchmark.sites import MODES, sites
from scripts.lib.options import whole_number
from scripts.lib.results.runs import RunError, described, described_lines, engine_version, new_run
from scripts.lib.serving.apache import ROOT, ServerError
from scripts.lib.serving.databases import SERVERS, DatabaseError
from scripts.lib.serving.modwsgi import ModuleError
from scripts.lib.stopping import STOPPED, stop_in_order

COUNT = whole_number(1, 1000)


def parse_options(arguments):
    """The options in the list `arguments`; exits with status 2 and a message if one is wrong."""
    parser = argparse.ArgumentParser(prog="scripts/benchmark", allow_abbrev=False)
    parser.add_argument("--rounds", type=COUNT, default=5, help="how often (default 5)")
    parser.add_argument("--seconds", type=COUNT, default=3, help="of each load (default 3)")
    parser.add_argument("--processes", type=COUNT, default=4)
    parser.add_argument("--threads", type=COUNT, default=4)
    parser.add_argument("--connections", type=COUNT, default=16)
    parser.add_argument("--database", choices=("sqlite", *SERVERS), default="sqlite")
    parser.add_argument("--routes", nargs="+", choices=ROUTES, default=list(ROUTES))
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    options = parser.parse_args(arguments)
    options.modes = list(dict.fromkeys(options.modes))
    if options.modes == ["bare"] and "empty" not in options.routes:
        parser.error("argument --routes: the mode bare has only the route empty; name it")
    return options


def measure(addresses, options):
    """Return {route: {mode: [the Load of each round]}}."""
    results = {route: {mode: [] for mode in options.modes} for route in options.routes}
    for number in range(options.rounds):
        for route in options.routes:
            for mode in options.modes:
                if mode == "bare" and route != "empty":
                    continue
                if sys.stderr.isatty():
                    print(f"\rround {number + 1}: {route} {mode:10}", end="", file=sys.stderr)
                results[route][mode].append(load(addresses[mode], route, options))
    return results


def configuration(options):
    """What was run, as a dict of text and numbers."""
    further = {
        "database": engine_version(options.database),
        "served by": f"{options.processes} processes x {options.threads} threads",
        "connections": options.connections,
        "rounds": options.rounds,
        "seconds of each load": options.seconds,
    }
    packages = ("web.py", "SQLObject", "mod_wsgi")
    return described("scripts/benchmark", packages, **further)


def main():
    """Run the benchmark, print its table and keep it; returns the exit status."""
    options = parse_options(sys.argv[1:])
    stop_in_order()
    try:
        ran = configuration(options)
        with sites(options) as addresses:
            folder = new_run(ROOT / "var" / "benchmark")
            found = report.rows(measure(addresses, options))
    except (BenchmarkError, DatabaseError, ModuleError, RunError, ServerError) as error:
        print(f"scripts/benchmark: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("scripts/benchmark: stopped", file=sys.stderr)
        return STOPPED
    report.write_results(folder, ran, found)
    print("\n".join([*described_lines(ran), "", *report.table(found)]))
    print(f"\nThe table, the figures of each round and the plot are in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
