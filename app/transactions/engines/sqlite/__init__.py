"""SQLite for requests and for SQLObject outside of them."""

import logging
import sqlite3

from sqlobject.sqlite.sqliteconnection import SQLiteConnection

from ...engines.sqlite.drop_table import drop_table_cascade
from ...engines.threads import PerThreadConnections, TransactionLost, Verdict
from ...row_cache import RowCache

log = logging.getLogger(__name__)


class RawSQLiteConnection(sqlite3.Connection):
    """A driver connection on which every BEGIN is explicit.

    sqlite3 with an `isolation_level` begins only before a write: reads would have no snapshot.
    """

    # Set while SQLObject's stock Transaction holds it, which goes on after a commit.
    keep_begun = False

    def commit(self):
        super().commit()
        if self.keep_begun:
            self.execute("BEGIN")


class ThreadSQLiteConnection(PerThreadConnections, SQLiteConnection):
    """SQLite through connections that belong to one thread of one process each.

    A thread serves requests through two connections: a reading one with `query_only` set once,
    on which the engine refuses writes with SQLITE_READONLY, and a writing one. Settings and
    codes: https://www.sqlite.org/pragma.html, https://www.sqlite.org/rescode.html
    """

    OPTIONS = frozenset(["cache_rows"])
    # In the order in which the rows come, be it that of an ORDER BY in the subquery: rule 16 of
    # https://www.sqlite.org/optoverview.html#subquery_flattening.
    LIST_OF_ALL = "json_group_array(id)"
    # https://www.sqlite.org/pragma.html#pragfunc
    TOKEN_EXPRESSION = "(SELECT data_version FROM pragma_data_version)"

    def __init__(self, filename, timeout=5, cache_rows=0, **kw):
        """`filename` is the database's path, `timeout` the seconds to wait for a lock;
        `cache_rows` rows are kept for each thread's reading requests."""
        self._cache_rows = int(cache_rows)
        super().__init__(
            filename, factory=lambda module: RawSQLiteConnection, timeout=timeout, **kw
        )

    def makeConnection(self):
        """Open a raw connection of the calling thread; sqlite3.Error where it cannot be."""
        raw = super().makeConnection()
        if not self._memory:
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
            return SQLiteConnection.getConnection(self)
        raw = super().getConnection()
        if raw.in_transaction:
            raw.rollback()
        if not self.autoCommit:
            raw.execute("BEGIN")
        return raw

    def releaseConnection(self, conn, explicit=False):
        if not self._memory:
            super().releaseConnection(conn, explicit)

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

    def begin(self, writing):
        """Return this thread's raw connection, in a transaction.

        A reading one sees one snapshot and cannot write. A writing one holds the database's
        write lock, so it is serial. Raises sqlite3.OperationalError when the lock was not had
        within the timeout or the database cannot be opened.
        """
        raw = self.serving(writing)
        if raw is None:
            raw = self.makeConnection()
            if not writing:
                raw.execute("PRAGMA query_only=ON")
                if self._cache_rows:
                    raw.rows = RowCache(self._cache_rows)
            self.serve_with(writing, raw)
        elif raw.in_transaction:
            # Left by an answer that another thread dropped, which could not roll back here.
            raw.rollback()
        raw.execute("BEGIN IMMEDIATE" if writing else "BEGIN")
        return raw

    def reading(self):
        raw = self.serving(False)
        return raw if raw is not None and raw.rows is not None else None

    def open_rows(self, raw):
        if not raw.rows.pausing():
            raw.rows.open(self.token(raw))

    def peek(self, raw):
        try:
            return not raw.in_transaction and self.token(raw) == raw.rows.token
        except sqlite3.Error:
            return False

    def peek_ids(self, raw, query):
        try:
            if raw.in_transaction:
                return None
            token, ids, *_ = raw.execute(query).fetchone()
        except sqlite3.Error:
            return None
        return ids if token == raw.rows.token else None

    def token(self, raw):
        """The snapshot token: it differs when any other connection has committed since this
        one's last look, and it takes the transaction's snapshot where no query has done so yet
        (https://www.sqlite.org/pragma.html#pragma_data_version)."""
        return raw.execute("PRAGMA data_version").fetchone()[0]

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
        failed = False
        try:
            if raw.in_transaction:
                raw.execute("ROLLBACK")
        except sqlite3.Error:
            failed = True
            log.warning("ROLLBACK failed, the connection is thrown away", exc_info=True)
        if failed or raw.handed_out:
            self.discard(raw)

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
