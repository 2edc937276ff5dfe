"""When a request's transaction begins and how it ends: one transaction for each request.

A *reading request* (GET, HEAD, OPTIONS) runs in a read-only snapshot that the engine enforces;
a *writing request* (any other method) is strictly serializable. A reading request whose handler
writes is refused by the engine, rolled back and run again as a writing request. A request that
conflicts with another is rolled back and run again after a short random pause. So **a handler
may run more than once**: side effects belong into `on_commit`. A request that uses no database
takes no connection and begins nothing.

The handler                                  The transaction
-------------------------------------------  ----------------------------------------------
returns                                      is committed
raises web.HTTPError below 500               is committed; `commit_veto` can say otherwise
raises web.HTTPError of 500 or more, or      is rolled back
  anything that web.py makes an error of
raises SystemExit, KeyboardInterrupt         is rolled back
calls `doom()` and returns                   is rolled back
returns a generator                          lives until it is exhausted (committed), raises
                                             or is closed early (rolled back)
swallows a database error outside of         is rolled back, the answer is 500
  `savepoint()` in a writing request           (a 4xx that the handler raises is left as it is)

When COMMIT fails the transaction is rolled back; a conflict is run again, anything else is 500.
A request whose database is away is answered 503 with Retry-After, and so is one whose connection
broke during COMMIT: nobody knows whether it was committed, so it is not run again.
"""

import itertools
import logging
import random
import time
from functools import partial

import web
from sqlobject import sqlhub

from .engines.threads import Verdict, connection_for
from .replay import Replay
from .request import RequestTransaction, TryEnded
from .streaming import StreamedAnswer

log = logging.getLogger(__name__)

READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FIRST_PAUSE = 0.005
LONGEST_PAUSE = 0.25
# Where SQLObject keeps the connection of each thread; `sqlhub` finds it by way of a property.
_thread = sqlhub.threadingLocal
_WEBPY = web.application.wsgifunc.__code__.co_filename


class SwallowedError(RuntimeError):
    """The handler caught a database error that leaves its transaction in doubt."""


def transaction_per_request(
    uri, *, attempts=10, retry_seconds=10, commit_veto=None, unavailable=None, **options
):
    """Return a web.py processor that runs each request in a transaction of its own.

    `uri`: the database, as SQLObject writes it. `options`: those of the engine's class, such as
    `timeout`, the seconds to wait for another transaction's lock, and `cache_rows`, how many
    rows each thread keeps between its reading requests (cache.py; none by default).
    A request that conflicts is run at most `attempts` times, and not again once `retry_seconds`
    have passed; then it is answered 503 with Retry-After.
    `commit_veto(status, headers)`, called with the status line and the list of header pairs
    before a commit, has the transaction rolled back by returning true.
    `unavailable(headers, reason)` makes the web.HTTPError of each 503, a plain one by default;
    `reason` is the Verdict CONFLICT, GONE or UNKNOWN.

    Called without a web.py request (in an interpreter), the processor opens a regular
    connection and sets `sqlhub.processConnection`. Raises ValueError for a wrong `uri`.
    """
    connection = connection_for(uri, **options)
    serve = _Server(connection, attempts, retry_seconds, commit_veto, unavailable or _unavailable)

    def load_sqlo(handler=None):
        request = web.ctx.__dict__
        if handler is None or "env" not in request:
            sqlhub.processConnection = connection
            return None
        outer = _thread.__dict__.get("connection")
        if isinstance(outer, RequestTransaction):
            if outer.request is request["env"]:
                return _in_sub_application(outer, connection, handler)
            # The answer of an earlier request on this thread was not read to its end.
            outer.finish(commit=False)
        return serve(handler, request)

    return load_sqlo


def on_commit(function):
    """Call `function()` once the request's transaction is committed; not if it is rolled back.

    Its failure is logged and changes nothing. Outside a request it is called at once.
    """
    transaction = _current()
    if transaction is None:
        function()
    else:
        transaction.callbacks = (*transaction.callbacks, function)


def doom():
    """Have the request's transaction rolled back, however the handler returns.

    Raises RuntimeError outside a request.
    """
    _required("doom()").doomed = True


def savepoint():
    """Return a context manager whose block's writes are undone if it raises; the error goes on.

    What the block gave to `on_commit` is undone too. After an error inside it the handler may go
    on and its transaction still commits. Raises RuntimeError outside a request.
    """
    return _required("savepoint()").savepoint()


def runs():
    """Return how many times the request's handler has been begun: 1 in its first run, then 2 …

    Outside a request it is 1.
    """
    transaction = _current()
    return 1 if transaction is None else transaction.runs


def _in_sub_application(outer, connection, handler):
    if outer._dbConnection is not connection:
        raise RuntimeError(
            "a sub-application has another database than the application that it is part of; "
            "give its models a connection of their own"
        )
    return handler()


