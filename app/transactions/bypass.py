"""Notices what bypasses the transactions: an old hook, a connection that is not ours.

A sure bypass is refused before anything is executed. One that may be intended is logged once.
"""

import logging
import re
import sys
from inspect import getattr_static

from sqlobject import SQLObject, sqlhub
from sqlobject.dbconnection import ConnectionHub, Transaction

from .current import NoTransaction, current
from .engines.threads import Engine, engines, place_of
from .outcomes import is_without_transactions

log = logging.getLogger(__name__)

_warned: set = set()
_OUTSIDE = ("outside of requests",)
_WRITES = ("writes outside of transactions",)
_CHANGES_ROWS = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE)\b", re.IGNORECASE)


def look_at_classes(engine):
    """Warn of the classes that have a connection of their own.

    Raises RuntimeError where it is to the database of `engine`: then each write would be committed
    at once, even if its request is rolled back.
    """
    own = classes_with_connection(engine)
    certain = [_name(cls) for cls, of_engine in own if of_engine]
    if certain:
        raise RuntimeError(
            f"{', '.join(certain)}: a connection of its own to the site's database, past the "
            "transactions of requests: remove `_connection = …`, `__connection__ = …` or "
            "setConnection(…). What must be saved even after a rollback belongs in on_commit() "
            "and on_rollback()"
        )
    for cls, _ in own:
        _warn_once(
            cls,
            f"{_name(cls)} has a connection of its own, which is no part of the requests' "
            "transactions: what it writes stays even if its request is rolled back. Remove "
            "`_connection = …`, `__connection__ = …` or setConnection(…), unless you intend that",
        )


def classes_with_connection(engine):
    """Return (class, whether its connection surely is to `engine`'s database) of each."""
    own = [(cls, connection) for cls in _models() if (connection := _own_connection(cls))]
    return [(cls, is_same_database(connection, engine)) for cls, connection in own]


def look_at_process():
    """Warn where SQLObject uses a connection of its own outside of transactions."""
    given = vars(sqlhub).get("processConnection")
    if given is not None and not isinstance(given, Engine):
        _warn_once(
            "processConnection",
            "sqlhub.processConnection is SQLObject's own connection, which shows other threads "
            "values that other processes have changed since: remove what sets it, because "
            "transaction_per_request() does",
        )


def notice_thread(connection):
    """Warn that `connection`, set as the thread's before the request, is not used in it."""
    if not isinstance(connection, (Engine, NoTransaction)):
        _warn_once(
            "threadConnection",
            "sqlhub.threadConnection was set before the request, which has a transaction of its "
            "own: remove what sets it, such as an old hook around load_sqlo",
        )


def notice_use(connection):
    """Notice a use of `connection`, which is not the thread's transaction.

    Raises RuntimeError where a transaction is open to the same database. Raises it too where
    `connection` is ours, in a request of web.py that has no transaction.
    """
    # Any other attribute of SQLObject's transaction would count as another use.
    if isinstance(connection, Transaction):
        connection = connection._dbConnection
    transaction = current()
    if transaction is None and isinstance(connection, Engine):
        _refuse_without_transactions()
        return
    if transaction is None or (transaction.implicit and not transaction.has_begun()):
        # A function that is called after its request may do as it likes.
        _notice_outside(connection)
        return
    if is_same_database(connection, transaction._dbConnection):
        raise RuntimeError(
            "a connection other than the request's was used in it, past its transaction: "
            "remove `connection=…` from the call, transaction() and getConnection() of "
            "sqlhub.processConnection, or the module-level connection that an instance was read "
            "with; read instances in the request, and use savepoint() for a part of it. What "
            "must be saved even after a rollback belongs in on_commit() and on_rollback()"
        )
    _warn_once(
        place_of(connection),
        "a connection to another database was used in a request: it is no part of its "
        "transaction, and what is written there stays even if the request is rolled back",
    )


def _notice_outside(connection):
    """Warn that SQLObject's own connection to the site's database is used outside of requests."""
    if _OUTSIDE in _warned or isinstance(connection, Engine):
        return
    if any(is_same_database(connection, engine) for engine in engines()):
        _warn_once(
            _OUTSIDE,
            "SQLObject's own connection to the site's database was used outside of requests: it "
            "shows values that other processes have changed since, and loses updates. Leave out "
            "`connection=…`, and have in_transaction(function) do the work",
        )


def _refuse_without_transactions():
    """Raise RuntimeError where the caller is in a request of web.py that has no transaction."""
    if is_without_transactions(sys._getframe()):
        raise RuntimeError(
            "models were used in a request of web.py without a transaction: its application has "
            "no load_sqlo, or the processor that used them comes before web.py's own. Call "
            "application.add_processor(load_sqlo) on each web.application that is served or asked "
            "by request(), and add other processors after it"
        )


def notice_change(engine, arguments):
    """Warn that rows are changed outside of transactions by `engine`, where it serves requests.

    `arguments`: what SQLObject's method is called with, the statement or the row. A script or a
    shell does so on purpose, and its process serves nobody.
    """
    if not engine.serves_requests or _WRITES in _warned:
        return
    (first, *_) = arguments or ("",)
    if isinstance(first, SQLObject) or (isinstance(first, str) and _CHANGES_ROWS.match(first)):
        _warn_once(
            _WRITES,
            "rows were changed outside of transactions in a process that serves requests, as by a "
            "thread of a handler: a request may have changed what was read before, and its "
            "acknowledged change is then lost. Have in_transaction(function) do the work",
        )


def refuse_another_thread_connection(connection):
    """Raise RuntimeError where the calling thread's transaction would be left for `connection`."""
    transaction = current()
    if transaction is not None and connection is not transaction:
        raise RuntimeError(
            "sqlhub.threadConnection was changed in a request, so all models would bypass its "
            "transaction: remove the hook that does so, because load_sqlo has opened one"
        )


def is_same_database(connection, engine):
    """Whether a connection of SQLObject's is surely to the database of `engine`."""
    if isinstance(connection, Transaction):
        connection = connection._dbConnection
    return connection is engine or place_of(connection) == engine.place


def _models(cls=SQLObject):
    for model in cls.__subclasses__():
        yield model
        yield from _models(model)


def _own_connection(cls):
    """The connection that the class has in place of the thread's, or None."""
    given = getattr_static(cls, "_connection", None)
    if given is sqlhub:
        return None
    if isinstance(given, ConnectionHub):
        try:
            return given.getConnection()
        except AttributeError:
            return None
    return given


def _name(cls):
    return f"{cls.__module__}.{cls.__qualname__}"


def _warn_once(key, message):
    if key not in _warned:
        _warned.add(key)
        log.warning(message, stack_info=isinstance(key, tuple))
