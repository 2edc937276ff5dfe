"""Savepoints of a request's transaction: what they undo, and the errors that they let through."""

from contextlib import contextmanager
from itertools import count

from .engines.base import Verdict
from .errors import is_interruption

_numbers = count(1)


class Savepoints:
    """The part of RequestTransaction that has its savepoints."""

    # How many are open now.
    open_savepoints = 0
    # The last error that another transaction caused and a savepoint let the handler see.
    _in_the_way = None

    @contextmanager
    def savepoint(self, commits):
        """Undo the block's writes, and only these, where it raises; the error goes on.

        What the block gave to `on_commit` is dropped with them; what it gave to `on_rollback` is
        called after the transaction, however it ends.
        `commits(error)` tells which errors undo nothing: what the block did before one stays.
        """
        name = f"savepoint_{next(_numbers)}"
        self.query(f"SAVEPOINT {name}")
        before = self.failure, self.after_commit, self.after_rollback, self.at_end
        instances = self.cache.before_savepoint()
        self.open_savepoints += 1
        try:
            yield
        except BaseException as error:
            unharmed = self.failure is before[0] and not self.ended_by
            if unharmed and commits(error):
                self.query(f"RELEASE SAVEPOINT {name}")
            else:
                self._undo(name, before, instances)
            raise
        finally:
            self.open_savepoints -= 1
        self.query(f"RELEASE SAVEPOINT {name}")

    def judge_uncaught(self, error):
        """Note a conflict where a savepoint let `error` pass and the handler did not catch it.

        An answer into which the handler has turned it does not count.
        """
        if error is None:
            return
        self.raise_interruption(error)
        if self.commits(error):
            return
        if is_interruption(error):
            self.spoil_session()
        while error is not None and self._in_the_way is not None:
            if error is self._in_the_way and not self.ended_by:
                self.ended_by = Verdict.CONFLICT
            error = error.__cause__ or error.__context__

    def is_lost(self):
        """Whether the engine has ended the transaction by itself, as far as the driver knows."""
        return self._session is not None and not self._session.is_open()

    def _undo(self, name, before, instances):
        if self.ended_by or self._session is None:
            # There is no savepoint any more. The error that ended the transaction goes on.
            return
        try:
            self.query(f"ROLLBACK TO SAVEPOINT {name}")
        except Exception:
            # Nor is there one here: the engine has ended the transaction. The failure is noted.
            return
        self.failure, self.after_commit, waiting, self.at_end = before
        self.after_commit += self.after_rollback[len(waiting) :]
        self.cache.roll_back(instances)
