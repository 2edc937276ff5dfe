"""What a script serves for itself: an Apache, a database, a folder; all gone when it is done."""

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
from scripts.lib.serving.databases import SQLite, serving
from scripts.lib.serving.modwsgi import module_path
from scripts.lib.serving.ports import free_port
from scripts.lib.serving.serve import DAEMON_USER, MAKE_DATABASE

DATABASE = "site"


@dataclass(frozen=True)
class OwnSite:
    """A running site: its address without a slash at the end, and its API token.

    log: the error log's path. apache: the process id of Apache's parent. server: what has the
    database DATABASE, one of SERVERS or SQLite (databases.py). All None where it is not ours.
    """

    url: str
    token: str
    log: Path | None = None
    apache: int | None = None
    server: object = None


def daemon_user():
    """The user of Apache's children and of databases: www-data for root, else None: ours."""
    return DAEMON_USER if os.getuid() == 0 else None


def as_user(user):
    """The arguments that have subprocess run a command as `user`, a name or None."""
    return {"user": user, "group": user, "extra_groups": []} if user else {}


def make_folder(folder, user):
    """Make a folder that belongs to `user`, a name or None, and return its path."""
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
        with serving(engine, state, **as_user(user)) as server:
            yield server


def hermetic_environment(folder):
    """The caller's environment without any setting of the site; `folder` gets an empty file."""
    settings_file = folder / "empty.env"
    settings_file.touch()
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SITE_") and name != "DATABASE_URI"
    }
    return kept | {"SITE_SETTINGS": str(settings_file)}


@contextlib.contextmanager
def own_site(engine, processes, threads, lab=False):
    """Serve this checkout's site on a new database of `engine`; yields an OwnSite.

    lab: serve the lab's modes too, each by `processes` x `threads`, and the site by one.
    Raises CannotRun.
    """
    with own_folder("site-") as folder, database_server(engine, folder) as database:
        run = folder / "run"
        run.mkdir()
        token = secrets.token_hex(16)
        environment = hermetic_environment(folder)
        environment |= {"DATABASE_URI": database.database(DATABASE), "SITE_API_TOKEN": token}
        defines = {"WEBPY_ROOT": ROOT, "WEBPY_VENV": ROOT / ".venv"}
        sizes = {"PROCESSES": processes, "THREADS": threads}
        if lab:
            environment["SITE_LAB"] = "on"
            defines |= {f"WEBPY_LAB_{name}": value for name, value in sizes.items()}
            defines["WEBPY_LAB"] = 1
            sizes = {"PROCESSES": 1, "THREADS": 1}
        defines |= {f"WEBPY_{name}": value for name, value in sizes.items()}
        _make_database(environment)
        server = Server(run, free_port(), module_path(), defines, daemon_user())
        process = start(server, environment)
        try:
            for path in [f"/lab/{mode}/keys?ids=1" for mode in MODES] if lab else ["/"]:
                wait_until_up(server, process, path)
            yield OwnSite(server.url, token, server.log, process.pid, database)
        finally:
            drain(server, process)


def _make_database(environment):
    run = subprocess.run(
        MAKE_DATABASE, cwd=ROOT, env=environment,
        capture_output=True, text=True, **as_user(daemon_user()),
    )  # fmt: skip
    if run.returncode:
        raise CannotRun(f"the database cannot be made: {run.stderr.strip()}")
