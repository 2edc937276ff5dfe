"""The errors that the transactions raise, beside those of the engines (engines/base.py)."""

from typing import TYPE_CHECKING

from sqlobject import dberrors

if TYPE_CHECKING:
    from .engines.base import Verdict


class OutsideItsRequest(RuntimeError):
    """An SQLObject instance or transaction was used after its request or by another thread."""


class SwallowedError(RuntimeError):
    """A database error was caught that leaves its transaction in doubt."""


class RunEnded(dberrors.OperationalError):
    """This run has come to nothing: the request runs again from its start, or is answered 503."""


class GivenUp(dberrors.OperationalError):
    """The work could not be done; `reason` is the Verdict that says why.

    CONFLICT: too many others were at work. GONE: the database is away. FULL: its disk is full.
    LATE: the deadline has passed. With each of these nothing was changed. UNKNOWN: the connection
    broke during COMMIT, so nobody knows.
    """

    def __init__(self, reason: "Verdict") -> None:
        super().__init__(reason.value)
        self.reason = reason


def is_interruption(error):
    """Whether `error`, or the one that web.py has replaced by it, may come at any instruction."""
    while error is not None:
        if not isinstance(error, (Exception, GeneratorExit)):
            return True
        error = error.__context__
    return False


def is_of_server(error):
    """Whether `error` is the server's interruption of one request, as mod_wsgi's.

    It may come at any instruction. KeyboardInterrupt and SystemExit are for the whole process.
    """
    return not isinstance(error, (Exception, GeneratorExit, KeyboardInterrupt, SystemExit))
