"""`python -m app.backup dump` and `load`: the database to stdout, and from stdin.

Both work while the site serves: `dump` writes what was committed at one instant, and `load` puts
all of the database back in one step, after which the tables are brought to what the models say.
Until then nothing is changed, and the site goes on serving. The exit status means the same as with
`python -m app.database`.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from app.backup.errors import BackupError
from app.backup.sqlite import resolved
from app.settings import SettingsError

ENGINES = {"sqlite": "sqlite", "postgres": "postgres", "mysql": "mariadb"}


def parser():
    """The parser of the command's arguments."""
    made = argparse.ArgumentParser(
        prog="python -m app.backup",
        description="Write the site's database to stdout, or put one back from stdin.",
        allow_abbrev=False,
    )
    made.add_argument("work", choices=("dump", "load"), help="to stdout, or from stdin")
    return made


def main(arguments):
    """Do as the command line `arguments` say; returns the exit status."""
    work = parser().parse_args(arguments).work
    stream = sys.stdout.buffer if work == "dump" else sys.stdin.buffer
    if stream.isatty():
        return _told(f"error: {work} is for a file or a pipe: it is no text for a terminal")
    os.umask(0o077)
    try:
        connection = _connection()
        engine = import_module(f"app.backup.{ENGINES[str(connection.dbName)]}")
        if work == "dump":
            engine.dump(connection, stream)
            stream.flush()
            return 0
        with tempfile.TemporaryDirectory(prefix=".load-", dir=_place(connection)) as folder:
            file = Path(folder, "backup")
            with open(file, "wb") as copy:
                shutil.copyfileobj(stream, copy)
            engine.load(connection, file)
    except (BackupError, SettingsError, OSError) as error:
        return _told(f"error: {error}")
    return _update()


def _connection():
    from sqlobject import sqlhub

    from app import load_sqlo

    load_sqlo()
    return sqlhub.processConnection


def _place(connection):
    """Return where a backup has room: the folder of SQLite's file, or None, the usual one.

    /tmp may be small, as in a container, which has no servers' programs.
    """
    if connection.dbName != "sqlite":
        return None
    folder = resolved(connection).parent
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _update():
    """Bring the tables to what the models say: the backup may be older than they are."""
    return subprocess.run([sys.executable, "-m", "app.database"]).returncode


def _told(text):
    print(text, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
