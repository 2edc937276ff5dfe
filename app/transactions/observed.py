"""What an observer is told of each run: one transaction, from its beginning to its end.

With `transaction_per_request(uri, observer=function)`, and likewise `connection_for`, the thread
of each run calls `function(run)` with a Run after its end. Without an observer no class contains
any of this.
"""

import logging
from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

log = logging.getLogger(__name__)


class Run(NamedTuple):
    """How one transaction went.

    writing: whether it was a writing one. of_request: whether it was a request's; if not, it was
    of `in_transaction`, or of a function given to `on_commit`. end: "committed", "rolled back",
    "failed" where its end failed, or in lower case the name of the Verdict that ended it, such as
    "conflict". used: whether it has asked the database for anything. seconds: how long its
    beginning, its queries and its end took, waits for locks among them; without what a handler
    does with `getConnection()`. hits: how often a kept row was used.
    """

    writing: bool
    of_request: bool
    end: str
    used: bool
    seconds: float
    hits: int


class Observed:
    """Goes before a RequestTransaction's class; the engine's `observer` is told of its end."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """What the RequestTransaction has."""

    _seconds = 0.0
    _within = False

    def __init__(self, engine, writing, request=None):
        super().__init__(engine, writing, request)
        session = engine.reading_session()
        self._rows = None if session is None else session.rows
        self._hits_before = 0 if session is None else session.rows.hits

    def _runWithConnection(self, meth, *args):
        # SQLObject makes some of its queries inside of others.
        if self._within:
            return super()._runWithConnection(meth, *args)
        return self._timed(super()._runWithConnection, meth, *args)

    def ask_token(self):
        if self._within:
            return super().ask_token()
        return self._timed(super().ask_token)

    def _timed(self, function, *args):
        self._within, started = True, perf_counter()
        try:
            return function(*args)
        finally:
            self._seconds += perf_counter() - started
            self._within = False

    def finish(self, commit):
        used, hits = self.has_begun(), self._hits()
        end = "failed"
        try:
            self._timed(super().finish, commit)
            end = "committed" if commit else "rolled back"
        except Exception:
            raise
        except BaseException:
            # It was interrupted, before or after its COMMIT.
            end = "unknown" if commit else end
            raise
        finally:
            if self.ended_by is not None:
                end = self.ended_by.name.lower()
            # It may have read only kept rows, under a token without a transaction.
            self._tell(end, used or hits > 0, hits)

    def _hits(self):
        rows = getattr(self._session, "rows", None)
        if rows is None or rows is self._rows:
            return 0 if self._rows is None else self._rows.hits - self._hits_before
        return rows.hits

    def _tell(self, end, used, hits):
        run = Run(self.writing, self.request is not None, end, used, self._seconds, hits)
        try:
            self._dbConnection.observer(run)
        except Exception:
            log.exception(
                "the observer of transactions failed; the transaction stands as it ended"
            )


@cache
def engine_for(observer, engine_class):
    """Return `engine_class`, or its subclass that tells `observer` of each transaction."""
    if observer is None:
        return engine_class
    own = {"AROUND": (Observed,), "observer": staticmethod(observer)}
    return type(engine_class.__name__, (engine_class,), own)
