"""One request's transaction, as SQLObject sees it: begun when first used, used by one thread."""

from contextlib import contextmanager
from itertools import count
from threading import get_ident

import web
from sqlobject import SQLObject, dberrors
from sqlobject.dbconnection import DBAPI, ConnWrapper, Transaction

from .engines.threads import Verdict
from .identity_map import InstanceCache
from .snapshot import KeptRowsReader


class OutsideItsRequest(RuntimeError):
    """An SQLObject instance or transaction was used after its request or by another thread."""


class TryEnded(dberrors.OperationalError, web.HTTPError):
    """This run of the request has come to nothing: it is run again from its start, or 503.

    It is an HTTPError so that web.py passes it on instead of logging an internal error.
    """

    data = ""

    def __init__(self, verdict):
        Exception.__init__(self, verdict.value)


class RequestTransaction(KeptRowsReader, Transaction):
    """A transaction that begins with its first query and ends with its request.

    `for_engine` makes the class that is used: it has the methods of the engine's connection
    class, which SQLObject would otherwise look up and bind anew at every call.
    """

    _raw = None
    _cache = None
    _obsolete = False
    ended_by = None
    failure = None
    doomed = False
    callbacks = ()

    def __init__(self, connection, writing, request):
        """`connection`: of connections.py; `writing`: bool; `request`: the WSGI environ."""
        self._dbConnection = connection
        self.writing = writing
        self.request = request
        self.owner = get_ident()
        self.debug = connection.debug
        self.debugOutput = connection.debugOutput

    def __getattr__(self, name):
        value = getattr(self._dbConnection, name)
        if isinstance(value, ConnWrapper):
            return ConnWrapper(value._soClass, self)
        return value

    @classmethod
    def for_engine(cls, connection_class):
        """Return the subclass for the connections of `connection_class`."""
        own = {**vars(KeptRowsReader), **vars(cls)}
        methods = {
            name: value
            for base in reversed(connection_class.__mro__)
            for name, value in vars(base).items()
            if name not in own and not name.startswith("__")
        }
        return type(cls.__name__, (cls,), methods)

    @property
    def _connection(self):
        if self.owner != get_ident():
            raise self.misuse()
        if self._raw is None:
            self._begin()
        return self._raw

    @property
    def cache(self):
        if self.owner != get_ident():
            raise self.misuse()
        if self._cache is None:
            self._cache = InstanceCache(self)
        return self._cache

    def misuse(self):
        """Return the error for a use after the request, or by another thread."""
        if self.owner is None:
            what = "after the request in which it was read had ended"
        else:
            what = "by another thread than the one that serves its request"
        return OutsideItsRequest(
            f"an SQLObject instance or transaction was used {what}: "
            "read it anew where it is needed, and pass ids instead of instances"
        )

    def _begin(self):
        if self.ended_by:
            raise TryEnded(self.ended_by)
        try:
            self._raw = self._dbConnection.begin(self.writing)
        except Exception as error:
            self._judge(error)
            raise

    def _judge(self, error):
        """Remember what `error` means; raise TryEnded where this run has come to nothing."""
        verdict = self._dbConnection.verdict(error)
        if verdict not in (Verdict.FAILED, Verdict.REFUSED if self.writing else None):
            self.end_try(verdict, error)
        if self.failure is None:
            self.failure = error

    def end_try(self, verdict, error=None):
        """Give up this run of the request; raises TryEnded."""
        self.ended_by = verdict
        raise TryEnded(verdict) from error

    def _executeRetry(self, conn, cursor, query):
        if self.ended_by:
            raise TryEnded(self.ended_by)
        try:
            result = self._dbConnection._executeRetry(conn, cursor, query)
        except Exception as error:
            self._judge(error)
            raise
        if self._peeked is not None:
            self._check_peeked()
        return result

    def _runWithConnection(self, meth, *args):
        return meth(self._connection, *args)

    def _SO_selectOne(self, so, columnNames):
        # The same query as SQLObject's, without its expression builder: half the time of a get.
        meta = so.sqlmeta
        if not columnNames or not isinstance(meta.table, str):
            return DBAPI._SO_selectOne(self, so, columnNames)
        return self.queryOne(
            f"SELECT {', '.join(columnNames)} FROM {meta.table} "
            f"WHERE {meta.table}.{meta.idName} = ({self.sqlrepr(so.id)})"
        )

    def getConnection(self):
        """Return the raw connection, inside the transaction, for queries without SQLObject."""
        raw = self._connection
        if self._peeked is not None:
            self._check_peeked()
        try:
            self._dbConnection.hand_out(raw)
        except Exception as error:
            self._judge(error)
            raise
        return raw

    def releaseConnection(self, conn, explicit=False):
        """Keep it: the connection is the transaction's until the request ends."""

    def begin(self):
        raise RuntimeError("a request has one transaction already; use savepoint() inside it")

    transaction = begin

    def commit(self, close=False):
        raise RuntimeError("the transaction is committed when the request ends")

    close = commit

    def rollback(self):
        raise RuntimeError("call doom() to have the transaction rolled back at the request's end")

    def __del__(self):
        """Nothing to do: who made the transaction ends it (Transaction rolls back here)."""

    def finish(self, commit):
        """End the transaction: commit it if `commit`, else roll back; never used again after.

        Raises what the engine raises when it cannot commit, after rolling back; TryEnded when
        that is a conflict, or the connection is lost.
        """
        raw, self._raw = self._raw, None
        self.owner = None
        self._cache = None
        if raw is None:
            if self._peeked is not None and not commit:
                self._rows.clear()
            return
        if not commit:
            if raw.rows is not None:
                raw.rows.clear()
            self._dbConnection.rollback(raw)
            return
        try:
            self._dbConnection.commit(raw)
        except BaseException as error:
            try:
                self._judge(error)
            finally:
                self._dbConnection.rollback(raw)
            raise

    _savepoints = count(1)

    @contextmanager
    def savepoint(self):
        """Undo the block's writes, and only these, where it raises; the error goes on.

        What the block gave to `on_commit` is undone with them.
        """
        name = f"savepoint_{next(self._savepoints)}"
        self.query(f"SAVEPOINT {name}")
        failure, callbacks = self.failure, self.callbacks
        instances = self.cache.before_savepoint()
        try:
            yield
        except BaseException:
            if not self.ended_by:
                self.query(f"ROLLBACK TO SAVEPOINT {name}")
                self.failure, self.callbacks = failure, callbacks
                self.cache.roll_back(instances)
            raise
        self.query(f"RELEASE SAVEPOINT {name}")


def _load_value(self, attribute, load=SQLObject._SO_loadValue):
    """SQLObject's own, for the right request and thread only: loaded values need no query, so
    the connection cannot notice there that the instance has leaked."""
    state = self.__dict__
    connection = state.get("_connection")
    if isinstance(connection, RequestTransaction) and connection.owner != get_ident():
        raise connection.misuse()
    try:
        return state[attribute]
    except KeyError:
        return load(self, attribute)


SQLObject._SO_loadValue = _load_value
