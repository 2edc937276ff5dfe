"""How long a statement on PostgreSQL may take: set once in a session, or in each transaction."""

import math

# Milliseconds that the transaction that is alone waits for another's lock in its first attempt.
# Most transactions that only query the database end within that time.
_FIRST_WAIT = 20
_IDLE = "idle_in_transaction_session_timeout"


class Limits:
    """The statements that set the limits: for a transaction, or for the whole session.

    To set them in each transaction takes a tenth of the time in which one reads and writes a row.
    """

    def __init__(self, statement, lock, idle):
        """`statement`: seconds for one statement; `lock`: seconds of them to wait for a lock;
        `idle`: seconds for which a transaction may be idle."""
        limits = {"statement_timeout": statement, "lock_timeout": lock, _IDLE: idle}
        milliseconds = {name: _milliseconds(limit) for name, limit in limits.items()}
        self.of_transaction = _set("SET LOCAL", milliseconds)
        self.of_session = _set("SET", milliseconds)
        self._limits = milliseconds

    def of_alone(self, attempt):
        """Return the limits of a transaction that is alone, in its `attempt`, from 1 on.

        It may be idle only as long as a statement may take, because its process may have been
        stopped, or its host be away. While it waits for a lock, all others wait too.
        """
        idle = self._limits["statement_timeout"]
        wait = min(self._limits["lock_timeout"], _FIRST_WAIT * 2 ** (attempt - 1))
        limits = {_IDLE: idle, "lock_timeout": wait}
        return _set("SET LOCAL", limits)

    @staticmethod
    def of_deadline(statement, idle):
        """Return the limits of one transaction, given in seconds, that differ from the session's.

        Its deadline is near, or it has none and may be idle without limit.
        """
        # DEFAULT is the server's value.
        idle = "DEFAULT" if idle == math.inf else _milliseconds(idle)
        limits = {"statement_timeout": _milliseconds(statement), _IDLE: idle}
        return _set("SET LOCAL", limits)


def _milliseconds(seconds):
    # 0 is no limit.
    return max(1, math.ceil(seconds * 1000))


def _set(command, limits):
    return "".join(f"{command} {name}={value};" for name, value in limits.items())
