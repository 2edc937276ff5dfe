"""Connections that bypass the requests' transactions: to the site's database a second time."""

import ast
import os

from sqlobject import connectionForURI
from web.db import dburl2dict

from app.check.findings import WARNING, WRONG, Finding
from app.check.hooks import is_recipe
from app.check.reach import name_of, nodes_with_function
from app.check.values import UNKNOWN, argument

_USES = {"query", "select", "where", "insert", "multiple_insert", "update", "delete"}
_USES |= {"transaction"}
_DRIVERS = ("sqlite3", "psycopg", "psycopg2", "MySQLdb", "pymysql")
_KINDS = {"postgres": "postgres", "psycopg": "postgres", "psycopg2": "postgres"}
_KINDS |= {"mysql": "mysql", "mariadb": "mysql", "MySQLdb": "mysql", "pymysql": "mysql"}
_SECOND = (
    "opens a second connection to {}, beside the transaction of the request, and may wait for its "
    "lock: use SQLObject's classes, which have the request's; in a thread in_transaction()"
)
_FOR_SESSIONS = (
    "opens a connection of web.py's own to {}: what it writes is no part of a request's "
    "transaction. Sessions in an SQLObject class are, see app/transactions/README.md"
)
_IN_THREADS = (
    "opens a second connection to {}: have a thread or a script run in in_transaction(), and use "
    "SQLObject's classes without `connection=`"
)
THE_SITES = "the site's database"
PERHAPS = "what may be the site's database"


def webpy_names(sources):
    """The names to which the result of web.database() is bound."""
    found = set()
    for source in sources:
        for node in ast.walk(source.tree):
            called = isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
            if called and _opens(node.value, source) == "web":
                found |= {name_of(target) for target in node.targets}
    return found


def findings(sources, reached, engine):
    """Yield the Findings in the Sources; `engine`: the connection of the site's database."""
    used = _is_used_in_requests(sources, reached, webpy_names(sources))
    for source in sources:
        sets_process = _set_as_process_connection(source)
        for node, function in nodes_with_function(source.tree):
            kind = isinstance(node, ast.Call) and _opens(node, source)
            if not kind or node in sets_process or is_recipe(function):
                continue
            same = _is_sites(kind, node, source, engine)
            if same is False:
                continue
            in_request = function in reached or (kind == "web" and used)
            if kind == "web" and not in_request:
                level, text = WARNING, _FOR_SESSIONS
            elif function is not None and not in_request:
                level, text = (WARNING, _IN_THREADS) if same else (None, "")
            else:
                level, text = (WRONG if same else WARNING), _SECOND
            if level:
                text = text.format(THE_SITES if same else PERHAPS)
                yield Finding(level, text, str(source.path), node.lineno)


def _opens(call, source):
    """Which kind of connection a call opens: sqlobject, web, a driver's name, or None."""
    name = name_of(call.func)
    if isinstance(call.func, ast.Attribute):
        before = name_of(call.func.value)
        dotted = f"{source.imported.get(before, before)}.{name}"
    else:
        dotted = source.imported.get(name, name)
    if name == "connectionForURI":
        return "sqlobject"
    if dotted in ("web.database", "web.db.database"):
        return "web"
    for driver in _DRIVERS:
        if dotted in (f"{driver}.connect", f"{driver}.Connection"):
            return driver
    return None


def _set_as_process_connection(source):
    """The calls whose value becomes sqlhub.processConnection. hooks.py reports them."""
    return {
        node.value
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Assign)
        and any(name_of(target) == "processConnection" for target in node.targets)
    }


def _is_used_in_requests(sources, reached, names):
    """Whether a request uses one of `names` for more than a store of sessions."""
    for source in sources:
        for node, function in nodes_with_function(source.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                used = node.func.attr in _USES and name_of(node.func.value) in names
                if used and function in reached:
                    return True
    return False


def _is_sites(kind, call, source, engine):
    """Whether the call opens the database of `engine`; None where nobody can tell."""
    if kind == "sqlobject":
        return _is_uri_of_site(argument(call, 0, "uri", source=source), engine)
    if kind == "sqlite3":
        return _is_file_of_site(argument(call, 0, "database", source=source), engine)
    if kind == "web":
        return _is_webpys(call, source, engine)
    return _is_servers(kind, _values(call, source), engine)


def _is_uri_of_site(uri, engine):
    from app.transactions.bypass import is_same_database

    if uri is UNKNOWN or not isinstance(uri, str):
        return None
    try:
        return is_same_database(connectionForURI(uri), engine)
    except Exception:
        return None


def _is_file_of_site(path, engine):
    if engine.dbName != "sqlite":
        return False
    if path is UNKNOWN or not isinstance(path, (str, os.PathLike)):
        return None
    return os.path.realpath(path) == engine.place[1]


def _values(call, source):
    return {one.arg: argument(call, None, one.arg, source=source) for one in call.keywords}


def _is_webpys(call, source, engine):
    given = _values(call, source)
    if call.args:
        uri = argument(call, 0, source=source)
        if not isinstance(uri, str):
            return None
        given |= dburl2dict(uri)
    kind = given.get("dbn")
    if kind == "sqlite":
        return _is_file_of_site(given.get("db", UNKNOWN), engine)
    return _is_servers(kind if isinstance(kind, str) else None, given, engine)


def _is_servers(kind, given, engine):
    if _KINDS.get(kind or engine.dbName) != engine.dbName:
        return False
    name = next((given[one] for one in ("dbname", "database", "db") if one in given), UNKNOWN)
    if name is UNKNOWN or UNKNOWN in given.values():
        return None
    _, host, port, site = engine.place
    if (int(given.get("port") or port), name) != (port, site):
        return False
    # A server has several names.
    return True if given.get("host", "localhost") == host else None
