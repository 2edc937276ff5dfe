"""Database servers from Debian's packages, each in its own folder on 127.0.0.1.

    server = SERVERS["postgres"](folder, port, password)
    server.start()
    uri = server.database("site")   # as DATABASE_URI takes it; created if it does not exist
    server.stop("fast")

For a look by hand and for tests: commits are not forced to the disk, unless a server is `durable`,
which is what the engines do by default.
"""

import contextlib
import os
import secrets
import shutil
import sqlite3
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

from scripts.lib.command import CannotRun
from scripts.lib.serving.ports import free_port, listens

SECONDS_TO_START = 60
# A thread may have two sessions, and several sites are served at once.
MOST_SESSIONS = 500
NO_SUCH_THREAD = 1094


def postgres_binaries():
    """The newest folder with PostgreSQL's programs; CannotRun if there is none."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4])
    )
    if not found:
        raise CannotRun("PostgreSQL is not installed: as root run apt-get install postgresql")
    return found[-1].parent


def mariadb_programs():
    """The paths of the server and of mariadb-install-db; CannotRun without them."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin"
    found = [shutil.which(name, path=path) for name in ("mariadbd", "mariadb-install-db")]
    if None in found:
        raise CannotRun(
            "MariaDB is not installed: as root run apt-get install mariadb-server-core"
        )
    return found


class SQLite:
    """Databases in files, with the methods of the servers below except start and stop."""

    def __init__(self, folder):
        self.folder = folder

    def database(self, name):
        """The URI of the database `name`."""
        return f"sqlite://{self.folder}/{name}.db"

    def execute(self, query, database):
        """Run a `query` that only reads, and return its rows. Raises CannotRun."""
        file = f"file:{quote(str(self.folder))}/{database}.db?mode=ro"
        try:
            with contextlib.closing(sqlite3.connect(file, uri=True)) as raw:
                return raw.execute(query).fetchall()
        except sqlite3.Error as error:
            raise CannotRun(f"SQLite fails: {error}") from error


