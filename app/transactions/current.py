"""The transaction of the calling thread: how it is set, and how it is found."""

import math
from threading import get_ident

from sqlobject import sqlhub

from .request import RequestTransaction

# SQLObject stores each thread's connection here. `sqlhub` has a property for it.
THREAD = sqlhub.threadingLocal


class NoTransaction:
    """The thread's connection in a handler marked @no_transaction: each use of it fails."""

    # Whether work that the handler has asked for meanwhile is committed, or may be.
    changed = False

    def __init__(self, transaction, deadline=math.inf):
        """`transaction`: the request's; `deadline`: when that is given up, by time.monotonic()."""
        self._dbConnection = transaction._dbConnection
        self.deadline, self.may_idle = deadline, transaction.may_idle

    def __getattr__(self, name):
        raise RuntimeError(
            "the handler is marked @no_transaction, so it holds no transaction: put what uses "
            "the database into a function and call in_transaction(function)"
        )


def note_change(around, transaction):
    """Note whether `transaction`, which has ended, may have changed something.

    `transaction` may be None; `around`: the connection that the thread had before it.
    """
    if isinstance(around, NoTransaction) and transaction and transaction.may_have_changed():
        around.changed = True


def connection_of_thread():
    """Return the connection that SQLObject has for the calling thread, or None."""
    return THREAD.__dict__.get("connection")


def leave(transaction):
    """Have the calling thread forget `transaction`, if it is its connection."""
    if THREAD.__dict__.get("connection") is transaction:
        del THREAD.connection


def leave_nothing(engine):
    """Have the calling thread forget its transaction, even one whose end was interrupted.

    mod_wsgi and a signal interrupt at any instruction. The next request would take a transaction
    that is left for its outer one, and never commit.
    """
    left = THREAD.__dict__.pop("connection", None)
    if isinstance(left, RequestTransaction):
        left.finished, left.owner = True, None
    engine.roll_back_left()


class connection_set_to:
    """Have SQLObject use `connection` in the calling thread during the block.

    It is no generator. A generator that is interrupted before the block ends when it is dropped,
    and would then change the connection of a later request.
    """

    def __init__(self, connection):
        self._connection = connection

    def __enter__(self):
        self._before = THREAD.__dict__.get("connection")
        THREAD.connection = self._connection

    def __exit__(self, *error):
        before = self._before
        if before is None or (isinstance(before, RequestTransaction) and before.finished):
            THREAD.__dict__.pop("connection", None)
        else:
            THREAD.connection = before


def current():
    """Return the RequestTransaction in which the caller is, or None."""
    transaction = THREAD.__dict__.get("connection")
    if isinstance(transaction, RequestTransaction) and transaction.running:
        return transaction if transaction.owner == get_ident() else None
    return None


def required(caller):
    """Return the RequestTransaction in which the caller is; raises RuntimeError if in none."""
    transaction = current()
    if transaction is None:
        raise RuntimeError(f"{caller} was called outside a request's transaction")
    return transaction


class resting:
    """Hold no transaction during the block, in which models raise RuntimeError."""

    def __init__(self, transaction):
        self._pause = transaction.pause()
        self._transaction = transaction
        self._held = NoTransaction(transaction, transaction.deadline)
        self._set = connection_set_to(self._held)

    def __enter__(self):
        self._pause.__enter__()
        self._set.__enter__()

    def __exit__(self, *error):
        self._set.__exit__(*error)
        if self._held.changed:
            self._transaction.changed = True
        return self._pause.__exit__(*error)
