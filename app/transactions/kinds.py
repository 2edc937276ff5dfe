"""Which kind of transaction a request has, and how its handler changes that (handlers.py)."""

import math
from contextlib import contextmanager

from .engines.base import Verdict
from .snapshot import Snapshot


class Kinds:
    """The part of RequestTransaction that has its kind, and the limits of its handler."""

    # Whether a run that was refused as a reading one made this a writing transaction.
    forced = False
    # The kind that the next run is to have, where it is another.
    wanted = None
    # How often the handler is run at most, if it says so.
    attempts = None
    # How many requests are at work in it that another request has made (nested.py).
    joined = 0
    # Whether a writing run is to be alone, told by how many were, this one included (retry.py).
    alone = 0
    # Whether its handler is marked @no_transaction, and whether that handler is at work.
    paused = resting = False
    # Whether what that handler has had done is committed, or may be.
    changed = False

    @property
    def holds_back(self):
        """Whether a stream's chunks are to wait for the commit."""
        return self.writing and not self.paused

    def session_of_kind(self):
        """Return the thread's session, with a transaction of this kind begun on it.

        Raises the driver's error.
        """
        if self.writing and self.alone:
            return self._dbConnection.session_alone(self.alone, self.deadline, self.may_idle)
        return self._dbConnection.session_for(self.writing, self.deadline, self.may_idle)

    def become(self, writing):
        """Make it a reading or a writing transaction; restart the run where it has read before.

        A request inside another does not make that one a reading one, which it cannot judge.
        """
        if writing == self.writing or self.forced or (self.joined and not writing):
            return
        if self._session is not None or self.snapshot.rows is not None:
            self.wanted = writing
            self.end_run(Verdict.OTHER_KIND)
        self.writing = writing
        self.snapshot = Snapshot(self)

    def limit(self, attempts=None, seconds=None):
        """Run it at most `attempts` times, and give it up `seconds` after its request began.

        Not later than without. Inside another request that one's limits hold.
        """
        if self.joined:
            return
        if attempts is not None:
            self.attempts = attempts
        if seconds is not None:
            self.deadline = min(self.deadline, self.started + seconds)
            if self._session is not None:
                self._session.set_deadline(self.deadline)

    @contextmanager
    def pause(self):
        """End what has been read, and hold nothing during the block; a use after it begins anew.

        Raises RuntimeError where it has written, or is inside a savepoint: that would be ended.
        """
        if self.open_savepoints:
            raise RuntimeError(
                "a handler marked @no_transaction was called inside a savepoint or inside another "
                "request, whose transaction goes on: call it outside of both"
            )
        # So that what processors read before it is read without a lock, and not written.
        self.become(False)
        begun = self._session is not None
        unsent = self.instances is not None and self.instances.has_unsent()
        if (begun and self.writing) or unsent:
            raise RuntimeError(
                "a handler is marked @no_transaction, but a processor before it has written: "
                "give that processor its own in_transaction(), or remove the mark"
            )
        if begun:
            self._commit(self._session)
            self._session = None
        owner, self.owner, self.resting = self.owner, None, True
        try:
            yield
        finally:
            # After an interruption this may come when the request has ended.
            if not self.finished:
                self.owner, self.resting = owner, False
                self._resume()

    def _resume(self):
        # The handler cannot be run again, so what comes after it must not be refused.
        self.paused = self.forced = self.writing = True
        self.attempts, self.failure = 1, None
        # What the handler has done by in_transaction() is done, whatever comes after it.
        self.deadline = math.inf
        self.snapshot = Snapshot(self)
        if self.instances is not None:
            # What was read is of another transaction.
            self.instances.forget_values()
