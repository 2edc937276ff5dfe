"""What a statement does on MariaDB to its transaction or its session, told by its text."""

import re

from ..statements import beginning_with

_SKIPPED = r"(?:\s|/\*(?!M?!)(?:[^*]|\*(?!/))*\*/|(?:--(?=\s)|#)[^\n]*\n)*"
# https://mariadb.com/kb/en/sql-statements-that-cause-an-implicit-commit/
# SET may set several variables at once.
COMMITS = beginning_with(
    r"CREATE(?!\s+(?:OR\s+REPLACE\s+)?TEMPORARY)|DROP(?!\s+TEMPORARY)|ALTER|TRUNCATE"
    r"|RENAME|GRANT|REVOKE|OPTIMIZE|REPAIR|LOCK|UNLOCK|FLUSH|START|BEGIN|COMMIT|XA|INSTALL|CHECK"
    r"|ANALYZE\s+(?:\w+\s+)?TABLE|ROLLBACK(?!\s+(?:WORK\s+)?TO\b)|EXECUTE\s+IMMEDIATE"
    r"|SET\s+(?:[^;]*\W)?(?:AUTOCOMMIT(?=\s*:?=)|PASSWORD)",
    _SKIPPED,
)
CHANGES_SESSION = beginning_with(
    r"SET|USE|CREATE\s+(?:OR\s+REPLACE\s+)?TEMPORARY|PREPARE|DEALLOCATE|CALL|HANDLER|LOCK",
    _SKIPPED,
)
# What holds beyond the transaction.
CALLS = re.compile(r"\bget_lock\s*\(|@\w+\s*:=", re.IGNORECASE)
