"""Which kind of transaction a request has, and how its handler changes that (handlers.py)."""

import time
from contextlib import contextmanager

from .engines.base import Verdict
from .snapshot import Snapshot


class Kinds:
    """The part of RequestTransaction that has its kind, and the limits of its handler."""

    # Whether a run that was refused as a reading one made this a writing transaction.
    forced = False
    # The kind that the next run is to have, where it is another.
    wanted = None
    # How often the handler is run at most, and until when (time.monotonic()), if it says so.
    attempts = None
    deadline = None

    def become(self, writing):
        """Make it a reading or a writing transaction; restart the run where it has read before."""
        if writing == self.writing or self.forced:
            return
        if self._session is not None or self.snapshot.rows is not None:
            self.wanted = writing
            self.end_run(Verdict.OTHER_KIND)
        self.writing = writing
        self.snapshot = Snapshot(self)

    def limit(self, attempts=None, seconds=None):
        """Run it at most `attempts` times, and give up its queries after `seconds` from now."""
        if attempts is not None:
            self.attempts = attempts
        if seconds is not None and self.deadline is None:
            self.deadline = time.monotonic() + seconds

    @contextmanager
    def paused(self):
        """End what has been read, and hold nothing during the block; a use after it begins anew.

        Raises RuntimeError in a writing transaction that has begun, whose writes would be ended.
        """
        if self._session is not None and self.writing:
            raise RuntimeError(
                "a handler is marked @no_transaction, but a processor before it has used the "
                "database in a writing request: give that processor its own in_transaction(), "
                "or remove the mark"
            )
        session, self._session, self.instances = self._session, None, None
        if session is not None:
            self._commit(session)
        owner, self.owner = self.owner, None
        try:
            yield
        finally:
            # The handler cannot be run again, so what comes after it must not be refused.
            self.owner, self.attempts, self.writing = owner, 1, True
            self.snapshot = Snapshot(self)
