"""The sites of a benchmark: for each mode an Apache of its own, all running at once."""

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path

from scripts.lib.command import ROOT, CannotRun
from scripts.lib.serving.apache import Server, drain, start, wait_until_up
from scripts.lib.serving.databases import SERVERS
from scripts.lib.serving.modwsgi import module_path
from scripts.lib.serving.own_site import (
    as_user,
    daemon_user,
    database_server,
    hermetic_environment,
    make_folder,
    own_folder,
)
from scripts.lib.serving.ports import free_port

SITE = Path(__file__).parent / "site"
MODES = ("bare", "default", "nocache", "recipe", "uncached", "bundle")


@contextlib.contextmanager
def sites(options):
    """Start an Apache for each mode; yields {mode: address}.

    On SQLite each mode has a database of its own, on a server they share one.
    Raises CannotRun.
    """
    user = daemon_user()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(own_folder("bench-"))
        site = shutil.copytree(SITE, folder / "site")
        shared = None
        if options.database in SERVERS:
            server = stack.enter_context(database_server(options.database, folder))
            shared = server.database("site")
            _make_database(shared, folder)
        addresses = {}
        for mode in options.modes:
            run = make_folder(folder / mode, user)
            uri = shared or f"sqlite://{run}/bench.db"
            if not shared:
                _make_database(uri, folder)
            defines = {"WEBPY_ROOT": site, "WEBPY_VENV": ROOT / ".venv"}
            defines |= {"WEBPY_PROCESSES": options.processes, "WEBPY_THREADS": options.threads}
            server = Server(run, free_port(), module_path(), defines, user)
            environment = hermetic_environment(folder) | {
                "BENCHMARK_MODE": mode,
                "BENCHMARK_DATABASE": uri,
                "BENCHMARK_PROJECT": str(ROOT),
            }
            process = start(server, environment)
            stack.callback(drain, server, process)
            wait_until_up(server, process, "/empty")
            addresses[mode] = server.url
        yield addresses


def _make_database(uri, folder):
    """Make the benchmark's database, as the daemons' user. Raises CannotRun."""
    code = f"from benchmark_site import make_database; make_database({uri!r})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd="/",
        env=hermetic_environment(folder) | {"PYTHONPATH": f"{SITE}:{ROOT}"},
        **as_user(daemon_user()),
    )
    if done.returncode:
        raise CannotRun("the benchmark's database cannot be made: see above")
