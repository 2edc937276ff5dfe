"""What a statement does on MariaDB to its transaction or its session, told by its text."""

import re

from ..statements import bare, beginning_with, is_plain, quoting, refused

# https://mariadb.com/kb/en/comment-syntax/: what stands in /*! … */ and /*M! … */ is executed.
_QUOTED = quoting(
    r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"",
    r"`[^`]*`",
    r"(?:--(?=\s|$)|\#)[^\n]*|/\*M?!\d*|/\*.*?(?:\*/|$)",
)
# https://mariadb.com/kb/en/sql-statements-that-cause-an-implicit-commit/
# SET may set several variables at once, among them one of a user's that has the same name.
_ENDS = beginning_with(
    r"START|BEGIN|COMMIT|XA|ROLLBACK(?!\s+(?:WORK\s+)?TO\b)|EXECUTE\s+IMMEDIATE"
    r"|LOCK|UNLOCK|FLUSH|SET\s(?:.*\W)?(?<![^@]@)AUTOCOMMIT(?=`?\s*:?=)"
)
_COMMITS = beginning_with(
    r"CREATE(?!\s+(?:OR\s+REPLACE\s+)?TEMPORARY)|DROP(?!\s+TEMPORARY)|ALTER|TRUNCATE"
    r"|RENAME|GRANT|REVOKE|OPTIMIZE|REPAIR|INSTALL|UNINSTALL|CHECK|CACHE|RESET"
    r"|ANALYZE\s+(?:\w+\s+)?TABLE|SET\s(?:.*[\s,])?PASSWORD(?=\s*(?:=|FOR\b))"
)
_CHANGES_SESSION = beginning_with(
    r"SET|USE|CREATE\s+(?:OR\s+REPLACE\s+)?TEMPORARY|PREPARE|DEALLOCATE|CALL|HANDLER"
)
# What outlasts the transaction.
_CALLS = re.compile(r"\bget_lock`?\s*\(|@\S+?\s*:=|\bINTO\s+@", re.IGNORECASE)
_FOR_ONE = beginning_with(r"SET\s+STATEMENT\b.*?\bFOR")
_PREPARED = re.compile(
    r"\s*PREPARE\s+\S+\s+FROM\s*(['\"])(?P<text>.*)\1", re.IGNORECASE | re.DOTALL
)


def look_at(session, query):
    """Notice what `query` does to `session`, a Session; raises dberrors.NotSupportedError."""
    if not is_plain(query):
        text = bare(query, _QUOTED)
        _look_at_one(session, text, query)
        if prepared := _PREPARED.match(query):
            _look_at_one(session, bare(prepared["text"], _QUOTED), query)
    if _may_call(query) and _CALLS.search(bare(query, _QUOTED)):
        session.spoil()


def _may_call(query):
    """Whether a part of _CALLS is in `query`: a fast look, because every query comes here."""
    text = query.lower()
    return (
        ":=" in text
        or "get_lock" in text
        # The @ of an e-mail address is no variable.
        or ("@" in text and "into" in text and not text.startswith("insert"))
    )


def _look_at_one(session, text, query):
    if for_one := _FOR_ONE.match(text):
        text = text[for_one.end() :]
    # In a reading request the engine refuses the rest, and the request runs as a writing one.
    if _ENDS.match(text) or (session.writing and _COMMITS.match(text)):
        raise refused(query, "MariaDB commits before or by this statement")
    if _CHANGES_SESSION.match(text):
        session.spoil()
