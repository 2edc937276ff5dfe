"""When a request's transaction begins and how it ends: one transaction for each request.

A *reading request* (GET, HEAD, OPTIONS) runs in a read-only snapshot that the engine enforces; a
*writing request* (any other method) is strictly serializable. `@reading` and `@writing` on a
handler's method say otherwise (handlers.py). A reading request whose handler writes is refused by
the engine, rolled back and run again as a writing request. A request that conflicts with another
is rolled back and run again after a short random pause, and when that has not helped, alone. So
**a handler may run more than once**: side effects belong in `on_commit`. A request that uses no
database takes no connection and begins nothing.

The handler                                  The transaction
-------------------------------------------  ----------------------------------------------
returns, and the status is below 500         is committed, once the answer is text
returns with a status of 500 or more         is rolled back
raises web.HTTPError below 500               is committed; `commit_veto` can say otherwise
raises web.HTTPError of 500 or more, or      is rolled back
  anything that web.py makes an error of
raises SystemExit, KeyboardInterrupt         is rolled back
calls `doom()` and returns                   is rolled back
passes its deadline before COMMIT is sent    is rolled back, the answer is 503
returns a generator, reading request         lives until it is exhausted (committed), raises
                                             or is closed early (rolled back)
returns a generator, writing request         its chunks are held back until the commit
swallows a database error outside of         is rolled back, the answer is 500
  `savepoint()` in a writing request           (one of 400 to 499 is left as it is)

When COMMIT fails the transaction is rolled back; a conflict is run again, anything else is 500. A
request whose database is away is answered 503 with Retry-After. One that was interrupted or lost
its connection during COMMIT is answered 503 without Retry-After: nobody knows whether it was
committed, unless the engine can ask.
"""

import math
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import get_ident
from typing import Any

import web
from sqlobject import sqlhub

from . import after, bypass, nested, outcomes, patches, retry, web_sessions
from .current import THREAD, current, leave_nothing
from .engines import connection_for
from .engines.base import Verdict
from .errors import GivenUp, RunEnded, is_of_server
from .in_transaction import serves
from .outcomes import is_called_by_web_py, status_of, succeeded
from .replay import Replay
from .request import RequestTransaction
from .streaming import StreamedAnswer, check_text, held_back, is_streamed, settled
from .webpy_transaction import transaction_class

READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def transaction_per_request(
    uri: str,
    *,
    attempts: int = 10,
    retry_seconds: float = 10,
    request_seconds: float | None = 50,
    commit_veto: Callable[[str, list[tuple[str, str]]], object] | None = None,
    unavailable: Callable[[dict[str, str], Verdict], Exception] | None = None,
    stream_writes: bool = False,
    **options: Any,
) -> Callable[..., Any]:
    """Return a web.py processor that runs each request in its own transaction.

    `uri`: the database, as SQLObject writes it. `options`: those of the engine's class, such as
    `timeout`, the seconds to wait for another transaction's lock, and `cache_rows`, how many rows
    each thread keeps between its reading requests (10,000 by default; 0 for none).
    A request that conflicts is run at most `attempts` times, and not again once `retry_seconds`
    have passed; then it is answered 503 with Retry-After.
    `request_seconds`: its deadline, counted from its start; None for no deadline. Keep it below
    the server's own limit: past that the client has no answer, and the request could still commit.
    A part of a stream that was sent stays; the log tells of its end. `on_commit` has no deadline.
    `commit_veto(status, headers)`, called with the status line and the list of header pairs
    before a commit, has the transaction rolled back by returning true.
    `unavailable(headers, reason)` returns the web.HTTPError of each 503, a plain one by default;
    `reason` is the Verdict CONFLICT, GONE, FULL, LATE or UNKNOWN.
    `stream_writes`: send a writing request's chunks as the handler yields them. The price: the
    client has the whole answer before the commit, and so perhaps a 200 for what is not committed;
    it is not run again once the first chunk is sent; and while it is read it holds its locks.

    Called without a handler (in an interpreter), the processor opens a regular
    connection and sets `sqlhub.processConnection`. Raises ValueError for a wrong `uri`.
    """
    patches.install()
    web_sessions.install()
    if request_seconds is not None:
        options.setdefault("idle_timeout", request_seconds)
    connection = connection_for(uri, **options)
    bypass.look_at_classes(connection)
    serves(connection)
    limits = retry.Limits(attempts, retry_seconds, request_seconds or math.inf)
    server = _Server(
        connection, limits, commit_veto, unavailable or outcomes.plain_503, stream_writes
    )

    def load_sqlo(handler=None):
        outer = THREAD.__dict__.get("connection")
        if handler is None:
            if outer is None and is_called_by_web_py(sys._getframe(1)):
                raise RuntimeError(
                    "load_sqlo was called as a load hook, or by one, which opens no transaction: "
                    "write app.add_processor(load_sqlo), without web.loadhook"
                )
            sqlhub.processConnection = connection
            return None
        request = web.ctx.__dict__
        if outer is not None:
            return server.on_used_thread(outer, handler, request)
        replay = Replay(request)
        # Caught here, because an interruption on the way out is no error of the handler.
        try:
            return server(handler, request, replay)
        except BaseException as error:
            if not is_of_server(error) or not replay.may_be_committed():
                raise
            raise server.unavailable({}, Verdict.UNKNOWN) from error

    vars(load_sqlo)["opens_transactions"] = True
    return load_sqlo


