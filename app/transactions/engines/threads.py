"""SQLObject connections that are safe in mod_wsgi's threads: what all engines share.

Each engine has a class in a module of its own; those of servers share server_connections.py.
A request's transaction asks of it:

- `begin(writing)` returns the calling thread's raw connection with a transaction begun on it; a
  connection kept from an earlier request that is found dead here is replaced by a new one;
- `hand_out(raw)` is called before the handler gets the raw connection itself;
- `commit(raw)` ends it, or raises: TransactionLost where the engine has rolled back instead,
  OutcomeUnknown where a writing transaction's connection broke before COMMIT was answered;
- `rollback(raw)` ends it and never raises: where it fails, `discard(raw)` throws `raw` away;
- `verdict(error)` tells what an error of any of these or of a query, the driver's or SQLObject's
  for it, means for the request;
- where `raw.rows` is a RowCache (cache.py), `open_rows(raw)` opens it with the snapshot token of
  the transaction begun on `raw`, unless it pauses; `reading()` is the calling thread's raw
  connection that has one, and `peek(raw)` tells, with nothing begun, whether its rows are what a
  transaction that began now would read; `TOKEN_COMES_ALONG` says that the first query brings the
  token for nothing;
- `LIST_OF_ALL` is the SQL that makes a JSON list of the column `id` of all rows, and
  `TOKEN_EXPRESSION` that of the token within a query; `peek_ids(raw, query)` sends one that is to
  answer with the token and a list, with nothing begun: the list, None where the token is another.

A class takes `timeout`, the seconds to wait for another transaction's lock, and of SERVER_OPTIONS
and `cache_rows` those that its `OPTIONS` names. Values are text where they come from the URI.
Outside a request the classes serve SQLObject as its stock ones do.
"""

import enum
import importlib
import logging
import os
import threading
import weakref

log = logging.getLogger(__name__)

CLASSES = {
    "sqlite": ".sqlite.ThreadSQLiteConnection",
    "postgres": ".postgres.ThreadPostgresConnection",
    "postgresql": ".postgres.ThreadPostgresConnection",
    "mysql": ".mariadb.ThreadMySQLConnection",
}

SERVER_OPTIONS = frozenset(
    ["statement_timeout", "connect_timeout", "check_after", "reading_level", "writing_level"]
)

_connections = {}
_instances = weakref.WeakSet()
_inherited = []


class Verdict(enum.Enum):
    """What a database error means for the request in which it came up."""

    REFUSED = "the engine refused a write in a read-only transaction"
    CONFLICT = "a conflict with another transaction"
    STALE = "a connection kept from an earlier request was dead before anything was done on it"
    OVERTAKEN = "somebody committed after kept rows were used and before the first query"
    GONE = "the database is away, nothing was committed"
    UNKNOWN = "the connection broke during COMMIT, which may have succeeded"
    FAILED = "a database error"


class TransactionLost(Exception):
    """The engine ended the transaction by itself, so what it had written is gone."""


class OutcomeUnknown(Exception):
    """The connection broke during COMMIT: what was written may be there or not, but is whole."""


class _OneThreads:
    """The raw connections of one thread; it dies with the thread, in the thread."""

    def __init__(self):
        # Those that serve requests, by their use, and those that serve SQLObject outside of one.
        self.serving = {}
        self.idle = []

    def close(self):
        for raw in [*self.serving.values(), *self.idle]:
            close_quietly(raw)
        self.__init__()

    __del__ = close


class _PerThread(threading.local):
    def __init__(self):
        self.own = _OneThreads()