def _current():
    transaction = _thread.__dict__.get("connection")
    if isinstance(transaction, RequestTransaction) and transaction.request is web.ctx.get("env"):
        return transaction
    return None


def _required(caller):
    transaction = _current()
    if transaction is None:
        raise RuntimeError(f"{caller} was called outside a request's transaction")
    return transaction


def _unavailable(headers, reason):
    headers = {"Content-Type": "text/plain; charset=utf-8", **headers}
    return web.HTTPError("503 Service Unavailable", headers, f"{reason.value}\n")


class _Server:
    """Runs handlers in transactions; one for each call of `transaction_per_request`."""

    def __init__(self, connection, attempts, retry_seconds, commit_veto, unavailable):
        self.connection = connection
        self.transaction_class = RequestTransaction.for_engine(type(connection))
        self.attempts = attempts
        self.retry_seconds = retry_seconds
        self.commit_veto = commit_veto
        self.unavailable = unavailable

    def __call__(self, handler, request):
        """Answer by `handler()`; `request` is the __dict__ of web.ctx."""
        started = time.monotonic()
        writing = request["method"] not in READING_METHODS
        replay = Replay(request)
        conflicts = 0
        for run in itertools.count(1):
            transaction = self.transaction_class(self.connection, writing, request["env"])
            _thread.connection = transaction
            transaction.runs = run
            try:
                return self._answer(transaction, handler, replay)
            except TryEnded:
                replay.restart()
            reason = transaction.ended_by
            if reason is Verdict.REFUSED:
                writing = True
            if reason in (Verdict.REFUSED, Verdict.STALE, Verdict.OVERTAKEN):
                continue
            conflicts += 1
            too_long = time.monotonic() - started > self.retry_seconds
            if reason is not Verdict.CONFLICT or conflicts >= self.attempts or too_long:
                # To send again what may have been done is not for a machine to decide.
                headers = {} if reason is Verdict.UNKNOWN else {"Retry-After": "1"}
                raise self.unavailable(headers, reason)
            time.sleep(random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2**conflicts)))

    def _answer(self, transaction, handler, replay):
        """Run the handler once and end its transaction; TryEnded where that came to nothing."""
        try:
            answer = handler()
            if hasattr(answer, "__next__"):
                answer = StreamedAnswer(answer, partial(self._end, transaction))
                if answer.begin(transaction.settle_peeked):
                    return answer
                answer = ""
        except BaseException as error:
            self._end(transaction, error, replay)
            raise
        self._end(transaction, None, replay)
        return answer

    def _end(self, transaction, error, replay=None):
        """Commit or roll back as the module's table says, then call what waits for a commit.

        Raises TryEnded, or the reason why a request that seemed to succeed did not; before that
        `replay` takes back the headers of the answer that is not given.
        """
        try:
            commit = False
            try:
                commit = self._may_commit(transaction, error)
            finally:
                transaction.finish(commit)
        except BaseException:
            if replay:
                replay.restart()
            raise
        finally:
            _leave(transaction)
        if transaction.ended_by:
            raise TryEnded(transaction.ended_by)
        if commit and transaction.callbacks:
            _call_back(transaction.callbacks)

    def _may_commit(self, transaction, error):
        if transaction.ended_by or transaction.doomed:
            return False
        if error is not None and not _commits(error):
            return False
        if transaction.failure is not None:
            if transaction.writing and (error is None or _status(error) < 400):
                raise SwallowedError(
                    "the handler caught a database error and returned, so what it acknowledges "
                    "may not be there: use `with savepoint():` around what may fail"
                ) from transaction.failure
            return False
        return not (self.commit_veto and self.commit_veto(web.ctx.status, web.ctx.headers))


def _leave(transaction):
    if _thread.__dict__.get("connection") is transaction:
        del _thread.connection


def _commits(error):
    """Whether a handler that raised `error` has its transaction committed."""
    return isinstance(error, web.HTTPError) and not _made_by_webpy(error) and _status(error) < 500


def _made_by_webpy(error):
    """Whether web.py raised `error` in place of an exception of the handler.

    Its inner `process()` does that for every exception but HTTPError before a processor sees
    it, so the type of the error does not tell. What `process()` has caught is in its context,
    also where the application's `internalerror` raises an error instead of returning one.
    """
    caught = error.__context__
    while caught is not None:
        if caught.__traceback__ is not None:
            code = caught.__traceback__.tb_frame.f_code
            if code.co_name == "process" and code.co_filename == _WEBPY:
                return True
        caught = caught.__context__
    return False


def _status(error):
    try:
        return int(str(error.args[0])[:3])
    except (IndexError, ValueError):
        return 500


def _call_back(callbacks):
    for function in callbacks:
        try:
            function()
        except Exception:
            log.exception("a function given to on_commit failed; the request is committed")
