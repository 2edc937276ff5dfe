"""SQLObject connections that are safe in mod_wsgi's threads, one class per engine.

A request's transaction (`request_transaction.py`) asks of its engine's class:

- `begin(writing)` returns the calling thread's raw connection with a transaction begun on it;
- `commit(raw)` and `rollback(raw)` end it, `discard(raw)` throws a raw connection away;
- `verdict(error)` tells what a database error means for the request.

Outside a request the classes serve SQLObject as its stock ones do.
"""

import enum
import logging
import os
import sqlite3
import threading
import weakref

from sqlobject.sqlite.sqliteconnection import SQLiteConnection

from app.sqlite_schema import drop_table_cascade

log = logging.getLogger(__name__)


class Verdict(enum.Enum):
    """What a database error means for the request in which it came up."""

    REFUSED = "the engine refused a write in a read-only transaction"
    CONFLICT = "a conflict with another transaction"
    FAILED = "a database error"


class TransactionLost(Exception):
    """The engine ended the transaction by itself, so what it had written is gone."""


class RawSQLiteConnection(sqlite3.Connection):
    """A driver connection on which every BEGIN is explicit.

    sqlite3 with an `isolation_level` begins only before a write: reads would have no snapshot.
    """

    # Set while SQLObject's stock Transaction holds it, which goes on after a commit.
    keep_begun = False
    # Set once a caller has had it in hand, who may have left a cursor open on a snapshot.
    handed_out = False
    home = None

    def commit(self):
        super().commit()
        if self.keep_begun:
            self.execute("BEGIN")


class _OneThreads:
    """The raw connections of one thread; it dies with the thread, in the thread."""

    def __init__(self):
        self.reading = self.writing = None
        self.idle = []

    def all(self):
        return [raw for raw in (self.reading, self.writing, *self.idle) if raw is not None]

    def close(self):
        for raw in self.all():
            try:
                raw.close()
            except sqlite3.Error:
                # Only its own thread may close it; an unfinished statement may hold it.
                log.debug("a connection could not be closed", exc_info=True)
        self.__init__()

    __del__ = close


class _PerThread(threading.local):
    def __init__(self):
        self.own = _OneThreads()


