"""What a statement does on PostgreSQL to its transaction or its session, told by its text."""

import re

from ..statements import ENDS_TRANSACTION, bare, beginning_with, is_plain, quoting, refused

# https://www.postgresql.org/docs/current/sql-syntax-lexical.html; comments nest.
_QUOTED = quoting(
    r"(?<!\w)E'(?:[^'\\]|\\.|'')*'|'[^']*'|(?<![\w$])(?P<dollar>\$(?:[^\W\d]\w*)?\$).*?(?P=dollar)",
    r'"[^"]*"',
    r"--[^\n]*|/\*(?:/\*.*?\*/|(?!\*/).)*\*/",
)
_ENDS = beginning_with(ENDS_TRANSACTION)
_SQL_BODY = beginning_with(r"CREATE\b.*\bBEGIN\s+ATOMIC")
# These end with the transaction, and change what rows it sees.
_LOCAL = beginning_with(r"SET\s+(?:LOCAL|TRANSACTION|CONSTRAINTS)")
_CHANGES_SESSION = beginning_with(
    r"SET|RESET|DISCARD|PREPARE|DEALLOCATE|LISTEN|UNLISTEN|LOAD|DO|CALL|DECLARE"
    r"|(?:EXPLAIN\s.*)?CREATE\s+(?:OR\s+REPLACE\s+)?(?:(?:GLOBAL|LOCAL)\s+)?TEMP(?:ORARY)?"
)
_CALLS = re.compile(
    r"\b(?:set_config|setseed|pg_(?:try_)?advisory_(?:un)?lock\w*|dblink_connect\w*)\"?\s*\("
    r"|\bINTO\s+(?:(?:GLOBAL|LOCAL)\s+)?TEMP(?:ORARY)?\b|\bpg_temp\b",
    re.IGNORECASE,
)
# The last argument of set_config says whether it is for the transaction only.
_CALLS_LOCAL = re.compile(r"\bset_config\s*\([^()]*,\s*'?(?:true|t|on|1)'?\s*\)", re.IGNORECASE)


def look_at(session, query):
    """Notice what `query` does to `session`, a Session; raises dberrors.NotSupportedError."""
    if not is_plain(query) or ";" in query:
        text = bare(query, _QUOTED)
        for statement in [text] if _SQL_BODY.match(text) else text.split(";"):
            _look_at_one(session, statement, query)
    if _may_call(query) and _CALLS.search(bare(query, _QUOTED)):
        if _CALLS.search(bare(_CALLS_LOCAL.sub("", query), _QUOTED)):
            session.spoil()
        else:
            session.forget_snapshot()


def _may_call(query):
    """Whether a part of _CALLS is in `query`: a fast look, because every query comes here."""
    text = query.lower()
    return (
        "temp" in text
        or "set_config" in text
        or "advisory" in text
        or "setseed" in text
        or "dblink" in text
    )


def _look_at_one(session, statement, query):
    if _ENDS.match(statement):
        raise refused(query, "it would end the request's transaction")
    if _LOCAL.match(statement):
        session.forget_snapshot()
    elif _CHANGES_SESSION.match(statement):
        session.spoil()
