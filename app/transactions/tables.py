"""Brings the database's tables to what the models say, as far as nothing is lost.

What a table lacks is added while others use it: columns that are nullable or have a default in the
database (`defaultSQL`), and indexes. What the model does not have stays, because processes with an
earlier model may still use it. Anything else somebody has to decide: it is a SchemaError.
"""

import random
import re
import time
from typing import NamedTuple

from sqlobject import SOForeignKey, SQLObject, dberrors, sqlhub

from .engines.base import Verdict

ATTEMPTS = 20
# A temporary table with the model's columns. It shows what the engine makes of their definitions.
SCRATCH = "columns_of_the_model"
CURE = (
    "Give a column that is missing a defaultSQL in its model. Change the others in the table, by "
    "ALTER TABLE in scripts/shell or by sqlobject-admin, or in the model."
)

_MAY_PASS = (Verdict.CONFLICT, Verdict.IN_THE_WAY)
_WITH_LENGTH = re.compile(r"([a-z ]+)\((\d+)\)")


class SchemaError(Exception):
    """A table is not as its model says, and somebody has to decide what becomes of it.

    The message names each table and column, and the cure.
    """


class Column(NamedTuple):
    name: str
    type: str
    not_null: bool
    has_default: bool

    @property
    def required(self):
        return self.not_null and not self.has_default


def in_one_transaction(work):
    """Return what `work()` returns, run in one transaction of `sqlhub.processConnection`.

    It is run again when another process is in its way, or has just created the same. Raises what
    `work` does and the errors of the driver and of sqlobject.dberrors.
    """
    connection = sqlhub.processConnection
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return sqlhub.doInTransaction(work)
        except (dberrors.Error, connection.module.Error) as error:
            if attempt == ATTEMPTS or not may_succeed_now(connection, error):
                raise
            time.sleep(random.uniform(0, 0.2))


def may_succeed_now(connection, error):
    """Whether work that failed by `error` may succeed when it is done again at once."""
    if isinstance(error, dberrors.DuplicateEntryError):
        return True
    return _is(error, connection.ADDED_BY_ANOTHER) or connection.verdict(error) in _MAY_PASS


def _is(error, codes):
    return bool(error.args) and getattr(error.args[0], "code", None) in codes


def update_table(model: type[SQLObject]) -> list[str]:
    """Add to the table of `model`, an SQLObject class, the columns and indexes that it lacks.

    The table must exist. Returns lines that say what was added, and which columns the model does
    not have. Raises SchemaError before anything is changed where the table and the model
    contradict each other, or where the engine refuses an addition, such as a unique index over
    rows that are not unique; and the errors of sqlobject.dberrors. MariaDB commits each addition
    by itself: one before a refused one stays.
    """
    table = model.sqlmeta.table
    compared = _compared(model)
    if compared is None:
        return [f"table {table}: not compared, because this user may not create a temporary table"]
    extra, missing = compared
    done = [_add(model, what, statement) for what, statement in missing]
    return done + [f"table {table}: left column {name}, not in the model" for name in extra]


def missing_in_table(model: type[SQLObject]) -> list[str] | None:
    """Return what `update_table` would add to the table of `model`, and change nothing.

    A list of texts such as "column email"; None where nothing can be compared, because the user of
    the database may not create a temporary table. Raises as `update_table` does before it changes
    anything.
    """
    compared = _compared(model)
    return None if compared is None else [what for what, _ in compared[1]]


def _compared(model):
    """Return the names of the table's columns that the model does not have, and what it lacks.

    The latter as `_missing_columns` yields it. None where nothing can be compared. Raises
    SchemaError where the table and the model contradict each other.
    """
    connection, table = model._connection, model.sqlmeta.table
    found = _columns(connection, table)
    columns = model.sqlmeta.columnList
    if model.sqlmeta.fromDatabase:
        # Columns that SQLObject has read from the table say nothing about it.
        columns = [column for column in columns if column.dbName.lower() not in found]
        found = {name: found[name] for name in [model.sqlmeta.idName.lower()] if name in found}
    wanted = _model_columns(model, columns)
    if wanted is None:
        return None
    if faults := [f"table {table}: column {fault}" for fault in _faults(wanted, found)]:
        raise SchemaError("\n".join([*faults, CURE]))
    extra = [name for name in found if name not in wanted]
    return extra, [*_missing_columns(model, columns, found), *_missing_indexes(model)]


