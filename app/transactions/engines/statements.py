"""What a statement does to its transaction or its session, told by its text."""

import re

from sqlobject import dberrors

# White space and comments. MariaDB executes what stands in /*! … */ and /*M! … */.
_SKIPPED = r"(?:\s|/\*(?!M?!)(?:[^*]|\*(?!/))*\*/|--(?=\s)[^\n]*(?:\n|$))*"
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


def beginning_with(words, skipped=_SKIPPED):
    """Return a pattern whose `match` finds statements that begin with one of `words`.

    `words`: the alternatives of a regular expression.
    """
    return re.compile(rf"{skipped}(?:{words})\b", re.IGNORECASE)


# COMMIT AND CHAIN and the like too. ROLLBACK TO ends a savepoint only.
ENDS_TRANSACTION = (
    r"BEGIN|START\s+TRANSACTION|COMMIT|END|ABORT|PREPARE\s+TRANSACTION"
    r"|ROLLBACK(?!\s+(?:(?:WORK|TRANSACTION)\s+)?TO\b)"
)
_PLAIN = frozenset(["SELECT", "INSERT", "UPDATE", "DELETE"])


def is_plain(query):
    """Whether `query` is, as SQLObject writes it, one that only reads or changes rows.

    A function that it calls may do more.
    """
    return query[:6] in _PLAIN


def statements_of(text):
    """Return the statements that a text of several has; none of them has its strings."""
    return [text] if ";" not in text else _QUOTED.sub("''", text).split(";")


def refused(query, why):
    """Return the error for a statement that a request must not send."""
    shown = query.strip().partition("\n")[0][:80]
    return dberrors.NotSupportedError(f"{why}, so it cannot be part of a request: {shown}")


def guarded(cursor_class, session, look_at):
    """Return a subclass of `cursor_class`; `look_at(session, query)` sees its statements first."""

    class GuardedCursor(cursor_class):
        def execute(self, query, *arguments, **options):
            look_at(session, query.decode() if isinstance(query, bytes) else str(query))
            return super().execute(query, *arguments, **options)

    return GuardedCursor
