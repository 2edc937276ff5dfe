"""What the lab's operations do with the keys of a mode."""

import json
import time

from sqlobject import SQLObjectNotFound
from sqlobject.sqlbuilder import Insert

from app.lab.accepted import is_integer, is_list, stored
from app.lab.modes import doom, key_class
from app.web.problems import Problem

# Of the longest values so many fit into a packet of MariaDB.
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
    """Return a key's value, by `get`; raises Problem 404 for a key that is not there."""
    return json.loads(_row(mode, key).value)


def run(mode, operations):
    """Run accepted operations in order; returns them, with the value behind each key read.

    Raises Problem 404 for a key that is not there, 409 for an operation that does not fit the
    value, and AskedFor. In the mode "bundle" nothing is left of the operations before it.
    """
    return [_run_one(mode, operation) for operation in operations]


def _run_one(mode, operation):
    match operation:
        case ["read", key]:
            return ["read", key, read(mode, key)]
        case ["write", key, value]:
            _row(mode, key).value = stored(value)
        case ["append" | "add" as name, key, number]:
            row = _row(mode, key)
            row.value = stored(_changed(mode, json.loads(row.value), name, number))
        case ["sleep", milliseconds]:
            time.sleep(milliseconds / 1000)
        case ["raise"]:
            raise AskedFor("as the operation says")
    return operation


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
        refusal = _refusal(mode, 404, f"There is no key {key}: a POST to reset makes keys.")
    raise refusal


def _refusal(mode, status, detail):
    # A transaction whose handler raises an error below 500 is else committed.
    doom(mode)
    return Problem(status, detail)
