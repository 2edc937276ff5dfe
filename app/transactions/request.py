"""One transaction, as SQLObject sees it: begun with its first query, used by one thread."""

from contextlib import nullcontext
from functools import cache
from threading import get_ident

from sqlobject.dbconnection import DBAPI, ConnWrapper, Transaction

from . import lists
from .engines.base import Verdict
from .errors import OutsideItsRequest
from .identity_map import IdentityMap
from .kinds import Kinds
from .outcomes import commits
from .savepoints import Savepoints
from .snapshot import SnapshotOnUse
from .verdicts import Verdicts


class RequestTransaction(Verdicts, Kinds, Savepoints):
    """A transaction that begins with its first query and ends with its request.

    `for_engine` returns the class that is used: it inherits from the engine's class too, so that
    SQLObject's methods work on it as on a connection.
    """

    snapshot = SnapshotOnUse()
    # Its IdentityMap, once it has one.
    instances = None
    _session = None
    _obsolete = False
    # Whether it is of a function that was called after another transaction.
    implicit = False
    # Whether the handler is at work. It is not while a stream waits to be read further.
    running = True
    # Whether its end has begun: nobody may use it any more.
    finished = False
    doomed = False
    after_commit = ()
    after_rollback = ()
    # What else the processor does when it has ended (web_sessions.py).
    at_end = ()
    runs = 1

    # Whether an error leaves a savepoint without undoing it.
    commits = staticmethod(commits)

    @staticmethod
    def surroundings_of_after():
        """Return a context manager for the functions that are called after the end."""
        return nullcontext()

    def __init__(self, engine, writing, request=None):
        """`engine`: the connection; `writing`: bool; `request`: what it belongs to, any object."""
        self._dbConnection = engine
        self.writing = writing
        self.request = request
        self.owner = get_ident()
        self.debug = engine.debug
        self.debugOutput = engine.debugOutput

    def __getattr__(self, name):
        value = getattr(self._dbConnection, name)
        if isinstance(value, ConnWrapper):
            return ConnWrapper(value._soClass, self)
        return value

    def __del__(self):
        """Do nothing: whoever began it ends it. SQLObject's own would close and roll back."""

    @classmethod
    @cache
    def for_engine(cls, engine_class):
        """Return the class of the transactions on the connections of `engine_class`."""
        return type(cls.__name__, (*engine_class.AROUND, cls, engine_class, Transaction), {})

    @property
    def _connection(self):
        if self.owner != get_ident():
            raise self.misuse()
        if self._session is None:
            self._begin()
        return self._session

    @property
    def cache(self):
        if self.owner != get_ident():
            raise self.misuse()
        if self.instances is None:
            self.instances = IdentityMap(self)
        return self.instances

    def misuse(self):
        """Return the error for a use after the request, or by another thread."""
        if self.resting:
            return OutsideItsRequest(
                "an SQLObject instance that was read before was used in a handler marked "
                "@no_transaction: read it in a function that is given to in_transaction()"
            )
        if self.owner is None:
            what = "after the request in which it was read had ended"
        else:
            what = "by another thread than the one that serves its request"
        return OutsideItsRequest(
            f"an SQLObject instance or transaction was used {what}: "
            "read it anew where it is needed, and pass ids instead of instances"
        )

    def has_begun(self):
        return self._session is not None or self.ended_by is not None

    def session_with_rows(self):
        """Return the thread's session that may have kept rows of earlier requests, or None."""
        return self._dbConnection.reading_session()

    def ask_token(self):
        """Begin the transaction, unless it has begun; have its token arrive at its snapshot."""
        session = self._connection
        if session.snapshot is self.snapshot:
            try:
                session.ask_token()
            except Exception as error:
                self.judge(error)
                raise

    def _begin(self):
        self.may_go_on()
        try:
            self._session = self.session_of_kind()
            self.snapshot.begin(self._session)
        except Exception as error:
            self.judge(error)
            raise
        except BaseException:
            self._dbConnection.roll_back_left()
            self._session = None
            raise

    def spoil_session(self):
        """Have the session end, because a query that was left there may pin an old snapshot."""
        if self._session is not None:
            self._session.spoiled = True

    def _executeRetry(self, conn, cursor, query):
        try:
            self.before(conn)
            return self._dbConnection._executeRetry(conn, cursor, query)
        except Exception as error:
            self.judge(error)
            raise

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

    def _SO_update(self, so, values):
        super()._SO_update(so, values)
        if vars(so).get("_connection") is not self:
            # It is from a pickle.
            self.cache.changed(so, [name for name, _ in values])

    def tableExists(self, name):
        # SQLObject knows by MariaDB's error that there is none. The handler swallowed nothing.
        before = self.failure
        exists = super().tableExists(name)
        self.failure = before
        return exists

    def iterSelect(self, select):
        # All at once: the handler may use the connection while it goes through the rows.
        return iter(lists.instances(self, select))

    def getConnection(self):
        """Return the session, inside the transaction, for queries without SQLObject."""
        session = self._connection
        self.snapshot.settle()
        try:
            session.hand_out(self)
        except Exception as error:
            self.judge(error)
            raise
        return session

    def releaseConnection(self, conn, explicit=False):
        """Do nothing: the connection belongs to the transaction until the request ends."""

    def begin(self):
        raise RuntimeError(
            "a request has one transaction already; use savepoint() inside it, or remove the hook "
            "that begins another one"
        )

    transaction = begin

    def commit(self, close=False):
        raise RuntimeError("the transaction is committed when the request ends")

    close = commit

    def rollback(self):
        raise RuntimeError("call doom() to have the transaction rolled back at the request's end")

    def finish(self, commit):
        """End the transaction: commit it if `commit`, or roll back. Nobody uses it again.

        Raises what the engine raises when it cannot commit, after rolling back; RunEnded when
        that is a conflict, or the connection is lost.
        """
        # Set first: an interruption must not leave a transaction that begins anew when it is used.
        self.finished, self.owner = True, None
        session, self._session = self._session, None
        # These refer to the transaction. With them it would wait for the garbage collector.
        snapshot, self.instances = self.__dict__.pop("snapshot", None), None
        if session is None:
            if not commit and snapshot is not None:
                snapshot.drop()
            return
        try:
            if commit:
                self._commit(session)
        except BaseException:
            self._roll_back(session)
            raise
        if not commit:
            self._roll_back(session)

    def _commit(self, session):
        if self.is_late():
            self.end_run(Verdict.LATE)
        self.may_be_committed = self.writing
        try:
            session.commit_transaction()
        except Exception as error:
            self.judge(error)
            raise

    def _roll_back(self, session):
        session.forget_rows()
        session.roll_back_transaction()
