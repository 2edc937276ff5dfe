"""scripts/benchmark: requests per second of the bundle and of SQLObject's stock ways, in turn.

Each mode has an Apache of its own with the shipped apache/site.conf; all run at once, and one at
a time is loaded, round by round, so that the machine's mood is the same for all. What counts is
the ratio within a round; the table gives the median over the rounds.
"""

import sys
from pathlib import Path

from scripts.lib.benchmark import in_process, own_pages, report
from scripts.lib.benchmark.load import ROUTES, load
from scripts.lib.benchmark.sites import MODES, sites
from scripts.lib.command import ROOT, command_parser, run, site_path, whole_number
from scripts.lib.results.runs import described, described_lines, engine_version, new_run
from scripts.lib.serving.databases import SERVERS

COUNT = whole_number(1, 1000)


def parse_options(arguments):
    """The options in the list `arguments`; exits with status 2 and a message if one is wrong."""
    made = parser()
    options = made.parse_args(arguments)
    options.modes = list(dict.fromkeys(options.modes))
    if options.against and not options.in_process:
        made.error("argument --against: it needs --in-process; add that")
    if options.against and not (options.against / "app" / "transactions").is_dir():
        made.error(
            f"argument --against: {options.against} has no app/transactions; name a checkout"
        )
    _check_own(made, options)
    if options.modes == ["bare"] and "empty" not in options.routes:
        made.error("argument --routes: the mode bare has only the route empty; name it")
    return options


def _check_own(made, options):
    """End with status 2 and a message if an option does not go with --path."""
    chosen = {"--modes": options.modes != list(MODES), "--routes": options.routes != list(ROUTES)}
    chosen |= {"--database": options.database != "sqlite", "--in-process": options.in_process}
    for name, given in chosen.items():
        if options.path and given:
            made.error(f"argument {name}: --path compares one's own application; leave one out")


def parser():
    """The parser of the script's options."""
    made = command_parser(
        "scripts/benchmark",
        "Compare the bundle's requests per second with those of SQLObject's stock ways.",
    )
    add = made.add_argument
    add("--rounds", type=COUNT, default=5, help="how often each load is run (default 5)")
    add("--seconds", type=COUNT, default=3, help="of each load (default 3)")
    add("--processes", type=COUNT, default=4, help="of each mode's Apache (default 4)")
    add("--threads", type=COUNT, default=4, help="of each process (default 4)")
    add("--connections", type=COUNT, default=16, help="of the load, all at once (default 16)")
    engines = ("sqlite", *SERVERS)
    add("--database", choices=engines, default="sqlite", help="of all modes (default sqlite)")
    add("--routes", nargs="+", choices=ROUTES, default=list(ROUTES), help="loads (default all)")
    add("--modes", nargs="+", choices=MODES, default=list(MODES), help="sites (default all)")
    add(
        "--path",
        type=site_path,
        action="append",
        metavar="/PATH",
        help="instead, compare this "
        "page of the application of the settings with and without the cache; can be given again",
    )
    in_process_help = "microseconds of one request in one process, without Apache; see --rounds"
    add("--in-process", action="store_true", help=in_process_help)
    clock_help = "with --in-process: the time, or its processor time, for a busy machine"
    add("--clock", choices=("time", "cpu"), default="time", help=clock_help)
    against_help = (
        "with --in-process: another checkout, whose bundle is measured in turn with ours"
    )
    add("--against", type=Path, metavar="FOLDER", help=against_help)
    return made


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
                results[route][mode].append(load(addresses[mode], ROUTES[route], options))
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


def main(arguments):
    """Run the benchmark, print its table and keep it; returns the exit status."""
    options = parse_options(arguments)
    if options.in_process:
        print("\n".join(in_process.table(in_process.measure(options))))
        return 0
    if options.path:
        print("\n".join(own_pages.table(own_pages.measure(options))))
        return 0
    ran = configuration(options)
    with sites(options) as addresses:
        folder = new_run(ROOT / "var" / "benchmark")
        found = report.rows(measure(addresses, options))
    report.write_results(folder, ran, found)
    print("\n".join([*described_lines(ran), "", *report.table(found)]))
    print(f"\nThe table, the figures of each round and the plot are in {folder}")
    return 0


if __name__ == "__main__":
    run("scripts/benchmark", main)
