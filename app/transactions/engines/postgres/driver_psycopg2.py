"""A session through psycopg2, which offers cursors only."""

import psycopg2
import psycopg2.extensions

from ..statements import guarded
from .session import PostgresSession
from .statements import look_at


class Session(PostgresSession, psycopg2.extensions.connection):
    """A connection of psycopg2's."""

    ERROR = psycopg2.Error
    LOST = (psycopg2.OperationalError, psycopg2.InterfaceError)

    def cursor_class(self):
        return self.cursor_factory or psycopg2.extensions.cursor

    def guard_cursors(self):
        self.cursor = self._guarded_cursor

    def _guarded_cursor(self, name=None, cursor_factory=None, *more, **options):
        options["cursor_factory"] = guarded(cursor_factory or self.cursor_class(), look_at)
        return psycopg2.extensions.connection.cursor(self, name, *more, **options)

    def status(self):
        return self.info.transaction_status

    def send(self, query):
        # Not through the handler's cursors, because their statements are looked at.
        with psycopg2.extensions.cursor(self) as cursor:
            cursor.execute(query)
            return cursor.statusmessage, cursor.fetchone() if cursor.description else []


def connect(**options):
    """Return a Session; `options` as of psycopg2.connect, whose errors are raised."""
    return psycopg2.connect(connection_factory=Session, **options)
