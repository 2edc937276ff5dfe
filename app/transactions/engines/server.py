"""What connections to a database server share: a kept one may be dead, and nothing may wait long.

A class for an engine has beside the interface in connections.py: `start(raw, writing)` begins a
transaction on a raw connection; `check(raw)` asks the server whether it is there and raises the
driver's error; `is_closed(raw)` tells, without asking, whether the driver knows that it is lost.
`commit` and `rollback` set `raw.used` to the time of time.monotonic().
"""

import math
import time

from ..engines.threads import SERVER_OPTIONS, PerThreadConnections, Verdict

LEVELS = ("read committed", "repeatable read", "serializable")
KEPT = "request"


class ServerConnections(PerThreadConnections):
    """A mixin for SQLObject's connection classes of database servers.

    Options, seconds where not said otherwise: `timeout` to wait for another transaction's lock;
    `statement_timeout` for one statement; `connect_timeout` to open a connection; `check_after`
    of idleness, after which a kept connection is checked before it is used. `reading_level` and
    `writing_level` are isolation levels, in lower case; lower ones than the defaults give up a
    part of what transaction.py promises. A reading request at the default level sees one
    committed snapshot, which can still be of no serial order with two writing requests (the
    read-only anomaly); `reading_level` serializable excludes that, and costs conflicts.
    Raises ValueError that names a wrong option.
    """

    OPTIONS = SERVER_OPTIONS

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

    def makeConnection(self):
        raw = super().makeConnection()
        # Whether it has served a request before the present one, and when it last did.
        raw.kept = False
        raw.used = time.monotonic()
        return raw

    def begin(self, writing):
        """Return this thread's raw connection, in a transaction; raises the driver's error.

        One that is dead though no request has noticed is replaced once by a new one: nothing
        has been done on it yet.
        """
        raw = self.serving(KEPT)
        if raw is not None:
            raw.kept = True
            try:
                if time.monotonic() - raw.used > self.check_after:
                    self.check(raw)
                self.start(raw, writing)
                return raw
            except Exception as error:
                self.discard(raw)
                if self.verdict(error) is not Verdict.GONE:
                    raise
        raw = self.makeConnection()
        self.serve_with(KEPT, raw)
        try:
            self.start(raw, writing)
        except Exception:
            self.discard(raw)
            raise
        return raw

    def getConnection(self):
        """Return a raw connection for use outside of a request, not one known to be dead."""
        while True:
            raw = super().getConnection()
            if not self.is_closed(raw):
                return raw

    def _end_implicitly(self, raw):
        if not self.is_closed(raw):
            super()._end_implicitly(raw)


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
