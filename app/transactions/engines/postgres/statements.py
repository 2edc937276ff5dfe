"""What a statement does on PostgreSQL to its transaction or its session, told by its text."""

import re

from ..statements import ENDS_TRANSACTION, beginning_with, is_plain, refused, statements_of

_ENDS = beginning_with(ENDS_TRANSACTION)
# These end with the transaction, and change what rows it sees.
_LOCAL = beginning_with(r"SET\s+(?:LOCAL|TRANSACTION|CONSTRAINTS)")
_CHANGES_SESSION = beginning_with(
    r"SET|RESET|DISCARD|PREPARE|DEALLOCATE|LISTEN|UNLISTEN|LOAD|DO|CALL"
    r"|CREATE\s+(?:OR\s+REPLACE\s+)?(?:(?:GLOBAL|LOCAL)\s+)?TEMP(?:ORARY)?|DECLARE"
)
_CALLS = re.compile(r"\bset_config\s*\(|\bpg_(?:try_)?advisory_(?:un)?lock", re.IGNORECASE)
# The last argument of set_config tells that it is for the transaction.
_CALLS_LOCAL = re.compile(r"\bset_config\s*\([^()]*,\s*'?(?:true|t|on|1)'?\s*\)", re.IGNORECASE)


def look_at(session, query):
    """Notice what `query` does to `session`, a Session; raises dberrors.NotSupportedError."""
    if not is_plain(query) or ";" in query:
        for statement in statements_of(query):
            _look_at_one(session, statement, query)
    if _CALLS.search(query):
        if _CALLS.search(_CALLS_LOCAL.sub("", query)):
            session.spoil()
        else:
            session.forget_snapshot()


def _look_at_one(session, statement, query):
    # The body of a function or of DO stands between dollars and may have an END.
    if _ENDS.match(statement) and "$" not in query:
        raise refused(query, "it would end the request's transaction")
    if _LOCAL.match(statement):
        session.forget_snapshot()
    elif _CHANGES_SESSION.match(statement):
        session.spoil()
