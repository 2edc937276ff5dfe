"""A session through psycopg 3.

Statements of our own go straight to libpq: a cursor would take two thirds of their time.
https://www.psycopg.org/psycopg3/docs/api/pq.html
"""

import psycopg
from psycopg import generators, pq

from .session import PostgresSession
from .state import State

_ANSWERED = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)


class Session(PostgresSession, psycopg.Connection):
    """A connection of psycopg 3's."""

    SEVERAL_ANSWERS = True
    ERROR = psycopg.Error
    LOST = (psycopg.OperationalError,)

    def status(self):
        return self.pgconn.transaction_status

    def send(self, query):
        """As PostgresSession.send; the row's values are text or None.

        Raises OperationalError without SQLSTATE where the connection is lost.
        """
        result = self.pgconn.exec_(query.encode())
        if result.status in _ANSWERED:
            values = [result.get_value(0, column) for column in range(result.nfields)]
            row = [None if value is None else value.decode() for value in values]
            return result.command_status.decode(), row
        if self.closed:
            raise psycopg.OperationalError(self.pgconn.get_error_message())
        raise psycopg.errors.error_from_result(result)

    def receive(self):
        self.wait(generators.execute(self.pgconn))

    def _commit_and_go(self):
        try:
            self.pgconn.send_query(b"COMMIT")
            self.pgconn.flush()
            self.state = State.COMMIT_NOT_ANSWERED
        except psycopg.Error:
            self.spoiled = True


def connect(**options):
    """Return a Session; `options` as of psycopg.connect, whose errors are raised."""
    # PgBouncer gives the next transaction another session, which has not prepared them.
    return Session.connect(prepare_threshold=None, **options)
