"""The transaction of the calling thread: found by those who speak to it, set by who runs it."""

from contextlib import contextmanager
from threading import get_ident

from sqlobject import sqlhub

from .request import RequestTransaction

# Where SQLObject keeps the connection of each thread; `sqlhub` finds it by way of a property.
THREAD = sqlhub.threadingLocal


class NoTransaction:
    """The thread's connection in a handler marked @no_transaction: whoever uses it is told so."""

    def __init__(self, engine):
        self.__dict__["_dbConnection"] = engine

    def __getattr__(self, name):
        raise RuntimeError(
            "the handler is marked @no_transaction, so it holds no transaction: put what uses "
            "the database into a function and call in_transaction(function)"
        )


def connection_of_thread():
    """Return the connection that SQLObject has for the calling thread, or None."""
    return THREAD.__dict__.get("connection")


def leave(transaction):
    """Have the calling thread forget `transaction`, if it is its connection."""
    if THREAD.__dict__.get("connection") is transaction:
        del THREAD.connection


@contextmanager
def connection_set_to(connection):
    """Have SQLObject use `connection` in the calling thread during the block."""
    before = THREAD.__dict__.get("connection")
    THREAD.connection = connection
    try:
        yield
    finally:
        if before is not None:
            THREAD.connection = before
        else:
            THREAD.__dict__.pop("connection", None)


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


@contextmanager
def resting(transaction):
    """Hold no transaction during the block, in which models raise RuntimeError."""
    with transaction.pause(), connection_set_to(NoTransaction(transaction._dbConnection)):
        yield
