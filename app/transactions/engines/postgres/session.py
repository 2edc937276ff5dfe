"""One thread's connection to a PostgreSQL server, through psycopg 3 or psycopg2."""

import abc
import logging
import math
import time

from ..base import TokenSession, TransactionLost, Verdict
from ..server import ServerSession
from ..statements import guarded
from .alone import ENTER, INSIDE, MAY_LOCK, go_alone, warn_of_missing_right
from .errors import verdict_of
from .limits import Limits
from .outcome import ID, look_after_loss, run_of_server
from .state import StaleConnection, State
from .statements import look_at
from .token import PREPARE, PREPARED, TOKEN

log = logging.getLogger(__name__)

# libpq's number of a failed transaction: it only takes its end, or that of a savepoint.
_FAILED = 3


class PostgresSession(ServerSession, TokenSession):
    """The base of the sessions; a subclass is also the driver's class of connections.

    The driver's connection is in autocommit, so each BEGIN and COMMIT is sent here.
    """

    # Whether several answers to one message can be read, and COMMIT be sent without a wait.
    SEVERAL_ANSWERS = False
    # The driver's class of all errors, and its classes that tell of a lost connection.
    ERROR: type[Exception] = Exception
    LOST: tuple[type[Exception], ...] = ()

    state = State.IDLE
    # What begins a transaction of each kind, and the Limits; given by the engine.
    openings = limits = None
    check_after = 0.0
    # What begins the present transaction, until it is sent.
    opening = ""
    # Whether the server's session is this connection's own, and holds the limits and the token's
    # prepared query. Behind a pooler it is not.
    own = False
    # Whether its user may take the lock by which a transaction goes alone.
    may_lock = False
    # With these outcome.py asks for the open transaction. The engine gives the last.
    run_of_server = transaction_id = connect_again = None

    @abc.abstractmethod
    def send(self, query):
        """Send `query` and return (tag of its last command, the first row of its answer).

        The row of a command without an answer is empty. Raises the driver's error.
        """

    def cursor_class(self):
        """Return the driver's class of cursors that the session makes."""
        return self.cursor_factory

    @abc.abstractmethod
    def status(self):
        """Return the driver's number for the server's transaction: 0 where there is none."""

    @classmethod
    def verdict(cls, error):
        """Return the Verdict on `error`, the driver's or SQLObject's for it."""
        return verdict_of(error, cls.ERROR, cls.LOST)

    def prepare_session(self):
        """Set the limits for the whole session, where that can be done; raises the driver's error.

        A pooler such as PgBouncer may give each transaction another session, and share a session
        between clients. Then its process id is not the one that this connection was told.
        """
        self.autocommit = True
        _, (process, may_lock) = self.send(f"SELECT pg_backend_pid(), {MAY_LOCK}::int")
        self.own = int(process) == self.info.backend_pid
        self.run_of_server = run_of_server(self) if self.own else None
        self.may_lock = bool(int(may_lock))
        if not self.may_lock:
            warn_of_missing_right(self.info.user)
        if self.own:
            self.send(self.limits.of_session)
            if self.rows is not None:
                self.send(PREPARE)

    def is_standby(self):
        """Whether the server is a standby, as it has told the driver; from PostgreSQL 14 on."""
        return self.info.parameter_status("in_hot_standby") == "on"

    def check(self):
        self._settle()
        self.send("SELECT 1")

    def is_lost(self):
        return bool(self.closed)

    def is_open(self):
        return self.state is State.BEGIN_NOT_SENT or bool(not self.closed and self.status())

    def check_open(self):
        """Raise TransactionLost where the transaction that was begun has ended."""
        if self.state is State.OPEN and not self.closed and not self.status():
            raise TransactionLost(
                "a statement on the driver's connection has ended the transaction: what was "
                "written before a COMMIT is there"
            )

    def open_transaction(self, writing, deadline=math.inf, alone=0, may_idle=False):
        """Have the transaction begin with the first query."""
        self._settle()
        if self.closed:
            raise self.OperationalError("the connection was lost while it was idle")
        if self.status():
            # Left by an answer that another thread dropped.
            self.state = State.OPEN
            self.roll_back_transaction()
        limits = self._limited("")
        other = self.limits_until(deadline, may_idle)
        if other is not None:
            limits += Limits.of_deadline(*other)
        self.opening = self.openings[writing] + limits
        self.state, self.writing, self.transaction_id = State.BEGIN_NOT_SENT, writing, None
        if not (writing and self.may_lock):
            return
        if alone:
            self.state = State.OPEN
            go_alone(self, alone)
        else:
            self.opening += ENTER + limits + INSIDE

    def send_limits(self, statement, idle):
        limits = Limits.of_deadline(statement, idle)
        if self.state is State.BEGIN_NOT_SENT:
            self.opening += limits
        elif self.status() != _FAILED:
            self.send(limits)

    def _limited(self, opening):
        return opening if self.own else opening + self.limits.of_transaction

    def _settle(self):
        """Receive the answer to a COMMIT that was not waited for."""
        if self.state is State.COMMIT_NOT_ANSWERED:
            self.state = State.IDLE
            self.receive()

    def receive(self):
        """Receive the answer to what was sent without waiting for it."""

    def execute_first(self, cursor, query, execute):
        """Send the first query with what begins the transaction and, where wanted, the token.

        `execute(message)` has `cursor` execute it and raises SQLObject's errors.
        """
        with_token = self.snapshot is not None
        together = self.SEVERAL_ANSWERS or not with_token
        if self.writing and self.SEVERAL_ANSWERS and self.run_of_server:
            self.opening = self.opening.removesuffix(ID) + ID
        self.state = State.OPEN
        try:
            execute(self.opening + (TOKEN if with_token else "") + (query if together else ""))
        except Exception as error:
            self._not_opened(error)
            raise
        if self.opening.endswith(ID):
            cursor.set_result(self.opening.count(";") - 1)
            self.transaction_id = cursor.fetchone()[0]
        if with_token:
            if together:
                # Behind the answers to the opening.
                cursor.set_result(self.opening.count(";"))
            self.snapshot.arrive(self, cursor.fetchone()[0])
        if query and not together:
            execute(query)
        elif query and self.SEVERAL_ANSWERS:
            self._show_answer(cursor, self.opening.count(";") + with_token, query, execute)

    @staticmethod
    def _show_answer(cursor, number, query, execute):
        """Have `cursor` show the answer to `query`, its first one, as after each later query."""
        try:
            cursor.set_result(number)
        except IndexError:
            # A comment alone has no answer, and must not show the token's.
            execute(query)

    def _not_opened(self, error):
        if self.verdict(error) is Verdict.GONE:
            if self.reused:
                raise StaleConnection(str(error)) from error
        elif not self.status():
            # After a syntax error the server refuses the whole message, BEGIN included.
            self.state = State.BEGIN_NOT_SENT
        elif self.snapshot is not None:
            self.snapshot.missed()

    def ask_token(self):
        if self.state is State.BEGIN_NOT_SENT:
            with self.cursor() as cursor:
                self.execute_first(cursor, "", cursor.execute)

    def peek(self):
        row = self._look(PREPARED if self.own else TOKEN)
        return row and row[0]

    def peek_at_ids(self, query, deadline):
        if deadline - time.monotonic() < self.statement_timeout:
            return None, None
        read_only = self._limited("SET LOCAL transaction_read_only=on;")
        return (self._look(read_only + query) or (None, None))[:2]

    def _look(self, message):
        """Send a message that is a transaction of its own; return the first row of its answer.

        None where it fails or the connection should be checked first: a transaction does that.
        """
        if time.monotonic() - self.used > self.check_after:
            return None
        try:
            self._settle()
            if self.status():
                return None
            _, row = self.send(message)
        except self.Error:
            return None
        self.used = time.monotonic()
        return row

    def hand_out(self, watcher):
        """As Session's; the transaction has begun, and no statement of the handler's ends it."""
        if not self.handed_out:
            self.ask_token()
            self.guard_cursors()
        super().hand_out(watcher)

    def guard_cursors(self):
        """Have the statements of the handler's cursors looked at before they are executed."""
        self.cursor_factory = guarded(self.cursor_class(), look_at)

    def forget_snapshot(self):
        """Use no kept rows in this transaction, because it sees another snapshot than theirs."""
        if self.snapshot is not None:
            self.snapshot.forget()

    def commit_transaction(self):
        """COMMIT. A reading request does not wait for the answer, because nothing depends on it.

        Raises TransactionLost where the server answers ROLLBACK, as it does without an error
        for a transaction in which a query has failed, and where a query has ended it; or
        OutcomeUnknown; or the driver's error.
        """
        if self.state is State.BEGIN_NOT_SENT:
            self.state = State.IDLE
        elif self.writing or not self.SEVERAL_ANSWERS:
            self._commit_and_wait()
        else:
            self._commit_and_go()
        self.ended()

    def _commit_and_wait(self):
        self.check_open()
        try:
            tag, _ = self.send("COMMIT")
        except self.Error as error:
            if self.verdict(error) is not Verdict.GONE:
                raise
            # What was read is still right.
            if self.writing:
                look_after_loss(self, error)
            self.spoiled = True
            return
        self.state = State.IDLE
        # A reading request that has caught an error has written nothing that could be missing.
        if tag != "COMMIT" and self.writing:
            raise TransactionLost(f"PostgreSQL answered {tag} to COMMIT: nothing is committed")

    def _commit_and_go(self):
        """Send COMMIT without waiting; only where SEVERAL_ANSWERS."""
        raise NotImplementedError

    def roll_back_transaction(self):
        if self.closed:
            self.spoiled = True
        elif self.state is not State.BEGIN_NOT_SENT and self.status():
            try:
                self.send("ROLLBACK")
            except self.Error:
                log.warning("ROLLBACK failed, the connection is thrown away", exc_info=True)
                self.spoiled = True
        self.state = State.IDLE
        self.ended()

    def ended(self):
        self.used = time.monotonic()
        super().ended()
