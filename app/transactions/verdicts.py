"""What becomes of a run of a request: judged by the database's errors and by the deadline."""

import logging
import math
import time

from .engines.base import TransactionLost, Verdict
from .errors import RunEnded

log = logging.getLogger(__name__)

# Once the deadline has passed these become LATE, because nothing was done.
_MAY_BE_LATE = frozenset([Verdict.CONFLICT, Verdict.IN_THE_WAY, Verdict.FAILED])
# An administrator must know of these.
_TOLD = frozenset([Verdict.GONE, Verdict.FULL, Verdict.UNKNOWN])


class Verdicts:
    """The part of RequestTransaction that ends its run where that comes to nothing."""

    # The error that ends a run; the processor's is one that web.py passes on.
    RunEnded = RunEnded

    # When the request began, and when it is given up; of time.monotonic().
    started = 0.0
    deadline = math.inf
    # Whether it may be idle without limit, where it has no deadline.
    may_idle = False
    # The Verdict that has ended this run.
    ended_by = None
    # The first database error that no savepoint has undone.
    failure = None
    # Whether COMMIT may have been sent, of a transaction that writes.
    may_be_committed = False

    def may_have_changed(self):
        """Whether the transaction, which has ended, has changed something, or nobody knows."""
        return self.may_be_committed and self.ended_by in (None, Verdict.UNKNOWN)

    def is_late(self):
        """Whether the deadline has passed."""
        return time.monotonic() > self.deadline

    def may_go_on(self):
        """Raise RunEnded where the run has come to nothing, or the deadline has passed."""
        if self.ended_by:
            raise self.RunEnded(self.ended_by.value)
        if self.is_late():
            self.end_run(Verdict.LATE)

    def before(self, session):
        """Look at the run and the deadline before a statement is sent on `session`.

        Raises RunEnded, and the driver's error where its limit cannot be set.
        """
        left = self.deadline - time.monotonic()
        if self.ended_by or left < session.enough or left < 0:
            self.may_go_on()
            session.limit_statements(left)

    def judge(self, error):
        """Remember what `error` means; end this run where it has come to nothing."""
        if isinstance(error, RunEnded):
            return
        self.raise_interruption(error)
        verdict = self._dbConnection.verdict(error)
        if verdict is Verdict.REFUSED and self.writing:
            # The server has become read-only, as after a failover.
            log.warning("a writing request is refused as read-only: %s", error)
            verdict = Verdict.GONE
        if verdict in _MAY_BE_LATE and self.is_late() and not isinstance(error, TransactionLost):
            self.end_run(Verdict.LATE, error)
        if verdict is Verdict.IN_THE_WAY:
            # A savepoint lets it pass to the handler, who may expect it.
            self._in_the_way = error if self.open_savepoints else None
            verdict = Verdict.FAILED if self.open_savepoints else Verdict.CONFLICT
        if verdict is not Verdict.FAILED:
            if verdict is Verdict.GONE:
                self._give_up_session()
            self._explain(verdict, error)
            self.end_run(verdict, error)
        if self.failure is None:
            self.failure = error

    def raise_interruption(self, error):
        """Raise the interruption that the driver has turned into `error`, if there was one."""
        interruption = None if self._session is None else self._session.take_interruption()
        if interruption is not None:
            self.failure = self.failure or error
            raise interruption from error

    def _give_up_session(self):
        if self._session is not None:
            self._session.spoil()

    def _explain(self, verdict, error):
        if verdict in _TOLD and (said := self._dbConnection.explain(error)):
            log.error("%s", said)

    def failed(self, error):
        """End this run where an error on the driver's connection says that it came to nothing.

        Any other error stays between the handler and the driver, as without the bundle.
        """
        self.raise_interruption(error)
        if self.is_late() or self._dbConnection.verdict(error) is not Verdict.FAILED:
            self.judge(error)

    def end_run(self, verdict, error=None):
        """Give up this run of the request; raises RunEnded."""
        self.ended_by = verdict
        raise self.RunEnded(verdict.value) from error
