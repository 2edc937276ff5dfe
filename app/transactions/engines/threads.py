"""Connections that are safe in mod_wsgi's threads: each belongs to one thread of one process."""

import abc
import math
import os
import threading
import weakref
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlobject.dbconnection import Transaction

from ..freshness import FreshCache, FreshIteration
from .base import Dialect, Statements

_engines: "weakref.WeakSet[Engine]" = weakref.WeakSet()
_inherited: list = []
_PORTS = {"postgres": 5432, "mysql": 3306}
# The names of this machine. No name means a server's socket. Nothing is looked up.
_HERE = ("", "localhost", "127.0.0.1", "::1")


class ThreadSessions:
    """The sessions of one thread; it dies with the thread, in the thread."""

    def __init__(self):
        # The sessions of requests, by their use, and those that SQLObject uses outside of
        # requests.
        self.by_use = {}
        self.idle = []
        # The sessions that SQLObject's own transactions hold now.
        self.begun = set()

    def forget(self, session):
        for use in [use for use, one in self.by_use.items() if one is session]:
            del self.by_use[use]

    def close(self):
        for session in [*self.by_use.values(), *self.idle]:
            session.close_quietly()
        self.__init__()

    __del__ = close


class _PerThread(threading.local):
    def __init__(self):
        self.sessions = ThreadSessions()


class Engine(Statements, Dialect):
    """The base of the engines' classes, beside SQLObject's connection class.

    SQLObject's stock pools hand connections from thread to thread, and SQLite's frees those of
    threads that `threading.enumerate()` does not list, as mod_wsgi's are not. Here a thread finds
    its sessions in thread-local storage, where nobody else can reach them.
    """

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """What SQLObject's connection class has, from which its subclasses inherit."""

    # Classes that go before that of a request's transaction (observed.py).
    AROUND: tuple[type, ...] = ()
    # The names in SHARED_OPTIONS that this engine takes.
    OPTIONS: frozenset[str] = frozenset()
    # How many seconds the driver waits for another transaction's lock.
    timeout = 5
    # Whether a processor has served a request with it in this process.
    serves_requests = False
    # Whether the first query of a transaction brings its snapshot token without a further wait.
    TOKEN_COMES_ALONG = False
    # SQL for a JSON list of the column `id` of all rows, and for the token within a query.
    LIST_OF_ALL: str | None = None
    TOKEN_EXPRESSION: str | None = None

    def __init__(self, *args, **kw):
        from .. import patches

        patches.install()
        self._per_thread = _PerThread()
        super().__init__(*args, **kw)
        self.cache = FreshCache(self)
        self.place = place_of(self)
        # The sessions of all threads that are open.
        self.open_now = weakref.WeakSet()
        _engines.add(self)

    @abc.abstractmethod
    def open_session(self, use=None):
        """Open a Session of the calling thread for `use`; raises the driver's error.

        `use`: the engine's name for a kind of session; None outside of requests.
        """

    @abc.abstractmethod
    def verdict(self, error):
        """Return the Verdict on `error`, the driver's or SQLObject's for it."""

    def explain(self, error):
        """Return what the log says of an `error` that ends a run, or None.

        `error` is the driver's or SQLObject's for it.
        """
        return None

    @abc.abstractmethod
    def session_for(self, writing, deadline=math.inf, may_idle=False):
        """Return the calling thread's session, with a transaction begun on it.

        A session that is found dead here is replaced by another. `deadline` as in
        Session.open_transaction; `may_idle`: whether a transaction without a deadline may be idle
        without limit. Raises the driver's error.
        """

    def session_alone(self, attempt, deadline=math.inf, may_idle=False):
        """As `session_for` a writing transaction; no other writing one begins before it ends.

        It waits for those that have begun, a little longer in each `attempt`, from 1 on. An engine
        whose writing transactions are always alone does nothing more.
        """
        return self.session_for(True, deadline, may_idle)

    def reading_session(self):
        """Return the calling thread's session that has kept rows, or None."""
        return None

    def own_sessions(self):
        """Return the ThreadSessions of the calling thread."""
        return self._per_thread.sessions

    def makeConnection(self):
        """Open a session for use outside of requests, as SQLObject asks for it.

        Raises RuntimeError as `refuse_past_requests` does.
        """
        self.refuse_past_requests()
        return self.open_session()

    def adopt_session(self, session, use=None):
        """Make `session` the calling thread's, for `use` where one is given; return it."""
        sessions = self._per_thread.sessions
        session.home = weakref.ref(sessions)
        self._connectionNumbers[id(session)] = self._connectionCount
        self._connectionCount += 1
        self.open_now.add(session)
        if use is not None:
            sessions.by_use[use] = session
        return session

    def getConnection(self):
        """Return a session for use outside of requests; RuntimeError as in `makeConnection`."""
        idle = self._per_thread.sessions.idle
        if not idle:
            return self.makeConnection()
        self.refuse_past_requests()
        return idle.pop()

    def releaseConnection(self, conn, explicit=False):
        """Give `conn` back to its own thread, whichever thread calls."""
        home = conn.home()
        if home is None or conn in home.idle:
            return
        if home is self._per_thread.sessions and not explicit:
            self._end_implicitly(conn)
        home.idle.append(conn)

    def _end_implicitly(self, session):
        if self.autoCommit:
            session.commit()
        else:
            session.rollback()

    def _runWithConnection(self, meth, *args):
        bypass_of_requests().notice_change(self, args)
        return super()._runWithConnection(meth, *args)

    def iterSelect(self, select):
        return FreshIteration(self.cache, super().iterSelect(select))

    def transaction(self):
        self.refuse_past_requests()
        return _transaction_class(type(self))(self)

    def roll_back_left(self):
        """Roll back what an interruption has left open on the calling thread, and close it."""
        for session in list(self._per_thread.sessions.by_use.values()):
            if session.writing is not None:
                session.spoiled = True
                session.roll_back_transaction()

    def refuse_past_requests(self):
        """Raise RuntimeError where another session would bypass this thread's request.

        Also where that session would wait for the request's locks, and in a request without a
        transaction.
        """
        bypass_of_requests().notice_use(self)
        for engine in list(_engines):
            if engine.place == self.place and engine.holds_locks():
                raise RuntimeError(
                    "a request has one transaction already, and another connection would wait in "
                    "vain for its locks; use savepoint() inside it, and on_commit() for what "
                    "comes after it"
                )

    def holds_locks(self):
        """Whether the calling thread's request is in a writing transaction."""
        return any(session.writing for session in self.own_sessions().by_use.values())

    def close(self):
        """Close the calling thread's sessions; other threads close theirs when they end."""
        if hasattr(self, "_per_thread"):
            self._per_thread.sessions.close()
        super().close()


