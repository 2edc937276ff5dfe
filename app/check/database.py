"""The site's database as the check looks at it: reached, as the classes say, set up to keep."""

import os
import re
import shutil
import sqlite3
import tempfile
from contextlib import closing, suppress
from pathlib import Path

from sqlobject import dberrors, sqlhub

from app.check import servers
from app.check.findings import OK, WARNING, WRONG, Finding
from app.check.models import place_of_table

MAKE = "run `python -m app.database` as the daemons' user"
_MOST = 20
# SQLite's DROP COLUMN, which app.transactions uses.
OLDEST_SQLITE = (3, 35, 0)
LITTLE_SPACE = 200 << 20


def closed_file():
    """The SQLite file that opening would make or change, or None."""
    connection = sqlhub.processConnection
    if connection.dbName != "sqlite":
        return None
    path = Path(connection.filename)
    with suppress(OSError):
        if _is_in_wal(path):
            return None
    return str(path)


def _is_in_wal(path):
    # https://www.sqlite.org/fileformat2.html#file_format_version_numbers
    with path.open("rb") as file:
        return file.read(20)[18:] == b"\2\2"


def findings(loads):
    """Return the Findings in the database; `loads`: whether there are classes to compare."""
    connection = sqlhub.processConnection
    before = _file_findings(connection) if connection.dbName == "sqlite" else []
    if any(one.level == WRONG for one in before):
        return before
    try:
        return [*before, *_reached(connection, loads)]
    except (OSError, dberrors.Error, connection.module.Error) as error:
        cure = (
            "start the server, or correct the host, port, user, password and database in "
            "DATABASE_URI; characters other than letters and digits are written there as %XX"
        )
        if connection.dbName == "sqlite":
            cure = "let the daemons' user write the file and its folder, or restore a backup"
        return [*before, Finding(WRONG, f"{_shown(connection)} cannot be used: {error}: {cure}")]


def _shown(connection):
    # SQLObject quotes neither the slashes of a password nor the at signs of a path.
    return "the database " + re.sub(r"//.*@", "//", connection.uri())


def _reached(connection, loads):
    yield from (
        servers.findings(connection) if connection.dbName != "sqlite" else _sqlite(connection)
    )
    yield from _tables() if loads else ()


def _tables():
    from app.tables import SchemaError, check_database

    try:
        yield from (Finding(OK, line) for line in check_database())
    except SchemaError as error:
        for line in str(error).splitlines():
            if not line.startswith("table "):
                # The cure, which every line has.
                continue
            table = line.split()[1].rstrip(":")
            cure = (
                MAKE
                if line.endswith("is missing")
                else "change the table by ALTER TABLE, or its class"
            )
            yield Finding(WRONG, f"{line}: {cure}", *place_of_table(table))


def _file_findings(connection):
    """Look at SQLite's file without opening it, which would make it or turn it to WAL."""
    path = Path(connection.filename)
    # Below a closed folder nothing can be told of.
    ways = [*reversed(path.parents), path]
    closed = next((one for one in ways[:-1] if one.exists() and not os.access(one, os.X_OK)), None)
    if closed:
        text = f"the daemons' user cannot enter it: run `chmod o+x {closed}`, or chown www-data"
        return [Finding(WRONG, text, str(closed))]
    if not path.exists():
        return [Finding(WRONG, f"the database is not there: {MAKE}", str(path))]
    for one in (path.parent, path, *path.parent.glob(f"{path.name}-*")):
        if not os.access(one, os.R_OK | os.W_OK):
            return [
                Finding(
                    WRONG,
                    f"the daemons' user cannot write it: run `chown www-data {one}`",
                    str(one),
                )
            ]
    try:
        wal = _is_in_wal(path)
    except OSError as error:
        return [Finding(WRONG, f"cannot be read: {error}", str(path))]
    if not wal and not _wal_is_possible(path.parent):
        return [
            Finding(WRONG, "SQLite cannot use WAL here: put it on a local file system", str(path))
        ]
    if not wal:
        text = f"is not in WAL mode, in which readers and writers do not wait: {MAKE}"
        return [Finding(WRONG, text, str(path))]
    return []


def _wal_is_possible(folder):
    with (
        tempfile.TemporaryDirectory(prefix=".check-", dir=folder) as own,
        closing(sqlite3.connect(Path(own, "wal.db"))) as raw,
    ):
        return raw.execute("PRAGMA journal_mode=WAL").fetchone() == ("wal",)


def _sqlite(connection):
    version = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        yield Finding(WRONG, f"SQLite {version} is older than 3.35: upgrade the system's")
    [(said,)] = connection.queryAll("PRAGMA quick_check(1)")
    if said != "ok":
        text = f"is damaged ({said}): restore a backup, or dump it by `sqlite3 … .recover`"
        yield Finding(WRONG, text, connection.filename)
        return
    yield Finding(OK, f"SQLite {version}, WAL, {connection.filename}")
    free = shutil.disk_usage(Path(connection.filename).parent).free
    if free < LITTLE_SPACE:
        text = (
            f"there are {free >> 20} MiB left beside it, and a full disk stops writes: make room"
        )
        yield Finding(WARNING, text, connection.filename)
    yield from _dangling(connection)
    rows = connection.queryAll(
        "SELECT t.name, x.name FROM sqlite_master AS t JOIN pragma_index_list(t.name) AS i "
        "JOIN pragma_index_xinfo(i.name) AS x "
        "WHERE t.type = 'table' AND i.\"unique\" AND x.key AND x.coll = 'NOCASE' ORDER BY 1, 2"
    )
    yield from servers.equal_letters(rows)


def _dangling(connection):
    cure = "correct or delete it, or set SITE_FOREIGN_KEYS=off, so that SQLite enforces none"
    try:
        rows = connection.dangling_rows()
    except dberrors.Error as error:
        yield Finding(WRONG, f"foreign keys cannot be checked: {error}: {cure}")
        return
    for table, id, to in rows[:_MOST]:
        text = f"table {table}: row {id} refers to a missing row of {to}: {cure}"
        yield Finding(WARNING, text, *place_of_table(table))
    if len(rows) > _MOST:
        yield Finding(WARNING, f"and {len(rows) - _MOST} more rows: PRAGMA foreign_key_check")
