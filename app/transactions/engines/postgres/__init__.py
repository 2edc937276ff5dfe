"""PostgreSQL for requests and for SQLObject outside of them.

Round trips of a request: one for each of its queries, for BEGIN goes out with the first, and one
for COMMIT, which a reading request does not wait for (with psycopg 3; psycopg2 has to). So a
request that reads one row waits once, a request that reads and writes one row three times. With
the cache, its token is the first query: all rows that it proves fresh take that one round trip.

Nothing is left in a session that is not the connection's own: so PgBouncer can hand each
transaction to another session of the server (https://www.pgbouncer.org/features.html).
"""

import logging
import math
import time

from sqlobject import dberrors
from sqlobject.postgres.pgconnection import PostgresConnection

from ...engines.postgres.errors import verdict_of
from ...engines.postgres.limits import CHANGES_SETUP, Limits
from ...engines.postgres.text import PostgresName
from ...engines.postgres.token import CHANGES_SESSION, EXPRESSION, PREPARE, PREPARED, TOKEN, token
from ...engines.postgres.wire import wire
from ...engines.server import KEPT, ServerConnections
from ...engines.threads import SERVER_OPTIONS, OutcomeUnknown, TransactionLost, Verdict
from ...row_cache import RowCache

log = logging.getLogger(__name__)

DRIVERS = "psycopg,psycopg2"


class StaleConnection(dberrors.OperationalError):
    """A connection kept from an earlier request was lost before it did anything for this one."""