@cache
def bypass_of_requests():
    """Return the module bypass.py, which imports this one."""
    from .. import bypass

    return bypass


@cache
def _transaction_class(engine_class):
    """SQLObject's Transaction for an engine whose methods call those of its bases by super()."""
    return type("Transaction", (Transaction, engine_class), {})


def engines():
    """Return the engines of this process, a list."""
    return list(_engines)


def place_of(connection):
    """Return a value that is equal for connections, SQLObject's or ours, to the same database."""
    kind = str(getattr(connection, "dbName", type(connection).__name__))
    if kind == "sqlite":
        return kind, os.path.realpath(connection.filename)
    port = getattr(connection, "port", None) or _PORTS.get(kind)
    host = str(getattr(connection, "host", None) or "").lower().strip("[]").removesuffix(".")
    # A path is the folder of PostgreSQL's socket.
    here = host in _HERE or host.startswith("/")
    return kind, "localhost" if here else host, port, getattr(connection, "db", None)


def _leave_sessions_to_the_parent():
    # Neither SQLite's connections (https://www.sqlite.org/howtocorrupt.html, 2.6) nor a server's
    # may be used or closed across a fork: hold them, untouched, for ever.
    for engine in list(_engines):
        _inherited.append(engine._per_thread.sessions)
        engine._per_thread = _PerThread()


os.register_at_fork(after_in_child=_leave_sessions_to_the_parent)
