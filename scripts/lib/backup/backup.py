"""scripts/backup: the site's database as one file, while it serves."""

import os
import re
import time
from pathlib import Path

from scripts.lib.backup.child import add_user, run_as_site
from scripts.lib.command import CannotRun, command_parser, run, whole_number

NAME = "%Y%m%dT%H%M%SZ.backup"
MADE_HERE = re.compile(r"[0-9]{8}T[0-9]{6}Z\.backup")


def parser():
    """The parser of the script's options."""
    made = command_parser(
        "scripts/backup", "Write the site's database to one file, while the site serves."
    )
    made.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="a new file that only you can read, whole or absent; or a folder, for a file that is "
        "named by the time",
    )
    made.add_argument(
        "--keep",
        type=whole_number(1, 10000),
        metavar="N",
        help="then remove all but the latest N files of the folder that were named so (default: "
        "remove none)",
    )
    add_user(made)
    return made


def write(path, user):
    """Write a backup to `path`, a new file, wholly or not at all.

    `user`: as `run_as_site` takes it. Raises CannotRun, OSError.
    """
    if path.exists():
        raise CannotRun(f"{path} exists: name a new file, or a folder")
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            run_as_site("dump", user, stdout=file)
            os.fsync(file.fileno())
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder):
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_old(folder, keep):
    """Remove all but the latest `keep` backups in `folder` that were named by the time.

    Returns the paths of those that were removed.
    """
    named = sorted(path for path in folder.iterdir() if MADE_HERE.fullmatch(path.name))
    old = named[:-keep]
    for path in old:
        path.unlink()
    return old


def main(arguments):
    """Back up as the command line `arguments` say; returns the exit status."""
    made = parser()
    options = made.parse_args(arguments)
    folder = options.file if options.file.is_dir() else None
    if options.keep and not folder:
        made.error("argument --keep: FILE must be an existing folder")
    path = folder / time.strftime(NAME, time.gmtime()) if folder else options.file
    write(path, options.user)
    print(f"{path}: {path.stat().st_size} bytes")
    for old in remove_old(folder, options.keep) if options.keep else ():
        print(f"{old}: removed")
    return 0


if __name__ == "__main__":
    run("scripts/backup", main)
