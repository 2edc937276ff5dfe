"""The site's database as scripts and containers need it: made, waited for, checked.

`python -m app.database` makes a table for each SQLObject class that `from app.models import *`
gives, and fills it by the class's `fill_new_table()` if it has one. It brings tables that are
there to what their classes say, as app.transactions.tables describes. Its exit status:

0  the database is as the models say
2  a setting or an option is wrong, or the database cannot be used
3  the database is not as the models say, and no waiting changes it: a table contradicts its
   model, or with --check something is missing
"""

import argparse
import re
import sys
import time
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from sqlobject import SQLObject, dberrors, sqlhub

from app.settings import SettingsError
from app.transactions import Verdict
from app.transactions.tables import SchemaError, in_one_transaction, missing_in_table, update_table
from app.web.health import healthy

LONGEST_WAIT = 3600
# How many rows a warning names.
MOST_NAMED = 20
# Seconds for others who are at work on the tables, such as the same command elsewhere.
LONGEST_TURN = 60
CURE = "`python -m app.database` makes what is missing."


class Health:
    """Whether this process reaches its database and finds the tables and columns of the models."""

    def GET(self):
        connection = sqlhub.getConnection()
        for model in site_models():
            meta = model.sqlmeta
            columns = ", ".join([meta.idName, *(column.dbName for column in meta.columnList)])
            connection.queryAll(f"SELECT {columns} FROM {meta.table} WHERE 1 = 0")
        return healthy()


def site_models():
    """Return the SQLObject classes with a table that `from app.models import *` gives.

    They are in the order in which app/models.py has them. Raises SchemaError where it has none.
    """
    models = import_module("app.models") if find_spec("app.models") else None
    names = getattr(models, "__all__", vars(models) if models else ())
    public = [getattr(models, name) for name in names if not name.startswith("_")]
    found = list(dict.fromkeys(filter(_has_table, public)))
    if not found:
        raise SchemaError(
            "app/models.py has no SQLObject class: write the site's classes there, or import "
            "them there"
        )
    return found


def _has_table(value):
    """Whether `value` is an SQLObject class of the site's; a view's table is no text."""
    return (
        isinstance(value, type)
        and issubclass(value, SQLObject)
        and not value.__module__.startswith("sqlobject.")
        and isinstance(value.sqlmeta.table, str)
    )


def make_database():
    """Make what is missing of the tables and return lines that say what was done.

    Works on `sqlhub.processConnection`, in one transaction, which is tried again when another
    one is in its way. Raises OSError, SchemaError where a table that is there contradicts its
    model, and the errors of the driver and of sqlobject.dberrors.
    """
    connection = sqlhub.processConnection
    if connection.dbName == "sqlite":
        Path(connection.filename).parent.mkdir(parents=True, exist_ok=True)
    return in_one_transaction(_make_tables)


def _make_tables():
    with _alone(sqlhub.getConnection()):
        done, made, constraints = [], [], []
        for model in site_models():
            table = model.sqlmeta.table
            if model.tableExists():
                done += [f"table {table}: there already", *update_table(model)]
                continue
            # Not ifNotExists: of two commands at once the later must notice.
            constraints += model.createTable(createJoinTables=False, applyConstraints=False)
            done.append(f"table {table}: made")
            made.append(model)
        # Now that each has the others to refer to.
        for constraint in constraints:
            sqlhub.getConnection().query(constraint)
        for model in site_models():
            done += [f"table {name}: made" for name in _missing_join_tables(model)]
            model.createJoinTables(ifNotExists=True)
        return done + [
            model.fill_new_table() for model in made if hasattr(model, "fill_new_table")
        ]


@contextmanager
def _alone(connection):
    """Wait on MariaDB until no other command makes the tables of this database.

    MariaDB commits each table by itself, so that a command which meets another one's table
    half-way could not begin anew. Raises TimeoutError.
    """
    if connection.dbName != "mysql":
        yield
        return
    lock = "MD5(CONCAT('app.database ', DATABASE()))"
    deadline = time.monotonic() + LONGEST_TURN
    while connection.queryOne(f"SELECT GET_LOCK({lock}, 0)") != (1,):
        if time.monotonic() > deadline:
            raise TimeoutError("another `python -m app.database` is at work: wait until it ends")
        time.sleep(0.1)
    try:
        yield
    finally:
        connection.queryOne(f"SELECT RELEASE_LOCK({lock})")


