"""Statements of our own on a connection to PostgreSQL: COMMIT, ROLLBACK, the look at the token.

With psycopg 3 they go straight to libpq: a cursor would take two thirds of their time.
https://www.psycopg.org/psycopg3/docs/api/pq.html
"""


def wire(driver, module):
    """Return the Wire for a driver: "psycopg" or "psycopg2", and its module."""
    return Wire(module) if driver == "psycopg" else CursorWire()


class Wire:
    """The statements through psycopg 3's libpq."""

    def __init__(self, module):
        self._module = module

    def send(self, raw, query):
        """Send `query` and return (tag of its last command, the first row of its answer).

        The row's values are text or None; the row of a command without an answer is empty. Raises
        the driver's error; OperationalError without SQLSTATE where the connection is lost.
        """
        result = raw.pgconn.exec_(query.encode())
        status = self._module.pq.ExecStatus
        if result.status in (status.TUPLES_OK, status.COMMAND_OK):
            values = [result.get_value(0, column) for column in range(result.nfields)]
            row = [None if value is None else value.decode() for value in values]
            return result.command_status.decode(), row
        if raw.closed:
            raise self._module.OperationalError(raw.pgconn.get_error_message())
        raise self._module.errors.error_from_result(result)


class CursorWire:
    """The same for psycopg2, which offers cursors only."""

    def send(self, raw, query):
        """As Wire.send, but that the row's values are decoded."""
        with raw.cursor() as cursor:
            cursor.execute(query)
            return cursor.statusmessage, cursor.fetchone() if cursor.description else []