class ThreadSQLiteConnection(SQLiteConnection):
    """SQLite through connections that belong to one thread of one process each.

    The stock class frees the connections of threads that `threading.enumerate()` does not list.
    mod_wsgi's threads are not listed, so it closes connections in use. Here a thread finds its
    connections in thread-local storage, where nobody else can reach them.

    A thread serves requests through two connections: a reading one with `query_only` set once,
    on which the engine refuses writes with SQLITE_READONLY, and a writing one. Settings and
    codes: https://www.sqlite.org/pragma.html, https://www.sqlite.org/rescode.html
    """

    def __init__(self, filename, timeout=5, **kw):
        """`filename` is the database's path, `timeout` the seconds to wait for a lock."""
        self._per_thread = _PerThread()
        super().__init__(
            filename, factory=lambda module: RawSQLiteConnection, timeout=timeout, **kw
        )
        _instances.add(self)

    def makeConnection(self):
        """Open a raw connection of the calling thread; sqlite3.Error where it cannot be."""
        raw = super().makeConnection()
        if self._memory:
            return raw
        raw.home = weakref.ref(self._per_thread.own)
        self._connectionNumbers[id(raw)] = self._connectionCount
        self._connectionCount += 1
        raw.execute("PRAGMA foreign_keys=ON")
        raw.execute("PRAGMA synchronous=FULL")
        (mode,) = raw.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode != "wal":
            raise sqlite3.OperationalError(
                f"{self.filename}: SQLite cannot use WAL here (its journal mode is {mode!r}): "
                "put the database on a local file system"
            )
        return raw

    def getConnection(self):
        if self._memory:
            return super().getConnection()
        idle = self._per_thread.own.idle
        raw = idle.pop() if idle else self.makeConnection()
        if raw.in_transaction:
            raw.rollback()
        if not self.autoCommit:
            raw.execute("BEGIN")
        return raw

    def releaseConnection(self, conn, explicit=False):
        """Give `conn` back to its own thread, whichever thread calls."""
        if self._memory:
            return
        home = conn.home()
        if home is None or conn in home.idle:
            return
        if home is self._per_thread.own and conn.in_transaction and not explicit:
            if self.autoCommit:
                conn.commit()
            else:
                conn.rollback()
        home.idle.append(conn)

    def _setAutoCommit(self, conn, auto):
        if self._memory:
            return super()._setAutoCommit(conn, auto)
        conn.keep_begun = not auto
        if conn.in_transaction:
            conn.rollback()
        if not auto:
            conn.execute("BEGIN")

    def dropTable(self, tableName, cascade=False):
        if cascade:
            self._runWithConnection(drop_table_cascade, tableName)
        else:
            super().dropTable(tableName)

    def delColumn(self, sqlmeta, column):
        # The stock way drops a copy of the table, and with foreign keys enforced the rows of
        # other tables that refer to it.
        self.query(f"ALTER TABLE {sqlmeta.table} DROP COLUMN {column.dbName}")

    def close(self):
        """Close the calling thread's connections; other threads close theirs when they end."""
        if hasattr(self, "_per_thread"):
            self._per_thread.own.close()
        super().close()

    def begin(self, writing):
        """Return this thread's raw connection, in a transaction.

        A reading one sees one snapshot and cannot write. A writing one holds the database's
        write lock, so it is serial. Raises sqlite3.OperationalError when the lock was not had
        within the timeout or the database cannot be opened.
        """
        own = self._per_thread.own
        if writing:
            raw = own.writing or self._open_writing(own)
            raw.execute("BEGIN IMMEDIATE")
        else:
            raw = own.reading or self._open_reading(own)
            raw.execute("BEGIN")
        return raw

    def _open_writing(self, own):
        own.writing = self.makeConnection()
        return own.writing

    def _open_reading(self, own):
        raw = self.makeConnection()
        raw.execute("PRAGMA query_only=ON")
        own.reading = raw
        return raw

    def commit(self, raw):
        """COMMIT. Raises TransactionLost where SQLite has rolled back by itself, as it does on
        a full disk or an I/O error (https://www.sqlite.org/lang_transaction.html), or what the
        driver raises; then nothing is committed and the transaction is still to be rolled back.
        """
        if not raw.in_transaction:
            raise TransactionLost("SQLite has rolled the transaction back by itself")
        raw.execute("COMMIT")
        if raw.handed_out:
            self.discard(raw)

    def rollback(self, raw):
        """ROLLBACK; a connection on which that fails is thrown away."""
        try:
            if raw.in_transaction:
                raw.execute("ROLLBACK")
        except sqlite3.Error:
            log.warning("ROLLBACK failed, the connection is thrown away", exc_info=True)
            self.discard(raw)
        else:
            if raw.handed_out:
                self.discard(raw)

    def discard(self, raw):
        """Close the calling thread's `raw`; the next request opens a new one."""
        own = self._per_thread.own
        if raw is own.reading:
            own.reading = None
        if raw is own.writing:
            own.writing = None
        try:
            raw.close()
        except sqlite3.Error:
            log.warning("a connection could not be closed", exc_info=True)

    def verdict(self, error):
        """Tell what `error`, the driver's or SQLObject's for it, means for the request."""
        if not isinstance(error, sqlite3.Error):
            error = error.__context__
        code = getattr(error, "sqlite_errorcode", None)
        if code is None:
            return Verdict.FAILED
        # The extended READONLY codes tell of a database that nobody can write.
        if code == sqlite3.SQLITE_READONLY:
            return Verdict.REFUSED
        if code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return Verdict.CONFLICT
        return Verdict.FAILED


CLASSES = {"sqlite": ThreadSQLiteConnection}

_connections = {}
_instances = weakref.WeakSet()
_inherited = []


def connection_for(uri, timeout=5):
    """Return the connection for `uri`, always the same one for the same arguments.

    `timeout` is the seconds to wait for another transaction's lock. Raises ValueError for a
    scheme without a class here, and for SQLite in memory, which threads cannot share.
    """
    if (uri, timeout) not in _connections:
        scheme = uri.partition(":")[0]
        if scheme not in CLASSES:
            known = ", ".join(sorted(CLASSES))
            raise ValueError(f"no database engine for scheme {scheme!r}; write one of: {known}")
        connection_class = CLASSES[scheme]
        user, password, host, port, path, options = connection_class._parseURI(uri)
        if path.endswith(":memory:"):
            raise ValueError("a database in memory cannot be shared by threads; name a file")
        options.setdefault("timeout", timeout)
        _connections[uri, timeout] = connection_class._connectionFromParams(
            user, password, host, port, path, options
        )
    return _connections[uri, timeout]


def _leave_connections_to_the_parent():
    # SQLite's connections must not be used or closed across a fork
    # (https://www.sqlite.org/howtocorrupt.html, section 2.6): keep them, untouched, for ever.
    for connection in list(_instances):
        _inherited.append(connection._per_thread.own)
        connection._per_thread = _PerThread()


os.register_at_fork(after_in_child=_leave_connections_to_the_parent)