class ThreadPostgresConnection(ServerConnections, PostgresConnection):
    """PostgreSQL through one connection for each thread of each process.

    The driver's connection is in autocommit, so each BEGIN and COMMIT is sent here; `opening` is
    what begins its transaction and waits to be sent with the first query.
    """

    dbName = PostgresName(PostgresConnection.dbName)
    OPTIONS = SERVER_OPTIONS | {"cache_rows"}
    TOKEN_COMES_ALONG = True
    TOKEN_EXPRESSION = EXPRESSION
    # In the order in which the rows come; text, as a driver may decode JSON or not.
    # https://www.postgresql.org/docs/current/functions-aggregate.html
    LIST_OF_ALL = "coalesce(json_agg(id)::text, '[]')"

    def __init__(self, driver=DRIVERS, cache_rows=0, **kw):
        """`driver`: psycopg (3) or psycopg2; the first that is installed. ValueError if none.

        `cache_rows` rows are kept for each thread's reading requests, where these run at
        REPEATABLE READ: at lower levels the token is not sound, and at SERIALIZABLE rows that
        are not read again would hide conflicts.
        """
        self._cache_rows = int(cache_rows)
        if not set(driver.split(",")) <= set(DRIVERS.split(",")):
            raise ValueError(f"driver is {driver!r}: write psycopg or psycopg2")
        try:
            super().__init__(driver=driver, **kw)
        except ImportError:
            raise ValueError(
                f"PostgreSQL needs its driver ({driver}): pip install 'psycopg[binary]'"
            ) from None
        self._wire = wire(self.driver, self.module)
        # What the driver says itself of a lost connection, which the server cannot.
        errors = ["OperationalError"] + ["InterfaceError"] * (self.driver == "psycopg2")
        self._lost = tuple(getattr(self.module, error) for error in errors)
        # SQLObject shows it in an error, with the password.
        self.dsn = f"host={self.host} port={self.port} dbname={self.db} user={self.user}"
        self.dsn_dict |= self._connect_options()
        self._limits = Limits(self.statement_timeout, self.timeout)
        self._openings = {
            True: f"BEGIN ISOLATION LEVEL {self.writing_level.upper()};",
            False: f"BEGIN ISOLATION LEVEL {self.reading_level.upper()} READ ONLY;",
        }

    def _connect_options(self):
        """What psycopg and psycopg2 pass to libpq: no wait for a silent server is endless.

        https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
        """
        patience = max(2, math.ceil(self.connect_timeout))
        options = {
            "client_encoding": "UTF8",
            "connect_timeout": patience,
            "tcp_user_timeout": patience * 1000,
            "keepalives_idle": patience,
            "keepalives_interval": patience,
        }
        if self.driver == "psycopg2":
            # The driver's own class takes no further attributes.
            base = self.module.extensions.connection
            options["connection_factory"] = type("RawPostgresConnection", (base,), {})
        return options

    def _limited(self, raw, opening):
        return opening if raw.set_up else opening + self._limits.of_transaction

    def makeConnection(self):
        """Open a raw connection of the calling thread; dberrors.OperationalError if it cannot."""
        raw = super().makeConnection()
        # PgBouncer gives the next transaction another session, which has not prepared them.
        raw.prepare_threshold = None
        raw.opening = None
        # `set_up`: whether its session holds the limits, so that no transaction has to, and the
        # token's prepared query.
        raw.writing = raw.unanswered = raw.set_up = False
        if self._cache_rows and self.reading_level == "repeatable read":
            raw.rows = RowCache(self._cache_rows)
        return raw

    def is_closed(self, raw):
        return bool(raw.closed)

    def check(self, raw):
        self._settle(raw)
        self._wire.send(raw, "SELECT 1")

    def start(self, raw, writing):
        """Have the transaction begin with the first query."""
        if not raw.kept:
            raw.autocommit = True
            raw.set_up = self._limits.hold_in_session(self._wire, raw)
            if raw.set_up and raw.rows is not None:
                self._wire.send(raw, PREPARE)
        self._settle(raw)
        if raw.info.transaction_status:
            # Left by an answer that another thread dropped.
            self.rollback(raw)
        if raw.closed:
            raise self.module.OperationalError("the connection was lost while it was idle")
        raw.writing = writing
        raw.opening = self._limited(raw, self._openings[writing])

    def reading(self):
        raw = self.serving(KEPT)
        return raw if raw is not None and raw.rows is not None else None

    def open_rows(self, raw):
        if raw.opening:
            with raw.cursor() as cursor:
                self._executeRetry(raw, cursor, "")

    def peek(self, raw):
        found = self._look(raw, PREPARED if raw.set_up else TOKEN)
        return found is not None and found[0] == raw.rows.token

    def peek_ids(self, raw, query):
        if CHANGES_SESSION.search(query):
            return None
        read_only = self._limited(raw, "SET LOCAL transaction_read_only=on;")
        found = self._look(raw, read_only + query)
        return found[1] if found is not None and found[0] == raw.rows.token else None

    def _look(self, raw, message):
        """Send a message that is a transaction of its own; return the first row of its answer.

        None where it fails or the connection should be checked first: who begins sees to that.
        """
        if time.monotonic() - raw.used > self.check_after:
            return None
        try:
            self._settle(raw)
            if raw.info.transaction_status:
                return None
            _, row = self._wire.send(raw, message)
        except self.module.Error:
            return None
        raw.used = time.monotonic()
        return row

    def _settle(self, raw):
        """Receive the answer to a COMMIT that was not waited for."""
        if raw.unanswered:
            raw.unanswered = False
            raw.wait(self.module.generators.execute(raw.pgconn))

    def hand_out(self, raw):
        super().hand_out(raw)
        self.open_rows(raw)
        raw.set_up = False
        if raw.rows is not None:
            raw.rows.clear()

    def _executeRetry(self, conn, cursor, query):
        # Not by super(): SQLObject's Transaction calls this with itself as `self`.
        if conn.opening:
            self._execute_first(conn, cursor, query)
        else:
            PostgresConnection._executeRetry(self, conn, cursor, query)
        if conn.rows is not None and CHANGES_SESSION.search(query):
            # What a writing request sets stays in the session, and leaves the snapshot as it was.
            conn.rows.outdate() if conn.writing else conn.rows.clear()
        if conn.set_up and CHANGES_SETUP.search(query):
            conn.set_up = False

    def _execute_first(self, conn, cursor, query):
        """Begin the transaction with its first query and, where rows are kept, the token."""
        opening, conn.opening = conn.opening, None
        with_token = conn.rows is not None and not conn.writing and not conn.rows.pausing()
        # psycopg2 has the last answer only.
        together = self.driver == "psycopg" or not with_token
        message = opening + (TOKEN if with_token else "") + (query if together else "")
        try:
            PostgresConnection._executeRetry(self, conn, cursor, message)
        except Exception as error:
            self._not_opened(conn, opening, error)
            raise
        if with_token:
            if together:
                # Behind the answers to the opening.
                cursor.set_result(opening.count(";"))
            conn.rows.open(token(cursor))
        if self.driver == "psycopg":
            cursor.set_result(-1)
        elif query and not together:
            PostgresConnection._executeRetry(self, conn, cursor, query)

    def _not_opened(self, raw, opening, error):
        if self.verdict(error) is Verdict.GONE:
            if raw.kept:
                raise StaleConnection(str(error)) from error
        elif not raw.info.transaction_status:
            # A syntax error has the server refuse the message as a whole, BEGIN included.
            raw.opening = opening

    def commit(self, raw):
        """COMMIT; one of a reading request is not waited for, as nothing depends on it.

        Raises TransactionLost where the server answers ROLLBACK, as it does without an error
        for a transaction in which a query has failed, and where a query has ended it; or
        OutcomeUnknown; or the driver's error.
        """
        raw.used = time.monotonic()
        if raw.opening:
            raw.opening = None
        elif raw.writing or self.driver != "psycopg":
            self._commit_and_wait(raw)
        else:
            self._commit_and_go(raw)

    def _commit_and_go(self, raw):
        try:
            raw.pgconn.send_query(b"COMMIT")
            raw.pgconn.flush()
            raw.unanswered = True
        except self.module.Error:
            self.discard(raw)

    def _commit_and_wait(self, raw):
        if not raw.closed and not raw.info.transaction_status:
            raise TransactionLost("a query of the handler's has ended the transaction")
        try:
            tag, _ = self._wire.send(raw, "COMMIT")
        except self.module.Error as error:
            if self.verdict(error) is not Verdict.GONE:
                raise
            if raw.writing:
                raise OutcomeUnknown(str(error)) from error
            # What was read is right all the same.
            self.discard(raw)
            return
        if tag != "COMMIT":
            raise TransactionLost(f"PostgreSQL answered {tag} to COMMIT")

    def rollback(self, raw):
        """ROLLBACK; a connection on which that fails is thrown away."""
        raw.used = time.monotonic()
        if raw.opening:
            raw.opening = None
        elif raw.closed:
            self.discard(raw)
        elif raw.info.transaction_status:
            try:
                self._wire.send(raw, "ROLLBACK")
            except self.module.Error:
                log.warning("ROLLBACK failed, the connection is thrown away", exc_info=True)
                self.discard(raw)

    def verdict(self, error):
        """Tell what `error`, the driver's or SQLObject's for it, means for the request."""
        if isinstance(error, StaleConnection):
            return Verdict.STALE
        if isinstance(error, OutcomeUnknown):
            return Verdict.UNKNOWN
        if not isinstance(error, self.module.Error):
            error = error.__context__
        state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
        if state is None:
            return Verdict.GONE if isinstance(error, self._lost) else Verdict.FAILED
        return verdict_of(state)
