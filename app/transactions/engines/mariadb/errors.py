"""What MariaDB's error codes mean for a request.

https://mariadb.com/kb/en/mariadb-error-code-reference/
"""

import MySQLdb
from sqlobject import dberrors

from ..base import Verdict

NO_SUCH_SAVEPOINT = 1305
# Another's change meanwhile; a deadlock. MariaDB has rolled back.
CONFLICTS = {1020, 1213}
# Another session has created the table meanwhile, which no transaction isolates; a lock did not
# come in time.
IN_THE_WAY = {1050, 1205}
# In a read-only transaction; by a server that is read-only, or whose InnoDB is.
REFUSALS = {1290, 1792, 1836}
# No connection (2002, 2003, 2005), none left (1040, 1203, 1226), or this one is lost: by the
# server's end (1053), KILL (1927), idleness (4031), or on the way.
LOSSES = {1040, 1053, 1158, 1159, 1160, 1161, 1203, 1226, 1927, 2002, 2003, 2005, 2006, 2013}
LOSSES |= {2055, 4031}
# The disk is full, or a table cannot grow any more.
FULL = {1021, 1114}
# KILL QUERY and the statement timeout. The statement may have been done already.
INTERRUPTIONS = {1317, 1969}


def code_of(error):
    """Return MariaDB's number in `error`, the driver's or SQLObject's, or None."""
    if not isinstance(error, (MySQLdb.Error, dberrors.Error)) or not error.args:
        return None
    return getattr(error.args[0], "code", error.args[0])


def verdict_of(code):
    """Return the Verdict for one of MariaDB's error numbers."""
    if code in CONFLICTS:
        return Verdict.CONFLICT
    if code in IN_THE_WAY:
        return Verdict.IN_THE_WAY
    if code in REFUSALS:
        return Verdict.REFUSED
    if code in FULL:
        return Verdict.FULL
    return Verdict.GONE if code in LOSSES else Verdict.FAILED
