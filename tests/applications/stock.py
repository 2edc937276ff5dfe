"""The two old applications without the bundle: by their own server, and on mod_wsgi."""

import contextlib
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from scripts.lib.serving.apache import answers
from scripts.lib.serving.own_site import daemon_user, hermetic_environment
from scripts.lib.serving.ports import free_port
from scripts.lib.serving.user import as_user
from tests.apache.server import apache, folders, run_as_daemon
from tests.applications import shop_visits, wiki_visits

HERE = Path(__file__).parent
PROCESSES, THREADS = 2, 4

# As mod_wsgi's documentation shows it.
SCRIPT = """
import os, sys

os.chdir({folder!r})
sys.path.insert(0, {folder!r})

from {module} import app

application = app.wsgifunc()
"""


@dataclass(frozen=True)
class Old:
    """An old application in the folder of its `name`.

    module: has its `app`, and serves it as a script. tables: the script that creates its tables.
    asked: a page that needs no log-in. visits: the module that drives it.
    """

    name: str
    module: str
    tables: str
    asked: str
    visits: ModuleType

    @property
    def folder(self):
        return HERE / self.name

    def environment(self, data, uri):
        """What the application itself reads from its environment; `data`: a folder to write."""
        prefix = self.name.upper()
        return {
            "DATABASE_URI": uri,
            f"{prefix}_OUTBOX": str(data / "outbox"),
            f"{prefix}_SESSIONS": str(data / "sessions"),
        }


WIKI = Old("wiki", "wiki.code", "wiki.model", "/changes", wiki_visits)
SHOP = Old("shop", "main", "model", "/", shop_visits)
OLD = {old.name: old for old in (WIKI, SHOP)}


@contextlib.contextmanager
def data_folder():
    """A new folder that the daemons' user can write."""
    with folders() as folder:
        yield folder / "data"


@contextlib.contextmanager
def by_its_own_server(old, data, uri):
    """Run an old application as its author did, in one process; yields its address.

    `data`: a folder of data_folder(). `uri`: an empty database.
    """
    if uri.startswith("mysql:"):
        # Without it SQLObject cannot store bytes there.
        uri += "?charset=utf8"
    with folders() as folder:
        place = _copy(old, folder)
        environment = hermetic_environment(folder) | old.environment(data, uri)
        _make_tables(old, place, environment)
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        log = folder / "log"
        with log.open("w") as file:
            command = [sys.executable, "-m", old.module, f"127.0.0.1:{port}"]
            run = {"cwd": place, "env": environment, "stdout": file, "stderr": file}
            process = subprocess.Popen(command, **run, **as_user(daemon_user()))
        try:
            ends = time.monotonic() + 60
            while not answers(address + old.asked):
                assert process.poll() is None and time.monotonic() < ends, log.read_text()
                time.sleep(0.05)
            yield address
        finally:
            process.terminate()
            process.wait(30)
            # pytest shows it if a test has failed.
            print(log.read_text(errors="replace"))


def _copy(old, folder):
    place = folder / old.name
    shutil.copytree(old.folder, place, ignore=shutil.ignore_patterns("__pycache__"))
    return place


def _make_tables(old, place, environment):
    run_as_daemon([sys.executable, "-m", old.tables], cwd=place, env=environment)


@contextlib.contextmanager
def on_mod_wsgi(old, data, uri):
    """Serve an old application stock by several processes; yields its address."""
    with folders() as folder:
        place = _copy(old, folder)
        environment = old.environment(data, uri)
        _make_tables(old, place, hermetic_environment(folder) | environment)
        script = folder / "root" / "wsgi" / "app.wsgi"
        script.parent.mkdir(parents=True)
        script.write_text(SCRIPT.format(folder=str(place), module=old.module))
        root = folder / "root"
        with apache(root, PROCESSES, THREADS, environment, path=old.asked) as site:
            try:
                yield site.url
            finally:
                print(site.error_log())
