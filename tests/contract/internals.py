"""All that the tests know of the inside of app/transactions, in one place.

A handler calls the functions that have "in a request" in their docstrings.
"""

import contextlib
import importlib

import MySQLdb.cursors
from sqlobject import sqlhub

from app.transactions import bypass, web_stores
from app.transactions.engines.mariadb.session import MariaDBSession
from app.transactions.engines.sqlite.session import SQLiteSession
from app.transactions.engines.threads import place_of as place_of
from app.transactions.retry import ALONE_AFTER as ALONE_AFTER

# The package has a function of the module's name.
in_transaction = importlib.import_module("app.transactions.in_transaction")

SQLITE_SESSION = "app.transactions.engines.sqlite.Engine.SESSION"
HELD = "app.transactions.identity_map.HELD"
MYSQLDB_CONNECT = "app.transactions.engines.mariadb.MariaDBSession"
FIRST_WAIT_OF_ALONE = "app.transactions.engines.postgres.limits._FIRST_WAIT"
MARIADB_MODULE = "app.transactions.engines.mariadb"


def begun():
    """Whether the transaction has begun, in a request."""
    return sqlhub.threadConnection._session is not None


def is_writing():
    """Whether it is a writing request, in a request."""
    return sqlhub.threadConnection.writing


def raw_connection():
    """The driver's connection with the transaction begun on it, in a request.

    Unlike getConnection() it does not count as handed out to the handler.
    """
    return sqlhub.threadConnection._connection


def kept_rows():
    """How many kept rows this request may use, or None; in a request, which then begins."""
    rows = sqlhub.threadConnection.snapshot.kept_rows()
    return None if rows is None else len(rows)


def keeps_whole_list(cls):
    """Whether the last list of `cls` was wholly of kept rows, in a request."""
    return raw_connection().rows.of(cls).whole


def forget_kept_row(cls, id):
    """Drop one of the kept rows, in a request."""
    del raw_connection().rows.of(cls).rows[id]


def begin(connection, writing):
    """Begin a transaction of a request on `connection`; returns the driver's connection."""
    return connection.session_for(writing)


def commit(connection, raw):
    """Commit what begin() has begun."""
    raw.commit_transaction()


def rollback(connection, raw):
    """Roll back what begin() has begun."""
    raw.roll_back_transaction()


def execute(connection, raw, query):
    """Execute `query` on `raw` as SQLObject does in a request; returns its rows."""
    cursor = raw.cursor()
    connection._executeRetry(raw, cursor, query)
    return list(cursor.fetchall())


def make_idle(raw, seconds):
    """Have `raw` look as if it had been idle for `seconds`."""
    raw.used -= seconds


def close_as_the_driver_does(raw):
    """Have `raw` look as if the driver had found the end of its session."""
    raw._settle()
    raw.close()


@contextlib.contextmanager
def checks_watched(connection, monkeypatch):
    """Yield a list that gets an item for each check of an open connection."""
    checked = []
    monkeypatch.setattr(MariaDBSession, "check", lambda self: checked.append(self.ping()))
    yield checked


@contextlib.contextmanager
def watched(connection, raw):
    """Collect what is sent on `raw`, a driver's connection of `connection`; yields the list.

    One text for each message: on SQLite every statement, on PostgreSQL all but the COMMIT of a
    reading request, which is not waited for; on MariaDB what SQLObject sends, without the begin
    and the end of transactions.
    """
    sent = []
    with _WATCHES[connection.dbName](connection, raw, sent.append):
        yield sent


def sent_for(site, handler, method="GET", times=5):
    """What the last of `times` requests sends, as watched() has it."""
    raws = []
    site.request(lambda: raws.append(raw_connection()), method)
    with watched(site.connection, raws[0]) as sent:
        for _ in range(times):
            sent.clear()
            site.request(handler, method)
    return sent


@contextlib.contextmanager
def _watch_sqlite(connection, raw, saw):
    raw.set_trace_callback(saw)
    try:
        yield
    finally:
        raw.set_trace_callback(None)


@contextlib.contextmanager
def _watch_mysql(connection, raw, saw):
    raw.cursorclass = _recording(MySQLdb.cursors.Cursor, saw)
    try:
        yield
    finally:
        raw.cursorclass = MySQLdb.cursors.Cursor


@contextlib.contextmanager
def _watch_postgres(connection, raw, saw):
    send, cursor_factory = raw.send, raw.cursor_factory
    # Our own statements bypass the driver's cursors.
    raw.send = lambda query: (saw(query), send(query))[1]
    raw.cursor_factory = _recording(raw.cursor_class(), saw)
    try:
        yield
    finally:
        raw.cursor_factory = cursor_factory
        vars(raw).pop("send", None)


_WATCHES = {"sqlite": _watch_sqlite, "postgres": _watch_postgres, "mysql": _watch_mysql}


def _recording(base, saw):
    class Recording(base):
        def execute(self, query, *more, **options):
            saw(query)
            return super().execute(query, *more, **options)

    return Recording


def forget_saved_sessions():
    """Have this process forget when it last saved a web session."""
    web_stores._saved.clear()


@contextlib.contextmanager
def only_connections(*connections):
    """Have the process know only the processors of `connections` during the block."""
    others = set(in_transaction._engines)
    in_transaction._engines.clear()
    for connection in connections:
        in_transaction.serves(connection)
    try:
        yield
    finally:
        in_transaction._engines.update(others)
        vars(sqlhub).pop("processConnection", None)


def ids_known(connection, cls):
    """How many ids of `cls` are known outside of transactions, of live and dead instances."""
    return len(connection.cache.caches[cls.__name__].expiredCache)


@contextlib.contextmanager
def warnings_forgotten():
    """Have warnings that come once in a process come again in the block."""
    before = bypass._warned.copy()
    bypass._warned.clear()
    try:
        yield
    finally:
        bypass._warned.update(before)


def attaching(path, name):
    """The class of sessions of SQLite that have the database at `path` attached as `name`."""

    class Attaching(SQLiteSession):
        def __init__(self, *args, **kw):
            super().__init__(*args, **kw)
            self.execute(f"ATTACH DATABASE '{path}' AS {name}")

    return Attaching


_ALONE = {
    "postgres": "SELECT count(*) FROM pg_locks WHERE relation = 'pg_settings'::regclass "
    "AND mode = 'ShareRowExclusiveLock' AND granted",
    "mysql": "SELECT count(IS_USED_LOCK('alone in {database}'))",
}


def somebody_is_alone(site):
    """Whether a writing request of `site` is alone, as another session sees it."""
    query = _ALONE[site.connection.dbName].format(database=site.database)
    return bool(site.execute(query)[0][0])
