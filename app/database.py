"""The site's database for scripts and containers: creates it, waits for it, checks it.

`python -m app.database` creates a table for each SQLObject class of the site (app/tables.py), and
fills it by the class's `fill_new_table()` if it has one. It brings existing tables to what their
classes say, as app.transactions.tables describes. With the setting SITE_DATABASE it runs that
program instead, and compares the tables that it has created. With --add-editor it makes a user of
the example an editor (app/editors.py). Its exit status:

0  the database is as the models say
2  a setting or an option is wrong, or the database cannot be used
3  the database is not as the models say, and no waiting changes it: a table contradicts its
   model, or with --check something is missing
"""

import argparse
import os
import re
import sys
import time
from functools import partial
from pathlib import Path

from sqlobject import dberrors, sqlhub

from app.settings import SettingsError, settings, this_user
from app.tables import LONGEST_TURN, check_database, make_database, make_file, site_models
from app.transactions import Verdict
from app.transactions.tables import SchemaError

LONGEST_WAIT = 3600
# SQLite reports these faults only by their text: https://www.sqlite.org/rescode.html
SQLITE_CURES = {
    "disk is full": "Make room on the disk that the file is on.",
    "disk I/O error": "Make room on the disk that the file is on, or look for faults of it.",
    "malformed": "The file is damaged: put a backup in its place while the site is stopped.",
    "not a database": "DATABASE_URI names a file of another kind: correct it, or put a backup in "
    "its place while the site is stopped.",
}
# How many rows a warning names.
MOST_NAMED = 20


def parse_options(arguments):
    """The options in the list `arguments`; exits with status 2 and a message if one is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m app.database",
        description="Create the site's database, or bring its tables to what its classes say. "
        "Exit status 2: it cannot be used; 3: it is not as the models say.",
        allow_abbrev=False,
    )
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument(
        "--check",
        action="store_true",
        help="change nothing: tell whether the settings are right, the database is there and its "
        "tables are as the models say",
    )
    choice.add_argument(
        "--wait",
        type=_seconds,
        default=0,
        metavar="SECONDS",
        help="first wait at most this long for a database server that does not answer yet",
    )
    choice.add_argument(
        "--add-editor",
        metavar="NAME",
        help="make the example's user NAME an editor, with a password that is asked for; "
        "add the user if it is missing; this ends the user's sessions",
    )
    parser.add_argument(
        "--password-file",
        type=Path,
        metavar="FILE",
        help="with --add-editor: the password is the first line of FILE",
    )
    options = parser.parse_args(arguments)
    if options.password_file is not None and options.add_editor is None:
        parser.error("--password-file: it goes with --add-editor")
    if options.add_editor is not None and settings.application:
        parser.error("--add-editor: the users of SITE_APPLICATION are not the example's")
    return options


def _seconds(text):
    if not re.fullmatch("[1-9][0-9]{0,3}", text) or int(text) > LONGEST_WAIT:
        raise argparse.ArgumentTypeError(
            f"is {text!r}: write a whole number of seconds from 1 to {LONGEST_WAIT}"
        )
    return int(text)


def _when_it_is_there(work, seconds):
    """Call `work()` until the server answers, for at most `seconds`; return its result.

    While others are at work on the tables it waits for LONGEST_TURN at least.
    """
    connection = sqlhub.processConnection
    started = time.monotonic()
    told = False
    while True:
        try:
            return work()
        except (OSError, dberrors.Error, connection.module.Error) as error:
            busy = connection.verdict(error) is Verdict.CONFLICT
            # Waiting does not bring SQLite's file.
            longest = 0 if connection.dbName == "sqlite" else seconds
            if time.monotonic() - started >= (max(longest, LONGEST_TURN) if busy else longest):
                raise
        if not told and not busy:
            _say(f"waiting at most {seconds} s for the database of DATABASE_URI")
            told = True
        time.sleep(0.5)


def main(arguments):
    """Do as the command line `arguments` say; returns the exit status."""
    options = parse_options(arguments)
    # Only this user and its group may read a new file, as with the daemons' files.
    os.umask(0o027)
    try:
        work = _work(options)
        from app import load_sqlo
    except (OSError, SettingsError, ValueError) as error:
        _say(f"error: {error}")
        return 2
    load_sqlo()
    connection = sqlhub.processConnection
    # SQLObject quotes neither the slashes of a password nor the at signs of a path.
    shown = re.sub(r"//.*@", "//", connection.uri())
    try:
        if work is make_database:
            make_file()
        site_models()
        # The import of the example may have set another.
        sqlhub.processConnection = connection
        done = _when_it_is_there(work, options.wait)
        warning = _warning_of_dangling_rows(connection)
    except SettingsError as error:
        _say(f"error: {error}")
        return 2
    except SchemaError as error:
        _say(f"error: the database {shown} is not as the models say:\n{error}")
        return 3
    except (OSError, dberrors.Error, connection.module.Error) as error:
        _say(f"error: the database {shown} could not be used: {error}\n{_cure(connection, error)}")
        return 2
    print("\n".join([f"database {shown}", *done]))
    if warning:
        _say(f"warning: {warning}")
    return 0


def _work(options):
    """Return the function that does what the options say, and returns lines that report it.

    Raises as app.editors.values_of.
    """
    if options.add_editor is not None:
        from app.editors import make_editor, values_of

        return partial(make_editor, values_of(options.add_editor, options.password_file))
    return check_database if options.check else make_database


def _warning_of_dangling_rows(connection):
    """Name the rows that refer to missing ones: SQLite allows them unless it enforces the keys."""
    cure = "or set SITE_FOREIGN_KEYS=off, so that SQLite enforces none"
    try:
        rows = connection.dangling_rows()
    except dberrors.Error as error:
        return f"foreign keys cannot be checked, so writes may fail: correct them, {cure}: {error}"
    lines = [f"table {table}: row {id} refers to a missing row of {to}" for table, id, to in rows]
    if len(lines) > MOST_NAMED:
        lines[MOST_NAMED:] = [f"and {len(lines) - MOST_NAMED} more: PRAGMA foreign_key_check"]
    head = "rows refer to rows that are not there: correct or delete them"
    return "\n".join([f"{head}, {cure}", *lines]) if lines else ""


def _say(text):
    print(text, file=sys.stderr, flush=True)


def _cure(connection, error):
    if connection.dbName == "sqlite":
        for text, cure in SQLITE_CURES.items():
            if text in str(error):
                return cure
        return (
            f"Let the user {this_user()} write the file and its directory, by chown or chmod, or "
            "set DATABASE_URI to another place."
        )
    return (
        "Start the server, or correct the host, port, user, password and database in "
        "DATABASE_URI; characters other than letters and digits are written there as %XX."
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
