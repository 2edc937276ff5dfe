"""How a transaction ends, and the functions that are called after it."""

import logging
from functools import partial

from pydispatch import dispatcher
from sqlobject import events
from sqlobject.main import sqlmeta

from .current import connection_set_to, leave
from .engines.base import Verdict
from .errors import SwallowedError
from .request import RequestTransaction

log = logging.getLogger(__name__)


def end(transaction, error, may_commit=lambda: True):
    """Commit or roll back, then call what waits for that; return whether it is committed.

    `error`: what the work raised, or None. `may_commit()` has the last word before a commit.
    Raises RunEnded where this run came to nothing, SwallowedError, and what the engine raises
    where it cannot commit: then nothing is committed.
    """
    commit = False
    try:
        try:
            transaction.judge_uncaught(error)
            commit = not transaction.ended_by and not transaction.doomed and may_commit()
        finally:
            transaction.finish(commit)
    except BaseException:
        commit = False
        raise
    finally:
        leave(transaction)
        if not transaction.ended_by:
            call(transaction, *_waiting(transaction, commit))
    if transaction.ended_by:
        raise transaction.RunEnded(transaction.ended_by.value)
    return commit


def _waiting(transaction, committed):
    """The functions that wait for this end, with SQLObject's signal before them, and its name."""
    signal = events.CommitSignal if committed else events.RollbackSignal
    functions = transaction.after_commit if committed else transaction.after_rollback
    instances = transaction.last_instances
    ids = instances.ids_by_class() if instances is not None and _has_listener(signal) else []
    # SQLObject's own transaction sends it before the fact.
    send = [partial(events.send, signal, sqlmeta, ids)] if ids else []
    return [*send, *functions], "on_commit" if committed else "on_rollback"


def _has_listener(signal):
    return any(
        listeners.get(signal) or listeners.get(dispatcher.Any)
        for sender in (sqlmeta, dispatcher.Any)
        if (listeners := dispatcher.connections.get(id(sender)))
    )


def given_up(transaction):
    """Call what waits for the rollback of a run that ended itself and is the last.

    Not where nobody knows whether it was committed.
    """
    if transaction.ended_by is not Verdict.UNKNOWN:
        call(transaction, *_waiting(transaction, False))


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
            end(own, error, lambda: False)
            raise
        end(own, None, lambda: refuse_swallowed(own) or True)
