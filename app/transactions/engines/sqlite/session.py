"""One thread's connection to a SQLite database."""

import logging
import math
import sqlite3
import time

from ..base import OutcomeUnknown, TokenSession, TransactionLost
from ..statements import guarded
from .queue import Place
from .statements import look_at
from .trouble import primary_code

log = logging.getLogger(__name__)

# A savepoint that only the request's own transaction has, once a handler has the connection.
_MARK = "begin_of_request"
# How many of SQLite's instructions pass between two looks at the time: a part of a second.
INSTRUCTIONS = 1_000_000
# A wait in the queue of less than this share of the timeout does not count.
_SHORT = 0.01


class Clock:
    """Tells SQLite when to give up a statement.

    It is an object beside the session, because SQLite holds it: the garbage collector never finds
    a cycle that leads through SQLite.
    """

    # The time, of time.monotonic(), at which statements are given up.
    deadline = math.inf
    # What interrupted a look at the time. The driver drops it and has the statement fail.
    interruption = None

    def looks(self):
        """Return the callable that tells SQLite at each look whether to give up its statement.

        The work is done in a generator: an interruption comes at the beginning of a function,
        before the function has entered its `try`.
        """
        looks = self._looks()
        next(looks)
        return looks.__next__

    def _looks(self):
        while True:
            try:
                yield self.interruption is not None or time.monotonic() > self.deadline
            except GeneratorExit:
                return
            except BaseException as error:
                self.interruption = error.with_traceback(None)


