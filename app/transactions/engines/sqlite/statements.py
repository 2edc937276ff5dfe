"""What a statement does on SQLite to its transaction or its session, told by its text."""

import re

from ..statements import ENDS_TRANSACTION, bare, beginning_with, is_plain, quoting, refused

# https://www.sqlite.org/lang_keywords.html
_QUOTED = quoting(r"'[^']*'", r'"[^"]*"|`[^`]*`|\[[^]]*\]', r"--[^\n]*|/\*.*?(?:\*/|$)")
_ENDS = beginning_with(ENDS_TRANSACTION)
# A PRAGMA is executed although only its EXPLAIN is asked for.
_PRAGMA = r"(?:EXPLAIN\s+(?:QUERY\s+PLAN\s+)?)?PRAGMA"
_IS_PRAGMA = beginning_with(_PRAGMA)
_ASKS_READ_ONLY = re.compile(r"\s*PRAGMA\s+query_only\s*;?\s*", re.IGNORECASE)
# They set something for the connection, or bring other databases, whose commits no token shows.
_CHANGES_SESSION = beginning_with(
    rf"{_PRAGMA}(?!\s+(?:\w+\s*\.\s*)?\w*(?:_info|_xinfo|_list|_check|_version)\b)|ATTACH|DETACH"
    r"|CREATE\b.*\bTEMP(?:ORARY)?"
)


def look_at(session, query):
    """Notice what `query` does to `session`, a Session; raises dberrors.NotSupportedError."""
    if is_plain(query):
        return
    text = bare(query, _QUOTED)
    if _ENDS.match(text):
        raise refused(query, "it would end the request's transaction")
    # The name may stand in quotes of any kind.
    if "query_only" in query.lower() and _IS_PRAGMA.match(text):
        if _ASKS_READ_ONLY.fullmatch(query):
            return
        raise refused(query, "it would change what a reading request may do")
    if _CHANGES_SESSION.match(text):
        session.spoil()
