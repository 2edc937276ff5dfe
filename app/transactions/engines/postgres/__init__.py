"""PostgreSQL for requests and for SQLObject outside of them.

Round trips of a request: one for each of its queries, because BEGIN goes out with the first, and
one for COMMIT, which a reading request does not wait for (with psycopg 3; psycopg2 has to). So a
request that reads one row waits once, a request that reads and writes one row three times. With
kept rows its token is the first query: all rows that it proves fresh take that one round trip.

Where the server's session does not belong to the connection alone, nothing is left in it. So
PgBouncer can give each transaction another session (https://www.pgbouncer.org/features.html).
"""

import math
import time
from functools import partial

from sqlobject import dberrors
from sqlobject.postgres.pgconnection import ErrorMessage, PostgresConnection

from ...row_cache import RowCache
from ..base import OutcomeUnknown, Verdict
from ..server import USE, ServerEngine
from ..text import PostgresName
from .errors import NOT_SUPPORTED, state_of
from .limits import Limits
from .state import StaleConnection, State
from .statements import look_at
from .token import EXPRESSION

DRIVERS = "psycopg,psycopg2"


class Engine(ServerEngine, PostgresConnection):
    """PostgreSQL through one connection for each thread of each process."""

    dbName = PostgresName(PostgresConnection.dbName)
    OPTIONS = ServerEngine.OPTIONS | {"cache_rows"}
    TOKEN_COMES_ALONG = True
    TOKEN_EXPRESSION = EXPRESSION
    # It has the order in which the rows come. It is text, because not every driver decodes JSON.
    # https://www.postgresql.org/docs/current/functions-aggregate.html
    LIST_OF_ALL = "coalesce(json_agg(id)::text, '[]')"
    # https://www.postgresql.org/docs/current/errcodes-appendix.html
    ADDED_BY_ANOTHER = frozenset(["42701"])
    MAY_NOT_CREATE = frozenset(["42501"])

    def __init__(self, driver=DRIVERS, cache_rows=10_000, **kw):
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
        if self.driver == "psycopg":
            from . import driver_psycopg as driven
        else:
            from . import driver_psycopg2 as driven
        self._connect = driven.connect
        self._session_class = driven.Session
        # SQLObject shows its DSN in errors, and the stock one has the password.
        self.dsn = f"host={self.host} port={self.port} dbname={self.db} user={self.user}"
        self.dsn_dict |= self._connect_options()
        self._limits = Limits(self.statement_timeout, self.timeout, self.idle_timeout)
        self._openings = {
            True: f"BEGIN ISOLATION LEVEL {self.writing_level.upper()};",
            False: f"BEGIN ISOLATION LEVEL {self.reading_level.upper()} READ ONLY;",
        }

    def _connect_options(self):
        """What psycopg and psycopg2 pass to libpq: no wait for a silent server is endless.

        https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
        """
        patience = max(2, math.ceil(self.connect_timeout))
        return {
            "client_encoding": "UTF8",
            "connect_timeout": patience,
            "tcp_user_timeout": patience * 1000,
            "keepalives_idle": patience,
            "keepalives_interval": patience,
        }

    def open_session(self, use=None):
        """Open a session of the calling thread; dberrors.OperationalError if it cannot."""
        try:
            session = self._connect(**self.dsn_dict)
        except self.module.OperationalError as error:
            message = ErrorMessage(error, f"used connection string {self.dsn!r}")
            raise dberrors.OperationalError(message) from error
        session.openings, session.limits = self._openings, self._limits
        session.connect_again = partial(self._connect, **self.dsn_dict)
        session.check_after, session.used = self.check_after, time.monotonic()
        session.statement_timeout, session.idle_timeout = self.statement_timeout, self.idle_timeout
        self.adopt_session(session, use)
        session.autocommit = bool(use or self.autoCommit)
        if self.schema:
            self._query(session, f"SET search_path TO {self.schema}")
        if self.dbEncoding:
            self._query(session, f"SET client_encoding TO '{self.dbEncoding}'")
        if use:
            if self._cache_rows and self.reading_level == "repeatable read":
                session.rows = RowCache(self._cache_rows)
            session.prepare_session()
        return session

    def reading_session(self):
        session = self._per_thread.sessions.by_use.get(USE)
        return session if session is not None and session.rows is not None else None

    def look_at(self, session, query):
        look_at(session, query)

    def _executeRetry(self, conn, cursor, query):
        execute = partial(PostgresConnection._executeRetry, self, conn, cursor)
        if conn.writing is None:
            return execute(query)
        look_at(conn, query)
        if conn.state is State.BEGIN_NOT_SENT:
            return conn.execute_first(cursor, query, execute)
        if conn.spoiled:
            conn.check_open()
        return execute(query)

    def verdict(self, error):
        if isinstance(error, StaleConnection):
            return Verdict.STALE
        if isinstance(error, OutcomeUnknown):
            return Verdict.UNKNOWN
        if state_of(error, self.module.Error) == NOT_SUPPORTED and self._is_refused_by_standby():
            return Verdict.REFUSED
        return self._session_class.verdict(error)

    def _is_refused_by_standby(self):
        session = self.own_sessions().by_use.get(USE)
        return bool(session is not None and session.writing and session.is_standby())

    def table_columns(self, table):
        return self.queryAll(
            "SELECT attname, format_type(atttypid, atttypmod), attnotnull, "
            "atthasdef OR attidentity != '' FROM pg_attribute "
            f"WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped "
            "ORDER BY attnum"
        )

    def table_indexes(self, table):
        rows = self.queryAll(
            "SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid "
            f"WHERE indrelid = '{table}'::regclass"
        )
        return [name for (name,) in rows]
