"""Which kept rows a request may use: those that its snapshot token proves fresh (row_cache.py)."""

import enum

from .engines.base import Verdict


class State(enum.Enum):
    """What a request knows of its snapshot token."""

    NOT_ASKED = "no token has arrived"
    PEEKED = "kept rows were used under a token, and no transaction has begun"
    OPEN = "the transaction has begun and its token has arrived"
    NONE = "this request uses no kept rows"


# Names of the module, because an enum looks up a member by a function at each use.
NOT_ASKED, PEEKED, OPEN, NONE = State


class Snapshot:
    """The snapshot of one request's transaction, and the kept rows that belong to it.

    A reading request that reads only kept rows begins no transaction. It *peeks* at the token, and
    as long as that is the token of the rows, they all belong to one instant of this request. The
    transaction that a later query begins must have the same token: `arrive` sees to that, because
    every token of a request arrives there and nowhere else.
    """

    # The kept rows that may be used now, or None.
    rows = None
    # The session and the token whose rows were used before the transaction began.
    _seen = None

    def __init__(self, transaction):
        """A writing request uses no kept rows: its engine must see its reads to find conflicts."""
        self._transaction = transaction
        self._usable = not transaction.writing
        self.state = NOT_ASKED if self._usable else NONE

    def arrive(self, session, token, begun=True):
        """Take the token that `session` has now; return whether its kept rows may be used.

        `begun`: whether it is the token of the request's transaction. Ends this run of the
        request where it has used rows under another token.
        """
        rows = session.rows
        if begun:
            rows.open(token)
        fresh = self._usable and token is not None and rows.token == token
        seen, self._seen = self._seen, None
        if seen is not None and seen != (session, token):
            self.forget()
            self._transaction.end_run(Verdict.OVERTAKEN)
        if begun:
            self.rows = rows if fresh else None
            self.state = OPEN if fresh else NONE
        elif fresh:
            self.rows, self.state, self._seen = rows, PEEKED, (session, token)
        return fresh

    def begin(self, session):
        """Note that the transaction has begun on `session`, whose token is still to arrive."""
        if self.state is NONE:
            return
        if session.rows is None or (self._seen is None and session.rows.pausing()):
            self.state, self.rows = NONE, None
            return
        session.snapshot = self
        if self.state is PEEKED and not self._transaction.TOKEN_COMES_ALONG:
            session.ask_token()

    def missed(self):
        """Note that the transaction is open and its token did not arrive: a query has failed.

        Then nothing proves a kept row fresh. Ends this run of the request where it has used some.
        The next run finds none.
        """
        seen = self._seen
        self.drop()
        if seen is not None:
            self._transaction.end_run(Verdict.OVERTAKEN)

    def forget(self):
        """Use no kept rows from now on. The token of those that were used is still compared."""
        self._usable = False
        self.rows = None
        if self._seen is None:
            self.state = NONE

    def drop(self):
        """Use no kept rows from now on, and drop those that were used."""
        seen, self._seen = self._seen, None
        if seen is not None:
            seen[0].rows.clear()
        self.forget()

    def kept_rows(self):
        """Return the kept rows of the transaction's snapshot, or None; begins the transaction."""
        if self.state is NOT_ASKED:
            self._transaction.ask_token()
        return self.rows

    def rows_with(self, id, cls):
        """Return the kept rows if the row `id` of `cls` may be among them, else None.

        Where no transaction has begun and the rows were fresh at the last look, none is begun.
        """
        if self.state is not NOT_ASKED:
            return self.rows
        transaction = self._transaction
        if transaction._session is not None or transaction.ended_by is not None:
            return self.kept_rows()
        session = transaction._dbConnection.reading_session()
        if session is None or not session.rows.has(id, cls):
            # The query that reads the row is the first, so it need not wait for a token.
            return None
        if not session.rows.steady:
            return None if transaction.TOKEN_COMES_ALONG else self.kept_rows()
        token = session.peek()
        return self.rows if token is not None and self.arrive(session, token, False) else None

    def peek_at_ids(self, session, query):
        """Return the JSON list of the ids that `query` finds under a token without a transaction.

        None where the token is not the kept rows': then the query needs a transaction.
        """
        token, ids = session.peek_at_ids(query, self._transaction.deadline)
        return ids if token is not None and self.arrive(session, token, False) else None

    def settle(self):
        """Begin the transaction where rows were used without one; then it cannot be OVERTAKEN."""
        if self.state is PEEKED:
            self._transaction.ask_token()


class SnapshotOnUse:
    """A transaction's Snapshot, created when it is first used: not all use the database."""

    def __get__(self, transaction, owner):
        if transaction is None:
            return self
        snapshot = transaction.snapshot = Snapshot(transaction)
        return snapshot
