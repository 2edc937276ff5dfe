"""How long a statement on PostgreSQL may take: set once in a session, or in each transaction."""

import math
import re

# What may set it otherwise for the rest of the session, or take away what is prepared there.
CHANGES_SETUP = re.compile(
    r"statement_timeout|lock_timeout|\breset\s+all\b|\bdeallocate\b", re.IGNORECASE
)


class Limits:
    """The statements that set the limits: for a transaction, or for the whole session.

    In each transaction they take a tenth of the time of one that reads and writes a row.
    """

    def __init__(self, statement, lock):
        """`statement`: seconds for one statement; `lock`: seconds of them to wait for a lock."""
        limits = {"statement_timeout": statement, "lock_timeout": lock}
        milliseconds = {name: math.ceil(limit * 1000) for name, limit in limits.items()}
        self.of_transaction = self._set("SET LOCAL", milliseconds)
        self._of_session = self._set("SET", milliseconds)

    def _set(self, command, limits):
        return "".join(f"{command} {name}={value};" for name, value in limits.items())

    def hold_in_session(self, wire, raw):
        """Set them for the session of `raw`, in autocommit; return whether that can be done.

        A pooler such as PgBouncer may give each transaction another session, where what one
        client sets is another's too. It shows by the session's process id, which is not the one
        that was told for this connection. Raises the driver's error.
        """
        _, (process,) = wire.send(raw, "SELECT pg_backend_pid()")
        if int(process) != raw.info.backend_pid:
            return False
        wire.send(raw, self._of_session)
        return True
