"""MariaDB for requests and for SQLObject outside of them.

The driver is mysqlclient. PyMySQL needs no compiler and no client library, but more than twice
the processor time: 54 microseconds instead of 22 for one row by its id, 350 instead of 39 for one
hundred rows; four threads of a process read 7,000 single rows in a second instead of 13,000
(mysqlclient 2.3.1, PyMySQL 1.2.4, MariaDB 10.11, Python 3.11, 2 cores).

Round trips of a request: one to begin, whatever kind the connection's last request was of, one
for each statement, and one to commit, which a reading request does not wait for.
"""

import logging
import math
import re
import time

from sqlobject import dberrors
from sqlobject.mysql.mysqlconnection import ErrorMessage, MySQLConnection

from ...engines.server import ServerConnections
from ...engines.threads import OutcomeUnknown, TransactionLost, Verdict

try:
    import MySQLdb
except ImportError:
    raise ImportError(
        "MariaDB needs its driver: pip install mysqlclient, after "
        "apt-get install libmariadb-dev pkg-config"
    ) from None

log = logging.getLogger(__name__)

# https://mariadb.com/kb/en/mariadb-error-code-reference/
NO_SUCH_SAVEPOINT = 1305
# 1050: a table that another session has made meanwhile, as no transaction isolates that.
CONFLICTS = {1020, 1050, 1205, 1213}
REFUSALS = {1792}
# No connection (2002, 2003, 2005), none left (1040, 1203, 1226), or this one is lost: by the
# server's end (1053), KILL (1927), idleness (4031), or on the way.
LOSSES = {1040, 1053, 1158, 1159, 1160, 1161, 1203, 1226, 1927, 2002, 2003, 2005, 2006, 2013}
LOSSES |= {2055, 4031}
# KILL QUERY and the statement timeout: what they hit may have been done already.
INTERRUPTIONS = {1317, 1969}

# https://mariadb.com/kb/en/sql-statements-that-cause-an-implicit-commit/
_ENDS_TRANSACTION = re.compile(
    r"(?:\s|/\*(?!M?!)(?:[^*]|\*(?!/))*\*/|(?:--(?=\s)|#)[^\n]*\n)*"
    r"(?:(?:CREATE(?!\s+(?:OR\s+REPLACE\s+)?TEMPORARY)|DROP(?!\s+TEMPORARY)|ALTER|TRUNCATE"
    r"|RENAME|GRANT|REVOKE|OPTIMIZE|REPAIR|LOCK|UNLOCK|FLUSH|START|BEGIN|COMMIT|XA|INSTALL|CHECK)\b"
    r"|ANALYZE\s+(?:\w+\s+)?TABLE|ROLLBACK(?!\s+(?:WORK\s+)?TO)\b|EXECUTE\s+IMMEDIATE\b"
    r"|SET\s+(?:(?:@@)?SESSION[\s.]+|@@)?AUTOCOMMIT|SET\s+PASSWORD\b)",
    re.IGNORECASE,
)

# What is here replaces the server's default: without NO_BACKSLASH_ESCAPES and ANSI_QUOTES, with
# which SQLObject's string literals would be read otherwise than they are meant.
_SQL_MODE = "STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"

# No transaction but this one has the savepoint: neither one that a statement has begun after the
# engine, or an implicit commit, has ended this one, nor one that a handler has begun by itself.
_SAVEPOINT = "begin_of_request"
_COMMIT_WRITING = f"BEGIN NOT ATOMIC RELEASE SAVEPOINT {_SAVEPOINT}; COMMIT; END"


class Blob(bytes):
    """Bytes that are written in SQL as a hexadecimal literal, which no character set changes."""

    def __sqlrepr__(self, db):
        return f"X'{self.hex()}'"


