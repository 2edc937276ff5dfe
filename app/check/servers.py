"""The settings of a database server: whether acknowledged data last, and which text is equal."""

import time

from app.check.findings import OK, WARNING, WRONG, Finding
from app.check.models import place_of_table

# pg_current_snapshot() came with 13.
OLDEST_POSTGRES = 130000
# What the bundle is tested with.
OLDEST_MARIADB = (10, 11)
LARGEST_DIFFERENCE = 5
# With these values of innodb_flush_method MariaDB does not wait until a file is on the disk.
NOT_SYNCED = ("nosync", "littlesync")


def findings(connection):
    """Yield the Findings on the server of `connection`; raises sqlobject.dberrors' errors."""
    look = _postgres if connection.dbName == "postgres" else _mariadb
    yield from look(connection)
    clock = (
        "extract(epoch FROM clock_timestamp())"
        if connection.dbName == "postgres"
        else "unix_timestamp(sysdate(3))"
    )
    (there,) = connection.queryOne(f"SELECT {clock}")
    difference = abs(time.time() - float(there))
    if difference > LARGEST_DIFFERENCE:
        text = f"the server's clock differs by {difference:.0f} s: have both follow NTP"
        yield Finding(WARNING, text)


def equal_letters(rows):
    """Yield a Finding for each (table, column): UNIQUE columns in which "a" equals "A"."""
    for table, column in rows:
        yield Finding(
            WARNING,
            f'table {table}: column {column} is UNIQUE and takes "a" and "A" for the same: give '
            "it a binary collation, unless you intend that",
            *place_of_table(table),
        )


def _losing(name, value, cure):
    return Finding(
        WARNING,
        f"the server has {name}={value}: what was acknowledged may be lost by a crash: {cure}",
    )


def _postgres(connection):
    names = "server_version server_version_num fsync synchronous_commit full_page_writes"
    values = {
        name: connection.queryOne(f"SELECT current_setting('{name}')")[0] for name in names.split()
    }
    if int(values["server_version_num"]) < OLDEST_POSTGRES:
        yield Finding(WRONG, f"PostgreSQL {values['server_version']} is older than 13: upgrade it")
    else:
        yield Finding(OK, f"PostgreSQL {values['server_version'].partition(' ')[0]} is reached")
    if connection.queryOne("SELECT pg_is_in_recovery()")[0]:
        yield Finding(WRONG, "the server is a standby, which takes no writes: name the primary")
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        if values[name] == "off":
            yield _losing(name, "off", f"set it on: ALTER SYSTEM SET {name} = on")
    # A collation that is not deterministic, or the type of the extension citext.
    rows = connection.queryAll(
        "SELECT DISTINCT c.relname, a.attname FROM pg_index i "
        "JOIN pg_class c ON c.oid = i.indrelid "
        "JOIN pg_namespace n ON n.oid = c.relnamespace "
        "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey) "
        "JOIN pg_type t ON t.oid = a.atttypid "
        "LEFT JOIN pg_collation l ON l.oid = a.attcollation "
        "WHERE i.indisunique AND n.nspname = ANY(current_schemas(false)) "
        "AND (t.typname = 'citext' OR NOT coalesce(l.collisdeterministic, true)) ORDER BY 1, 2"
    )
    yield from equal_letters(rows)


def _mariadb(connection):
    version, flush, doublewrite, method = connection.queryOne(
        "SELECT version(), @@innodb_flush_log_at_trx_commit, @@innodb_doublewrite, "
        "@@innodb_flush_method"
    )
    numbers = tuple(int(part) for part in version.partition("-")[0].split(".")[:2])
    if numbers < OLDEST_MARIADB:
        text = f"MariaDB {version} is older than 10.11, the oldest that is tested: upgrade it"
        yield Finding(WARNING, text)
    else:
        yield Finding(OK, f"MariaDB {version.partition('-')[0]} is reached")
    if int(flush) != 1:
        cure = "set it to 1: SET GLOBAL innodb_flush_log_at_trx_commit=1, and in my.cnf"
        yield _losing("innodb_flush_log_at_trx_commit", flush, cure)
    if str(doublewrite).upper() in ("0", "OFF"):
        yield _losing("innodb_doublewrite", doublewrite, "set it on in my.cnf")
    if str(method).lower() in NOT_SYNCED:
        yield _losing("innodb_flush_method", method, "leave it out of my.cnf")
    rows = connection.queryAll(
        "SELECT table_name, engine FROM information_schema.tables "
        "WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' AND engine <> 'InnoDB' "
        "ORDER BY table_name"
    )
    for table, kind in rows:
        yield Finding(
            WRONG,
            f"table {table}: its engine is {kind}, which rolls nothing back: "
            f"ALTER TABLE {table} ENGINE=InnoDB",
            *place_of_table(table),
        )
    yield from equal_letters(_equal_on_mariadb(connection))


def _equal_on_mariadb(connection):
    rows = connection.queryAll(
        "SELECT DISTINCT c.table_name, c.column_name, c.character_set_name, c.collation_name "
        "FROM information_schema.statistics s JOIN information_schema.columns c "
        "USING (table_schema, table_name, column_name) WHERE s.table_schema = DATABASE() "
        "AND s.non_unique = 0 AND c.collation_name IS NOT NULL ORDER BY 1, 2"
    )
    equal = {}
    for table, column, characters, collation in rows:
        if collation not in equal:
            (equal[collation],) = connection.queryOne(
                f"SELECT CONVERT('a' USING {characters}) COLLATE {collation} "
                f"= CONVERT('A' USING {characters})"
            )
        if equal[collation]:
            yield table, column
