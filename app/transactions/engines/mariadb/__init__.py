"""MariaDB for requests and for SQLObject outside of them.

The driver is mysqlclient. PyMySQL needs no compiler and no client library, but more than twice
the processor time: 54 microseconds instead of 22 for one row by its id, 350 instead of 39 for one
hundred rows; four threads of a process read 7,000 single rows in a second instead of 13,000
(mysqlclient 2.3.1, PyMySQL 1.2.4, MariaDB 10.11, Python 3.11, 2 cores).

Round trips of a request: one to begin, whatever kind the session's last request was of, one
for each statement, and one to commit, which a reading request does not wait for.
"""

import math
import time

from sqlobject import dberrors
from sqlobject.mysql.mysqlconnection import ErrorMessage, MySQLConnection

from ..base import OutcomeUnknown, Verdict
from ..server import ServerEngine
from .alone import Turnstile
from .errors import LOSSES, code_of, verdict_of
from .statements import look_at

try:
    import MySQLdb
except ImportError:
    raise ImportError(
        "MariaDB needs its driver: pip install mysqlclient, after "
        "apt-get install libmariadb-dev pkg-config"
    ) from None

from .session import MariaDBSession

_TABLE_OPTIONS = " ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin"
# It replaces the server's mode, which may have NO_BACKSLASH_ESCAPES or ANSI_QUOTES. With these the
# server would misread SQLObject's string literals.
_SQL_MODE = "STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"


class Blob(bytes):
    """Bytes that are written in SQL as a hexadecimal literal, which no character set changes."""

    def __sqlrepr__(self, db):
        return f"X'{self.hex()}'"


class PlainConnection(MySQLConnection):
    """SQLObject's class for mysqlclient, without its reconnecting; all text is utf8mb4.

    SQLObject asks the driver to connect anew whenever the server is gone, even in the middle of a
    transaction. The second half of the transaction would then be executed alone.
    """

    def __init__(self, db, user, charset="utf8mb4", driver="mysqldb", **kw):
        if charset != "utf8mb4" or driver != "mysqldb":
            raise ValueError("charset and driver cannot be chosen: leave them out of the URI")
        super().__init__(db, user, driver=driver, charset=charset, **kw)
        # MariaDB's name of the character set, Python's of the encoding.
        self.dbEncoding = "utf-8"
        self.CR_SERVER_GONE_ERROR = self.CR_SERVER_LOST = None

    def _executeRetry(self, conn, cursor, query):
        """Execute `query`, once; raises dberrors' error for the driver's.

        Raises dberrors.DataError for a lone surrogate, which no text in UTF-8 can hold.
        """
        try:
            query.encode()
        except UnicodeEncodeError as error:
            raise dberrors.DataError(f"the query is no Unicode text: {error.reason}") from error
        return super()._executeRetry(conn, cursor, query)

    def createBinary(self, value):
        return Blob(value)

    def createTableSQL(self, soClass):
        """As SQLObject's; the table is transactional, and different strings are different.

        The server's default collation takes "a", "A" and "a " for one value of a UNIQUE column.
        """
        create, constraints = super().createTableSQL(soClass)
        return create + _TABLE_OPTIONS, constraints


class Engine(ServerEngine, PlainConnection):
    """MariaDB through connections, each of one thread of one process.

    For a reading request the whole session is read-only, which refuses schema changes too. START
    TRANSACTION READ ONLY alone would commit and execute them. Autocommit is off. So when the
    engine has ended the transaction (a deadlock, an implicit commit), what the handler does after
    that is not committed.
    """

    TABLE_OPTIONS = _TABLE_OPTIONS

    # https://mariadb.com/kb/en/mariadb-error-codes/
    ADDED_BY_ANOTHER = frozenset([1060, 1061])
    MAY_NOT_CREATE = frozenset([1044, 1142])

    def __init__(self, **kw):
        super().__init__(**kw)
        wait = math.ceil(self.statement_timeout) + 5
        self.kw.update(
            connect_timeout=math.ceil(self.connect_timeout), read_timeout=wait, write_timeout=wait
        )
        lock_timeout = math.ceil(self.timeout)
        self._setup = (
            f"SET SESSION sql_mode='{_SQL_MODE}', "
            f"innodb_lock_wait_timeout={lock_timeout}, lock_wait_timeout={lock_timeout}, "
            f"max_statement_time={self.statement_timeout}"
        )
        # The name of a lock is valid on the whole server, and has at most 64 characters.
        name = self.sqlrepr(f"alone in {self.db}"[:64])
        self._turnstile = Turnstile(name, self.timeout, self.statement_timeout, self.idle_timeout)
        self._modes = {
            True: f"ISOLATION LEVEL {self.writing_level.upper()}, READ WRITE",
            False: f"ISOLATION LEVEL {self.reading_level.upper()}, READ ONLY",
        }

    def open_session(self, use=None):
        """Open a session; raises dberrors.OperationalError, without the password."""
        try:
            session = MariaDBSession(
                host=self.host,
                port=self.port,
                database=self.db,
                user=self.user,
                password=self.password,
                autocommit=bool(self.autoCommit),
                multi_statements=False,
                **self.kw,
            )
        except MySQLdb.OperationalError as error:
            place = f" (user {self.user!r}, database {self.db!r})"
            raise dberrors.OperationalError(ErrorMessage(error, place)) from error
        if "MariaDB" not in session.get_server_info():
            session.close()
            raise dberrors.NotSupportedError("the server is not MariaDB, which this site needs")
        session.modes, session.turnstile = self._modes, self._turnstile
        session.used = time.monotonic()
        session.statement_timeout, session.idle_timeout = self.statement_timeout, self.idle_timeout
        session.query(self._setup)
        # For use outside of requests. A request sets its own level.
        session.query("SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        return self.adopt_session(session, use)

    def verdict(self, error):
        if isinstance(error, OutcomeUnknown):
            return Verdict.UNKNOWN
        return verdict_of(code_of(error))

    def look_at(self, session, query):
        look_at(session, query)

    def _executeRetry(self, conn, cursor, query):
        if conn.writing is not None:
            look_at(conn, query)
        try:
            return PlainConnection._executeRetry(self, conn, cursor, query)
        except dberrors.Error as error:
            conn.lost = conn.lost or code_of(error) in LOSSES
            raise

    def table_columns(self, table):
        # No other list has temporary tables.
        return [
            (name, type_, null == "NO", default is not None or "auto_increment" in extra)
            for name, type_, null, _key, default, extra in self.queryAll(
                f"SHOW COLUMNS FROM {table}"
            )
        ]

    def table_indexes(self, table):
        rows = self.queryAll(
            "SELECT index_name FROM information_schema.statistics "
            f"WHERE table_schema = DATABASE() AND table_name = '{table}'"
        )
        return [name for (name,) in rows]

    def index_name(self, table, name):
        return name
