"""Every change to SQLObject, in one list; nothing is changed before `install` is called.

web_sessions.py has another such list, of the changes to web.py.

`install` is called when an engine is created, and so when a processor is. An import changes
nothing: stock SQLObject stays stock in a process that only imports this package.

Beside the list, a class whose rows are kept gets a `sqlmeta` that is created on use
(row_cache.py).
"""

import threading
from functools import wraps
from importlib.metadata import version
from threading import get_ident
from typing import NamedTuple

from sqlobject import SQLObject, SQLObjectNotFound, converters, sqlhub
from sqlobject.dbconnection import DBAPI, ConnectionHub, Transaction
from sqlobject.sqlbuilder import SQLObjectState

from . import bypass
from .engines.text import convert_text
from .engines.threads import Engine
from .request import RequestTransaction
from .row_cache import has_stock_get

VALUE = "_SO_val_"
_lock = threading.Lock()
_installed: set[str] = set()
_load_value = getattr(SQLObject, "_SO_loadValue", None)


class Patch(NamedTuple):
    """One change: `owner.attribute`, or an entry of a dict, becomes `value`, for `reason`.

    `user`: the function of SQLObject that sets the attribute, where the class has none. The
    replaced attribute is looked up with a default, so that not the import but `install` fails
    where it is missing. `tried_with`: the versions of SQLObject with which it was tested.
    """

    owner: object
    attribute: object
    value: object
    reason: str
    user: object = None
    tried_with: tuple = ("3.14.0",)

    def is_possible(self):
        """Whether SQLObject has the attribute."""
        if isinstance(self.owner, dict):
            return self.attribute in self.owner
        if self.user is not None:
            return self.attribute in self.user.__code__.co_names
        return hasattr(self.owner, self.attribute)

    def apply(self):
        if isinstance(self.owner, dict):
            self.owner[self.attribute] = self.value
        else:
            setattr(self.owner, self.attribute, self.value)


class PatchError(RuntimeError):
    """SQLObject lacks an attribute that a Patch changes; the message names it and the cure."""


class CreatedOnUse:
    """An attribute of an instance that is created when it is first used."""

    def __init__(self, name, make):
        self._name = name
        self._make = make

    def __get__(self, instance, owner):
        if instance is None:
            return self
        value = instance.__dict__[self._name] = self._make(instance)
        return value


def load_value(self, attribute, stock=_load_value):
    """Return a column's value: to the right request and thread only, or read anew.

    A loaded value needs no query, so the connection cannot notice that its instance has leaked.
    Outside of transactions another process may have changed the value since it was loaded.
    """
    state = self.__dict__
    connection = state.get("_connection")
    if isinstance(connection, RequestTransaction):
        if connection.owner != get_ident():
            raise connection.misuse()
        try:
            return state[attribute]
        except KeyError:
            return stock(self, attribute)
    connection = self._connection
    if _is_outside(connection) or isinstance(connection, RequestTransaction):
        return _read_anew(self, attribute, stock)
    bypass.notice_use(connection)
    return stock(self, attribute)


def _is_outside(connection):
    """Whether `connection` is one of ours outside of all transactions, SQLObject's too."""
    return isinstance(connection, Engine) and not isinstance(connection, Transaction)


def _read_anew(instance, attribute, stock):
    meta = instance.sqlmeta
    name = attribute.removeprefix(VALUE)
    if meta._creating or meta._obsolete or name in instance._SO_createValues:
        return stock(instance, attribute)
    connection = instance._connection
    if isinstance(connection, RequestTransaction) and has_stock_get(type(instance)):
        # It is from a pickle. The request's own instance has the value in its snapshot.
        return load_value(type(instance).get(instance.id, connection=connection), attribute)
    column = meta.columns[name]
    row = connection._SO_selectOne(instance, [column.dbName])
    if not row:
        raise SQLObjectNotFound(
            f"The object {type(instance).__name__} by the ID {instance.id} has been deleted"
        )
    value = row[0]
    return column.to_python(value, instance._SO_validatorState) if column.to_python else value


