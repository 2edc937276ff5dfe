"""Databases for the tests, in temporary directories; see scripts/lib/serving/databases.py.

with running("postgres") as server:
    uri = server.new_database()     # as DATABASE_URI takes it
    server.stop("immediate")        # as a crash does; also "fast"
    server.start()
    server.end_sessions()           # as an administrator does
"""

import contextlib
import os
import pwd
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import time
from itertools import count
from pathlib import Path

import pytest

from scripts.lib.command import CannotRun
from scripts.lib.serving.databases import SERVERS, MariaDB, Postgres
from scripts.lib.serving.ports import free_port, listens

PASSWORD = "p@ss/word:#1"
QUOTED_PASSWORD = "p%40ss%2Fword%3A%231"
USERS = {"postgres": "postgres", "mariadb": "nobody"}

# Databases are created and dropped several times faster in memory, if there is enough of it.
_MEMORY = Path("/dev/shm")
_MEMORY_NEEDED = 2 << 30

_numbers = count(1)


class Files:
    """SQLite databases in `folder`, with the interface of the servers."""

    def __init__(self, folder):
        self.folder = folder

    def new_database(self):
        """The URI of an empty database."""
        return f"sqlite://{self.folder}/site{next(_numbers)}.db"

    def drop(self, database):
        """Do nothing: the file goes with its folder."""

    def execute(self, query, database):
        """Run `query` in a new connection, commit, and return its rows."""
        with contextlib.closing(sqlite3.connect(self.folder / database)) as raw, raw:
            return raw.execute(query).fetchall()


@contextlib.contextmanager
def folder_of(user):
    """A new folder that belongs to `user`, a name, where the tests run as root.

    Yields its path and the arguments that have subprocess.run run a command as that user.
    """
    with tempfile.TemporaryDirectory(
        prefix="engine-", dir=_fast_folder(), ignore_cleanup_errors=True
    ) as name:
        as_user = {}
        if os.getuid() == 0:
            entry = pwd.getpwnam(user)
            os.chown(name, entry.pw_uid, entry.pw_gid)
            as_user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        os.chmod(name, 0o755)
        yield Path(name), as_user


def _fast_folder():
    """The folder for the servers' data; None is the usual place of temporary files."""
    with contextlib.suppress(OSError):
        if shutil.disk_usage(_MEMORY).free > _MEMORY_NEEDED and os.access(_MEMORY, os.W_OK):
            return _MEMORY
    return None


@contextlib.contextmanager
def running(engine):
    """A running server of `engine`, stopped at the end; skips where it is not installed.

    Its `new_database()` creates an empty database and returns its URI, `drop(name)` removes it.
    """
    with folder_of(USERS[engine]) as (folder, as_user):
        try:
            server = SERVERS[engine](folder, free_port(), PASSWORD, **as_user)
        except CannotRun as error:
            pytest.skip(f"{error}, or scripts/install --test")
        sessions = _Sessions(server)
        server.execute = sessions.execute
        server.new_database = lambda: _new_database(server)
        server.drop = lambda name: _drop(server, sessions, name)
        server.start()
        if engine == "postgres":
            # Its commits would drop kept rows at any time.
            server.execute("ALTER SYSTEM SET autovacuum = off")
            server.execute("SELECT pg_reload_conf()")
        try:
            yield server
        finally:
            sessions.close_all()
            with contextlib.suppress(subprocess.CalledProcessError):
                server.stop("immediate")


class _Sessions:
    """Queries in one session for each database: opening one takes longer than most queries."""

    def __init__(self, server):
        self._server = server
        self._open = {}
        self._lock = threading.Lock()

    def execute(self, query, database=None):
        """Run `query`, commit, and return its rows; a session that has ended is opened anew."""
        with self._lock:
            cursor = self._session(database).cursor()
            cursor.execute(query)
            return list(cursor.fetchall()) if cursor.description else []

    def _session(self, database):
        if database in self._open:
            try:
                self._open[database].cursor().execute("SELECT 1")
                return self._open[database]
            except Exception:
                self.close(database)
        self._open[database] = session(self._server, database, autocommit=True)
        return self._open[database]

    def close_all(self):
        for database in list(self._open):
            self.close(database)

    def close(self, database):
        if database in self._open:
            with contextlib.suppress(Exception):
                self._open.pop(database).close()


def _new_database(server):
    name = f"test{next(_numbers)}"
    # Copying files, which are in memory, takes PostgreSQL half the time of its default way.
    how = " STRATEGY FILE_COPY" if isinstance(server, Postgres) else ""
    server.execute(f"CREATE DATABASE {name}{how}")
    return server.address(name)


def _drop(server, sessions, name):
    """Drop a database, whoever still has a session on it."""
    sessions.close(name)
    if isinstance(server, Postgres):
        server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        return
    query = f"SELECT id FROM information_schema.processlist WHERE db = '{name}'"
    for (number,) in server.execute(query):
        with contextlib.suppress(Exception):
            server.execute(f"KILL {number}")
    server.execute(f"DROP DATABASE IF EXISTS {name}")


def session(server, database, autocommit=False):
    """A plain DB-API connection of a driver to a database, outside of the bundle.

    It begins a transaction with its first statement; on SQLite only where that is BEGIN.
    `database` None is the one that a server has from the beginning.
    """
    if isinstance(server, Files):
        path = server.folder / database
        return sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    where = {"host": "127.0.0.1", "port": server.port, "user": "site", "password": PASSWORD}
    where["autocommit"] = autocommit
    if isinstance(server, Postgres):
        import psycopg

        return psycopg.connect(dbname=database or "postgres", **where)
    assert isinstance(server, MariaDB)
    import MySQLdb

    return MySQLdb.connect(database=database or "", charset="utf8mb4", **where)


@contextlib.contextmanager
def pgbouncer(server, database, sessions=1):
    """PgBouncer in transaction pooling mode with `sessions` of `server`; yields the URI."""
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin")
    if not program:
        pytest.skip("PgBouncer is missing: run scripts/install --test")
    with folder_of("postgres") as (folder, as_user):
        port = free_port()
        (folder / "users").write_text(f'"site" "{PASSWORD}"\n')
        (folder / "ini").write_text(
            f"[databases]\n* = host=127.0.0.1 port={server.port}\n[pgbouncer]\n"
            f"listen_addr=127.0.0.1\nlisten_port={port}\nunix_socket_dir=\n"
            f"auth_type=scram-sha-256\nauth_file={folder}/users\n"
            f"pool_mode=transaction\ndefault_pool_size={sessions}\nlogfile=\n"
        )
        process = subprocess.Popen([program, folder / "ini"], stderr=subprocess.DEVNULL, **as_user)
        try:
            _wait_for_port(port)
            yield server.address(database, port)
        finally:
            process.terminate()
            process.wait()


def _wait_for_port(port):
    for _ in range(300):
        if listens(port):
            return
        time.sleep(0.1)
    raise CannotRun(f"nothing listens on port {port}")
