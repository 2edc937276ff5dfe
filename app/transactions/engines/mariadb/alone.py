"""The turnstile through which writing transactions on MariaDB go, until one of them shuts it."""

import math

# Seconds for which those that have begun are waited for in the second attempt. In the first they
# are not: most end before they are in the way.
_SECOND_WAIT = 0.02
# Seconds that one that is alone waits for another's lock, which keeps all others waiting too. The
# least that there is.
_ALONE = 1


class Turnstile:
    """A lock by name, which one transaction holds from its begin to its end, to go alone.

    The others do not begin before it is free. Those that had begun end meanwhile.
    """

    def __init__(self, name, patience, idle, usual):
        """`name`: of the lock, an SQL literal. `patience`: seconds to wait for a lock; then one
        begins all the same. `idle`: seconds without a statement that end the one that is alone,
        and `usual` another one."""
        self._name = name
        self._patience = patience
        self._limits = _limits(_ALONE, math.ceil(idle))
        self.opened = f"DO RELEASE_LOCK({name}); {_limits(math.ceil(patience), math.ceil(usual))}"

    def before(self, alone, seconds):
        """Return the statements before START TRANSACTION.

        `alone` as of open_transaction; `seconds`: how long it may take at most.
        """
        take = f"GET_LOCK({self._name}, {min(seconds, self._patience)})"
        if alone:
            wait = _SECOND_WAIT * (2 ** (alone - 1) - 1)
            return f"{self._limits}; DO {take}, SLEEP({wait}); "
        taken = f"IS_USED_LOCK({self._name})"
        return f"IF {taken} THEN DO {take}, RELEASE_LOCK({self._name}); END IF; "


def _limits(lock, idle):
    return f"SET SESSION innodb_lock_wait_timeout={lock}, idle_transaction_timeout={idle}"
