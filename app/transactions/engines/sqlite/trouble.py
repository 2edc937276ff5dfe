"""Why an SQLite database cannot be used, and the cure that the log names.

https://www.sqlite.org/rescode.html
"""

import sqlite3

_DAMAGED = "it is damaged: stop the site and put a backup in its place"
_CLOSED = (
    "it cannot be opened and written: give its file, those beside it and their folder to the "
    "daemons' user, and enough open files to its processes, and start these anew"
)
_CURES = {
    sqlite3.SQLITE_FULL: "there is no room left on its disk: make room there",
    sqlite3.SQLITE_IOERR: "its disk fails: look into the log of the kernel",
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_CANTOPEN: _CLOSED,
    sqlite3.SQLITE_READONLY: _CLOSED,
    sqlite3.SQLITE_PERM: _CLOSED,
}


def driver_error(error):
    """Return the driver's error that `error` is, or that SQLObject's was raised for, or None."""
    return error if isinstance(error, sqlite3.Error) else getattr(error, "__context__", None)


def primary_code(error):
    """Return the first byte of SQLite's code in `error`, the driver's or SQLObject's, or None."""
    code = getattr(driver_error(error), "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def cure_of(error):
    """Return why the database cannot be used and what helps, or None."""
    return _CURES.get(primary_code(error))
