"""scripts/benchmark: requests per second of the bundle and of SQLObject's stock ways, in turn.

Each mode has an Apache of its own with the shipped apache/site.conf; all run at once, and one at
a time is loaded, round by round, so that the machine's mood is the same for all. What counts is
the ratio within a round; the table gives the median over the rounds.
"""

import argparse
import contextlib
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from scripts.lib.apache import ROOT, Server, ServerError, drain, start, wait_until_up
from scripts.lib.databases import SERVERS, DatabaseError, serving
from scripts.lib.modwsgi import ModuleError, module_path
from scripts.lib.options import whole_number
from scripts.lib.ports import free_port
from scripts.lib.serve import DAEMON_USER

SITE = Path(__file__).parent / "benchmark_site"
LOAD = Path(__file__).parent / "load.lua"
MODES = ("bare", "default", "nocache", "recipe", "uncached", "bundle")


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
COUNT = whole_number(1, 1000)


class BenchmarkError(Exception):
    """The benchmark cannot go on; the message says why."""


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
    return parser.parse_args(arguments)


@contextlib.contextmanager
def servers(options):
    """Start an Apache for each mode; yields {mode: address}."""
    user = DAEMON_USER if os.getuid() == 0 else None
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        folder.chmod(0o755)
        site = shutil.copytree(SITE, folder / "site")
        server_uri = database_server(options.database, folder, user, stack)
        addresses = {}
        for number, mode in enumerate(options.modes):
            run = folder / mode
            run.mkdir()
            if user:
                shutil.chown(run, user, user)
            uri = server_uri or f"sqlite://{run}/bench.db"
            if not (server_uri and number):
                make_database(uri, user)
            defines = {"WEBPY_ROOT": site, "WEBPY_VENV": ROOT / ".venv"}
            defines |= {"WEBPY_PROCESSES": options.processes, "WEBPY_THREADS": options.threads}
            server = Server(run, free_port(), module_path(), defines, user)
            process = start(server, environment(mode, uri))
            stack.callback(drain, server, process)
            wait_until_up(server, process, "/empty")
            addresses[mode] = server.url
        yield addresses


def database_server(engine, folder, user, stack):
    """Start a server of `engine` for all modes; returns its URI, None for SQLite."""
    if engine == "sqlite":
        return None
    state = folder / engine
    state.mkdir()
    if user:
        shutil.chown(state, user, user)
    return stack.enter_context(serving(engine, state, **as_user(user)))


def as_user(user):
    """The arguments that have subprocess run a command as `user`, a name or None."""
    return {"user": user, "group": user, "extra_groups": []} if user else {}


def environment(mode, uri):
    """The environment of the daemons."""
    return os.environ | {
        "BENCHMARK_MODE": mode,
        "BENCHMARK_DATABASE": uri,
        "BENCHMARK_PROJECT": str(ROOT),
    }


def make_database(uri, user):
    """Make the benchmark's database, as the daemons' user."""
    code = f"from benchmark_site import make_database; make_database({uri!r})"
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        cwd="/",
        env=os.environ | {"PYTHONPATH": f"{SITE}:{ROOT}"},
        **as_user(user),
    )


def load(address, route, options):
    """Load a route for the seconds of the options.

    Returns (requests per second, median ms, 99th percentile ms, failures).
    """
    path, every = ROUTES[route].path, ROUTES[route].write_every
    command = ["wrk", "-t1", f"-c{options.connections}", f"-d{options.seconds}s", "--latency"]
    command += ["-s", str(LOAD), address, "--", path, str(every)]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        raise BenchmarkError(f"wrk failed: {run.stderr.strip() or run.stdout.strip()}")

    def found(pattern):
        return re.findall(pattern, run.stdout)

    failures = sum(map(int, found(r"Non-2xx or 3xx responses: (\d+)")))
    for errors in found(r"Socket errors: (.*)"):
        failures += sum(map(int, re.findall(r"\d+", errors)))
    times = [milliseconds(*found(rf"\s{percent}%\s+([\d.]+)(us|ms|s)")[0]) for percent in (50, 99)]
    return float(found(r"Requests/sec:\s+([\d.]+)")[0]), *times, failures


def milliseconds(number, unit):
    """Convert wrk's notation of a time."""
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def measure(addresses, options):
    """Return {route: {mode: [load's figures, a tuple for each round]}}."""
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


def table(results):
    """The table's lines, in Markdown."""
    yield "| route | mode | requests/s | to default | to recipe | p50 ms | p99 ms | errors |"
    yield "|---|---|---|---|---|---|---|---|"
    for route, modes in results.items():
        for mode, rounds in modes.items():
            if rounds:
                rate, p50, p99 = (
                    statistics.median(figures[column] for figures in rounds) for column in range(3)
                )
                errors = sum(figures[3] for figures in rounds)
                ratios = [ratio(rounds, modes.get(other)) for other in ("default", "recipe")]
                yield (
                    f"| {ROUTES[route].title} | {mode} | {rate:.0f} | {ratios[0]} | {ratios[1]} "
                    f"| {p50:.1f} | {p99:.1f} | {errors} |"
                )


def ratio(rounds, others):
    """The median of the ratios of requests per second, round by round; empty without others."""
    if not others:
        return ""
    pairs = zip(rounds, others, strict=True)
    return f"{statistics.median(mine[0] / other[0] for mine, other in pairs):.2f}"


def main():
    """Run the benchmark and print its table; returns the exit status."""
    options = parse_options(sys.argv[1:])
    try:
        with servers(options) as addresses:
            results = measure(addresses, options)
    except (BenchmarkError, DatabaseError, ModuleError, ServerError) as error:
        print(f"scripts/benchmark: {error}", file=sys.stderr)
        return 2
    packages = ", ".join(f"{name} {version(name)}" for name in ("web.py", "SQLObject", "mod_wsgi"))
    print(f"Python {platform.python_version()}, {packages}, {os.cpu_count()} processors;")
    served = f"{options.processes} processes x {options.threads} threads"
    print(f"{served}, {options.connections} connections, {options.database};")
    print(f"median of {options.rounds} rounds of {options.seconds} s\n")
    print("\n".join(table(results)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
