"""Engines with one fault each in their use of kept rows, which the tests are to notice."""

import time

from app.transactions.engines.postgres import ThreadPostgresConnection
from app.transactions.engines.postgres.token import TOKEN, token
from app.transactions.engines.sqlite import ThreadSQLiteConnection


class EarlyToken(ThreadSQLiteConnection):
    """Reads the token before BEGIN: a commit between the two goes unnoticed."""

    def begin(self, writing):
        raw = self.serving(writing)
        if raw and not writing:
            self.serving(writing).early = super().token(raw)
            # Long enough that somebody does commit meanwhile.
            time.sleep(0.001)
        return super().begin(writing)

    def token(self, raw):
        return getattr(raw, "early", None)

    def peek(self, raw):
        return False


class EarlyPostgresToken(ThreadPostgresConnection):
    """As EarlyToken, on PostgreSQL."""

    def makeConnection(self):
        raw = super().makeConnection()
        kept_open = raw.rows.open
        raw.rows.open = lambda token: kept_open(raw.early)
        return raw

    def start(self, raw, writing):
        super().start(raw, writing)
        if not writing:
            with raw.cursor() as cursor:
                cursor.execute(TOKEN)
                raw.early = token(cursor)
            # Long enough that somebody does commit meanwhile.
            time.sleep(0.01)

    def peek(self, raw):
        return False


class Unchecked(ThreadSQLiteConnection):
    """Does not look whether the rows used before BEGIN are those of the transaction."""

    def peek(self, raw):
        raw.peeked = super().peek(raw)
        if raw.peeked:
            # Long enough that somebody does commit before the transaction begins.
            time.sleep(0.001)
        return raw.peeked

    def open_rows(self, raw):
        if not getattr(raw, "peeked", False):
            super().open_rows(raw)
        raw.peeked = False