class PerThreadConnections:
    """A mixin for SQLObject's connection classes: a raw connection belongs to one thread.

    A thread finds its connections in thread-local storage, where nobody else can reach them.
    SQLObject's stock pools hand connections from thread to thread, and SQLite's frees those of
    threads that `threading.enumerate()` does not list, as mod_wsgi's are not.
    """

    OPTIONS = frozenset()
    TOKEN_COMES_ALONG = False

    def __init__(self, *args, **kw):
        self._per_thread = _PerThread()
        super().__init__(*args, **kw)
        _instances.add(self)

    def makeConnection(self):
        """Open a raw connection of the calling thread; raises the driver's error."""
        raw = super().makeConnection()
        raw.home = weakref.ref(self._per_thread.own)
        # Set once a caller has it in hand, who may leave a cursor open on a snapshot.
        raw.handed_out = False
        # A RowCache, where the engine has a snapshot token.
        raw.rows = None
        self._connectionNumbers[id(raw)] = self._connectionCount
        self._connectionCount += 1
        return raw

    def serving(self, use):
        """Return the calling thread's raw connection for `use`, a name, or None."""
        return self._per_thread.own.serving.get(use)

    def reading(self):
        """Return the calling thread's raw connection for reading requests, None without one that
        keeps rows."""

    def serve_with(self, use, raw):
        """Keep `raw` as the calling thread's connection for `use`."""
        self._per_thread.own.serving[use] = raw

    def hand_out(self, raw):
        """Make `raw` ready for queries that do not come through SQLObject."""
        raw.handed_out = True

    def discard(self, raw):
        """Close the calling thread's `raw`; the next request opens a new one."""
        serving = self._per_thread.own.serving
        for use in [use for use, kept in serving.items() if kept is raw]:
            del serving[use]
        close_quietly(raw)

    def getConnection(self):
        idle = self._per_thread.own.idle
        return idle.pop() if idle else self.makeConnection()

    def releaseConnection(self, conn, explicit=False):
        """Give `conn` back to its own thread, whichever thread calls."""
        home = conn.home()
        if home is None or conn in home.idle:
            return
        if home is self._per_thread.own and not explicit:
            self._end_implicitly(conn)
        home.idle.append(conn)

    def _end_implicitly(self, raw):
        if self.autoCommit:
            raw.commit()
        else:
            raw.rollback()

    def close(self):
        """Close the calling thread's connections; other threads close theirs when they end."""
        if hasattr(self, "_per_thread"):
            self._per_thread.own.close()
        super().close()


def close_quietly(raw):
    """Close a raw connection; a failure is logged, for nothing depends on it."""
    try:
        raw.close()
    except Exception:
        log.debug("a connection could not be closed", exc_info=True)


def connection_for(uri, **options):
    """Return the connection for `uri`, always the same one for the same arguments.

    `options`: keyword arguments of the engine's class, such as `timeout`; those of other engines
    are left out, those in the URI win. Raises ValueError for a scheme without a class
    here, a missing driver, a wrong value, and for SQLite in memory, which threads cannot share.
    """
    key = (uri, *sorted(options.items()))
    if key not in _connections:
        connection_class = class_for(uri)
        user, password, host, port, path, given = _parts(connection_class, uri)
        if path.endswith(":memory:"):
            raise ValueError("a database in memory cannot be shared by threads; name a file")
        left_out = (SERVER_OPTIONS | {"cache_rows"}) - connection_class.OPTIONS
        own = {name: value for name, value in options.items() if name not in left_out}
        try:
            _connections[key] = connection_class._connectionFromParams(
                user, password, host, port, path, {**own, **given}
            )
        except TypeError as error:
            raise ValueError(f"it has an unknown option: {error}") from None
    return _connections[key]


def _parts(connection_class, uri):
    try:
        return connection_class._parseURI(uri)
    except ValueError:
        # Its message may have a part of a password that is not quoted.
        raise ValueError(
            "its host or port is malformed; write characters of the user and the password "
            "other than letters and digits as %XX"
        ) from None


def class_for(uri):
    """Return the connection class for the scheme of `uri`.

    Raises ValueError for an unknown one, and for one whose driver is missing.
    """
    scheme = uri.partition(":")[0]
    if scheme not in CLASSES:
        known = ", ".join(sorted(CLASSES))
        raise ValueError(f"no database engine for scheme {scheme!r}; write one of: {known}")
    module, _, name = CLASSES[scheme].rpartition(".")
    try:
        return getattr(importlib.import_module(module, __package__), name)
    except ImportError as error:
        raise ValueError(f"no driver for scheme {scheme!r}: {error}") from None


def _leave_connections_to_the_parent():
    # Neither SQLite's connections (https://www.sqlite.org/howtocorrupt.html, 2.6) nor a server's
    # may be used or closed across a fork: keep them, untouched, for ever.
    for connection in list(_instances):
        _inherited.append(connection._per_thread.own)
        connection._per_thread = _PerThread()


os.register_at_fork(after_in_child=_leave_connections_to_the_parent)