class PlainMySQLConnection(MySQLConnection):
    """SQLObject's class for mysqlclient, without its reconnecting; all text is utf8mb4.

    SQLObject asks the driver to connect anew whenever the server is gone, also in the middle of
    a transaction, of which the second half would then be executed by itself.
    Methods that its Transaction borrows, for which it is no instance of the class, call those of
    the base by name.
    """

    def __init__(self, db, user, charset="utf8mb4", driver="mysqldb", **kw):
        if charset != "utf8mb4" or driver != "mysqldb":
            raise ValueError("charset and driver cannot be chosen: leave them out of the URI")
        super().__init__(db, user, driver=driver, charset=charset, **kw)
        # MariaDB's name of the character set, Python's of the encoding.
        self.dbEncoding = "utf-8"
        self.CR_SERVER_GONE_ERROR = self.CR_SERVER_LOST = None

    def makeConnection(self):
        """Open a raw connection; raises dberrors.OperationalError, without the password."""
        try:
            raw = MySQLdb.connect(
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
        if "MariaDB" not in raw.get_server_info():
            raw.close()
            raise dberrors.NotSupportedError("the server is not MariaDB, which this site needs")
        return raw

    def _executeRetry(self, conn, cursor, query):
        """Execute `query`, once; raises dberrors' error for the driver's.

        Raises dberrors.DataError for a lone surrogate, which no text in UTF-8 can hold.
        """
        try:
            query.encode()
        except UnicodeEncodeError as error:
            raise dberrors.DataError(f"the query is no Unicode text: {error.reason}") from error
        return MySQLConnection._executeRetry(self, conn, cursor, query)

    def createBinary(self, value):
        return Blob(value)

    def createTableSQL(self, soClass):
        """As SQLObject's; the table is transactional, and different strings are different.

        The server's default collation takes "a", "A" and "a " for one value of a UNIQUE column.
        """
        create, constraints = MySQLConnection.createTableSQL(self, soClass)
        create += " ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin"
        return create, constraints


class ThreadMySQLConnection(ServerConnections, PlainMySQLConnection):
    """MariaDB through connections that belong to one thread of one process each.

    The session is set to what the request needs, read only for a reading one, which refuses
    schema changes too; START TRANSACTION READ ONLY alone would commit and execute them. It is
    without autocommit, so that nothing a handler does after the engine has ended its transaction
    (a deadlock, an implicit commit) is committed by itself.
    """

    def __init__(self, **kw):
        super().__init__(**kw)
        wait = math.ceil(self.statement_timeout) + 5
        self.kw.update(
            connect_timeout=math.ceil(self.connect_timeout), read_timeout=wait, write_timeout=wait
        )
        lock_timeout = math.ceil(self.timeout)
        self._session = (
            f"SET SESSION sql_mode='{_SQL_MODE}', "
            f"innodb_lock_wait_timeout={lock_timeout}, lock_wait_timeout={lock_timeout}, "
            f"max_statement_time={self.statement_timeout}"
        )
        self._starts = {
            True: f"START TRANSACTION; SAVEPOINT {_SAVEPOINT}",
            False: "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
        }
        self._modes = {
            True: f"ISOLATION LEVEL {self.writing_level.upper()}, READ WRITE",
            False: f"ISOLATION LEVEL {self.reading_level.upper()}, READ ONLY",
        }

    def makeConnection(self):
        raw = super().makeConnection()
        # The kind of the request whose transaction is on it, and for which the session is set.
        raw.begun = raw.mode = None
        raw.lost = raw.unanswered = False
        raw.query(self._session)
        # For what is done outside of requests; these set their own.
        raw.query("SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        return raw

    def check(self, raw):
        """Ask the server for a sign of life; raises MySQLdb.Error."""
        self._settle(raw)
        raw.ping()

    def is_closed(self, raw):
        return raw.lost or not raw.open

    def start(self, raw, writing):
        """Begin a transaction on `raw`; raises MySQLdb.Error."""
        self._settle(raw)
        if raw.begun is not None:
            # Left by an answer that another thread dropped, which could not roll back here.
            raw.query("ROLLBACK")
            raw.begun = None
        start = self._starts[writing]
        if raw.mode is not writing:
            mode = self._modes[writing]
            start = f"SET SESSION autocommit=0; SET SESSION TRANSACTION {mode}; {start}"
        # A compound statement, for several statements in one text would need a connection that
        # executes whatever an injection puts behind a semicolon.
        raw.query(f"BEGIN NOT ATOMIC {start}; END" if ";" in start else start)
        raw.begun = raw.mode = writing

    def _settle(self, raw):
        """Receive the answer to a COMMIT that was not waited for."""
        if raw.unanswered:
            raw.unanswered = False
            raw.read_query_result()

    def commit(self, raw):
        """COMMIT; one of a reading request is not waited for, as nothing depends on it.

        Raises TransactionLost where the engine or an implicit commit has ended the transaction
        before, OutcomeUnknown where the connection broke meanwhile, or what the driver raises;
        then nothing more is committed and the transaction is still to be rolled back.
        """
        try:
            if raw.begun:
                raw.query(_COMMIT_WRITING)
            else:
                raw.send_query("COMMIT")
                raw.unanswered = True
        except MySQLdb.Error as error:
            self._commit_failed(raw, error)
        self._ended(raw)

    def _commit_failed(self, raw, error):
        code = _code(error)
        if not raw.begun:
            # What was read is of one snapshot all the same.
            raw.lost = True
        elif code == NO_SUCH_SAVEPOINT:
            raise TransactionLost(
                "MariaDB has ended the transaction before its COMMIT: by itself, or for a "
                "statement that commits, such as CREATE TABLE"
            ) from error
        elif code in LOSSES | INTERRUPTIONS:
            raw.lost = code in LOSSES
            raise OutcomeUnknown(f"COMMIT was not answered: {error}") from error
        else:
            raise error

    def rollback(self, raw):
        """ROLLBACK; a connection on which that fails is thrown away."""
        try:
            if not raw.lost:
                raw.query("ROLLBACK")
        except MySQLdb.Error:
            raw.lost = True
            log.warning("ROLLBACK failed, the connection is thrown away", exc_info=True)
        self._ended(raw)

    def _ended(self, raw):
        raw.begun = None
        raw.used = time.monotonic()
        if raw.lost or raw.handed_out:
            self.discard(raw)

    def verdict(self, error):
        """Tell what `error`, the driver's or SQLObject's for it, means for the request."""
        if isinstance(error, OutcomeUnknown):
            return Verdict.UNKNOWN
        code = _code(error)
        if code in CONFLICTS:
            return Verdict.CONFLICT
        if code in REFUSALS:
            return Verdict.REFUSED
        return Verdict.GONE if code in LOSSES else Verdict.FAILED

    def _executeRetry(self, conn, cursor, query):
        if conn.begun and _ENDS_TRANSACTION.match(query):
            raise dberrors.NotSupportedError(
                "MariaDB commits before this statement, so it cannot be part of a request: "
                + query.strip().partition("\n")[0][:80]
            )
        try:
            return PlainMySQLConnection._executeRetry(self, conn, cursor, query)
        except dberrors.Error as error:
            conn.lost = conn.lost or self.verdict(error) is Verdict.GONE
            raise


def _code(error):
    """Return MariaDB's number in `error`, the driver's or SQLObject's, or None."""
    if not isinstance(error, (MySQLdb.Error, dberrors.Error)) or not error.args:
        return None
    return getattr(error.args[0], "code", error.args[0])
