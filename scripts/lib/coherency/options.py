"""The command line of scripts/coherency, read and checked."""

import argparse
import contextlib
import os

from app.lab.modes import MODES
from scripts.lib.coherency.load.faults import FAULTS, faults_on
from scripts.lib.coherency.workloads import WORKLOADS
from scripts.lib.command import command_parser, site_address, whole_number
from scripts.lib.serving.databases import SERVERS

MOST_HOURS = 1000
TOKEN = "SITE_API_TOKEN"


def parse_options(arguments):
    """The options in the list `arguments`; exits with status 2 and a message if one is wrong."""
    made = parser()
    options = made.parse_args(arguments)
    _check(made, options)
    return _completed(options)


def parser():
    """The parser of the script's options."""
    made = command_parser(
        "scripts/coherency",
        "Drive the lab's modes, not your own application, and check what they answer. "
        "Without --url it serves them itself, on a new database.",
    )
    add = made.add_argument
    add("--seconds", type=whole_number(1, 3600), default=60, help="of load on each mode, shared "
        "by the workloads (default 60)")  # fmt: skip
    add("--hours", type=_hours, help="repeat that for this many hours, each time with the next "
        "seed, and add it up; keeps the histories of the last round and of rounds with an anomaly "
        "of the bundle")  # fmt: skip
    add("--modes", nargs="+", choices=MODES, default=list(MODES), help="of the lab (default all)")
    add("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), help="what the "
        "clients do, each for its share of the seconds (default all)")  # fmt: skip
    add("--clients", type=whole_number(2, 15), default=6, help="processes (default 6)")
    add("--seed", type=whole_number(0, 10**9), default=0, help="of the clients' random choices "
        "and the order of the faults (default 0)")  # fmt: skip
    add("--url", type=site_address, help=f"a running site; the environment needs its {TOKEN}")
    add("--database", choices=("sqlite", *SERVERS), help="without --url (default sqlite)")
    add("--processes", type=whole_number(1, 64), help="of each mode, without --url (default 4)")
    add("--threads", type=whole_number(1, 64), help="of each process, without --url (default 4)")
    add("--faults", nargs="*", choices=FAULTS, metavar="FAULT", help="disturb the site under "
        f"load, without --url; by all of these or those named: {', '.join(FAULTS)}")  # fmt: skip
    add("--operations", type=whole_number(1, 10**9), help="repeat as --hours does, until each "
        "mode has had this many")  # fmt: skip
    add("--mutants", action="store_true", help="break the bundle in a copy, one line at a time, "
        "and see that a workload notices; on all databases or on --database")  # fmt: skip
    add("--oracle", type=whole_number(1, 10**7), metavar="N", help="compare each checker with a "
        "search through all orders, on N small histories")  # fmt: skip
    return made


def _hours(text):
    with contextlib.suppress(ValueError):
        if 0 < float(text) <= MOST_HOURS:
            return float(text)
    raise argparse.ArgumentTypeError(f"must be a number above 0, at most {MOST_HOURS}")


def _check(parser, options):
    """End with status 2 and a message if options do not go together."""
    for name in ("database", "processes", "threads"):
        if options.url and getattr(options, name) is not None:
            parser.error(f"argument --{name}: the site at --url has its own; leave one out")
    if options.url and options.mutants:
        parser.error("argument --mutants: a copy of this checkout is driven; leave --url out")
    if options.url and options.faults is not None:
        parser.error(
            "argument --faults: only a site that it serves itself is disturbed; leave --url out"
        )
    if options.hours and options.operations:
        parser.error("argument --operations: give either these or --hours")
    if foreign := set(options.faults or ()) - faults_on(options.database or "sqlite"):
        parser.error(f"argument --faults: {', '.join(sorted(foreign))}: this needs --database")
    if options.url and not os.environ.get(TOKEN):
        parser.error(f"{TOKEN} is not set: put the API token of the site at --url into it")


def _completed(options):
    options.modes = list(dict.fromkeys(options.modes))
    options.workloads = list(dict.fromkeys(options.workloads))
    if not options.mutants:
        options.database = options.database or "sqlite"
    options.serializable_reads = options.database == "sqlite" and not options.url
    options.processes = options.processes or 4
    options.threads = options.threads or 4
    if options.faults == []:
        options.faults = sorted(faults_on(options.database))
    options.seconds_each = options.seconds / len(options.workloads)
    return options
