"""What a statement does to its transaction or its session, told by its text."""

import re
from functools import cache

from sqlobject import dberrors

# COMMIT AND CHAIN and the like too. ROLLBACK TO ends a savepoint only.
ENDS_TRANSACTION = (
    r"BEGIN|START\s+TRANSACTION|COMMIT|END|ABORT|PREPARE\s+TRANSACTION"
    r"|ROLLBACK(?!\s+(?:(?:WORK|TRANSACTION)\s+)?TO\b)"
)
_PLAIN = frozenset(["SELECT", "INSERT", "UPDATE", "DELETE"])
# The methods of the drivers' cursors that take a statement.
_EXECUTING = ("execute", "executemany", "stream", "copy")


def beginning_with(words):
    """Return a pattern whose `match` finds bare statements that begin with one of `words`.

    `words`: the alternatives of a regular expression.
    """
    return re.compile(rf"[\s;]*(?:{words})\b", re.IGNORECASE | re.DOTALL)


def quoting(strings, names, comments):
    """Return a pattern of what `bare` changes, made of three regular expressions."""
    return re.compile(
        rf"(?P<string>{strings})|(?P<name>{names})|{comments}", re.IGNORECASE | re.DOTALL
    )


def bare(query, quoted):
    """Return `query` without its comments, and with '' for each of its strings.

    `quoted`: what `quoting` returns for the engine.
    """
    return quoted.sub(lambda found: found["name"] or ("''" if found["string"] else " "), query)


def is_plain(query):
    """Whether `query` is, as SQLObject writes it, one that only reads or changes rows.

    A function that it calls may do more.
    """
    return query[:6] in _PLAIN


def refused(query, why):
    """Return the error for a statement that a request must not send."""
    shown = query.strip().partition("\n")[0][:80]
    return dberrors.NotSupportedError(f"{why}, so it cannot be part of a request: {shown}")


@cache
def guarded(cursor_class, look_at):
    """Return a subclass of `cursor_class`; `look_at(session, query)` sees its statements first.

    The session's `watcher` is told of them and of their errors.
    """

    def seen_first(name):
        plain = getattr(cursor_class, name)

        def method(self, query, *arguments, **options):
            session = self.connection
            look_at(session, _text(query, session))
            watcher = session.watcher
            if watcher is None:
                return plain(self, query, *arguments, **options)
            watcher.before(session)
            try:
                return plain(self, query, *arguments, **options)
            except Exception as error:
                watcher.failed(error)
                raise

        return method

    def executescript(self, script):
        raise refused(script, "executescript() commits before it executes")

    own = {name: seen_first(name) for name in _EXECUTING if hasattr(cursor_class, name)}
    if hasattr(cursor_class, "executescript"):
        own["executescript"] = executescript
    return type(f"Guarded{cursor_class.__name__}", (cursor_class,), own)


def _text(query, session):
    if isinstance(query, (bytes, bytearray)):
        return query.decode(errors="replace")
    # The parts of a query that psycopg composes.
    return query.as_string(session) if hasattr(query, "as_string") else str(query)
