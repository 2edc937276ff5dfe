"""How a transaction ends, and the functions that are called after it."""

import logging
from functools import partial

from pydispatch import dispatcher
from sqlobject import events
from sqlobject.main import sqlmeta

from .current import connection_set_to, leave
from .errors import SwallowedError
from .request import RequestTransaction

log = logging.getLogger(__name__)

# Whom a listener to SQLObject's signals names as their sender, as pydispatch keeps it.
_META, _ANY = id(sqlmeta), id(dispatcher.Any)


def unless_swallowed(transaction, error):
    """Let it be committed; raises SwallowedError as `refuse_swallowed`."""
    refuse_swallowed(transaction)
    return True


def never(transaction, error):
    """Have it rolled back."""
    return False


def end(transaction, error, may_commit=unless_swallowed):
    """Commit or roll back, then call what waits for that.

    `error`: what the work raised, or None. `may_commit(transaction, error)` has the last word
    before a commit.
    Raises RunEnded where this run came to nothing, SwallowedError, and what the engine raises
    where it cannot commit: then nothing is committed.
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
    except BaseException:
        commit = False
        raise
    finally:
        leave(transaction)
        if not transaction.ended_by:
            _call_waiting(transaction, commit, instances)
    if transaction.ended_by:
        raise transaction.RunEnded(transaction.ended_by.value)


def _call_waiting(transaction, committed, instances):
    """Call the functions that wait for this end, and before them send SQLObject's signal.

    `instances`: the IdentityMap that it had, or None.
    """
    functions = transaction.after_commit if committed else transaction.after_rollback
    if instances is not None:
        signal = events.CommitSignal if committed else events.RollbackSignal
        if _has_listener(signal) and (ids := instances.ids_by_class()):
            # SQLObject's own transaction sends it before the fact.
            functions = (partial(events.send, signal, sqlmeta, ids), *functions)
    if functions:
        call(transaction, functions, "on_commit" if committed else "on_rollback")


def _has_listener(signal):
    heard, anybody = dispatcher.connections.get(_META), dispatcher.connections.get(_ANY)
    return (heard and (signal in heard or dispatcher.Any in heard)) or (
        anybody and (signal in anybody or dispatcher.Any in anybody)
    )


def refuse_swallowed(transaction):
    """Raise SwallowedError where a writing transaction's error was caught outside a savepoint."""
    if transaction.failure is not None and transaction.writing:
        raise SwallowedError(
            "a database error was caught and the work went on, so what it acknowledges may not "
            "be there: use `with savepoint():` around what may fail"
        ) from transaction.failure


def call(transaction, functions, given_to):
    """Call each of `functions` after the end of `transaction`, once.

    A failure is logged, and the next one is called. What one does with models is a transaction of
    its own, begun when it first uses them. It is not run again after a conflict, because its side
    effects would be there twice. `given_to`: the public function that it was given to.
    """
    if not functions:
        return
    with transaction.surroundings_of_after():
        for function in functions:
            try:
                _call(function, transaction._dbConnection)
            except BaseException:
                # SystemExit too: the answer is settled.
                log.exception(
                    "a function given to %s failed; the transaction before it stands as it ended. "
                    "What may be run again belongs into in_transaction(function)",
                    given_to,
                )


def _call(function, engine):
    own = RequestTransaction.for_engine(type(engine))(engine, True)
    own.implicit = True
    with connection_set_to(own):
        try:
            function()
        except BaseException as error:
            end(own, error, never)
            raise
        end(own, None)
