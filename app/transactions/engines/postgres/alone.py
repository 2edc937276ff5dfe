"""How a writing transaction on PostgreSQL goes alone: by locks on a view, in four modes.

Each transaction passes the mode of ENTER, which is left at once, and holds that of INSIDE. One
that goes alone takes a mode that keeps the others from entering, and then waits for those inside.
Who is inside for longer, because its handler waits for something else, is not waited for: it and
the one that is alone can conflict, as any two.

It must be LOCK TABLE: that is the one statement that waits for a lock and takes no snapshot. So a
transaction sees what those have done for whom it has waited. An advisory lock is taken by a
function in a query, whose snapshot is the transaction's: it wakes with an old one, and conflicts
with them. One of the session, taken before BEGIN, cannot be had through a pooler.

The view is one that is in each database and that every user may lock, as PostgreSQL has it. These
modes are in nobody's way who reads it. Whatever ends a transaction ends them.
https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
"""

import logging
from functools import cache

from ..base import Verdict
from .outcome import ID

log = logging.getLogger(__name__)

_VIEW = "pg_catalog.pg_settings"
_LOCK = f"LOCK TABLE {_VIEW} IN %s MODE;"
# Left at once, and with it the limits of the transaction.
ENTER = _LOCK % "ROW EXCLUSIVE" + "ROLLBACK AND CHAIN;"
INSIDE = _LOCK % "ROW SHARE"
# It is in the way of ROW EXCLUSIVE, and not of ROW SHARE.
_SHUT = _LOCK % "SHARE ROW EXCLUSIVE"
# It is in the way of ROW SHARE.
_AWAIT_THOSE_INSIDE = "SAVEPOINT shut;" + _LOCK % "EXCLUSIVE" + "RELEASE shut;"
_LEAVE_THEM = "ROLLBACK TO shut;RELEASE shut;"
# Whether the session's user may lock it.
MAY_LOCK = f"has_table_privilege('{_VIEW}', 'UPDATE')"


def go_alone(session, attempt):
    """Begin a transaction on `session`, which no other one enters, and wait for those inside.

    A little longer in each `attempt`, from 1 on. Raises the driver's error.
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
