"""The tables of the site's SQLObject classes: creates, updates and compares them."""

import os
import random
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from itertools import filterfalse
from pathlib import Path

from sqlobject import SQLObject, sqlhub
from sqlobject.inheritance import InheritableSQLObject

from app.own import own_models
from app.program import AGAIN
from app.settings import ROOT, settings
from app.transactions.tables import (
    ATTEMPTS,
    SchemaError,
    in_one_transaction,
    missing_in_table,
    update_table,
)

# Seconds to wait for others at work on the tables, such as the same command elsewhere.
LONGEST_TURN = 60
IN_THE_WAY = (
    "another transaction was in its way each time, see above. Perhaps a row that it creates "
    "exists already; or it waits for itself, by a second connection to the database: web.py's "
    "DBStore, connectionForURI, a class with _connection"
)
CURE = "`.venv/bin/python -m app.database` creates what is missing."


def look_at_tables():
    """Ask the database for each table and column of the models, and for no row.

    Raises SchemaError where there is no model, and the error of the driver's or sqlobject's where
    one is missing or the database is away.
    """
    connection = sqlhub.getConnection()
    for model in filterfalse(_is_base, site_models()):
        meta = model.sqlmeta
        columns = ", ".join([meta.idName, *(column.dbName for column in meta.columnList)])
        connection.queryAll(f"SELECT {columns} FROM {meta.table} WHERE 1 = 0")


def site_models(with_pages=True):
    """Return the SQLObject classes of the site that have a table.

    For the example these are what `from app.models import *` gives, in its order; for another
    application what app.own.own_models says. Raises SchemaError where there is none.
    """
    if settings.application:
        public, cure = own_models(with_pages), "name the module that has them in SITE_DATABASE"
    else:
        public, cure = _public(), "write them into app/models.py, or import them there"
    found = list(dict.fromkeys(filter(_has_table, public)))
    if not found:
        raise SchemaError(f"the site has no SQLObject class: {cure}")
    return found


def _public():
    models = import_module("app.models") if find_spec("app.models") else None
    names = getattr(models, "__all__", vars(models) if models else ())
    return [getattr(models, name) for name in names if not name.startswith("_")]


def _has_table(value):
    """Whether `value` is an SQLObject class of the site's; a view's table is no text."""
    return (
        isinstance(value, type)
        and issubclass(value, SQLObject)
        and not value.__module__.startswith("sqlobject.")
        and isinstance(value.sqlmeta.table, str)
    )


