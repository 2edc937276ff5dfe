"""SQLite's file: copied by its online backup, and put back into the file that is in use.

https://www.sqlite.org/backup.html. If another file took its place, the daemons would still have
the old one open, and the log of the old one would lie beside the new one. A backup into the file
in use is one transaction of SQLite's: a reader sees all of it or nothing, a power cut leaves the
old database or the new one, and each connection sees by `data_version` that its kept rows are
outdated.
"""

import contextlib
import fcntl
import os
import shutil
import sqlite3
import struct
import tempfile
from pathlib import Path
from urllib.parse import quote

from app.backup.errors import BackupError

# Seconds that the site's writers may take.
PATIENCE = 60
MAGIC = b"SQLite format 3\0"
BESIDE = ("-wal", "-shm", "-journal")
# A daemon has this open too, even where the other files were moved away.
QUEUE = "-queue"
# fcntl(2)'s struct flock.
LOCK = "hhqqi4x"


def dump(connection, out):
    """Write the database of `connection` to the binary file `out`.

    Raises BackupError where the database is missing or damaged, and OSError.
    """
    path = resolved(connection)
    if not path.exists():
        raise BackupError(f"{path} is not there: put it back in its place first")
    # On the database's own disk: /tmp may be small.
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-backup-", dir=path.parent) as folder:
        copy = Path(folder, "copy")
        try:
            with _opened(path, "rw") as live, _opened(copy, "rwc") as target:
                live.backup(target)
                # Then it needs no file beside it, and can be read where nothing can be written.
                target.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.Error as error:
            raise BackupError(f"{path} cannot be copied: {error}") from error
        check(copy)
        with open(copy, "rb") as file:
            shutil.copyfileobj(file, out)


def load(connection, file):
    """Replace the database of `connection` by the backup at the path `file`.

    `file`: on the database's disk. If the database was lost, the file itself takes its place.
    Raises BackupError, and OSError where the database cannot be written.
    """
    check(file)
    path = resolved(connection)
    if not _is_sqlite(path):
        return _put_in_place(path, file)
    from app.transactions.engines.sqlite.queue import Place

    queue, place = connection.queue_of_writers(), Place()
    try:
        if queue is not None:
            queue.wait(place, PATIENCE)
        with _opened(file, "ro") as backup, _opened(path, "rw") as live:
            live.execute("PRAGMA synchronous=FULL")
            backup.backup(live, sleep=0.01)
    except sqlite3.Error as error:
        raise BackupError(
            f"{path} cannot be written: {error}. Stop the site, move the file and "
            "those with -wal and -shm behind its name away, and do it again"
        ) from error
    finally:
        if queue is not None:
            queue.leave(place)


def resolved(connection):
    """The path of the file of `connection` without links, as SQLite and the kernel name it."""
    return Path(os.path.realpath(connection.filename))


def check(file):
    """Raises BackupError where the file is no sound database of SQLite's."""
    if not _is_sqlite(file):
        raise BackupError("this is no backup of an SQLite database")
    try:
        with _opened(file, "ro") as copy:
            found = [line for (line,) in copy.execute("PRAGMA integrity_check(3)")]
    except sqlite3.Error as error:
        found = [str(error)]
    if found != ["ok"]:
        raise BackupError(f"the database is damaged: {'; '.join(found)}")


def _is_sqlite(path):
    try:
        with open(path, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def _opened(path, mode):
    address = f"file:{quote(str(path))}?mode={mode}"
    with contextlib.closing(sqlite3.connect(address, uri=True, timeout=PATIENCE)) as raw:
        yield raw


def _put_in_place(path, file):
    """Put the backup where no database is; BackupError where daemons have the old one open."""
    holders = _holders(path)
    if holders:
        raise BackupError(
            f"{path} is missing or no database, and the old one is still open in {holders}: "
            "stop the site first, in all its containers"
        )
    file.chmod(0o640)
    with open(file, "rb") as whole:
        os.fsync(whole.fileno())
    # SQLite would take a log that is left for this file's.
    for suffix in BESIDE:
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    file.rename(path)


def _holders(path):
    """Return who has the file, or the one before it, open, in words; "" for nobody."""
    shown = _processes_with(path)
    if shown:
        return f"the processes {shown}"
    # The kernel hides the open files of other users and other containers, but shows their locks.
    locked = any(_is_locked(Path(f"{path}{suffix}")) for suffix in ("", *BESIDE))
    return "a process of another user or container" if locked else ""


def _processes_with(path):
    """The ids of this user's processes that have the file, or the one before it, open."""
    names = {f"{path}{suffix}" for suffix in ("", *BESIDE, QUEUE)}
    found = set()
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.readlink(descriptor).removesuffix(" (deleted)") in names:
                found.add(int(descriptor.parts[2]))
    return sorted(found)


def _is_locked(path):
    """Whether a process has a lock on the file. In WAL mode each one with it open has a lock.

    https://www.sqlite.org/walformat.html#wal_locks
    """
    with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
        asked = struct.pack(LOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, *_ = struct.unpack(LOCK, fcntl.fcntl(file, fcntl.F_GETLK, asked))
        return kind != fcntl.F_UNLCK
    return False
