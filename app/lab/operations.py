"""What the lab's operations do with the keys of a mode."""

import json
import time
from functools import partial

from sqlobject import SQLObjectNotFound, dberrors
from sqlobject.sqlbuilder import AND, Insert

from app.lab.accepted import is_integer, is_list, stored
from app.lab.modes import doom, key_class, on_commit, savepoint
from app.web.problems import Problem

# A packet of MariaDB holds this number of the longest values.
ROWS_AT_ONCE = 200


class AskedFor(Exception):
    """The failure that the operation "raise" asks for."""


def reset(mode, keys, value):
    """Make the mode's table hold the keys 1 to `keys`, all with `value`."""
    table = key_class(mode)
    connection = table._connection
    table.deleteMany(None)
    for first in range(1, keys + 1, ROWS_AT_ONCE):
        numbers = range(first, min(first + ROWS_AT_ONCE, keys + 1))
        rows = [(number, stored(value)) for number in numbers]
        insert = Insert(table.sqlmeta.table, valueList=rows, template=("id", "value"))
        connection.query(connection.sqlrepr(insert))
    # SQLObject does not notice that the rows of its instances have been replaced.
    connection.cache.clear(table)


def read(mode, key):
    """Return a key's value, by `get`; raises Problem 404 for a missing key."""
    return json.loads(_row(mode, key).value)


def run(mode, operations):
    """Run accepted operations in order; returns them, and with each that reads what it found.

    Raises Problem 404 for a key that is missing, 409 for one that exists and for an operation that
    does not fit the value, AskedFor, and sqlobject.dberrors.Error for a failure that is not
    caught. In the mode "bundle" the operations before it are undone.
    """
    return [_run_one(mode, operation) for operation in operations]


def append(mode, key, number):
    """Append a number to a key's list; raises as `run`."""
    row = _row(mode, key)
    row.value = stored(_changed(mode, json.loads(row.value), "append", number))


def _run_one(mode, operation):
    name, *arguments = operation
    match name:
        case "savepoint":
            return [name, _run_in_savepoint(mode, *arguments), arguments[1]]
        case "sleep":
            time.sleep(arguments[0] / 1000)
        case "raise":
            raise AskedFor("as the operation says")
        case _:
            found = OPERATIONS[name](mode, *arguments)
            if name in FINDING:
                return [*operation, found]
    return operation


def _list(mode, range):
    return [[row.id, json.loads(row.value)] for row in _select(mode, range).orderBy("id")]


def _count(mode, range):
    return _select(mode, range).count()


def _select(mode, range):
    key = key_class(mode)
    conditions = [key.q.id >= range[0], key.q.id <= range[1]]
    conditions += [key.q.value == stored(value) for value in range[2:]]
    return key.select(AND(*conditions))


def _write(mode, key, value):
    _row(mode, key).value = stored(value)


def _add(mode, key, number):
    row = _row(mode, key)
    row.value = stored(_changed(mode, json.loads(row.value), "add", number))


def _append_on_commit(mode, key, number):
    on_commit(mode, partial(append, mode, key, number))


def _delete(mode, key):
    _row(mode, key).destroySelf()


def _insert(mode, key, value):
    try:
        key_class(mode)(id=key, value=stored(value))
    except dberrors.DuplicateEntryError:
        refusal = _refusal(mode, 409, f"There is a key {key} already.")
    else:
        return
    raise refusal


def _fail(mode, kind):
    """Send a statement that every engine refuses; raises its error unless it is "caught"."""
    table = key_class(mode)
    try:
        table._connection.queryAll(f"SELECT no_such_column FROM {table.sqlmeta.table}")
    except dberrors.Error:
        if kind == "uncaught":
            raise


def _run_in_savepoint(mode, operations, ending):
    """Run operations in a savepoint, so that an error that they ask for undoes only them."""
    expected = [AskedFor]
    if ["fail", "uncaught"] in operations:
        # Only here, because a conflict is an error of the database too.
        expected.append(dberrors.Error)
    try:
        with savepoint(mode):
            done = run(mode, operations)
            if ending == "raise":
                raise AskedFor("as the savepoint says")
            return done
    except tuple(expected):
        return operations


def _changed(mode, value, name, number):
    if name == "append" and type(value) is list and is_list([*value, number]):
        return [*value, number]
    if name == "add" and is_integer(value) and is_integer(value + number):
        return value + number
    raise _refusal(
        mode, 409, f"The key's value is not one to {name} to, or it would be too large."
    )


def _row(mode, key):
    try:
        return key_class(mode).get(key)
    except SQLObjectNotFound:
        refusal = _refusal(mode, 404, f"There is no key {key}: a POST to reset creates keys.")
    raise refusal


def _refusal(mode, status, detail):
    # Without this, an error below 500 would commit.
    doom(mode)
    return Problem(status, detail)


OPERATIONS = {
    "read": read,
    "list": _list,
    "count": _count,
    "write": _write,
    "append": append,
    "add": _add,
    "insert": _insert,
    "delete": _delete,
    "on_commit": _append_on_commit,
    "fail": _fail,
}
# The operations with which an answer has what they found.
FINDING = ("read", "list", "count")
