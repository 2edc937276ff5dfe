"""SQLite's file as the check looks at it: present, writable, whole, in WAL mode."""

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing, suppress
from pathlib import Path

from sqlobject import dberrors, sqlhub

from app.check.findings import OK, WARNING, WRONG, Finding
from app.check.models import place_of_table
from app.check.servers import equal_letters

MAKE = "run `.venv/bin/python -m app.database` as the daemons' user"
_MOST = 20
# SQLite's DROP COLUMN, which app.transactions uses.
OLDEST_SQLITE = (3, 35, 0)
LITTLE_SPACE = 200 << 20
# To check a larger file takes longer than a start may.
LARGE_FILE = 1 << 30


def closed_file():
    """The SQLite file that opening would create or change, or None."""
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


def file_findings(connection):
    """Look at SQLite's file without opening it, because that would create it or turn it to WAL."""
    path = Path(connection.filename)
    # Nothing below a closed folder can be seen.
    ways = [*reversed(path.parents), path]
    closed = next((one for one in ways[:-1] if one.exists() and not os.access(one, os.X_OK)), None)
    if closed:
        text = f"the daemons' user cannot enter it: run `chmod o+x {closed}`, or chown www-data"
        return [Finding(WRONG, text, str(closed))]
    if not path.exists():
        log = Path(f"{path}-wal")
        cure = MAKE
        if log.exists() and log.stat().st_size:
            cure = f"but its log {log} is: put the file back in its place"
        return [Finding(WRONG, f"the database is not there: {cure}", str(path))]
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


def findings(connection):
    """Yield the Findings in the file of `connection`, which is there; raises dberrors.Error."""
    version = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        yield Finding(WRONG, f"SQLite {version} is older than 3.35: upgrade the system's")
    small = Path(connection.filename).stat().st_size < LARGE_FILE
    said = connection.queryOne("PRAGMA quick_check(1)")[0] if small else "ok"
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
    yield from equal_letters(rows)


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
