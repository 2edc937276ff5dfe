"""Failures counted by whom or what they are about, so that guessing is slowed down everywhere.

They are rows, so that all processes and hosts count together.
"""

import hashlib
import time

from sqlobject import BigIntCol, DatabaseIndex, SQLObject, StringCol

# Seconds that a failure counts.
WINDOW = 15 * 60
MOST_AT_ONCE = 100


class Failure(SQLObject):
    """A failure by one key, such as an address or an account; `at`: seconds since the epoch."""

    class sqlmeta:
        table = "failure"

    digest = StringCol(length=64, notNone=True)
    at = BigIntCol(notNone=True)
    digests = DatabaseIndex("digest", "at")
    times = DatabaseIndex("at")

    @classmethod
    def seconds_to_wait(cls, limits):
        """Return for how many seconds nothing is to be tried; 0 where it may be.

        `limits`: a mapping of key, any text, to how many failures it may have.
        """
        now = int(time.time())
        waits = [0]
        for key, most in limits.items():
            counted = cls.select((cls.q.digest == _digest(key)) & (cls.q.at > now - WINDOW))
            # The one that has to be forgotten first.
            for failure in counted.orderBy(["-at", "-id"])[most - 1 : most]:
                waits.append(failure.at + WINDOW - now)
        return max(waits)

    @classmethod
    def note(cls, keys):
        """Count one for each of `keys`; some that count no more are removed."""
        now = int(time.time())
        for old in cls.select(cls.q.at <= now - WINDOW, orderBy="at").limit(MOST_AT_ONCE):
            old.destroySelf()
        for key in keys:
            cls(digest=_digest(key), at=now)

    @classmethod
    def forget(cls, key):
        """Forget those by `key`."""
        cls.deleteBy(digest=_digest(key))


def _digest(key):
    """What is stored of a key: some type a password where a name belongs."""
    return hashlib.sha256(key.encode()).hexdigest()
