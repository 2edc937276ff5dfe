"""What engines with a server share: a session may be dead, and nothing may wait long."""

import abc
import math
import time

from . import threads
from .base import Verdict

LEVELS = ("read committed", "repeatable read", "serializable")
USE = "requests"
# Seconds that a statement may take past the deadline. With fewer the limit is sent more often.
_OVERTIME = 1
# Seconds. Less would be rounded to 0, which means no limit.
_LEAST = 0.001


class ServerSession(abc.ABC):
    """What a session of a server has beside Session's."""

    # Whether it has served a request before the present one, and when it last did
    # (time.monotonic()).
    reused = False
    used = 0.0
    # Seconds that a statement may take, and that a transaction may be idle, where the session was
    # told nothing else. Given by the engine.
    statement_timeout = idle_timeout = math.inf

    @abc.abstractmethod
    def open_transaction(self, writing, deadline=math.inf, alone=0, may_idle=False):
        """As Session's; `alone`: which attempt to go alone this is, from 1 on; 0 for none.

        `may_idle` as of the engine's `session_for`.
        """

    @abc.abstractmethod
    def check(self):
        """Ask the server whether it is there; raises the driver's error."""

    @abc.abstractmethod
    def is_lost(self):
        """Whether the driver knows that the connection is lost, without asking the server."""

    def limits_until(self, deadline, may_idle):
        """Return how many seconds a statement may take, and how many a transaction may be idle.

        For a transaction that begins now and ends at the `deadline`. None where the session has
        these limits already, as for most requests. `may_idle` as of the engine's `session_for`.
        """
        left = deadline - time.monotonic()
        longest = math.inf if deadline == math.inf and not may_idle else self.idle_timeout
        if self.statement_timeout <= left <= longest:
            self.enough = max(0.0, self.statement_timeout - _OVERTIME)
            return None
        statement = min(max(_LEAST, left), self.statement_timeout)
        self.enough = max(0.0, statement - _OVERTIME)
        return statement, max(_LEAST, left) + _OVERTIME

    def limit_statements(self, left):
        """As Session's."""
        left = max(_LEAST, left)
        self.send_limits(left, left + _OVERTIME)
        self.enough = max(0.0, left - _OVERTIME)

    @abc.abstractmethod
    def send_limits(self, statement, idle):
        """Set how many seconds a statement may take, and the open transaction may be idle.

        Raises the driver's error.
        """


class ServerEngine(threads.Engine):
    """The base of the engines with a server.

    Options, in seconds: `timeout` for another transaction's lock; `statement_timeout` for one
    statement; `connect_timeout` to open a connection; `check_after` of idleness, after which a
    session is checked before it is used; `idle_timeout` for which a transaction of a request, or
    one with a deadline, may be idle. After that the server ends its session and with it its locks,
    because its process may have been stopped, or its host be away. `reading_level` and
    `writing_level` are isolation levels, in lower case. Levels below the defaults give up a part
    of what processor.py promises. A reading request at the default level sees one committed
    snapshot, which can still be of no serial order with two writing requests (the read-only
    anomaly); `reading_level` serializable excludes that, and costs conflicts.
    Raises ValueError that names a wrong option.
    """

    OPTIONS = frozenset(
        ["statement_timeout", "idle_timeout", "connect_timeout", "check_after"]
        + ["reading_level", "writing_level"]
    )

    def __init__(
        self,
        timeout=5,
        statement_timeout=30,
        idle_timeout=60,
        connect_timeout=5,
        check_after=30,
        reading_level="repeatable read",
        writing_level="serializable",
        **kw,
    ):
        self.timeout = _seconds("timeout", timeout)
        self.statement_timeout = _seconds("statement_timeout", statement_timeout)
        self.idle_timeout = _seconds("idle_timeout", idle_timeout)
        self.connect_timeout = _seconds("connect_timeout", connect_timeout)
        self.check_after = _seconds("check_after", check_after)
        self.reading_level = _level("reading_level", reading_level)
        self.writing_level = _level("writing_level", writing_level)
        super().__init__(**kw)

    def session_for(self, writing, deadline=math.inf, may_idle=False):
        """Return this thread's session, in a transaction; raises the driver's error.

        A session that is found dead is replaced once by a new one, because nothing has been done
        on it yet.
        """
        return self._session(writing, deadline, 0, may_idle)

    def session_alone(self, attempt, deadline=math.inf, may_idle=False):
        return self._session(True, deadline, attempt, may_idle)

    def _session(self, *opening):
        session = self.own_sessions().by_use.get(USE)
        if session is not None:
            session.reused = True
            try:
                if time.monotonic() - session.used > self.check_after:
                    session.check()
                session.open_transaction(*opening)
                return session
            except BaseException as error:
                session.discard()
                interrupted = not isinstance(error, Exception)
                if interrupted or self.verdict(error) is not Verdict.GONE:
                    raise
        session = self.open_session(USE)
        try:
            session.open_transaction(*opening)
        except BaseException:
            session.discard()
            raise
        return session

    def getConnection(self):
        """Return a session for use outside of a request, not one known to be dead."""
        while True:
            session = super().getConnection()
            if not session.is_lost():
                return session

    def _end_implicitly(self, session):
        if not session.is_lost():
            super()._end_implicitly(session)


def _seconds(name, value):
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= 86400:
        raise ValueError(f"{name} is {value!r}: write a number of seconds, at most 86400")
    return seconds


def _level(name, value):
    if value not in LEVELS:
        raise ValueError(f"{name} is {value!r}: write one of {', '.join(LEVELS)}")
    return value
