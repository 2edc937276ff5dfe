"""How long a statement on PostgreSQL may take: set once in a session, or in each transaction."""

import math


class Limits:
    """The statements that set the limits: for a transaction, or for the whole session.

    In each transaction they take a tenth of the time of one that reads and writes a row.
    """

    def __init__(self, statement, lock):
        """`statement`: seconds for one statement; `lock`: seconds of them to wait for a lock."""
        limits = {"statement_timeout": statement, "lock_timeout": lock}
        milliseconds = {name: math.ceil(limit * 1000) for name, limit in limits.items()}
        self.of_transaction = _set("SET LOCAL", milliseconds)
        self.of_session = _set("SET", milliseconds)

    @staticmethod
    def of_statements(seconds):
        """Return what gives up the statements of one transaction after `seconds`."""
        return _set("SET LOCAL", {"statement_timeout": max(1, math.ceil(seconds * 1000))})


def _set(command, limits):
    return "".join(f"{command} {name}={value};" for name, value in limits.items())
