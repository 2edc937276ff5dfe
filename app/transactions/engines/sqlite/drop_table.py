"""What other engines' DROP TABLE does, for SQLite with foreign keys enforced."""

import contextlib
import re
from functools import partial

from sqlobject import dberrors

_IN_TRANSACTION = ("RELEASE drop_table", "ROLLBACK TO drop_table")
_ALONE = ("COMMIT", "ROLLBACK")


def drop_table(connection, raw, table):
    """Drop `table`; raises dberrors.IntegrityError where rows of other tables refer to it.

    SQLite would delete the table's rows first, and with them what refers to them by ON DELETE
    CASCADE. `connection`: SQLObject's; `raw`: the driver's.
    """
    enforced = connection.foreign_keys
    for other, column in _references(connection, raw, table) if enforced else ():
        query = f'SELECT 1 FROM "{other}" WHERE "{column}" IS NOT NULL LIMIT 1'
        if other.lower() != table.lower() and connection._queryAll(raw, query):
            raise dberrors.IntegrityError(
                f"rows of table {other} refer to table {table}: drop it with cascade=True, "
                "which leaves the rows and removes the reference"
            )
    connection._query(raw, f"DROP TABLE {table}")


def drop_table_cascade(connection, raw, table):
    """Drop `table` and the foreign keys that refer to it, but none of the referring rows.

    Raises dberrors.IntegrityError for a reference that is not written as SQLObject does, because
    every later write of the referring table would fail. The procedure is the one that
    https://www.sqlite.org/lang_altertable.html (section 7) gives for removing constraints.
    """
    execute = partial(connection._query, raw)
    alone = not raw.in_transaction
    commit, roll_back = _ALONE if alone else _IN_TRANSACTION
    try:
        if alone:
            raw.queue = connection.queue_of_writers()
            raw.begin_immediate(execute)
        else:
            execute("SAVEPOINT drop_table")
        _remove_references(connection, raw, table)
        execute(f"DROP TABLE {table}")
        execute(commit)
    except BaseException:
        with contextlib.suppress(Exception):
            execute(roll_back)
        raise
    finally:
        with contextlib.suppress(Exception):
            execute("PRAGMA writable_schema=OFF")
        if alone:
            raw.let_go()


def _remove_references(connection, raw, table):
    reference = re.compile(
        rf"(CONSTRAINT \w+ )?REFERENCES {re.escape(table)} ?\(\w+\)"
        r"( ON DELETE (SET NULL|CASCADE|RESTRICT))?",
        re.IGNORECASE,
    )
    execute, query = partial(connection._query, raw), partial(connection._queryAll, raw)
    ((version,),) = query("PRAGMA schema_version")
    execute("PRAGMA writable_schema=ON")
    for name, sql in query("SELECT name, sql FROM sqlite_master WHERE type = 'table'"):
        if sql and reference.search(sql):
            without = connection.sqlrepr(reference.sub("", sql))
            execute(
                f"UPDATE sqlite_master SET sql = {without} "
                f"WHERE type = 'table' AND name = {connection.sqlrepr(name)}"
            )
    # SQLite reads the definitions anew.
    execute(f"PRAGMA schema_version={version + 1}")
    for name, column in _references(connection, raw, table):
        raise dberrors.IntegrityError(
            f"table {name}: its column {column} refers to table {table} in a way that can only "
            "be removed by hand: create it anew without the reference"
        )


def _references(connection, raw, table):
    """Return (table, column) of each foreign key that refers to `table`."""
    name = connection.sqlrepr(table)
    return connection._queryAll(
        raw,
        'SELECT name, "from" FROM sqlite_master JOIN pragma_foreign_key_list(name) AS reference '
        f"WHERE type = 'table' AND lower(reference.\"table\") = lower({name})",
    )
