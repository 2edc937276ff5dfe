"""Which kind of transaction a request has, and how its handler changes that (handlers.py)."""

import math
from contextlib import contextmanager

from .engines.base import Verdict
from .snapshot import Snapshot


class Kinds:
    """The part of RequestTransaction that has its kind, and the limits of its handler."""

    # Whether a run that was refused as a reading one made this a writing transaction.
    forced = False
    # The kind of the next run, where it is another.
    wanted = None
    # How often the handler is run at most, if it says so.
    attempts = None
    # How many inner requests are at work in it (nested.py).
    joined = 0
    # For a writing run that goes alone: its number among these, from 1 on (retry.py).
    alone = 0
    # Whether its handler is marked @no_transaction, and whether that handler is at work.
    paused = resting = False
    # Whether work that this handler has asked for is committed, or may be.
    changed = False

    @property
    def holds_back(self):
        """Whether a stream's chunks wait for the commit."""
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

        An inner request never makes the outer one a reading one, because it cannot judge that.
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

        It never extends the deadline. Inside another request the outer one's limits hold.
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
        """End the transaction, and hold none during the block; a use after it begins another.

        Raises RuntimeError where it has written, or is inside a savepoint: that would be ended.
        """
        if self.open_savepoints:
            raise RuntimeError(
                "a handler marked @no_transaction was called inside a savepoint or inside another "
                "request, whose transaction goes on: call it outside of both"
            )
        # A reading one: then processors before it read without locks, and cannot write.
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
        # What the handler has done by in_transaction() stays, whatever comes after it.
        self.deadline = math.inf
        self.snapshot = Snapshot(self)
        if self.instances is not None:
            # What was read belongs to another transaction.
            self.instances.forget_values()
