"""Text that PostgreSQL cannot store is refused, not sent as another."""

from sqlobject import dberrors
from sqlobject.converters import lookupConverter

_stock_converter = lookupConverter("")


class PostgresName(str):
    """The engine's name, as SQLObject hands it to converters, from our PostgreSQL engine."""


def convert_text(value, db):
    """SQLObject's converter of text; it refuses U+0000, which PostgreSQL cannot store.

    SQLObject writes it as \\0, which with digits after it is the octal number of another
    character. Raises dberrors.DataError.
    """
    if "\0" in value and isinstance(db, PostgresName):
        raise dberrors.DataError("PostgreSQL stores no text with the character U+0000")
    return _stock_converter(value, db)
