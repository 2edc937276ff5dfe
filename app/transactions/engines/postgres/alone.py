"""How a writing transaction on PostgreSQL goes alone: by locks on a view, in four modes.

Each transaction takes the lock of ENTER, gives it back at once, and then holds the lock of INSIDE.
A transaction that goes alone first shuts out those that want to enter, and then waits for those
inside. It does not wait for one that stays inside longer, because its handler waits for something
else: these two can conflict like any other two.

LOCK TABLE is the only statement that waits for a lock and takes no snapshot. So the transaction
sees what the others did while it waited. A function in a query takes an advisory lock, and the
query takes the transaction's snapshot before that: the transaction would wake with an old
snapshot, and conflict. An advisory lock of the session, taken before BEGIN, does not work through
a pooler.

The view exists in every database, and by default every user may lock it. These modes do not hinder
anybody who reads it. The locks end with the transaction, whatever ends it.
https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
"""

import logging
from functools import cache

from ..base import Verdict
from .outcome import ID

log = logging.getLogger(__name__)

_VIEW = "pg_catalog.pg_settings"
_LOCK = f"LOCK TABLE {_VIEW} IN %s MODE;"
# ROLLBACK gives the lock back, and takes back the limits of the transaction.
ENTER = _LOCK % "ROW EXCLUSIVE" + "ROLLBACK AND CHAIN;"
INSIDE = _LOCK % "ROW SHARE"
# It conflicts with ROW EXCLUSIVE, but not with ROW SHARE.
_SHUT = _LOCK % "SHARE ROW EXCLUSIVE"
# It conflicts with ROW SHARE.
_AWAIT_THOSE_INSIDE = "SAVEPOINT shut;" + _LOCK % "EXCLUSIVE" + "RELEASE shut;"
_LEAVE_THEM = "ROLLBACK TO shut;RELEASE shut;"
# Whether the session's user may lock it.
MAY_LOCK = f"has_table_privilege('{_VIEW}', 'UPDATE')"


def go_alone(session, attempt):
    """Begin a transaction on `session`, let no other one enter, and wait for those inside.

    It waits a little longer in each `attempt`, from 1 on. Raises the driver's error.
    """
    session.send(session.opening + _SHUT + session.limits.of_alone(attempt))
    try:
        _, (id,) = session.send(_AWAIT_THOSE_INSIDE + ID)
    except session.ERROR as error:
        if session.verdict(error) is not Verdict.IN_THE_WAY:
            raise
        _, (id,) = session.send(_LEAVE_THEM + ID)
    session.transaction_id = id


@cache
def warn_of_missing_right(user):
    """Log, once for each `user`, that writing requests do not go alone."""
    log.warning(
        "the user %s may not lock the view pg_settings, so a writing request that keeps "
        "conflicting cannot go through alone, and may be answered 503: GRANT UPDATE ON %s TO %s",
        user,
        _VIEW,
        user,
    )
