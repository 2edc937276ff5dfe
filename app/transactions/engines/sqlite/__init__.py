"""SQLite for requests and for SQLObject outside of them."""

import logging
import math
import os
import sqlite3
from functools import partial
from urllib.parse import quote

from sqlobject.dbconnection import Boolean
from sqlobject.sqlite.sqliteconnection import SQLiteConnection

from ...row_cache import RowCache
from .. import threads
from ..base import OutcomeUnknown, Verdict
from .drop_table import drop_table, drop_table_cascade
from .queue import queue_for
from .session import INSTRUCTIONS, SQLiteSession
from .statements import look_at
from .trouble import cure_of, driver_error, primary_code

log = logging.getLogger(__name__)


class NotThere(sqlite3.OperationalError):
    """The file of a database is missing, and must not be created."""


class Engine(threads.Engine, SQLiteConnection):
    """SQLite through connections, each of one thread of one process.

    A thread serves requests through two sessions: a reading one with `query_only` set once,
    on which the engine refuses writes with SQLITE_READONLY, and a writing one. Settings and
    codes: https://www.sqlite.org/pragma.html, https://www.sqlite.org/rescode.html
    """

    # The class of its sessions.
    SESSION = SQLiteSession
    OPTIONS = frozenset(["cache_rows", "foreign_keys", "queue", "create"])
    # It has the order in which the rows come, also by an ORDER BY in the subquery: rule 16 of
    # https://www.sqlite.org/optoverview.html#subquery_flattening.
    LIST_OF_ALL = "json_group_array(id)"
    # https://www.sqlite.org/pragma.html#pragfunc
    TOKEN_EXPRESSION = "(SELECT data_version FROM pragma_data_version)"

    def __init__(
        self,
        filename,
        timeout=5,
        cache_rows=10_000,
        foreign_keys=True,
        queue=True,
        create=True,
        **kw,
    ):
        """`filename` is the database's path, `timeout` the seconds to wait for a lock;
        `cache_rows` rows are kept for each thread's reading requests. `foreign_keys`: whether
        SQLite enforces them, which stock SQLObject does not ask it to. `queue`: whether writers
        stand in a queue, with a file beside the database (queue.py). `create`: whether a missing
        file is created; without it requests are answered 503."""
        self._cache_rows = int(cache_rows)
        self.foreign_keys = bool(Boolean(foreign_keys))
        self._queue = bool(Boolean(queue))
        self._create = bool(Boolean(create))
        super().__init__(filename, factory=lambda module: self.SESSION, timeout=timeout, **kw)

    def open_session(self, use=None):
        """Open a session for "reading", "writing" or None; sqlite3.Error where it cannot."""
        session = self._connect()
        try:
            self._prepare(session, use)
        except BaseException:
            # Whoever holds the error would hold the session's files open.
            session.close_quietly()
            raise
        return self.adopt_session(session, use)

    def _prepare(self, session, use):
        session.cursor_of_ours = session.cursor()
        session.patience = self._connOptions["timeout"]
        if not self._memory:
            session.execute(f"PRAGMA foreign_keys={int(self.foreign_keys)}")
            session.execute("PRAGMA synchronous=FULL")
            (mode,) = session.execute("PRAGMA journal_mode=WAL").fetchone()
            if mode != "wal":
                raise sqlite3.OperationalError(
                    f"{self.filename}: SQLite cannot use WAL here (its journal mode is {mode!r}): "
                    "put the database on a local file system"
                )
        if use:
            session.set_progress_handler(session.clock.looks(), INSTRUCTIONS)
        if use == "reading":
            session.execute("PRAGMA query_only=ON")
            if self._cache_rows:
                session.rows = RowCache(self._cache_rows)
        elif use == "writing":
            session.queue = self.queue_of_writers()

    def _connect(self):
        if self._create or self._memory:
            return SQLiteConnection.makeConnection(self)
        try:
            address = f"file:{quote(self.filename)}?mode=rw"
            session = self.module.connect(address, uri=True, **self._connOptions)
        except sqlite3.OperationalError as error:
            if not os.path.exists(self.filename):
                # A new file in its place would have SQLite delete the log that lies beside it.
                log.error("%s is not there: put the database back in its place", self.filename)
                raise NotThere(f"{self.filename} is not there") from error
            raise
        session.text_factory = str
        return session

    def queue_of_writers(self):
        """Return the Queue in which those who begin a writing transaction stand, or None."""
        return queue_for(self.filename) if self._queue and not self._memory else None

    def session_for(self, writing, deadline=math.inf, may_idle=False):
        """Return this thread's session, in a transaction.

        A reading one sees one snapshot and cannot write. A writing one holds the database's write
        lock, so it is serial. Raises sqlite3.OperationalError when the lock does not come within
        the timeout or the database cannot be opened.
        """
        if writing:
            self._refuse_to_wait_for_stock()
        use = "writing" if writing else "reading"
        session = self.own_sessions().by_use.get(use) or self.open_session(use)
        try:
            session.open_transaction(writing, deadline)
        except sqlite3.Error as error:
            if self.verdict(error) is not Verdict.CONFLICT:
                # If SQLite may not write a file it opens it read-only, and does not change that
                # later.
                session.discard()
            raise
        return session

    def _refuse_to_wait_for_stock(self):
        for session in self.own_sessions().begun:
            if session.changed and session.in_transaction:
                raise RuntimeError(
                    "connection.transaction() has written and is still open in this thread, and "
                    "the request's own transaction would wait for its lock in vain: use the "
                    "request's for both"
                )

    def reading_session(self):
        session = self._per_thread.sessions.by_use.get("reading")
        return session if session is not None and session.rows is not None else None

    def look_at(self, session, query):
        look_at(session, query)

    def _executeRetry(self, conn, cursor, query):
        if conn.writing is not None:
            conn.check_open()
            look_at(conn, query)
        elif not query.startswith("SELECT"):
            conn.changed = True
        return SQLiteConnection._executeRetry(self, conn, cursor, query)

    def getConnection(self):
        if self._memory:
            self.refuse_past_requests()
            return SQLiteConnection.getConnection(self)
        session = super().getConnection()
        if session.in_transaction:
            session.rollback()
        if not self.autoCommit:
            session.execute("BEGIN")
        return session

    def releaseConnection(self, conn, explicit=False):
        if not self._memory:
            super().releaseConnection(conn, explicit)

    def _setAutoCommit(self, conn, auto):
        if self._memory:
            return super()._setAutoCommit(conn, auto)
        conn.begins_again = not auto
        begun = self.own_sessions().begun
        (begun.discard if auto else begun.add)(conn)
        if conn.in_transaction:
            conn.rollback()
        if not auto:
            conn.execute("BEGIN")

    def dropTable(self, tableName, cascade=False):
        drop = drop_table_cascade if cascade else drop_table
        self._runWithConnection(partial(drop, self), tableName)

    def addColumn(self, tableName, column):
        # The stock way ends with VACUUM, which no transaction can contain.
        self.query(f"ALTER TABLE {tableName} ADD COLUMN {column.sqliteCreateSQL()}")

    def delColumn(self, sqlmeta, column):
        # The stock way drops a copy of the table, and with foreign keys enforced the rows of
        # other tables that refer to it.
        self.query(f"ALTER TABLE {sqlmeta.table} DROP COLUMN {column.dbName}")

    def verdict(self, error):
        if isinstance(error, OutcomeUnknown):
            return Verdict.UNKNOWN
        error = driver_error(error)
        if isinstance(error, NotThere):
            return Verdict.GONE
        primary = primary_code(error)
        if primary == sqlite3.SQLITE_FULL:
            return Verdict.FULL
        if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return Verdict.CONFLICT
        # The extended READONLY codes tell of a database that nobody can write.
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_READONLY:
            return Verdict.REFUSED
        return Verdict.FAILED if cure_of(error) is None else Verdict.GONE

    def explain(self, error):
        cure = cure_of(error)
        return cure and f"{self.filename}: {error}; {cure}"

    def table_columns(self, table):
        # From a declared type SQLite learns only how to store the values. A primary key takes no
        # NULL and numbers itself.
        rows = self.queryAll(
            "SELECT name, type, \"notnull\" OR pk, IFNULL(dflt_value, 'NULL') != 'NULL' OR pk "
            f"FROM pragma_table_info('{table}') ORDER BY cid"
        )
        return [(name, _affinity(declared), *rest) for name, declared, *rest in rows]

    def dangling_rows(self):
        rows = self.queryAll("PRAGMA foreign_key_check") if self.foreign_keys else []
        return [row[:3] for row in rows]

    def table_indexes(self, table):
        return [
            name for (name,) in self.queryAll(f"SELECT name FROM pragma_index_list('{table}')")
        ]


# https://www.sqlite.org/datatype3.html#determination_of_column_affinity
# INTEGER there; it differs from NUMERIC in a CAST only.
_AFFINITIES = {
    ("INT",): "NUMERIC",
    ("CHAR", "CLOB", "TEXT"): "TEXT",
    ("BLOB",): "BLOB",
    ("REAL", "FLOA", "DOUB"): "REAL",
}


def _affinity(declared):
    """Return how SQLite stores values of a declared type."""
    upper = declared.upper()
    for parts, affinity in _AFFINITIES.items():
        if any(part in upper for part in parts):
            return affinity
    return "NUMERIC" if upper else "BLOB"
