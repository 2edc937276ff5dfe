"""Database servers from Debian's packages, started for the tests in temporary directories.

with postgres() as server:
    uri = server.new_database()     # as DATABASE_URI takes it
    server.stop("immediate")        # as a crash does; also "fast"
    server.start()
    server.end_sessions()           # as an administrator does
"""

import contextlib
import os
import pwd
import random
import shutil
import socket
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path

import pytest

PASSWORD = "p@ss/word:#1"
QUOTED_PASSWORD = "p%40ss%2Fword%3A%231"


def free_port():
    """A port on 127.0.0.1 that nothing listens on, below the range of outgoing connections."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextlib.contextmanager
def folder_of(user):
    """A new folder that belongs to `user`, a name, where the tests run as root.

    Yields its path and the arguments that have subprocess.run run a command as that user.
    """
    with tempfile.TemporaryDirectory(prefix="engine-", ignore_cleanup_errors=True) as name:
        as_user = {}
        if os.getuid() == 0:
            entry = pwd.getpwnam(user)
            os.chown(name, entry.pw_uid, entry.pw_gid)
            as_user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        os.chmod(name, 0o755)
        yield Path(name), as_user


def postgres_binaries():
    """The newest folder with PostgreSQL's programs; skips the test where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        pytest.skip("PostgreSQL is missing: run scripts/install --test")
    return found[-1].parent


class Postgres:
    """A PostgreSQL server in a folder of its own; its sessions come in by TCP with a password."""

    def __init__(self, folder, as_user):
        self.folder = folder
        self.port = free_port()
        self._binaries = postgres_binaries()
        self._run = {"cwd": folder, "check": True, "stdout": subprocess.DEVNULL, **as_user}
        self._numbers = count(1)
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o644)
        self._call("initdb", "-D", folder / "data", "-U", "site", "-A", "scram-sha-256",
                   f"--pwfile={folder}/password", "-E", "UTF8", "--locale=C", "-N")  # fmt: skip

    def _call(self, program, *arguments):
        subprocess.run([self._binaries / program, *arguments], **self._run)

    def start(self):
        """Start it and wait until it takes connections."""
        options = f"-p {self.port} -h 127.0.0.1 -k {self.folder} -c fsync=off"
        self._call("pg_ctl", "-D", self.folder / "data", "-l", self.folder / "log", "-w",
                   "-t", "60", "-o", options, "start")  # fmt: skip

    def stop(self, mode):
        """Stop it: "fast" ends the sessions, "immediate" is a crash."""
        self._call("pg_ctl", "-D", self.folder / "data", "-m", mode, "-w", "stop")

    def address(self, database, port=None):
        return f"postgres://site:{QUOTED_PASSWORD}@127.0.0.1:{port or self.port}/{database}"

    def new_database(self):
        """Make an empty database and return its URI."""
        name = f"test{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.address(name)

    def execute(self, query, database="postgres"):
        """Run `query` in a session of its own and return its rows, if it has any."""
        psycopg = pytest.importorskip("psycopg", reason="run scripts/install --test")
        with psycopg.connect(
            host="127.0.0.1", port=self.port, dbname=database, user="site",
            password=PASSWORD, autocommit=True,
        ) as raw:  # fmt: skip
            cursor = raw.execute(query)
            return cursor.fetchall() if cursor.description else []

    def end_sessions(self):
        """End all other sessions, as an administrator does; returns how many."""
        query = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        return len(self.execute(query))


@contextlib.contextmanager
def postgres():
    """A running Postgres server, stopped at the end."""
    postgres_binaries()
    with folder_of("postgres") as (folder, as_user):
        server = Postgres(folder, as_user)
        server.start()
        try:
            yield server
        finally:
            with contextlib.suppress(subprocess.CalledProcessError):
                server.stop("immediate")


@contextlib.contextmanager
def pgbouncer(server, database):
    """PgBouncer in transaction pooling mode with one session of `server`; yields the URI."""
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
            "pool_mode=transaction\ndefault_pool_size=1\nlogfile=\n"
        )
        process = subprocess.Popen([program, folder / "ini"], stderr=subprocess.DEVNULL, **as_user)
        try:
            wait_for_port(port)
            yield server.address(database, port)
        finally:
            process.terminate()
            process.wait()


def wait_for_port(port):
    """Wait until something listens on `port` of 127.0.0.1; TimeoutError after 30 s."""
    for _ in range(300):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise TimeoutError(f"nothing listens on port {port}")
