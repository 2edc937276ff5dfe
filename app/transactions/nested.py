"""A request inside a request: its handler works in the outer one's transaction, in a savepoint."""

import web

from . import bypass
from .current import connection_set_to, note_change
from .errors import RunEnded
from .streaming import held_back, is_streamed, settled


class _Undone(Exception):
    """The work of the inner request is undone, but its answer stands."""


def is_part(request, outer):
    """Whether `request`, the __dict__ of web.ctx, is `outer`'s own, in a sub-application of it."""
    return request["env"] is outer.request and len(request["app_stack"]) > 1


def other_database():
    """Return the error for a request inside a request of another database."""
    return RuntimeError(
        "a request inside a request has another database than the outer one, and one "
        "transaction has one database: ask for it in a thread, or from a handler marked "
        "@no_transaction"
    )


def answer(outer, handler, may_commit):
    """Answer by `handler()` inside the transaction `outer`; undo what it did where it fails.

    `may_commit(error)`: whether a request that has raised `error`, or None, would be committed.
    `outer` stays what it is: neither doomed by the inner handler nor limited by its marks. The
    chunks of a stream are held back, because the savepoint ends here.
    """
    doomed, outer.doomed = outer.doomed, False
    outer.joined += 1
    try:
        with outer.savepoint(lambda error: False):
            text, error = _called(handler)
            outer.judge_uncaught(error)
            if outer.ended_by:
                raise outer.RunEnded(outer.ended_by.value) from error
            if outer.doomed or not may_commit(error):
                raise error or _Undone()
    except _Undone:
        pass
    except RunEnded:
        # An outer handler that swallows the error must not see a status of success.
        web.ctx.status = "503 Service Unavailable"
        raise
    finally:
        outer.doomed = doomed
        outer.joined -= 1
    if error is None:
        return text
    try:
        raise error
    finally:
        # It refers to this frame.
        del error


def answer_beside(outer, answer, replay):
    """Return `answer(replay)`, in its own transaction; `outer`: the thread's connection.

    The chunks of a stream are held back, because `outer` is the thread's connection again
    afterwards.
    """
    bypass.notice_thread(outer)
    try:
        with connection_set_to(outer):
            text = answer(replay)
            return held_back(text) if is_streamed(text) else text
    finally:
        note_change(outer, replay.transaction)


def _called(handler):
    """Return what `handler()` returns as text, and None; or "" and what it raises."""
    try:
        text = handler()
        return held_back(text) if is_streamed(text) else settled(text), None
    except BaseException as error:
        return "", error
