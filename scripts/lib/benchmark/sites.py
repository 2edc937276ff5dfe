"""The sites of a benchmark: for each mode its own Apache, all running at once."""

import contextlib
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from scripts.lib.benchmark.peers import PEERS, PEERS_FOLDER, peer_environments
from scripts.lib.command import ROOT, CannotRun
from scripts.lib.serving.apache import Server, drain, start, wait_until_up
from scripts.lib.serving.daemons import daemon_pids
from scripts.lib.serving.databases import SERVERS
from scripts.lib.serving.modwsgi import module_path
from scripts.lib.serving.own_site import (
    daemon_user,
    database_server,
    hermetic_environment,
    make_folder,
    own_folder,
)
from scripts.lib.serving.ports import free_port
from scripts.lib.serving.user import as_user

SITE = Path(__file__).parent / "site"
MODES = ("bare", "default", "nocache", "recipe", "uncached", "bundle")


@dataclass(frozen=True)
class Site:
    """A mode that is served: its address, its database's URI, and how its daemons are found."""

    url: str
    database: str
    apache: int
    name: str

    def pids(self):
        """The process ids of the daemons, as a set."""
        return daemon_pids(self.apache, self.name)


@contextlib.contextmanager
def sites(options):
    """Start an Apache for each of options.modes, MODES or PEERS; yields {mode: Site}.

    On SQLite each mode has its own database, on a server they share one.
    Raises CannotRun.
    """
    environments = peer_environments(options.modes, options.database)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(own_folder("bench-"))
        shared = None
        if options.database in SERVERS:
            server = stack.enter_context(database_server(options.database, folder))
            shared = server.database("site")
            make_database(shared, folder, options)
        served = {}
        for mode in options.modes:
            run = make_folder(folder / mode, daemon_user())
            uri = shared or f"sqlite://{run}/bench.db"
            if not shared:
                make_database(uri, folder, options)
                if mode in PEERS:
                    _write_ahead(uri)
            root = folder / f"{mode}-site"
            shutil.copytree(PEERS_FOLDER if mode in PEERS else SITE, root)
            defines = {"WEBPY_ROOT": root, "WEBPY_VENV": environments.get(mode, ROOT / ".venv")}
            environment = hermetic_environment(folder) | site_environment(options)
            environment |= {"BENCHMARK_MODE": mode, "BENCHMARK_DATABASE": uri}
            served[mode] = stack.enter_context(_served(run, defines, environment, options))
        yield served


@contextlib.contextmanager
def _served(run, defines, environment, options):
    """Run an Apache in the folder `run` until the block ends; yields its Site."""
    defines |= {"WEBPY_PROCESSES": options.processes, "WEBPY_THREADS": options.threads}
    server = Server(run, free_port(), module_path(), defines, daemon_user())
    process = start(server, environment | {"BENCHMARK_PROJECT": str(ROOT)})
    try:
        wait_until_up(server, process, "/empty")
        yield Site(server.url, environment["BENCHMARK_DATABASE"], process.pid, server.name)
    finally:
        drain(server, process)


def site_environment(options):
    """The variables that give the benchmark's site the sizes in `options`."""
    return {"BENCHMARK_ROWS": str(options.rows), "BENCHMARK_KEPT_ROWS": str(options.kept_rows)}


def _write_ahead(uri):
    """Have the SQLite database at `uri` have a write-ahead log, as the bundle's has."""
    with contextlib.closing(sqlite3.connect(uri.removeprefix("sqlite://"))) as raw:
        raw.execute("PRAGMA journal_mode=WAL")


def make_database(uri, folder, options):
    """Create the benchmark's database at `uri`, as the daemons' user. Raises CannotRun."""
    code = f"from benchmark_site import make_database; make_database({uri!r})"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd="/",
        env=hermetic_environment(folder)
        | site_environment(options)
        | {"PYTHONPATH": f"{SITE}:{ROOT}"},
        **as_user(daemon_user()),
    )
    if done.returncode:
        raise CannotRun("the benchmark's database cannot be created: see above")
