"""What a script serves for itself: an Apache, a database, a folder. All are removed at its end."""

import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from app.lab.modes import MODES
from scripts.lib.command import ROOT, CannotRun
from scripts.lib.serving.apache import Server, drain, start, wait_until_up
from scripts.lib.serving.databases import SQLite, running
from scripts.lib.serving.modwsgi import module_path
from scripts.lib.serving.ports import free_port
from scripts.lib.serving.serve import MAKE_DATABASE
from scripts.lib.serving.site_settings import read_site_settings, settings_file
from scripts.lib.serving.user import DAEMON_USER, as_user

DATABASE = "site"


@dataclass(frozen=True)
class OwnSite:
    """A running site: its address without a slash at the end, and its API token.

    log: the error log's path. apache: the process id of Apache's parent. server: where the
    database DATABASE is, one of SERVERS or SQLite (databases.py). proxy: what stands before that
    server. clock: the wall clock of its processes. Each is None if the site is not ours, or has
    none.
    """

    url: str
    token: str
    log: Path | None = None
    apache: int | None = None
    server: object = None
    proxy: object = None
    clock: object = None


def daemon_user():
    """The user of Apache's children and of databases: www-data for root, None for others."""
    return DAEMON_USER if os.getuid() == 0 else None


def make_folder(folder, user):
    """Create a folder that belongs to `user`, a name or None, and return its path."""
    folder.mkdir(mode=0o750)
    if user:
        shutil.chown(folder, user, user)
    return folder


@contextlib.contextmanager
def own_folder(prefix):
    """A new folder that the daemons can look into."""
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@contextlib.contextmanager
def database_server(engine, folder):
    """Run what `engine` needs in a new folder below `folder`; yields one of SERVERS or SQLite.

    Raises CannotRun where a server is not installed or does not start.
    """
    user = daemon_user()
    state = make_folder(folder / engine, user)
    if engine == "sqlite":
        yield SQLite(state)
    else:
        with running(engine, state, **as_user(user)) as server:
            yield server


def hermetic_environment(folder):
    """The caller's environment without any setting of the site; `folder` gets an empty file."""
    settings_file = folder / "empty.env"
    settings_file.touch()
    remaining = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SITE_") and name != "DATABASE_URI"
    }
    return remaining | {"SITE_SETTINGS": str(settings_file)}


@contextlib.contextmanager
def own_site(engine, processes, threads, lab=False, through=None, **settings):
    """Serve this checkout's site on a new database of `engine`; yields an OwnSite.

    lab: serve the lab's modes too, each by `processes` x `threads`, and the site by one.
    through: a function that takes a server's port and returns a context manager of what stands
    before the server and has a `port`.
    settings: variables of its environment, such as SITE_METRICS.
    Raises CannotRun.
    """
    with (
        own_folder("site-") as folder,
        database_server(engine, folder) as database,
        _before(database, through) as proxy,
    ):
        token = secrets.token_hex(16)
        uri = database.database(DATABASE)
        environment = hermetic_environment(folder)
        environment["DATABASE_URI"] = database.address(DATABASE, proxy.port) if proxy else uri
        environment["SITE_API_TOKEN"] = token
        environment |= settings
        defines, paths = sizes(processes, threads), ["/"]
        if lab:
            environment["SITE_LAB"] = "on"
            defines = sizes(processes, threads, "WEBPY_LAB_") | sizes(1, 1) | {"WEBPY_LAB": 1}
            paths = [f"/lab/{mode}/keys?ids=1" for mode in MODES]
        make_database(environment)
        with _served(folder, environment, defines, paths) as (server, process):
            yield OwnSite(server.url, token, server.log, process.pid, database, proxy)


def _before(database, through):
    """The context manager of what stands before the server; of None without anything."""
    if through is None or isinstance(database, SQLite):
        return contextlib.nullcontext()
    return through(database.port)


@contextlib.contextmanager
def own_application_site(processes, threads, **settings):
    """Serve the application that the caller's settings name, on its database; yields an OwnSite.

    settings: variables of the site to change, such as SITE_CACHE_ROWS.
    Raises CannotRun.
    """
    environment = os.environ | settings
    if file := settings_file(environment):
        environment |= {"SITE_SETTINGS": str(file)}
    found = read_site_settings(environment)
    defines = sizes(processes, threads) | {"WEBPY_STATIC": found.static}
    make_database(environment)
    with own_folder("site-") as folder, _served(folder, environment, defines, ["/"]) as served:
        server, process = served
        yield OwnSite(server.url, "", server.log, process.pid)


def sizes(processes, threads, prefix="WEBPY_"):
    """The Defines of apache/site.conf for this number of processes and of threads in each."""
    return {f"{prefix}PROCESSES": processes, f"{prefix}THREADS": threads}


@contextlib.contextmanager
def _served(folder, environment, defines, paths):
    """Run an Apache in `folder` until the block ends; yields its Server and process.

    paths: pages that are asked for until they are answered.
    """
    run = folder / "run"
    run.mkdir()
    defines = {"WEBPY_ROOT": ROOT, "WEBPY_VENV": ROOT / ".venv", **defines}
    server = Server(run, free_port(), module_path(), defines, daemon_user())
    process = start(server, environment)
    try:
        for path in paths:
            wait_until_up(server, process, path)
        yield server, process
    finally:
        drain(server, process)


def make_database(environment):
    """Create the database of the settings in `environment`, as the daemons' user; CannotRun."""
    run = subprocess.run(
        MAKE_DATABASE, cwd=ROOT, env=environment,
        capture_output=True, text=True, **as_user(daemon_user()),
    )  # fmt: skip
    if run.returncode:
        raise CannotRun(f"the database cannot be created: {run.stderr.strip()}")
