"""The database engines: `connection_for` finds the one of a URI."""

import importlib
from collections.abc import Callable
from typing import Any

from ..observed import Run, engine_for
from .base import OutcomeUnknown, Session, TransactionLost, Verdict
from .threads import Engine

__all__ = [
    "Engine",
    "OutcomeUnknown",
    "Session",
    "TransactionLost",
    "Verdict",
    "class_for",
    "connection_for",
]

# Each is a folder here, whose class is called Engine.
SCHEMES = {
    "sqlite": "sqlite",
    "postgres": "postgres",
    "postgresql": "postgres",
    "mysql": "mariadb",
}
# Options that a caller may give for any engine. Those that it does not have are left out.
SHARED_OPTIONS = frozenset(
    ["cache_rows", "statement_timeout", "idle_timeout", "connect_timeout", "check_after"]
    + ["reading_level", "writing_level", "foreign_keys", "queue", "create"]
)

_connections: dict[tuple, Engine] = {}


def connection_for(
    uri: str, *, observer: Callable[[Run], object] | None = None, **options: Any
) -> Engine:
    """Return the connection for `uri`, always the same one for the same arguments.

    `options`: keyword arguments of the engine's class, such as `timeout`; options of other engines
    are left out, and options in the URI win. `observer`: a function that is told of each
    transaction's end (observed.py). Raises ValueError for a scheme without a class here, a missing
    driver, a wrong value, and for SQLite in memory, which threads cannot share.
    """
    key = (uri, observer, *sorted(options.items()))
    if key not in _connections:
        engine_class = engine_for(observer, class_for(uri))
        user, password, host, port, path, given = _parts(engine_class, uri)
        if path.endswith(":memory:"):
            raise ValueError("a database in memory cannot be shared by threads; name a file")
        left_out = SHARED_OPTIONS - engine_class.OPTIONS
        own = {name: value for name, value in options.items() if name not in left_out}
        try:
            _connections[key] = engine_class._connectionFromParams(
                user, password, host, port, path, {**own, **given}
            )
        except TypeError as error:
            raise ValueError(f"it has an unknown option: {error}") from None
    return _connections[key]


def _parts(engine_class, uri):
    try:
        return engine_class._parseURI(uri)
    except ValueError:
        # Its message may have a part of a password that is not quoted.
        raise ValueError(
            "its host or port is malformed; write characters of the user and the password "
            "other than letters and digits as %XX"
        ) from None


def class_for(uri):
    """Return the engine's class for the scheme of `uri`.

    Raises ValueError for an unknown one, and for one whose driver is missing.
    """
    scheme = uri.partition(":")[0]
    if scheme not in SCHEMES:
        known = ", ".join(sorted(SCHEMES))
        raise ValueError(f"no database engine for scheme {scheme!r}; write one of: {known}")
    try:
        return importlib.import_module(f".{SCHEMES[scheme]}", __package__).Engine
    except ImportError as error:
        raise ValueError(f"no driver for scheme {scheme!r}: {error}") from None
