"""Counts failures by the account, the address or another key, to slow down guessing.

They are rows, so that all processes and hosts count together.
"""

import hashlib
import time

from sqlobject import BigIntCol, DatabaseIndex, SQLObject, StringCol

# Seconds that a failure counts.
WINDOW = 15 * 60
MOST_AT_ONCE = 100


class Failure(SQLObject):
    """A failure under one key, such as an address or an account; `at`: seconds since the epoch."""

    class sqlmeta:
        table = "failure"

    digest = StringCol(length=64, notNone=True)
    at = BigIntCol(notNone=True)
    digests = DatabaseIndex("digest", "at")
    times = DatabaseIndex("at")

    @classmethod
    def seconds_to_wait(cls, limits):
        """Return for how many seconds the caller must not try; 0 where it may.

        `limits`: a mapping of key, any text, to the number of failures that it may have.
        """
        now = int(time.time())
        waits = [0]
        for key, most in limits.items():
            counted = cls.select((cls.q.digest == _digest(key)) & (cls.q.at > now - WINDOW))
            # When this one no longer counts, the key is below its limit.
            for failure in counted.orderBy(["-at", "-id"])[most - 1 : most]:
                waits.append(failure.at + WINDOW - now)
        return max(waits)

    @classmethod
    def note(cls, keys):
        """Count one failure for each of `keys`; remove some that no longer count."""
        now = int(time.time())
        for old in cls.select(cls.q.at <= now - WINDOW, orderBy="at").limit(MOST_AT_ONCE):
            old.destroySelf()
        for key in keys:
            cls(digest=_digest(key), at=now)

    @classmethod
    def forget(cls, key):
        """Forget the failures under `key`."""
        cls.deleteBy(digest=_digest(key))


def _digest(key):
    """Return the digest that is stored of a key: some people type a password as their name."""
    return hashlib.sha256(key.encode()).hexdigest()
