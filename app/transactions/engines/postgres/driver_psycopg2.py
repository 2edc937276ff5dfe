"""A session through psycopg2, which offers cursors only."""

import psycopg2
import psycopg2.extensions

from .session import PostgresSession


class Session(PostgresSession, psycopg2.extensions.connection):
    """A connection of psycopg2's."""

    ERROR = psycopg2.Error
    LOST = (psycopg2.OperationalError, psycopg2.InterfaceError)

    def cursor_class(self):
        return self.cursor_factory or psycopg2.extensions.cursor

    def status(self):
        return self.info.transaction_status

    def send(self, query):
        # Past the cursors that the handler has, whose statements are looked at.
        with psycopg2.extensions.cursor(self) as cursor:
            cursor.execute(query)
            return cursor.statusmessage, cursor.fetchone() if cursor.description else []


def connect(**options):
    """Return a Session; `options` as of psycopg2.connect, whose errors are raised."""
    return psycopg2.connect(connection_factory=Session, **options)
