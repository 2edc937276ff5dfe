"""What a read may answer, from when each write began and when its outcome was known.

A key has one writer, which sends one write after the other; any number of users reads it. A
read may answer a value whose write began before the read ended, unless a later write was known to
have happened before the read began: known, because it was acknowledged, or because an earlier
read had shown it. That is what "no earlier than the request's start" means for a client.
"""

import dataclasses
import math
from collections import deque

# The value of a key that does not exist: not created yet, or deleted.
ABSENT = None

STALE = "stale read"
LOST = "acknowledged write not there"
RESURRECTED = "deleted user still there"
ABORTED = "refused write shown"
MADE_UP = "value that nobody wrote"

# How many writes of a key are remembered, and for how many seconds those of a deleted key: any
# read that may still show them has ended by then.
REMEMBERED = 1000
SECONDS_REMEMBERED = 300


@dataclasses.dataclass(eq=False, slots=True)
class Write:
    """One write: when it was sent and when it was first known to have happened, in seconds."""

    key: object
    value: object
    began: float
    known: float = math.inf
    refused: bool = False


class Ledger:
    """The writes of all keys, and what they allow a read to answer. Times are in seconds."""

    def __init__(self):
        self._writes = {}
        self._deleted = deque()

    def begin(self, key, value, now):
        """Note that a write of `value` (ABSENT: a deletion) is sent; returns the Write.

        Reads may show it from here on, but need not; so it stays if its outcome is never known.
        """
        write = Write(key, value, now)
        writes = self._writes.setdefault(key, [Write(key, ABSENT, -math.inf, -math.inf)])
        writes.append(write)
        if len(writes) > 2 * REMEMBERED:
            del writes[:-REMEMBERED]
        return write

    def acknowledge(self, write, now):
        """Note that a write was answered with success."""
        write.known = min(write.known, now)
        if write.value is ABSENT:
            self._deleted.append((now, write))
        while self._deleted and self._deleted[0][0] < now - SECONDS_REMEMBERED:
            _, old = self._deleted.popleft()
            self._writes[old.key] = [old]

    def refuse(self, write):
        """Note that a write was answered by an error after which nothing was changed."""
        write.refused = True

    def fault(self, key, value, began, ended):
        """What is wrong with a read that began and ended then and answered `value`; or None.

        A right answer counts as seen: what is older is stale for reads that begin afterwards.
        """
        writes = self._writes.get(key, [])
        open_to_it = []
        newest = ABSENT
        for write in reversed(writes):
            if not write.refused and write.began < ended:
                open_to_it.append(write)
            if write.known < began:
                newest = write.value
                break
        seen = [write for write in open_to_it if write.value == value]
        if len(seen) == 1:
            seen[0].known = min(seen[0].known, ended)
        if seen or (value is ABSENT and not writes):
            return None
        return _named(writes, newest, value)


def _named(writes, newest, value):
    """The name of the fault of answering `value` where `newest` was known before."""
    if value is ABSENT:
        return LOST
    told = [write for write in writes if write.value == value]
    if told and all(write.refused for write in told):
        return ABORTED
    if newest is ABSENT and told:
        return RESURRECTED
    return STALE if told else MADE_UP