class SQLiteSession(TokenSession, sqlite3.Connection):
    """A driver's connection on which every BEGIN is explicit.

    sqlite3 with an `isolation_level` begins only before a write: reads would have no snapshot.
    """

    # Whether a commit begins another transaction: while SQLObject's stock Transaction holds it.
    begins_again = False
    # Whether that Transaction has executed anything except SELECT.
    changed = False
    # For what every request sends. To create a cursor takes a tenth of the time of a token.
    cursor_of_ours = None
    # How many seconds a lock is waited for, the queue for it, and the place there.
    patience = 5
    queue = place = None
    # Whether the file is its only database; None until somebody has looked.
    alone = None

    def __init__(self, *arguments, **options):
        self.clock = Clock()
        super().__init__(*arguments, **options)

    def open_transaction(self, writing, deadline=math.inf):
        if self.in_transaction:
            # Another thread dropped an answer, and could not roll back its transaction here.
            self.execute("ROLLBACK")
        self.clock.deadline = deadline
        # Set before it begins: an interruption must not leave a transaction that nobody looks for.
        self.writing = writing
        try:
            if writing:
                self.begin_immediate(self.cursor_of_ours.execute)
            else:
                self.cursor_of_ours.execute("BEGIN")
        except sqlite3.Error as error:
            self.let_go()
            if primary_code(error) == sqlite3.SQLITE_BUSY:
                error.args = (
                    f"{error}: others were writing for all of the seconds that `timeout` lets one "
                    "wait; make their transactions shorter, or the timeout longer",
                )
            raise

    def set_deadline(self, deadline):
        self.clock.deadline = deadline

    def take_interruption(self):
        interruption, self.clock.interruption = self.clock.interruption, None
        return interruption

    def begin_immediate(self, execute):
        """Have `execute` send BEGIN IMMEDIATE once its turn has come or the time is over.

        The caller calls `let_go` after the transaction's end.
        """
        wait = max(0, min(self.patience, self.clock.deadline - time.monotonic()))
        if self.queue is not None:
            self.place = Place()
            wait -= self.queue.wait(self.place, wait)
        if wait >= self.patience * (1 - _SHORT):
            execute("BEGIN IMMEDIATE")
            return
        self._have_sqlite_wait(wait)
        try:
            execute("BEGIN IMMEDIATE")
        finally:
            self._have_sqlite_wait(self.patience)

    def _have_sqlite_wait(self, seconds):
        self.cursor_of_ours.execute(f"PRAGMA busy_timeout={max(0, int(seconds * 1000))}")

    def let_go(self):
        self.clock.deadline, self.clock.interruption = math.inf, None
        if self.place is not None:
            self.queue.leave(self.place)
            self.place = None
        super().let_go()

    def is_open(self):
        return self.in_transaction

    def check_open(self):
        """Raise TransactionLost where the transaction that was begun has ended.

        Raises the interruption of an earlier statement, after which the handler went on.
        """
        if self.clock.interruption is not None:
            raise self.take_interruption()
        if not self.in_transaction:
            raise TransactionLost(
                "SQLite has rolled the transaction back by itself, as for an error ON CONFLICT "
                "ROLLBACK, RAISE(ROLLBACK) or a full disk: nothing of the request is there"
            )

    def ask_token(self):
        self.snapshot.arrive(self, self._token() if self._is_alone() else None)

    def peek(self):
        try:
            return None if self.in_transaction else self._token()
        except sqlite3.Error:
            return None

    def peek_at_ids(self, query, deadline):
        self.clock.deadline = deadline
        try:
            if self.in_transaction:
                return None, None
            return self.cursor_of_ours.execute(query).fetchone()[:2]
        except sqlite3.Error:
            if (interruption := self.take_interruption()) is not None:
                raise interruption from None
            return None, None
        finally:
            self.clock.deadline = math.inf

    def _token(self):
        """The snapshot token: it differs when any other connection has committed since this
        one's last look, and it takes the transaction's snapshot where no query has done so yet
        (https://www.sqlite.org/pragma.html#pragma_data_version)."""
        return self.cursor_of_ours.execute("PRAGMA data_version").fetchone()[0]

    def _is_alone(self):
        # The token is of one file. A later ATTACH is seen when its statement is looked at.
        if self.alone is None:
            names = self.execute("SELECT name FROM pragma_database_list").fetchall()
            self.alone = {name for (name,) in names} <= {"main", "temp"}
        return self.alone

    def hand_out(self, watcher):
        """As Session's; each statement of the handler is in the transaction, or refused.

        After SQLite has ended the transaction, the driver begins another by itself. That one lacks
        the mark, so it is not committed.
        """
        if not self.handed_out:
            self.execute(f"SAVEPOINT {_MARK}")
            self.set_authorizer(_authorize)
            self.isolation_level = "IMMEDIATE"
            self.cursor = self._guarded_cursor
        super().hand_out(watcher)

    def _guarded_cursor(self, factory=sqlite3.Cursor):
        # The authorizer refuses too, whatever the text, but then the driver's error gives no
        # reason.
        return sqlite3.Connection.cursor(self, guarded(factory, look_at))

    def _take_back(self):
        # Not the isolation level: before Python 3.12, setting it to None commits.
        vars(self).pop("cursor", None)
        self.set_authorizer(None)

    def commit_transaction(self):
        """COMMIT. Raises TransactionLost where SQLite has rolled back by itself, as it does on a
        full disk or an I/O error (https://www.sqlite.org/lang_transaction.html), OutcomeUnknown
        where the disk fails meanwhile, or the driver's error. After that nothing is committed, and
        the caller rolls back.
        """
        self.check_open()
        # SQLite looks at the time once more after its last instruction, when it has committed.
        self.clock.deadline = math.inf
        if self.handed_out:
            self._take_back()
            try:
                self.execute(f"RELEASE {_MARK}")
            except sqlite3.OperationalError as error:
                raise TransactionLost(
                    "SQLite has rolled the transaction back by itself; what was written after "
                    "that is rolled back too"
                ) from error
        try:
            self.cursor_of_ours.execute("COMMIT")
        except sqlite3.Error as error:
            if (interruption := self.take_interruption()) is not None:
                raise interruption from error
            if primary_code(error) == sqlite3.SQLITE_IOERR:
                # It may be in the log: perhaps only the sync to the disk failed.
                raise OutcomeUnknown(f"COMMIT failed: {error}") from error
            raise
        self.ended()

    def roll_back_transaction(self):
        failed = False
        self.clock.deadline = math.inf
        try:
            if self.handed_out:
                self._take_back()
            if self.in_transaction:
                self.execute("ROLLBACK")
        except sqlite3.Error:
            failed = True
            log.warning("ROLLBACK failed, the connection is thrown away", exc_info=True)
        self.spoiled = self.spoiled or failed
        self.ended()

    def commit(self):
        super().commit()
        self.changed = False
        if self.begins_again:
            self.execute("BEGIN")

    def rollback(self):
        super().rollback()
        self.changed = False


def _authorize(action, first, second, database, trigger):
    """Deny to the handler's own statements what ends the transaction or lifts a refusal."""
    if action == sqlite3.SQLITE_TRANSACTION:
        return sqlite3.SQLITE_DENY if first in ("COMMIT", "ROLLBACK") else sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_PRAGMA and (first or "").lower() == "query_only" and second:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK
