"""A WSGI function on the bare driver: no framework can be faster.

Each thread has one persistent connection. A write locks its row, or on SQLite the database, before
it reads.
"""

import os
import random
import threading
from urllib.parse import unquote, urlsplit

ROWS = int(os.environ["BENCHMARK_ROWS"])
URI = urlsplit(os.environ["BENCHMARK_DATABASE"])
SQLITE = URI.scheme == "sqlite"
MARK = "?" if SQLITE else "%s"
ONE = f"SELECT id, name, note, number FROM item WHERE id = {MARK}"
ALL = "SELECT id, name, note, number FROM item"
TO_CHANGE = ONE if SQLITE else f"{ONE} FOR UPDATE"
CHANGE = f"UPDATE item SET number = {MARK} WHERE id = {MARK}"

local = threading.local()


def connect():
    """A new connection in autocommit mode."""
    if SQLITE:
        import sqlite3

        return sqlite3.connect(URI.path, isolation_level=None)
    address = {"host": URI.hostname, "port": URI.port, "user": URI.username}
    address["password"] = unquote(URI.password)
    if URI.scheme == "postgres":
        import psycopg

        return psycopg.connect(dbname=URI.path[1:], autocommit=True, **address)
    import MySQLdb

    return MySQLdb.connect(database=URI.path[1:], autocommit=True, **address)


def cursor():
    """This thread's cursor."""
    if not hasattr(local, "cursor"):
        local.connection = connect()
        local.cursor = local.connection.cursor()
    return local.cursor


def rows(query, *values):
    """Return the rows that `query` finds."""
    cursor().execute(query, values)
    return cursor().fetchall()


def empty():
    return "no database"


def row():
    return rows(ONE, 7)[0][1]


def twenty():
    return " ".join(rows(ONE, number)[0][1] for number in range(1, 21))


def listed():
    return " ".join(name for _, name, _, _ in rows(ALL))


def write():
    cursor().execute("BEGIN IMMEDIATE" if SQLITE else "BEGIN")
    try:
        [(key, _, _, number)] = rows(TO_CHANGE, random.randint(1, ROWS))
        cursor().execute(CHANGE, (number + 1, key))
    except BaseException:
        cursor().execute("ROLLBACK")
        raise
    cursor().execute("COMMIT")
    return "written"


HANDLERS = {
    "/empty": empty,
    "/row": row,
    "/twenty": twenty,
    "/list": listed,
    "/write": write,
}


def application(environ, start_response):
    """The WSGI application."""
    body = HANDLERS[environ["PATH_INFO"]]().encode()
    headers = [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]