def make_file():
    """Create the file of an SQLite database if it is missing, and its folder.

    Raises SchemaError where the log of an earlier file is still there, because SQLite would delete
    it, and OSError where they cannot be created or written.
    """
    connection = sqlhub.processConnection
    if connection.dbName != "sqlite":
        return
    path = Path(connection.filename)
    wal = Path(f"{path}-wal")
    if not path.exists() and wal.exists() and wal.stat().st_size:
        raise SchemaError(
            f"the file {path} is not there, but its log {wal} is: put the file back in its place, "
            "or remove the log to begin with nothing"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.touch()
    for needed in (path, path.parent):
        if not os.access(needed, os.W_OK):
            # Without this the site would start and refuse every write.
            raise PermissionError(f"{needed} cannot be written")


def make_database():
    """Create what is missing of the tables and return lines that say what was done.

    Works on `sqlhub.processConnection`, in one transaction, which is tried again when another one
    is in its way. With the setting SITE_DATABASE its program creates the tables, and only columns
    and indexes are added here. Raises OSError, SchemaError where an existing table contradicts its
    model, and the errors of the driver and of sqlobject.dberrors.
    """
    if settings.database:
        # Before the program runs, because it may use new columns.
        done = in_one_transaction(_update_tables)
        _run_program()
        return done + check_database()
    return in_one_transaction(_make_tables)


def _run_program():
    """Run the program in a separate process, so that its classes are not imported twice in one.

    Raises SchemaError where it fails.
    """
    command = [sys.executable, "-m", "app.program"]
    deadline = time.monotonic() + LONGEST_TURN
    for attempt in range(1, ATTEMPTS + 1):
        done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        late = attempt == ATTEMPTS or time.monotonic() > deadline
        if done.returncode != AGAIN or late:
            break
        time.sleep(random.uniform(0, 0.2))
    sys.stderr.write(done.stderr)
    if done.returncode == AGAIN:
        raise SchemaError(f"SITE_DATABASE={settings.database}: {IN_THE_WAY}")
    if done.returncode != 0:
        raise SchemaError(f"SITE_DATABASE={settings.database} failed, status {done.returncode}")


def _update_tables():
    return [line for model in site_models() if model.tableExists() for line in update_table(model)]


def _make_tables():
    with _alone(sqlhub.getConnection()):
        done, created, constraints = [], [], []
        for model in site_models():
            table = model.sqlmeta.table
            if model.tableExists():
                done += [f"table {table}: exists", *update_table(model)]
                continue
            _refuse_if_from_database(model)
            # Not ifNotExists: of two commands at once the later one must notice the other.
            constraints += model.createTable(createJoinTables=False, applyConstraints=False)
            done.append(f"table {table}: created")
            created.append(model)
        # Only now, because each table needs the others to refer to.
        for constraint in constraints:
            sqlhub.getConnection().query(constraint)
        for model in site_models():
            done += [f"table {name}: created" for name in _missing_join_tables(model)]
            model.createJoinTables(ifNotExists=True)
        return done + [
            model.fill_new_table() for model in created if hasattr(model, "fill_new_table")
        ]


@contextmanager
def _alone(connection):
    """Wait on MariaDB until no other command creates the tables of this database.

    MariaDB commits each table by itself. So a command that finds another one's table could not
    begin anew. Raises TimeoutError.
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
    """Look at the file before it is opened, because that would create it and turn it to WAL."""
    if not path.exists():
        raise SchemaError(f"the file {path} is not there\n{CURE}")
    # https://www.sqlite.org/fileformat2.html#file_format_version_numbers
    with path.open("rb") as file:
        if file.read(20)[18:] == b"\1\1":
            raise SchemaError(f"the file {path} is not in WAL mode\n{CURE}")


def _check_tables():
    said, missing, contradictions = [], [], []
    for model in filterfalse(_is_base, site_models()):
        table = model.sqlmeta.table
        try:
            there = model.tableExists() or _refuse_if_from_database(model)
            lacks = missing_in_table(model) if there else ["it"]
        except SchemaError as error:
            contradictions.append(str(error))
            continue
        if lacks is None:
            said.append(
                f"table {table}: not compared, because this user may not create a temporary table"
            )
        elif lacks:
            missing += [f"table {table}: {what} is missing" for what in lacks]
        else:
            said.append(f"table {table}: as its model says")
        missing += [f"table {name}: it is missing" for name in _missing_join_tables(model)]
    if missing or contradictions:
        raise SchemaError("\n".join([*contradictions, *missing, *([CURE] if missing else [])]))
    return said


def _is_base(model):
    """Whether a class has no table because it is only what others inherit from."""
    inherited = bool(model.__subclasses__()) and not issubclass(model, InheritableSQLObject)
    return bool(settings.database) and inherited and not model.tableExists()


def _refuse_if_from_database(model):
    """Refuse to create the table of a class that takes its columns from it; returns None."""
    if model.sqlmeta.fromDatabase:
        raise SchemaError(
            f"table {model.sqlmeta.table}: it is missing, and its class takes its columns from it "
            "(fromDatabase): create it by a program that SITE_DATABASE names, or by hand"
        )


def _missing_join_tables(model):
    connection = sqlhub.getConnection()
    names = dict.fromkeys(join.intermediateTable for join in model._getJoinsToCreate())
    return [name for name in names if not connection.tableExists(name)]
