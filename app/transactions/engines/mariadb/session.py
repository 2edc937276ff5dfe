"""One thread's connection to a MariaDB server."""

import logging
import math
import time

import MySQLdb
from MySQLdb.connections import Connection

from ..base import OutcomeUnknown, Session, TransactionLost
from ..server import ServerSession
from ..statements import guarded
from .errors import INTERRUPTIONS, LOSSES, NO_SUCH_SAVEPOINT, code_of
from .statements import look_at

log = logging.getLogger(__name__)

# Only the request's own transaction has this savepoint. A later one has not, whether a statement
# began it after the engine or an implicit commit had ended the request's, or the handler did.
_MARK = "begin_of_request"
_COMMIT_WRITING = f"RELEASE SAVEPOINT {_MARK}; COMMIT"
_STARTS = {
    True: f"START TRANSACTION; SAVEPOINT {_MARK}",
    False: "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
}


def _compound(statements):
    # A connection that takes several statements in one text would also execute what an injection
    # puts behind a semicolon.
    return f"BEGIN NOT ATOMIC {statements}; END" if ";" in statements else statements


def _set_limits(statement, idle):
    # DEFAULT is the server's value. MariaDB takes whole seconds only.
    idle = "DEFAULT" if idle == math.inf else math.ceil(idle)
    return f"SET SESSION max_statement_time={statement}, idle_transaction_timeout={idle}"


class MariaDBSession(ServerSession, Session, Connection):
    """A connection of mysqlclient's."""

    # What SET TRANSACTION says for each kind of request; given by the engine.
    modes = None
    # The Turnstile of writing transactions, given by the engine; whether this one has shut it.
    turnstile = None
    alone = False
    # The kind of request for which the session is set.
    mode = None
    lost = False
    # Whether the answer to a COMMIT is still to be received.
    unanswered = False
    # The limits that the server was told: seconds for a statement, and for an idle transaction.
    limited_to = None

    def check(self):
        """Ask the server for a sign of life; raises MySQLdb.Error."""
        self._settle()
        self.ping()

    def is_lost(self):
        return self.lost or not self.open

    def is_open(self):
        return not self.lost

    def hand_out(self, watcher):
        if not self.handed_out:
            self.cursor = self._guarded_cursor
        super().hand_out(watcher)

    def _guarded_cursor(self, cursorclass=None):
        return Connection.cursor(self, guarded(cursorclass or self.cursorclass, look_at))

    def autocommit(self, on):
        # Turning it on commits.
        self.refuse_in_transaction()
        super().autocommit(on)

    def begin(self):
        self.refuse_in_transaction()
        super().begin()

    def open_transaction(self, writing, deadline=math.inf, alone=0, may_idle=False):
        self._settle()
        if self.writing is not None:
            # Another thread dropped an answer, and could not roll back its transaction here.
            self._end("ROLLBACK")
            self.writing = None
        start = _STARTS[writing]
        usual = self.statement_timeout, self.idle_timeout
        limits = self.limits_until(deadline, may_idle) or usual
        if writing:
            start = self.turnstile.before(alone, limits[0]) + start
            self.alone = bool(alone)
        if limits != self.limited_to:
            start = f"{_set_limits(*limits)}; {start}"
        if self.mode is not writing:
            mode = self.modes[writing]
            start = f"SET SESSION autocommit=0; SET SESSION TRANSACTION {mode}; {start}"
        # Set before it begins: an interruption must not leave a transaction that nobody looks for.
        self.writing, self.mode, self.limited_to = writing, None, None
        self.query(_compound(start))
        self.mode, self.limited_to = writing, limits

    def send_limits(self, statement, idle):
        self.limited_to = None
        self.query(_set_limits(statement, idle))

    def _settle(self):
        """Receive the answer to a COMMIT that was not waited for."""
        if self.unanswered:
            self.unanswered = False
            self.read_query_result()

    def commit_transaction(self):
        """COMMIT. A reading request does not wait for the answer, because nothing depends on it.

        Raises TransactionLost where the engine or an implicit commit has ended the transaction
        before, OutcomeUnknown where the connection broke meanwhile, or the driver's error. After
        an error nothing more is committed, and the caller rolls back.
        """
        try:
            if self.writing:
                self._end(_COMMIT_WRITING)
            else:
                self.send_query("COMMIT")
                self.unanswered = True
        except MySQLdb.Error as error:
            self._commit_failed(error)
        self.ended()

    def _commit_failed(self, error):
        code = code_of(error)
        if not self.writing:
            # What was read still belongs to one snapshot.
            self.lost = True
        elif code == NO_SUCH_SAVEPOINT:
            raise TransactionLost(
                "the transaction had ended before its COMMIT: MariaDB has rolled it back, as for "
                "a deadlock, or a statement on the driver's connection has committed it, as "
                "CREATE TABLE and COMMIT do; then what was written before that may be there"
            ) from error
        elif code in LOSSES | INTERRUPTIONS:
            self.lost = code in LOSSES
            raise OutcomeUnknown(f"COMMIT was not answered: {error}") from error
        else:
            raise error

    def roll_back_transaction(self):
        try:
            if not self.lost:
                self._end("ROLLBACK")
        except MySQLdb.Error:
            self.lost = True
            log.warning("ROLLBACK failed, the connection is thrown away", exc_info=True)
        self.ended()

    def _end(self, statements):
        if self.alone:
            # The statements set the usual limit of idleness.
            self.limited_to = None
            statements += f"; {self.turnstile.opened}"
        self.query(_compound(statements))

    def ended(self):
        self.alone = False
        self.used = time.monotonic()
        self.spoiled = self.spoiled or self.lost
        super().ended()
