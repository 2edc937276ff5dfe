"""What an engine must give: a class for its connections, and a class for a thread's session.

An *engine* is SQLObject's connection class for one kind of database. An instance of it stands for
one URI. A *session* is one thread's connection to the database with all of its state.
"""

import abc
import enum
import logging
import math

log = logging.getLogger(__name__)


class Verdict(enum.Enum):
    """What a database error means for the request in which it came up."""

    REFUSED = "the engine refused a write in a read-only transaction"
    CONFLICT = "a conflict with another transaction"
    IN_THE_WAY = "another transaction was in the way of this statement"
    STALE = "the connection of an earlier request was dead before anything was done on it"
    OVERTAKEN = "somebody committed after kept rows were used and before the first query"
    OTHER_KIND = "the handler wants the other kind of transaction, and something was read already"
    GONE = "the database is away, nothing was committed"
    UNKNOWN = "the connection broke during COMMIT, which may have succeeded"
    FULL = "the database has no room left, nothing was committed"
    LATE = "the request has taken longer than it may, nothing was committed"
    FAILED = "a database error"


class TransactionLost(Exception):
    """The transaction was ended before its commit, so it cannot be acknowledged.

    The message says by whom, and what became of what it had written.
    """


class OutcomeUnknown(Exception):
    """The connection broke during COMMIT: either all that was written is there or nothing."""


class Session(abc.ABC):
    """One thread's connection to the database; a subclass is also one of the driver's class.

    The attributes are all of its state beside the driver's. A subclass may add to them.
    """

    # The ThreadSessions that it belongs to, as a weak reference.
    home = None
    # Whether the open transaction is a writing one; None while none is open.
    writing = None
    # Its RowCache, where the engine has a snapshot token and the session keeps rows.
    rows = None
    # The Snapshot that waits for the token of the open transaction.
    snapshot = None
    # Whether a request may have changed its state. It then ends with the request, because the next
    # one may be another user's.
    spoiled = False
    # Whether the handler has the driver's connection itself, and the transaction that watches its
    # statements there.
    handed_out = False
    watcher = None
    # Seconds. When less is left until the deadline, the caller calls `limit_statements` before the
    # next statement.
    enough = 0.0

    @abc.abstractmethod
    def open_transaction(self, writing, deadline=math.inf):
        """Begin a transaction: read-only, or strictly serializable if `writing`.

        `deadline`: the time, of time.monotonic(), at which its statements are given up.
        Raises the driver's error.
        """

    def limit_statements(self, left):  # noqa: B027
        """Have the engine give up each later statement about `left` seconds after it is sent.

        Raises the driver's error. An engine that looks at the deadline itself does nothing here.
        """

    def set_deadline(self, deadline):  # noqa: B027
        """Have the engine give up the open transaction's statements at another `deadline`.

        An engine with `limit_statements` does nothing here.
        """

    def take_interruption(self):
        """Return, once, the interruption of a statement that the driver has turned into an error.

        None where there was none.
        """
        return None

    @abc.abstractmethod
    def is_open(self):
        """Whether the transaction that was begun is still there, as far as the driver knows."""

    @abc.abstractmethod
    def commit_transaction(self):
        """Commit.

        Raises TransactionLost where the transaction had ended before, OutcomeUnknown where the
        connection broke before COMMIT was answered and nobody knows, or the driver's error. After
        an error the caller rolls back.
        """

    @abc.abstractmethod
    def roll_back_transaction(self):
        """Roll back. It never raises: a session on which it fails is discarded."""

    def hand_out(self, watcher):
        """Make it ready for a handler that uses the driver's connection itself.

        `watcher.before(session)` is called before each statement, and `watcher.failed(error)` for
        each error of one; both may raise an error.
        """
        self.handed_out, self.watcher = True, watcher
        self.spoil()

    def spoil(self):
        """Have it end with the request, and keep no rows from now on."""
        self.spoiled = True
        self.forget_rows()

    def forget_rows(self):
        """Drop the kept rows, and keep none until the next request."""
        if self.rows is not None:
            self.rows.clear()
        if self.snapshot is not None:
            self.snapshot.forget()

    def ended(self):
        """Note that no transaction is open any more; a spoiled session is discarded."""
        self.let_go()
        if self.spoiled:
            self.discard()

    def let_go(self):
        """Forget the transaction. Each end of one comes here, whatever ended it."""
        self.writing = self.snapshot = self.watcher = None

    def discard(self):
        """Close it. The next request of its thread opens another."""
        home = self.home and self.home()
        if home is not None:
            home.forget(self)
        self.close_quietly()

    def close_quietly(self):
        """Close it; a failure is logged, because nothing depends on it."""
        self.writing = None
        try:
            self.close()
        except Exception:
            log.debug("a connection could not be closed", exc_info=True)
        finally:
            self.let_go()

    def refuse_in_transaction(self):
        """Raise RuntimeError where the transaction of a request is open."""
        if self.writing is not None:
            raise RuntimeError(
                "the driver's connection has the request's transaction, which is committed when "
                "the request ends: leave out commit(), rollback(), close() and `with`, and call "
                "doom() to have it rolled back"
            )

    def commit(self):
        self.refuse_in_transaction()
        super().commit()

    def rollback(self):
        self.refuse_in_transaction()
        super().rollback()

    def close(self):
        if self.handed_out:
            self.refuse_in_transaction()
        super().close()

    def __enter__(self):
        self.refuse_in_transaction()
        return super().__enter__()


class TokenSession(Session):
    """A session of an engine that has a snapshot token."""

    @abc.abstractmethod
    def ask_token(self):
        """Have the open transaction's token arrive at `snapshot`, unless it has arrived already.

        Raises the driver's error or SQLObject's for it.
        """

    @abc.abstractmethod
    def peek(self):
        """Return the token that a transaction would have if it began now, and begin none.

        None where that is unknown: then the caller begins the transaction.
        """

    @abc.abstractmethod
    def peek_at_ids(self, query, deadline):
        """Send `query` without a transaction; return the token and the JSON list of its answer.

        It is given up at the `deadline`. Returns (None, None) where the query needs a transaction.
        """


class Dialect(abc.ABC):
    """What tables.py must know of an engine's tables."""

    # Error codes: another process has added the column or the index meanwhile; the user of the
    # database may not create a temporary table.
    ADDED_BY_ANOTHER: frozenset = frozenset()
    MAY_NOT_CREATE: frozenset = frozenset()
    # What every CREATE TABLE ends with.
    TABLE_OPTIONS = ""

    @abc.abstractmethod
    def table_columns(self, table):
        """Return (name, type, whether NOT NULL, whether it has a default) of each column."""

    @abc.abstractmethod
    def table_indexes(self, table):
        """Return the names of the table's indexes."""

    def dangling_rows(self):
        """Return (table, row id, table) of each row that refers to a missing row of another table.

        There are none where foreign keys are enforced from the start. Raises dberrors.Error.
        """
        return []

    def index_name(self, table, name):
        """Return the name in the database of the index that the model calls `name`."""
        return f"{table}_{name}"


class Statements(abc.ABC):
    """What an engine must know of a statement's text before it executes it."""

    @abc.abstractmethod
    def look_at(self, session, query):
        """Notice what `query` does to the session; refuse what would end the transaction.

        Called for every statement of a request. Raises dberrors.NotSupportedError.
        """
