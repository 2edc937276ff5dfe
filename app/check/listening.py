"""Hears what the application does while it is imported: queries, ports, threads."""

import os
import re
import sys
import threading
from contextlib import contextmanager
from functools import wraps
from typing import NamedTuple
from urllib.parse import unquote

import web
from sqlobject.mysql.mysqlconnection import MySQLConnection
from sqlobject.postgres.pgconnection import PostgresConnection
from sqlobject.sqlite.sqliteconnection import SQLiteConnection

from app.check.findings import WARNING, WRONG, Finding
from app.check.sources import is_own

_READS = re.compile(
    r"\s*(SELECT|WITH|PRAGMA|SHOW|DESCRIBE|EXPLAIN|SET|BEGIN|START|COMMIT|ROLLBACK|SAVEPOINT"
    r"|RELEASE)\b",
    re.IGNORECASE,
)


class WritesWhenImported(Exception):
    """The check does not let an import write to the database."""


class Heard(NamedTuple):
    """`kind`: query, columns, file, port or thread; `what`: its text; and the cause's place."""

    kind: str
    what: str
    file: str
    line: int


class Listener:
    """While `listening()` it notes what the application's own lines cause.

    The check changes nothing. So a statement that would write is refused, and so is opening the
    SQLite file `closed`, which would create or change it.
    """

    def __init__(self, closed=None):
        self.heard = []
        self.has_refused = False
        self._closed = closed
        self._on = False
        sys.addaudithook(self._hear)
        for cls in (SQLiteConnection, PostgresConnection, MySQLConnection):
            cls._executeRetry = self._noticed(cls._executeRetry, 3)
        threading.Thread.start = self._started(threading.Thread.start)
        web.db.DB._db_execute = self._noticed(web.db.DB._db_execute, 2)

    @contextmanager
    def listening(self):
        self._on = True
        try:
            yield
        finally:
            self._on = False

    def findings(self):
        """Return a Finding for each line that was heard: the one that says most."""
        by_place = {}
        for one in sorted(self.heard, key=lambda one: list(_TEXTS).index(one.kind)):
            by_place.setdefault((one.file, one.line), one)
        return [
            Finding(_TEXTS[one.kind][0], _TEXTS[one.kind][1].format(one.what), one.file, one.line)
            for one in by_place.values()
        ]

    def _note(self, kind, what):
        found = own_place(sys._getframe(2))
        if found:
            self.heard.append(Heard(kind, what, *found))

    def _hear(self, event, arguments):
        if not self._on or event not in _EVENTS:
            return
        if event == "sqlite3.connect" and self._is_closed(arguments[0]):
            self._note("query", f"opens {self._closed}")
            self._refuse(self._closed)
        what = arguments[0] if event == "sqlite3.connect" else arguments[-1]
        self._note(_EVENTS[event], str(what))

    def _started(self, stock):
        # Not every Python raises an audit event for it.
        @wraps(stock)
        def start(thread):
            if self._on:
                self._note("thread", thread.name)
            return stock(thread)

        return start

    def _refuse(self, what):
        self.has_refused = True
        raise WritesWhenImported(what)

    def _is_closed(self, path):
        if not self._closed:
            return False
        path = os.fsdecode(path)
        if path.startswith("file:"):
            # https://www.sqlite.org/uri.html
            path = unquote(path[len("file:") :].partition("?")[0])
        return os.path.realpath(path) == os.path.realpath(self._closed)

    def _noticed(self, stock, position):
        @wraps(stock)
        def execute(*arguments):
            query = str(arguments[position])
            if self._on:
                kind = _kind_of_query(query)
                self._note(kind, " ".join(query.split())[:60])
                if not _READS.match(query):
                    self._refuse(query)
            return stock(*arguments)

        return execute


_EVENTS = {
    "sqlite3.connect": "file",
    "socket.bind": "port",
}
# SQLObject's methods that ask for no row.
_CALLERS = {"addColumnsFromDatabase": "columns", "createTable": "tables", "tableExists": "tables"}
# For a line that did several of these, only the first is reported.
_TEXTS = {
    "query": (
        WRONG,
        "asks the database when it is imported ({}): do so in a handler. The daemons do not load "
        "while the database is away, and what they have read of it grows old. Tables are created "
        "by `.venv/bin/python -m app.database`, or by what SITE_DATABASE names",
    ),
    "columns": (
        WARNING,
        "takes its columns from the table when it is imported (fromDatabase): the daemons do not "
        "load while the database is away, and scripts/reload is needed when the table has changed",
    ),
    "tables": (
        WARNING,
        "looks for its table when it is imported: remove the line, because "
        "`.venv/bin/python -m app.database` creates the tables; the daemons do not load while the "
        "database is away",
    ),
    "file": (
        WRONG,
        "opens the SQLite file {} when it is imported: open it in handlers, or use SQLObject",
    ),
    "port": (
        WRONG,
        "opens the port {} when it is imported: write what starts a server below "
        'if __name__ == "__main__":',
    ),
    "thread": (
        WARNING,
        "starts a thread when it is imported, which each daemon has then, also a replaced one: "
        "start it by a program beside the site, with in_transaction() around what it does",
    ),
}


def own_place(frame):
    """The (file, line) of the innermost line of the application's that led to `frame`, or None."""
    while frame is not None:
        if is_own(frame.f_code.co_filename):
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return None


def _kind_of_query(query):
    frame = sys._getframe(2)
    while frame is not None:
        kind = _CALLERS.get(frame.f_code.co_name)
        if kind and _READS.match(query):
            return kind
        frame = frame.f_back
    return "query"
