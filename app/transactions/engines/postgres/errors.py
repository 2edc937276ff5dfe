"""What PostgreSQL's error codes mean for a request.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from ...engines.threads import Verdict

REFUSED = {"25006"}
# 42P07: a table that another session has made meanwhile, as no snapshot shows that.
CONFLICTS = {"40001", "40P01", "42P07", "55P03"}
# Sessions that are ended by the server or refused by it: shutdown, crash, starting up, idle too
# long, too many connections.
GONE = {"57P01", "57P02", "57P03", "57P05", "25P03", "53300"}
CONNECTION_CLASS = "08"


def verdict_of(state):
    """Return the Verdict for an SQLSTATE, a text of five characters."""
    if state in REFUSED:
        return Verdict.REFUSED
    if state in CONFLICTS:
        return Verdict.CONFLICT
    if state in GONE or state.startswith(CONNECTION_CLASS):
        return Verdict.GONE
    return Verdict.FAILED