def check_database():
    """Compare the tables with their models and return lines that say so; change nothing.

    Works on `sqlhub.processConnection`. Raises SchemaError where `make_database` would do
    something or raise one, and the errors of the driver and of sqlobject.dberrors.
    """
    connection = sqlhub.processConnection
    if connection.dbName == "sqlite":
        _check_file(Path(connection.filename))
    return in_one_transaction(_check_tables)


def _check_file(path):
    """Opening a file makes it, and turns it to WAL, where that has not been done."""
    if not path.exists():
        raise SchemaError(f"the file {path} is not there\n{CURE}")
    # https://www.sqlite.org/fileformat2.html#file_format_version_numbers
    with path.open("rb") as file:
        if file.read(20)[18:] == b"\1\1":
            raise SchemaError(f"the file {path} is not in WAL mode\n{CURE}")


def _check_tables():
    said, missing, contradictions = [], [], []
    for model in site_models():
        table = model.sqlmeta.table
        try:
            lacks = missing_in_table(model) if model.tableExists() else ["it"]
        except SchemaError as error:
            contradictions.append(str(error))
            continue
        if lacks is None:
            said.append(f"table {table}: not compared, for this user may make no temporary table")
        elif lacks:
            missing += [f"table {table}: {what} is missing" for what in lacks]
        else:
            said.append(f"table {table}: as its model says")
        missing += [f"table {name}: it is missing" for name in _missing_join_tables(model)]
    if missing or contradictions:
        raise SchemaError("\n".join([*contradictions, *missing, *([CURE] if missing else [])]))
    return said


def _missing_join_tables(model):
    connection = sqlhub.getConnection()
    names = dict.fromkeys(join.intermediateTable for join in model._getJoinsToCreate())
    return [name for name in names if not connection.tableExists(name)]


def parse_options(arguments):
    """The options in the list `arguments`; exits with status 2 and a message if one is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m app.database",
        description="Make the site's database, or bring its tables to what app/models.py says. "
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
        help="first wait so long at most for a database server that is not there yet",
    )
    return parser.parse_args(arguments)


def _seconds(text):
    if not re.fullmatch("[1-9][0-9]{0,3}", text) or int(text) > LONGEST_WAIT:
        raise argparse.ArgumentTypeError(
            f"is {text!r}: write a whole number of seconds from 1 to {LONGEST_WAIT}"
        )
    return int(text)


def _when_it_is_there(work, seconds):
    """Return what `work()` returns; for `seconds` it is called until the server answers.

    Where others are at work on the tables it has LONGEST_TURN at least.
    """
    connection = sqlhub.processConnection
    started = time.monotonic()
    told = False
    while True:
        try:
            return work()
        except (OSError, dberrors.Error, connection.module.Error) as error:
            busy = connection.verdict(error) is Verdict.CONFLICT
            # No waiting brings SQLite's file.
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
    try:
        from app import load_sqlo
    except SettingsError as error:
        _say(f"error: {error}")
        return 2
    load_sqlo()
    connection = sqlhub.processConnection
    # SQLObject quotes neither the slashes of a password nor the at signs of a path.
    shown = re.sub(r"//.*@", "//", connection.uri())
    try:
        site_models()
        # Old models set a connection of their own.
        sqlhub.processConnection = connection
        done = _when_it_is_there(check_database if options.check else make_database, options.wait)
        warning = _warning_of_dangling_rows(connection)
    except SchemaError as error:
        _say(f"error: the database {shown} is not as the models say:\n{error}")
        return 3
    except (OSError, dberrors.Error, connection.module.Error) as error:
        _say(f"error: the database {shown} could not be used: {error}\n{_cure(connection)}")
        return 2
    print("\n".join([f"database {shown}", *done]))
    if warning:
        _say(f"warning: {warning}")
    return 0


def _warning_of_dangling_rows(connection):
    """Name the rows that refer to missing ones, as SQLite lets them where it does not enforce."""
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


def _cure(connection):
    if connection.dbName == "sqlite":
        return "Let this user write to its directory, or set DATABASE_URI to another place."
    return (
        "Start the server, or correct the host, port, user, password and database in "
        "DATABASE_URI; characters other than letters and digits are written there as %XX."
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
