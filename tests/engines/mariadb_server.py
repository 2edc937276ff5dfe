"""A MariaDB server from Debian's packages, started for the tests in a temporary directory.

It has the interface of Postgres in servers.py. Its character set is not utf8mb4, as a table's
must not depend on it.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from itertools import count

import pytest

from tests.engines.servers import PASSWORD, QUOTED_PASSWORD, folder_of, free_port

SECONDS_TO_START = 60


def mariadb_programs():
    """The paths of the server and of what makes its tables; skips the test without them."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin"
    found = [shutil.which(name, path=path) for name in ("mariadbd", "mariadb-install-db")]
    if None in found:
        pytest.skip("MariaDB is missing: run scripts/install --test")
    pytest.importorskip("MySQLdb", reason="mysqlclient is missing: run scripts/install --test")
    return found


class MariaDB:
    """A server in a folder of its own; its sessions come in by TCP with a password."""

    def __init__(self, folder, as_user):
        self.folder = folder
        self.port = free_port()
        self._server, install = mariadb_programs()
        self._as_user = {"cwd": folder, "stdin": subprocess.DEVNULL, **as_user}
        self._numbers = count(1)
        (folder / "init.sql").write_text(
            f"CREATE USER IF NOT EXISTS site@'%' IDENTIFIED BY '{PASSWORD}';\n"
            "GRANT ALL ON *.* TO site@'%';\n"
        )
        (folder / "init.sql").chmod(0o644)
        subprocess.run(
            [install, "--no-defaults", f"--datadir={folder}/data", "--skip-test-db",
             "--auth-root-authentication-method=normal"],
            check=True, stdout=subprocess.DEVNULL, **self._as_user,
        )  # fmt: skip

    def start(self):
        """Start it and wait until it takes connections."""
        options = {
            "datadir": self.folder / "data",
            "socket": self.folder / "socket",
            "pid-file": self.folder / "pid",
            "init-file": self.folder / "init.sql",
            "port": self.port,
            "bind-address": "127.0.0.1",
            "character-set-server": "latin1",
            "innodb-flush-log-at-trx-commit": 2,
        }
        arguments = [f"--{name}={value}" for name, value in options.items()]
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [self._server, "--no-defaults", *arguments],
                stdout=log, stderr=log, **self._as_user,
            )  # fmt: skip
        ends = time.monotonic() + SECONDS_TO_START
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > ends:
                log = (self.folder / "log").read_text()
                raise RuntimeError(f"MariaDB does not start:\n{log[-4000:]}")
            time.sleep(0.05)

    def _listens(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True

    def stop(self, mode):
        """Stop it: "fast" ends the sessions, "immediate" is a crash."""
        if mode == "immediate":
            self._process.kill()
        else:
            self._process.terminate()
        self._process.wait()

    def address(self, database):
        return f"mysql://site:{QUOTED_PASSWORD}@127.0.0.1:{self.port}/{database}"

    def new_database(self):
        """Make an empty database and return its URI."""
        name = f"test{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.address(name)

    def execute(self, query, database=None):
        """Run `query` in a session of its own and return its rows."""
        import MySQLdb

        with contextlib.closing(
            MySQLdb.connect(
                host="127.0.0.1", port=self.port, user="site", password=PASSWORD,
                database=database or "", charset="utf8mb4", autocommit=True,
            )
        ) as raw:  # fmt: skip
            cursor = raw.cursor()
            cursor.execute(query)
            return list(cursor.fetchall())

    def end_sessions(self):
        """End all other sessions, as an administrator does; returns how many."""
        sessions = self.execute(
            "SELECT id FROM information_schema.processlist "
            "WHERE user = 'site' AND id <> connection_id()"
        )
        for (session,) in sessions:
            self.execute(f"KILL {session}")
        return len(sessions)


@contextlib.contextmanager
def mariadb():
    """A running MariaDB server, stopped at the end."""
    mariadb_programs()
    with folder_of("nobody") as (folder, as_user):
        server = MariaDB(folder, as_user)
        try:
            server.start()
            yield server
        finally:
            if hasattr(server, "_process"):
                server.stop("immediate")