def _columns(connection, table):
    """Return the table's Columns by name, in the table's order."""
    return {row[0].lower(): Column(*row) for row in connection.table_columns(table)}


def _model_columns(model, columns):
    """Return the Columns that a table of the model's id and `columns` would have.

    As `_columns` does; None where the user of the database may not create it.
    """
    connection = model._connection
    definitions = [connection.createColumn(model, column) for column in columns]
    definitions = ", ".join([connection.createIDColumn(model), *definitions])
    connection.query(f"SAVEPOINT {SCRATCH}")
    try:
        connection.query(
            f"CREATE TEMPORARY TABLE {SCRATCH} ({definitions}){connection.TABLE_OPTIONS}"
        )
    except dberrors.Error as error:
        if not _is(error, connection.MAY_NOT_CREATE):
            raise
        connection.query(f"ROLLBACK TO SAVEPOINT {SCRATCH}")
        return None
    made = _columns(connection, SCRATCH)
    connection.query(f"DROP TABLE {SCRATCH}")
    return made


def _faults(wanted, found):
    """Yield what contradicts: statements of the model's would fail, or rows would need values."""
    for number, (name, column) in enumerate(wanted.items()):
        if name in found:
            # Any type of key that numbers itself serves as the id.
            yield from _contradictions(column, found[name], typed=number > 0)
        elif number == 0:
            yield f"{name} is missing, the id of the model"
        elif column.required:
            yield f"{name} is missing, in the model it is NOT NULL without a default"
    for name, column in found.items():
        if name not in wanted and column.required:
            yield f"{name}, not in the model, is NOT NULL without a default"


def _contradictions(column, there, typed):
    if typed and not _holds(there.type, column.type):
        yield f"{column.name} is of type {there.type}, in the model {column.type}"
    if there.not_null and not column.not_null:
        yield f"{column.name} is NOT NULL, in the model it is not"
    elif there.required and not column.required:
        yield f"{column.name} has no default, in the model it has one"


def _holds(there, wanted):
    """Tell whether a column of the type `there` is one of the type `wanted`, or a longer one."""
    if there == wanted:
        return True
    first, second = _WITH_LENGTH.fullmatch(there), _WITH_LENGTH.fullmatch(wanted)
    return bool(first and second) and first[1] == second[1] and int(first[2]) >= int(second[2])


def _missing_columns(model, columns, found):
    """Yield, for each column to add, what it is called in messages and the statement for it."""
    # Not SQLObject's addColumn: on SQLite it ends with VACUUM, which no transaction may hold.
    connection, alter = model._connection, f"ALTER TABLE {model.sqlmeta.table} "
    for column in columns:
        name = column.dbName.lower()
        if name in found:
            continue
        statement = f"{alter}ADD COLUMN {connection.createColumn(model, column)}"
        if isinstance(column, SOForeignKey):
            constraint = connection.createReferenceConstraint(model, column)
            if constraint:
                # In one statement, because MariaDB commits each.
                statement += f", {constraint.removeprefix(alter)}"
        yield f"column {name}", statement


def _missing_indexes(model):
    """Yield the same for each index of `model` that its table does not have."""
    connection, table = model._connection, model.sqlmeta.table
    found = {name.lower() for name in connection.table_indexes(table)}
    for index in model.sqlmeta.indexes:
        name = connection.index_name(table, index.name)
        if name.lower() not in found:
            yield f"index {name}", connection.createIndexSQL(model, index)


def _add(model, what, statement):
    connection, table = model._connection, model.sqlmeta.table
    try:
        connection.query(statement)
    except dberrors.Error as error:
        if (
            _is(error, connection.ADDED_BY_ANOTHER)
            or connection.verdict(error) is not Verdict.FAILED
        ):
            raise
        raise SchemaError(f"table {table}: {what} cannot be added: {error}\n{CURE}") from error
    return f"table {table}: added {what}"