def get_state(self, stock=SQLObject.__getstate__):
    """Return what is pickled of an instance of a request: its row, not its transaction."""
    if not isinstance(self.__dict__.get("_connection"), RequestTransaction):
        return stock(self)
    if self.sqlmeta.lazyUpdate and self._SO_createValues:
        self.syncUpdate()
    left_out = {"_connection", "sqlmeta", *_ON_USE}
    return {name: value for name, value in self.__dict__.items() if name not in left_out}


def set_state(self, state):
    """An instance out of a pickle is bound to no request: its values are read where it is used."""
    self.__init__(_SO_fetch_no_create=1)
    self._SO_validatorState = SQLObjectState(self)
    self._SO_writeLock = threading.Lock()
    self._SO_createValues = {}
    own = {name: value for name, value in state.items() if not name.startswith(VALUE)}
    self.__dict__.update(own)
    try:
        connection = self._connection
    except AttributeError:
        # There is no connection yet: web.py may read its session before the processor.
        return
    if _is_outside(connection) and connection.cache.tryGet(self.id, type(self)) is None:
        connection.cache.created(self.id, type(self), self)


def noticed(stock):
    """Return the method `stock` of a connection, which notices its use within a request."""

    @wraps(stock)
    def method(self, *arguments):
        # Ours are noticed where they open a session (engines/threads.py).
        if not isinstance(self, Engine) or _is_begun(self):
            bypass.notice_use(self)
        return stock(self, *arguments)

    return method


def _is_begun(connection):
    """Whether `connection` is SQLObject's own transaction, which may be older than the request."""
    return isinstance(connection, Transaction) and not isinstance(connection, RequestTransaction)


def _set_thread_connection(self, connection):
    if self is sqlhub:
        bypass.refuse_another_thread_connection(connection)
    self.threadingLocal.connection = connection


def _delete_thread_connection(self):
    if self is sqlhub:
        bypass.refuse_another_thread_connection(None)
    del self.threadingLocal.connection


_thread_connection = property(
    lambda hub: hub.threadingLocal.connection, _set_thread_connection, _delete_thread_connection
)

_ON_USE = {
    "_SO_validatorState": (SQLObjectState, SQLObject.get.__func__),
    "_SO_writeLock": (lambda instance: threading.Lock(), SQLObject._init),
    "_SO_createValues": (lambda instance: {}, SQLObject._init),
}

PATCHES = (
    Patch(SQLObject, "_SO_loadValue", load_value, "leaked instances fail, others are fresh"),
    Patch(SQLObject, "__getstate__", get_state, "an instance of a request can be pickled"),
    Patch(SQLObject, "__setstate__", set_state, "a pickle brings no stale values"),
    Patch(ConnectionHub, "threadConnection", _thread_connection, "an old hook is refused"),
    *(
        Patch(owner, name, noticed(getattr(owner, name, None)), "other connections are noticed")
        for owner, name in (
            (DBAPI, "_runWithConnection"),
            (DBAPI, "iterSelect"),
            (Transaction, "assertActive"),
        )
    ),
    Patch(converters.converters.klass, str, convert_text, "PostgreSQL stores no U+0000"),
    *(
        Patch(SQLObject, name, CreatedOnUse(name, make), "instances of kept rows are light", user)
        for name, (make, user) in _ON_USE.items()
    ),
)


def install(patches=PATCHES, package="SQLObject"):
    """Change `package` as `patches` say, once in a process.

    Raises PatchError where an attribute is missing; then nothing is changed.
    """
    with _lock:
        if package in _installed:
            return
        missing = [patch for patch in patches if not patch.is_possible()]
        if missing:
            names = ", ".join(str(patch.attribute) for patch in missing)
            raise PatchError(
                f"{package} {version(package)} has no {names}: "
                f"install {package}=={patches[0].tried_with[-1]}"
            )
        for patch in patches:
            patch.apply()
        _installed.add(package)
