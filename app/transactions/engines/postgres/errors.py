"""What PostgreSQL's errors mean for a request.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from ..base import Verdict

REFUSED = {"25006"}
CONFLICTS = {"40001", "40P01"}
# 42P07: another session has created the table meanwhile, which no snapshot shows. 55P03: a lock
# did not come in time, or not at once.
IN_THE_WAY = {"42P07", "55P03"}
# A standby's answer to SERIALIZABLE; it has other causes too.
NOT_SUPPORTED = "0A000"
# Sessions that are ended by the server or refused by it: shutdown, crash, starting up, idle too
# long, too many connections.
GONE = {"57P01", "57P02", "57P03", "57P05", "25P03", "53300"}
CONNECTION_CLASS = "08"
DISK_FULL = "53100"


def state_of(error, driver_error):
    """Return the SQLSTATE of `error`, the driver's or SQLObject's for it, or None."""
    if not isinstance(error, driver_error):
        error = error.__context__
    return getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)


def verdict_of(error, driver_error, lost):
    """Return the Verdict on `error`, the driver's or SQLObject's for it.

    `driver_error`: the class of all errors of the driver. `lost`: its classes of errors that tell
    of a lost connection where they have no SQLSTATE: the server could send none.
    """
    state = state_of(error, driver_error)
    if state is None:
        if not isinstance(error, driver_error):
            error = error.__context__
        return Verdict.GONE if isinstance(error, lost) else Verdict.FAILED
    if state in REFUSED:
        return Verdict.REFUSED
    if state in CONFLICTS:
        return Verdict.CONFLICT
    if state in IN_THE_WAY:
        return Verdict.IN_THE_WAY
    if state == DISK_FULL:
        return Verdict.FULL
    if (state in GONE or state.startswith(CONNECTION_CLASS)) and not _is_of_query(error):
        return Verdict.GONE
    return Verdict.FAILED


def _is_of_query(error):
    """Whether the session lives on: the error tells of another connection, as dblink's do."""
    if not hasattr(error, "diag"):
        error = error.__context__
    # A FATAL error ends the session.
    return getattr(error.diag, "severity_nonlocalized", None) == "ERROR"
