"""What engines with a server share: a session may be dead, and nothing may wait long."""

import abc
import math
import time

from . import threads
from .base import Verdict

LEVELS = ("read committed", "repeatable read", "serializable")
USE = "requests"


class ServerSession(abc.ABC):
    """What a session of a server has beside Session's."""

    # Whether it has served a request before the present one, and when it last did
    # (time.monotonic()).
    reused = False
    used = 0.0

    @abc.abstractmethod
    def open_transaction(self, writing, seconds=None, alone=0):
        """As Session's; `alone`: the attempt to have a writing one go alone, from 1 on, or 0."""

    @abc.abstractmethod
    def check(self):
        """Ask the server whether it is there; raises the driver's error."""

    @abc.abstractmethod
    def is_lost(self):
        """Whether the driver knows that the connection is lost, without asking the server."""


class ServerEngine(threads.Engine):
    """The base of the engines with a server.

    Options, seconds where not said otherwise: `timeout` to wait for another transaction's lock;
    `statement_timeout` for one statement; `connect_timeout` to open a connection; `check_after`
    of idleness, after which a session is checked before it is used. `reading_level` and
    `writing_level` are isolation levels, in lower case; lower ones than the defaults give up a
    part of what processor.py promises. A reading request at the default level sees one
    committed snapshot, which can still be of no serial order with two writing requests (the
    read-only anomaly); `reading_level` serializable excludes that, and costs conflicts.
    Raises ValueError that names a wrong option.
    """

    OPTIONS = frozenset(
        ["statement_timeout", "connect_timeout", "check_after", "reading_level", "writing_level"]
    )

    def __init__(
        self,
        timeout=5,
        statement_timeout=30,
        connect_timeout=5,
        check_after=30,
        reading_level="repeatable read",
        writing_level="serializable",
        **kw,
    ):
        self.timeout = _seconds("timeout", timeout)
        self.statement_timeout = _seconds("statement_timeout", statement_timeout)
        self.connect_timeout = _seconds("connect_timeout", connect_timeout)
        self.check_after = _seconds("check_after", check_after)
        self.reading_level = _level("reading_level", reading_level)
        self.writing_level = _level("writing_level", writing_level)
        super().__init__(**kw)

    def session_for(self, writing, seconds=None):
        """Return this thread's session, in a transaction; raises the driver's error.

        One that is dead though no request has noticed is replaced once by a new one: nothing
        has been done on it yet.
        """
        return self._session(writing, seconds, 0)

    def session_alone(self, attempt, seconds=None):
        return self._session(True, seconds, attempt)

    def _session(self, writing, seconds, alone):
        session = self.own_sessions().by_use.get(USE)
        if session is not None:
            session.reused = True
            try:
                if time.monotonic() - session.used > self.check_after:
                    session.check()
                session.open_transaction(writing, seconds, alone)
                return session
            except BaseException as error:
                session.discard()
                interrupted = not isinstance(error, Exception)
                if interrupted or self.verdict(error) is not Verdict.GONE:
                    raise
        session = self.open_session(USE)
        try:
            session.open_transaction(writing, seconds, alone)
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
