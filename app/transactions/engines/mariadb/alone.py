"""The turnstile through which writing transactions on MariaDB go, until one of them shuts it."""

import math

# Seconds that the second attempt waits for the transactions that have begun. The first does not
# wait, because most end before they are in the way.
_SECOND_WAIT = 0.02
# Seconds that the transaction that is alone waits for another's lock. It is the shortest time that
# MariaDB has, because all others wait too.
_ALONE = 1


class Turnstile:
    """A named lock, which a transaction holds from its beginning to its end in order to go alone.

    The others wait with their beginning until it is free. Those that have begun end meanwhile.
    """

    def __init__(self, name, patience, idle, usual):
        """`name`: the lock's, an SQL literal. `patience`: seconds to wait for it; then a
        transaction begins all the same. `idle`: seconds without a statement after which the server
        ends the one that is alone; `usual`: the same for any other."""
        self._name = name
        self._patience = patience
        self._limits = _limits(_ALONE, math.ceil(idle))
        self.opened = f"DO RELEASE_LOCK({name}); {_limits(math.ceil(patience), math.ceil(usual))}"

    def before(self, alone, seconds):
        """Return the statements before START TRANSACTION.

        `alone` as in open_transaction; `seconds`: how long it may take at most.
        """
        take = f"GET_LOCK({self._name}, {min(seconds, self._patience)})"
        if alone:
            wait = _SECOND_WAIT * (2 ** (alone - 1) - 1)
            return f"{self._limits}; DO {take}, SLEEP({wait}); "
        taken = f"IS_USED_LOCK({self._name})"
        return f"IF {taken} THEN DO {take}, RELEASE_LOCK({self._name}); END IF; "


def _limits(lock, idle):
    return f"SET SESSION innodb_lock_wait_timeout={lock}, idle_transaction_timeout={idle}"
