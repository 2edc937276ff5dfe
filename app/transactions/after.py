"""How a transaction ends, and the functions that are called after it."""

import logging
from functools import partial

from pydispatch import dispatcher
from sqlobject import events
from sqlobject.main import sqlmeta

from .current import (
    NoTransaction,
    connection_of_thread,
    connection_set_to,
    leave,
    leave_nothing,
)
from .engines.base import Verdict
from .errors import SwallowedError
from .request import RequestTransaction

log = logging.getLogger(__name__)

# A listener to SQLObject's signals names one of these as their sender. pydispatch has the ids.
_META, _ANY = id(sqlmeta), id(dispatcher.Any)
_heard = dispatcher.connections


def unless_swallowed(transaction, error):
    """Return True, for a commit; raises SwallowedError as `refuse_swallowed` does."""
    refuse_swallowed(transaction)
    return True


def never(transaction, error):
    """Return False, for a rollback."""
    return False


def end(transaction, error, may_commit=unless_swallowed):
    """Commit or roll back, then call what waits for that; return whether it is committed.

    `error`: what the work raised, or None. `may_commit(transaction, error)` has the last word
    before a commit.
    Raises RunEnded where this run came to nothing, SwallowedError, and the engine's error where it
    cannot commit. Then nothing is committed.
    """
    commit = False
    instances = transaction.instances
    try:
        try:
            if error is not None:
                transaction.judge_uncaught(error)
            if not transaction.ended_by and not transaction.doomed:
                commit = may_commit(transaction, error)
        finally:
            transaction.finish(commit)
    except BaseException as reason:
        if commit and not isinstance(reason, Exception):
            # It was interrupted, before or after its COMMIT.
            transaction.ended_by = Verdict.UNKNOWN
        commit = False
        raise
    finally:
        leave(transaction)
        waiting = transaction.after_commit if commit else transaction.after_rollback
        if instances is not None and (_META in _heard or _ANY in _heard):
            waiting = (*_signals(commit, instances), *waiting)
        if transaction.ended_by:
            transaction.after_rollback = waiting
        elif waiting:
            call(transaction, waiting, "on_commit" if commit else "on_rollback")
    if transaction.ended_by:
        raise transaction.RunEnded(transaction.ended_by.value)
    return commit


def _signals(committed, instances):
    """Return a list of functions that send SQLObject's signal of `instances`, an IdentityMap.

    It is empty where nobody listens. SQLObject's own transaction sends the signal before it ends.
    """
    signal = events.CommitSignal if committed else events.RollbackSignal
    for sender in (_META, _ANY):
        listeners = _heard.get(sender, {})
        if listeners.get(signal) or listeners.get(dispatcher.Any):
            ids = instances.ids_by_class()
            return [partial(events.send, signal, sqlmeta, ids)] if ids else []
    return []


def settle(transaction, committed, stands):
    """Finish what waits for the end of `transaction`: do it if the answer `stands`, or undo it."""
    waiting, transaction.at_end = transaction.at_end, ()
    with connection_set_to(NoTransaction(transaction)):
        for one in waiting:
            one.finish(committed, stands)


def end_alone(transaction, error, may_commit=unless_swallowed):
    """As `end`, for a transaction outside of requests: what waits is done only if it commits.

    Otherwise nobody gets an answer, and so nobody gets the cookie of a new web session.
    """
    if end(transaction, error, may_commit) and transaction.at_end:
        settle(transaction, True, True)


def given_up(transaction):
    """Call what the last run gave to `on_rollback`, after it has ended itself.

    Nothing is called where nobody knows whether it was committed.
    """
    if transaction.ended_by is not Verdict.UNKNOWN:
        call(transaction, transaction.after_rollback, "on_rollback")


def refuse_swallowed(transaction):
    """Raise SwallowedError where a writing transaction's error was caught outside a savepoint."""
    if transaction.failure is None or not transaction.writing:
        return
    cure = "use `with savepoint():` around what may fail"
    if transaction.is_lost():
        cure = "let it end the request, because the database has rolled the transaction back"
    raise SwallowedError(
        "a database error was caught and the work went on, so what it acknowledges may not be "
        f"there: {cure}"
    ) from transaction.failure


def call(transaction, functions, given_to):
    """Call each of `functions` after the end of `transaction`, once.

    A failure is logged, and the next one is called. Each has its own transaction, which begins
    when it first uses models. It is not run again after a conflict, because its side effects would
    happen twice. `given_to`: the public function to which they were given.
    """
    if not functions:
        return
    interrupted = None
    with transaction.surroundings_of_after():
        for function in functions:
            try:
                _call(function, transaction)
            except BaseException as error:
                # SystemExit too, because the answer is settled. But Control-C must stop a script.
                log.exception(
                    "a function given to %s failed; the transaction before it stands as it ended. "
                    "Give what may be run again to in_transaction(function)",
                    given_to,
                )
                if isinstance(error, KeyboardInterrupt) and transaction.request is None:
                    interrupted = error
    if interrupted is not None:
        raise interrupted


def _call(function, before):
    engine = before._dbConnection
    own = RequestTransaction.for_engine(type(engine))(engine, True)
    own.implicit, own.may_idle = True, before.may_idle
    alone = connection_of_thread() is None
    try:
        with connection_set_to(own):
            try:
                function()
            except BaseException as error:
                end(own, error, never)
                raise
            end_alone(own, None)
    except BaseException:
        if alone:
            leave_nothing(engine)
        raise
