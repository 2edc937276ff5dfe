"""Engines with one fault each in their use of kept rows, which the tests must notice."""

import math
import time

from app.transactions.engines import postgres, sqlite
from app.transactions.engines.postgres import driver_psycopg
from app.transactions.engines.postgres.token import TOKEN
from app.transactions.engines.sqlite.session import SQLiteSession


class EarlyTokenSession(SQLiteSession):
    """Reads the token before BEGIN: a commit between the two goes unnoticed."""

    early = None

    def open_transaction(self, writing, deadline=math.inf):
        if not writing:
            self.early = self.execute("PRAGMA data_version").fetchone()[0]
            # Time for somebody to commit meanwhile.
            time.sleep(0.001)
        super().open_transaction(writing, deadline)

    def ask_token(self):
        self.snapshot.arrive(self, self.early)

    def peek(self):
        return None

    def peek_at_ids(self, query, deadline):
        return None, None


class EarlyToken(sqlite.Engine):
    SESSION = EarlyTokenSession


class _WithToken:
    """A snapshot at which one token arrives, whatever comes."""

    def __init__(self, snapshot, token):
        self._snapshot = snapshot
        self._token = token

    def arrive(self, session, token):
        return self._snapshot.arrive(session, self._token)


class EarlyPostgresSession(driver_psycopg.Session):
    """As EarlyTokenSession, on PostgreSQL."""

    early = None

    def open_transaction(self, writing, deadline=math.inf, alone=0, may_idle=False):
        super().open_transaction(writing, deadline, alone, may_idle)
        if not writing:
            _, (self.early,) = self.send(TOKEN)
            # Time for somebody to commit meanwhile.
            time.sleep(0.01)

    def execute_first(self, cursor, query, execute):
        snapshot = self.snapshot
        if snapshot is not None:
            self.snapshot = _WithToken(snapshot, self.early)
        try:
            super().execute_first(cursor, query, execute)
        finally:
            self.snapshot = snapshot

    def peek(self):
        return None

    def peek_at_ids(self, query, deadline):
        return None, None


class EarlyPostgresToken(postgres.Engine):
    def __init__(self, **kw):
        super().__init__(**kw)
        self._connect = EarlyPostgresSession.connect


class UncheckedSession(SQLiteSession):
    """Does not look whether the rows used before BEGIN are those of the transaction."""

    peeked = None

    def peek(self):
        self.peeked = super().peek()
        if self.peeked is not None:
            # Time for somebody to commit before the transaction begins.
            time.sleep(0.001)
        return self.peeked

    def ask_token(self):
        peeked, self.peeked = self.peeked, None
        if peeked is None:
            super().ask_token()
        else:
            self.snapshot.arrive(self, peeked)


class Unchecked(sqlite.Engine):
    SESSION = UncheckedSession
