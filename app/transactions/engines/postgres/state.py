"""Where a PostgreSQL session's transaction is, and the error of a session lost before it."""

import enum

from sqlobject import dberrors


class StaleConnection(dberrors.OperationalError):
    """The session of an earlier request was lost before it did anything for this one."""


class State(enum.Enum):
    """Where a session's transaction is."""

    IDLE = "there is none"
    BEGIN_NOT_SENT = "what begins it waits to be sent with the first query"
    OPEN = "the server has begun it"
    COMMIT_NOT_ANSWERED = "the answer to its COMMIT is still to be received"
