"""Transactions outside of requests: for scripts, cron jobs, threads and what on_commit calls."""

import math
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar, overload

from sqlobject import sqlhub
from sqlobject.dbconnection import Transaction

from . import after, retry
from .current import (
    NoTransaction,
    connection_of_thread,
    connection_set_to,
    leave_nothing,
    note_change,
)
from .engines.threads import Engine
from .outcomes import commits, status_of
from .request import RequestTransaction
from .streaming import is_streamed

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

# The connections of the processors of this process; a set, because two may share one.
_engines: set[Engine] = set()


def serves(engine):
    """Note that a processor serves requests on `engine`.

    Where it is the only one, SQLObject uses it in threads that have no transaction.
    """
    _engines.add(engine)
    given = _process_connection()
    if len(_engines) == 1 and given is None:
        sqlhub.processConnection = engine
    elif len(_engines) == 2 and given in _engines - {engine}:
        # Nobody knows which of the two a thread means.
        del sqlhub.processConnection


@overload
def in_transaction(
    function: Callable[[], Result],
    writing: bool = True,
    *,
    attempts: int = 10,
    seconds: float = 10,
    timeout: float | None = None,
    connection: Engine | None = None,
) -> Result: ...


@overload
def in_transaction(
    function: None = None,
    writing: bool = True,
    *,
    attempts: int = 10,
    seconds: float = 10,
    timeout: float | None = None,
    connection: Engine | None = None,
) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]: ...


def in_transaction(
    function=None, writing=True, *, attempts=10, seconds=10, timeout=None, connection=None
):
    """Call `function()` in its own transaction, commit, and return what it returned.

    `writing`: strictly serializable if true, else a read-only snapshot. A call that conflicts is
    rolled back and repeated, at most `attempts` times and not after `seconds`. So `function` may
    be called more than once: give side effects to `on_commit`. After `timeout` seconds, and at the
    deadline of the request in which it is called, it is rolled back and given up, even in the
    middle of a statement, but not once COMMIT was sent. An error that it raises rolls back, except
    a web.HTTPError below 500, which commits as in a request.
    Without `function` it returns a decorator: `@in_transaction(writing=False)`.
    `connection`: of `connection_for`; by default that of the thread or process, or of the only
    processor.

    Raises RuntimeError inside a transaction and where there is no connection; GivenUp where the
    work cannot be done; SwallowedError where `function` caught a database error outside of
    `savepoint()`; TypeError for a generator; and what `function` raises.
    """
    if function is None:
        options = {"attempts": attempts, "seconds": seconds, "timeout": timeout}
        return _decorator(writing, {**options, "connection": connection})
    engine = _engine(connection)
    begin = _beginner(engine, math.inf if timeout is None else timeout)
    limits = retry.Limits(attempts, seconds)
    around = connection_of_thread()
    try:
        return retry.run(begin, lambda one: _attempt(one, function, around), writing, limits)
    except BaseException:
        if around is None:
            leave_nothing(engine)
        raise


def _beginner(engine, timeout):
    """Return the function that begins the transaction of each run. All runs have one deadline."""
    made = RequestTransaction.for_engine(type(engine))
    started = time.monotonic()
    around = connection_of_thread()
    deadline = min(started + timeout, getattr(around, "deadline", math.inf))
    may_idle = getattr(around, "may_idle", True)

    def begin(writing):
        transaction = made(engine, writing)
        transaction.started, transaction.deadline = started, deadline
        transaction.may_idle = may_idle
        return transaction

    return begin


def _decorator(writing, options):
    def decorate(decorated):
        @wraps(decorated)
        def called(*arguments, **named):
            return in_transaction(lambda: decorated(*arguments, **named), writing, **options)

        return called

    return decorate


def _attempt(transaction, function, around):
    """Call `function` in `transaction` and end it; RunEnded where that came to nothing.

    `around`: the thread's connection before.
    """
    try:
        with connection_set_to(transaction):
            try:
                result = function()
                if is_streamed(result):
                    raise TypeError(
                        "in_transaction() was given a generator, whose work would come after the "
                        "transaction: return a list"
                    )
            except BaseException as error:
                after.end_alone(transaction, error, _may_commit)
                raise
            after.end_alone(transaction, None)
        return result
    finally:
        note_change(around, transaction)


def _may_commit(transaction, error):
    """Whether `error` commits, as in a request: a redirect does."""
    if not commits(error):
        return False
    if transaction.failure is not None and transaction.writing and status_of(error) >= 400:
        return False
    return after.unless_swallowed(transaction, error)


def _engine(connection):
    thread = connection_of_thread()
    if isinstance(thread, RequestTransaction) and not (thread.implicit and not thread.has_begun()):
        raise RuntimeError(
            "in_transaction() was called inside a transaction: call the function itself, it "
            "belongs to this transaction; use savepoint() for a part that can be undone, and "
            "on_commit() for what comes after it"
        )
    if isinstance(thread, (RequestTransaction, NoTransaction)):
        thread = thread._dbConnection
    only = next(iter(_engines)) if len(_engines) == 1 else None
    for candidate in (connection, thread, _process_connection(), only):
        if isinstance(candidate, Engine) and not isinstance(candidate, Transaction):
            return candidate
    raise RuntimeError(
        "in_transaction() finds no connection: call load_sqlo() first, or give it one with "
        "connection=connection_for(uri)"
    )


def _process_connection():
    return vars(sqlhub).get("processConnection")
