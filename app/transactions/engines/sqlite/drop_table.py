"""What other engines' DROP TABLE … CASCADE does, for SQLite with foreign keys enforced."""

import re


def drop_table_cascade(raw, table):
    """Drop `table` and the foreign keys that refer to it, but none of the referring rows.

    A plain DROP TABLE deletes the table's rows first, and with them those that refer to them;
    foreign keys that refer to a missing table then fail every write. `raw` is a sqlite3
    connection in autocommit, outside a transaction. The procedure is the one that
    https://www.sqlite.org/lang_altertable.html (section 7) gives for removing constraints.
    """
    reference = re.compile(
        rf"(CONSTRAINT \w+ )?REFERENCES {re.escape(table)} ?\(\w+\)"
        r"( ON DELETE (SET NULL|CASCADE|RESTRICT))?",
        re.IGNORECASE,
    )
    raw.execute("PRAGMA foreign_keys=OFF")
    try:
        raw.execute("BEGIN IMMEDIATE")
        (version,) = raw.execute("PRAGMA schema_version").fetchone()
        raw.execute("PRAGMA writable_schema=ON")
        for name, sql in raw.execute("SELECT name, sql FROM sqlite_master").fetchall():
            if sql and reference.search(sql):
                raw.execute(
                    "UPDATE sqlite_master SET sql = ? WHERE type = 'table' AND name = ?",
                    (reference.sub("", sql), name),
                )
        raw.execute(f"PRAGMA schema_version={version + 1}")
        raw.execute("PRAGMA writable_schema=OFF")
        raw.execute(f"DROP TABLE {table}")
        raw.execute("COMMIT")
    finally:
        if raw.in_transaction:
            raw.execute("ROLLBACK")
        raw.execute("PRAGMA writable_schema=OFF")
        raw.execute("PRAGMA foreign_keys=ON")