class _Server:
    """Runs handlers in transactions; one for each call of `transaction_per_request`."""

    # Whether it has looked for what bypasses the transactions.
    looked = False

    def __init__(self, connection, limits, commit_veto, unavailable, stream_writes):
        self.connection = connection
        self.transaction_class = transaction_class(type(connection))
        self.limits = limits
        self.may_idle = limits.timeout == math.inf
        self.commit_veto = commit_veto
        self.unavailable = unavailable
        self.stream_writes = stream_writes

    def __call__(self, handler, request, replay):
        """Answer by `handler()`; `request` is the __dict__ of web.ctx, `replay` its Replay."""
        if not self.looked:
            # Classes may be defined after the processor was created.
            bypass.look_at_classes(self.connection)
            bypass.look_at_process()
            self.connection.serves_requests = True
            self.looked = True
        writing = request["method"] not in READING_METHODS
        try:
            transaction = self._begin(replay, request["env"], time.monotonic(), writing)
            try:
                return self._answer(handler, replay, transaction)
            except RunEnded:
                return self._answer_again(transaction, handler, replay)
        except BaseException as error:
            leave_nothing(self.connection)
            if not isinstance(error, GivenUp):
                raise
            # A machine must not decide to repeat what may have been done.
            headers = {} if error.reason is Verdict.UNKNOWN else {"Retry-After": "1"}
            raise self.unavailable(headers, error.reason) from error

    def _begin(self, replay, environ, started, writing):
        transaction = self.transaction_class(self.connection, writing, environ)
        transaction.started, transaction.deadline = started, started + self.limits.timeout
        transaction.may_idle = self.may_idle
        replay.transaction = THREAD.connection = transaction
        return transaction

    def _answer_again(self, transaction, handler, replay):
        """As `_answer`, after a run that came to nothing; the request is as at its start."""
        begin = partial(self._begin, replay, transaction.request, transaction.started)
        return retry.again(transaction, begin, partial(self._answer, handler, replay), self.limits)

    def on_used_thread(self, outer, handler, request):
        """Answer by `handler()` on a thread that has the connection `outer`."""
        if isinstance(outer, RequestTransaction):
            if current() is outer:
                if outer._dbConnection is not self.connection:
                    raise nested.other_database()
                if nested.is_part(request, outer):
                    return handler()
                if request["method"] not in READING_METHODS:
                    outer.become(True)
                return nested.answer(outer, handler, partial(self._may_commit, outer))
            # The answer of an earlier request on this thread was not read to its end.
            with suppress(RunEnded):
                after.end(outer, None, after.never)
            after.settle(outer, False, True)
            return self(handler, request, Replay(request))
        return nested.answer_beside(outer, partial(self, handler, request), Replay(request))

    def _answer(self, handler, replay, transaction):
        """Run the handler once and end its transaction; RunEnded where that came to nothing.

        Raises GivenUp where a handler without a transaction has failed because of one.
        """
        try:
            try:
                answer = handler()
            except web.HTTPError as error:
                error.data = settled(error.data)
                check_text(error.data)
                raise
            # Most answers are text, which needs nothing.
            if type(answer) is not str:
                answer = self._made_ready(answer, transaction)
                if isinstance(answer, StreamedAnswer):
                    return answer
            if transaction.writing:
                check_text(answer)
        except BaseException as error:
            self._end(transaction, error, replay)
            if given_up := outcomes.given_up(error, transaction):
                replay.restart()
                raise GivenUp(given_up.reason) from error
            raise
        self._end(transaction, None, replay)
        return answer

    def _made_ready(self, answer, transaction):
        """Return `answer` such that it needs no transaction, or a StreamedAnswer that ends it."""
        if not is_streamed(answer):
            return settled(answer)
        if transaction.holds_back and not self.stream_writes:
            return held_back(answer)
        streamed = StreamedAnswer(answer, transaction, partial(self._end_of_stream, transaction))
        if not streamed.begin():
            return ""
        if transaction.at_end and not transaction.writing:
            web_sessions.save_at_once(transaction)
        return streamed

    def _end(self, transaction, error, replay=None):
        """Commit or roll back as the module's table says, then call what waits for that.

        Raises RunEnded, or the reason why a request that seemed to succeed did not; before that
        `replay` takes back the headers of the answer that is not given.
        """
        try:
            with_sessions = replay is not None and replay.sessions is not None
            may_commit = partial(self._unbound, replay) if with_sessions else self._may_commit
            committed = after.end(transaction, error, may_commit)
        except BaseException:
            if replay:
                replay.restart()
            raise
        if transaction.at_end or with_sessions:
            self._settle_web_sessions(transaction, committed, error, replay)

    def _settle_web_sessions(self, transaction, committed, error, replay):
        """Save web.py's sessions, or put them back; those of a stream that was sent stay."""
        stands = replay is None or succeeded(error)
        if not stands:
            replay.put_back_sessions()
        after.settle(transaction, committed, stands)

    def _end_of_stream(self, transaction, error):
        """End the transaction of an answer that was sent already: it is not run again."""
        # Another thread may drop the answer, and has its own transaction.
        mine = transaction.owner == get_ident()
        try:
            self._end(transaction, error)
        except RunEnded:
            after.given_up(transaction)
            raise
        except BaseException:
            if mine:
                leave_nothing(self.connection)
            raise

    def _unbound(self, replay, transaction, error):
        """As `_may_commit`, where web.py's sessions must hold nothing of the transaction."""
        if succeeded(error):
            replay.unbind_sessions()
        return self._may_commit(transaction, error)

    def _may_commit(self, transaction, error):
        """Return whether to commit; raises the error that becomes the answer instead."""
        usual = error is None and web.ctx.__dict__.get("status") == "200 OK"
        if not (usual or succeeded(error)):
            return False
        if THREAD.__dict__.get("connection") is not transaction:
            raise RuntimeError(
                "sqlhub.threadConnection was replaced during the request: remove the load hook "
                "that does so, because load_sqlo has opened the request's transaction"
            )
        if transaction.failure is not None and transaction.writing:
            if status_of(error) < 400:
                after.refuse_swallowed(transaction)
            return False
        if transaction.writing:
            outcomes.check_sendable(web.ctx.status, web.ctx.headers)
        return not (self.commit_veto and self.commit_veto(web.ctx.status, web.ctx.headers))
