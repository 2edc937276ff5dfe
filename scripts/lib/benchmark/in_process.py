"""scripts/benchmark --in-process: microseconds of one request, without Apache and without threads.

Each mode has its own process, because ours changes SQLObject. One at a time makes requests
for a moment, in turn, so that a slow moment of the machine hits all; what counts is the ratio
within a turn. Each round starts new processes: their place in memory makes equal code faster or
slower by a few hundredths.
"""

import contextlib
import statistics
import subprocess
import sys

from scripts.lib.benchmark.load import ROUTES
from scripts.lib.benchmark.sites import SITE, make_database, site_environment
from scripts.lib.command import ROOT, CannotRun
from scripts.lib.serving.databases import SERVERS
from scripts.lib.serving.own_site import database_server, hermetic_environment, own_folder

TIMED = SITE.parent / "timed.py"
TURNS = 20
SECONDS = 0.03
BASE = "default"


def measure(options):
    """Return {route: {column: [microseconds of a request in each turn]}}.

    A column is a mode, or "bundle of FOLDER" for the checkout that --against names.
    """
    columns = {mode: (mode, ROOT) for mode in options.modes}
    if options.against:
        columns["bundle of " + str(options.against)] = ("bundle", options.against)
    found = {route: {} for route in options.routes}
    for number in range(options.rounds):
        if sys.stderr.isatty():
            print(f"\rround {number + 1}", end="", file=sys.stderr)
        with contextlib.ExitStack() as stack:
            processes = _started(stack, columns, options)
            for route in options.routes:
                _take_turns(route, processes, found[route])
    return found


def _take_turns(route, processes, found):
    for turn in range(TURNS + 1):
        # In alternating order: who comes first finds the processor's caches cold.
        for column, process in list(processes.items())[:: -1 if turn % 2 else 1]:
            if column == "bare" and route != "empty":
                continue
            microseconds = _ask(process, ROUTES[route], column)
            # The first turn opens connections and fills caches.
            if turn:
                found.setdefault(column, []).append(microseconds)


def _ask(process, route, column):
    process.stdin.write(f"{route.path} {route.writes} {SECONDS}\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        raise CannotRun(f"the process of {column} has ended: see above")
    return float(answer)


def _started(stack, columns, options):
    """Start a process for each column; returns {column: its Popen}. Raises CannotRun."""
    database = options.database
    folder = stack.enter_context(own_folder("bench-"))
    server = stack.enter_context(database_server(database, folder))
    processes = {}
    for number, (column, (mode, root)) in enumerate(columns.items()):
        name = "site" if database in SERVERS else f"site{number}"
        if name == f"site{number}" or not processes:
            make_database(server.database(name), folder, options)
        processes[column] = process = subprocess.Popen(
            [sys.executable, "-P", TIMED, mode, server.database(name), options.clock],
            env=hermetic_environment(folder)
            | site_environment(options)
            | {"BENCHMARK_MODE": mode, "PYTHONPATH": f"{SITE}:{root}"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        stack.callback(_stop, process)
    return processes


def _stop(process):
    process.kill()
    process.communicate()


def table(found):
    """The table's lines, in Markdown: medians of the microseconds and of requests/s' ratios."""
    others = list(dict.fromkeys(c for columns in found.values() for c in columns if _is_base(c)))
    yield "| route | mode | µs a request |" + "".join(f" to {other} |" for other in others)
    yield "|---|---|---|" + "---|" * len(others)
    for route, columns in found.items():
        for column, times in columns.items():
            ratios = [_ratio(columns.get(other), times) for other in others]
            told = "".join(f" {ratio} |" for ratio in ratios)
            yield f"| {ROUTES[route].title} | {column} | {statistics.median(times):.1f} |{told}"


def _is_base(column):
    return column == BASE or column.startswith("bundle of ")


def _ratio(base, times):
    if base is None:
        return ""
    pairs = zip(base, times, strict=True)
    return f"{statistics.median(its / mine for its, mine in pairs):.3f}"