class Postgres:
    """A PostgreSQL server; its sessions come in by TCP with a password."""

    def __init__(self, folder, port, password, durable=False, **as_user):
        """`as_user`: subprocess's arguments to run a command as the owner of `folder`."""
        self.folder, self.port, self.password = folder, port, password
        self._durable = durable
        self._binaries = postgres_binaries()
        self._run = {"cwd": folder, "check": True, "stdout": subprocess.DEVNULL, **as_user}
        if not (folder / "data").exists():
            (folder / "password").write_text(password)
            (folder / "password").chmod(0o644)
            # A stopped initdb leaves a folder with which no server would start.
            shutil.rmtree(folder / "new", ignore_errors=True)
            self._call(
                *("initdb", "-D", folder / "new", "-U", "site", "-A", "scram-sha-256"),
                *(f"--pwfile={folder}/password", "-E", "UTF8", "--locale=C", "-N"),
            )
            (folder / "password").unlink()
            (folder / "new").rename(folder / "data")

    def _call(self, program, *arguments):
        subprocess.run([self._binaries / program, *arguments], **self._run)

    def start(self):
        """Start it and wait until it takes connections."""
        options = f"-p {self.port} -h 127.0.0.1 -k {self.folder}"
        options += "" if self._durable else " -c fsync=off"
        # Below the default, so that the planner finds a row of a small table by the index: if a
        # serializable transaction scans the table, it conflicts with all writers of the table.
        # https://www.postgresql.org/docs/current/transaction-iso.html#XACT-SERIALIZABLE
        options += f" -c random_page_cost=1.1 -c max_connections={MOST_SESSIONS}"
        try:
            self._call("pg_ctl", "-D", self.folder / "data", "-l", self.folder / "log", "-w",
                       "-t", str(SECONDS_TO_START), "-o", options, "start")  # fmt: skip
        except KeyboardInterrupt:
            # pg_ctl has ended, but the server that it started has not.
            self.stop("fast")
            raise

    def stop(self, mode):
        """Stop it: "fast" ends the sessions, "immediate" is a crash."""
        self._call("pg_ctl", "-D", self.folder / "data", "-m", mode, "-w", "stop")

    def address(self, database, port=None):
        """The URI of a database, at another port than the server's own if given."""
        password = quote(self.password, safe="")
        return f"postgres://site:{password}@127.0.0.1:{port or self.port}/{database}"

    def database(self, name):
        """Create the database `name` unless it exists, and return its URI."""
        if not self.execute(f"SELECT 1 FROM pg_database WHERE datname = '{name}'"):
            self.execute(f"CREATE DATABASE {name}")
        return self.address(name)

    def execute(self, query, database="postgres"):
        """Run `query` in its own session and return its rows, if it has any."""
        import psycopg

        with psycopg.connect(
            host="127.0.0.1", port=self.port, dbname=database, user="site",
            password=self.password, autocommit=True,
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


class MariaDB:
    """A MariaDB server; its sessions come in by TCP with a password.

    Its character set is not utf8mb4: tables must not depend on it. `further` has options of
    the server by their names, for its next start.
    """

    def __init__(self, folder, port, password, durable=False, **as_user):
        """`as_user`: subprocess's arguments to run a command as the owner of `folder`."""
        self.folder, self.port, self.password = folder, port, password
        self._durable = durable
        self.further = {}
        self._server, install = mariadb_programs()
        self._as_user = {"cwd": folder, "stdin": subprocess.DEVNULL, **as_user}
        if not (folder / "data").exists():
            self._make_tables(install)

    def _make_tables(self, install):
        folder = self.folder
        (folder / "init.sql").write_text(
            f"CREATE USER IF NOT EXISTS site@'%' IDENTIFIED BY '{self.password}';\n"
            "GRANT ALL ON *.* TO site@'%';\n"
        )
        (folder / "init.sql").chmod(0o644)
        shutil.rmtree(folder / "new", ignore_errors=True)
        subprocess.run(
            [install, "--no-defaults", f"--datadir={folder}/new", "--skip-test-db",
             "--auth-root-authentication-method=normal"],
            check=True, stdout=subprocess.DEVNULL, **self._as_user,
        )  # fmt: skip
        (folder / "new").rename(folder / "data")

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
            "innodb-flush-log-at-trx-commit": 1 if self._durable else 2,
            "max-connections": MOST_SESSIONS,
            **self.further,
        }
        arguments = [f"--{name}={value}" for name, value in options.items()]
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [self._server, "--no-defaults", *arguments],
                stdout=log, stderr=log, start_new_session=True, **self._as_user,
            )  # fmt: skip
        try:
            self._wait_until_up()
        except BaseException:
            self.stop("fast")
            raise

    def _wait_until_up(self):
        ends = time.monotonic() + SECONDS_TO_START
        while not listens(self.port):
            if self._process.poll() is not None or time.monotonic() > ends:
                log = (self.folder / "log").read_text()
                raise CannotRun(f"MariaDB does not start:\n{log[-4000:]}")
            time.sleep(0.05)

    def stop(self, mode):
        """Stop it: "fast" ends the sessions, "immediate" is a crash."""
        if mode == "immediate":
            self._process.kill()
        else:
            self._process.terminate()
        self._process.wait()

    def address(self, database, port=None):
        """The URI of a database, at another port than the server's own if given."""
        password = quote(self.password, safe="")
        return f"mysql://site:{password}@127.0.0.1:{port or self.port}/{database}"

    def database(self, name):
        """Create the database `name` unless it exists, and return its URI."""
        self.execute(f"CREATE DATABASE IF NOT EXISTS {name}")
        return self.address(name)

    def execute(self, query, database=None):
        """Run `query` in its own session and return its rows."""
        import MySQLdb

        with contextlib.closing(
            MySQLdb.connect(
                host="127.0.0.1", port=self.port, user="site", password=self.password,
                database=database or "", charset="utf8mb4", autocommit=True,
            )
        ) as raw:  # fmt: skip
            cursor = raw.cursor()
            cursor.execute(query)
            return list(cursor.fetchall())

    def end_sessions(self):
        """End all other sessions, as an administrator does; returns how many."""
        import MySQLdb

        sessions = self.execute(
            "SELECT id FROM information_schema.processlist "
            "WHERE user = 'site' AND id <> connection_id()"
        )
        for (session,) in sessions:
            try:
                self.execute(f"KILL {session}")
            except MySQLdb.OperationalError as error:
                # One may have ended by itself since they were listed.
                if error.args[0] != NO_SUCH_THREAD:
                    raise
        return len(sessions)


SERVERS = {"postgres": Postgres, "mariadb": MariaDB}


@contextlib.contextmanager
def running(engine, folder, **as_user):
    """Run a server of `engine` in `folder`, which keeps its data; yields it.

    Raises CannotRun if the server is not installed or does not start, and in place of the
    driver's errors in the block.
    """
    password_file = folder / "site-password"
    if not password_file.exists():
        password_file.touch(mode=0o600)
        password_file.write_text(secrets.token_hex(16))
    try:
        server = SERVERS[engine](folder, free_port(), password_file.read_text(), **as_user)
        server.start()
    except subprocess.CalledProcessError as error:
        raise CannotRun(f"{engine} does not start: see {folder}/log ({error})") from None
    try:
        yield server
    except _driver_error(engine) as error:
        raise CannotRun(f"{engine} fails: {error}") from error
    finally:
        # The user of the server may have stopped it and failed to start it again.
        with contextlib.suppress(subprocess.CalledProcessError):
            server.stop("fast")


def _driver_error(engine):
    """The base class of the errors of the driver of `engine`."""
    if engine == "postgres":
        import psycopg

        return psycopg.Error
    import MySQLdb

    return MySQLdb.Error
