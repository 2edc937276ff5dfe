"""How long a statement on PostgreSQL may take: set once in a session, or in each transaction."""

import math

# Milliseconds for which one that is alone waits for another's lock in the first attempt. Most
# transactions that do nothing but query the database end within them.
_FIRST_WAIT = 20
_IDLE = "idle_in_transaction_session_timeout"


class Limits:
    """The statements that set the limits: for a transaction, or for the whole session.

    In each transaction they take a tenth of the time of one that reads and writes a row.
    """

    def __init__(self, statement, lock, idle):
        """`statement`: seconds for one statement; `lock`: seconds of them to wait for a lock;
        `idle`: seconds for which a transaction may do nothing."""
        limits = {"statement_timeout": statement, "lock_timeout": lock, _IDLE: idle}
        milliseconds = {name: _milliseconds(limit) for name, limit in limits.items()}
        self.of_transaction = _set("SET LOCAL", milliseconds)
        self.of_session = _set("SET", milliseconds)
        self._limits = milliseconds

    def of_alone(self, attempt):
        """Return those of a transaction that is alone, in the `attempt` from 1 on.

        It may do nothing for as long as a statement may take: its process may have been stopped,
        or its host be away. The longest wait for a lock keeps all others waiting too.
        """
        idle = self._limits["statement_timeout"]
        wait = min(self._limits["lock_timeout"], _FIRST_WAIT * 2 ** (attempt - 1))
        limits = {_IDLE: idle, "lock_timeout": wait}
        return _set("SET LOCAL", limits)

    @staticmethod
    def of_deadline(statement, idle):
        """Return those of one transaction, given in seconds, where they are not the session's.

        Its deadline is near, or it has none and may do nothing for as long as it likes.
        """
        # The default is the server's.
        idle = "DEFAULT" if idle == math.inf else _milliseconds(idle)
        limits = {"statement_timeout": _milliseconds(statement), _IDLE: idle}
        return _set("SET LOCAL", limits)


def _milliseconds(seconds):
    # 0 is no limit.
    return max(1, math.ceil(seconds * 1000))


def _set(command, limits):
    return "".join(f"{command} {name}={value};" for name, value in limits.items())
