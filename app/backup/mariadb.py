"""MariaDB's database: mariadb-dump's text, put back into tables that then change places.

DROP and CREATE commit at once in MariaDB. So the tables are created in a second database beside
the site's, and one RENAME TABLE exchanges them all. No request sees that half done
(https://mariadb.com/kb/en/rename-table/). It waits for the transactions that have used them.
"""

from contextlib import ExitStack, contextmanager

from app.backup.errors import BackupError
from app.backup.programs import find, run, secret_file

PACKAGE = "mariadb-client"
END = b"-- Dump completed"
# RENAME TABLE does not move these to another database.
UNMOVED = (
    "SELECT concat('the view ', table_name) FROM information_schema.views "
    "WHERE table_schema IN ({0}) UNION ALL SELECT concat('the trigger ', trigger_name) "
    "FROM information_schema.triggers WHERE trigger_schema IN ({0})"
)
# A foreign key follows the table that it refers to, into the database that is dropped.
REFERENCES = (
    "SELECT constraint_schema, table_name, referenced_table_name "
    "FROM information_schema.referential_constraints WHERE unique_constraint_schema = {}"
)
DATABASES = "SELECT schema_name FROM information_schema.schemata WHERE schema_name IN ({}, {})"
TABLES = (
    "SELECT table_name FROM information_schema.tables "
    "WHERE table_schema = {} AND table_type = 'BASE TABLE' ORDER BY table_name"
)


def dump(connection, out):
    """Write the database of `connection` to the binary file `out`; raises BackupError."""
    with _options(connection) as options:
        program = find("mariadb-dump", PACKAGE)
        # Without --databases the text names no database.
        how = ["--single-transaction", "--quick", "--hex-blob", "--default-character-set=utf8mb4"]
        run([program, options, *how, "--skip-add-locks", connection.db], stdout=out)


def load(connection, file):
    """Make the tables of the database of `connection` those of the backup at the path `file`.

    Tables that the backup does not have stay. The user needs the rights to create, fill and drop
    two databases, whose names are the site's with _restored and _replaced at the end. Raises
    BackupError, also where one of the two exists, or where a table that stays refers to one that
    goes.
    """
    _check_whole(file)
    site, new, old = (connection.db + end for end in ("", "_restored", "_replaced"))
    with _options(connection) as options:
        command = [find("mariadb", PACKAGE), options, "--batch", "--skip-column-names"]
        command.append("--default-character-set=utf8mb4")

        def ask(statement, database=None, **streams):
            where = [f"--database={database}"] if database else []
            how = ["--execute", statement] if statement else []
            return run([*command, *where, *how], stdout=-1, **streams).splitlines()

        _refuse_taken(ask, new, old)
        with ExitStack() as stack:
            for database in (new, old):
                ask(f"CREATE DATABASE {_name(database)}")
                stack.callback(ask, f"SET foreign_key_checks = 0; DROP DATABASE {_name(database)}")
            with open(file, "rb") as text:
                ask(None, new, stdin=text)
            _refuse_unmoved(ask, site, new)
            _exchange(ask, site, new, old)


def _check_whole(file):
    with open(file, "rb") as text:
        head = text.read(200)
        text.seek(0, 2)
        text.seek(max(0, text.tell() - 200))
        if b"MariaDB dump" not in head and b"MySQL dump" not in head:
            raise BackupError("this is no backup of a MariaDB database")
        if END not in text.read():
            raise BackupError("the backup is not whole: its last line is missing")


def _refuse_taken(ask, *databases):
    found = [_name(name) for name in ask(DATABASES.format(*map(_text, databases)))]
    if found:
        drop = "; ".join(f"DROP DATABASE {name}" for name in found)
        raise BackupError(
            f"{' and '.join(found)} exists: another restore is at work, or one was killed, or "
            f"somebody has created it. If nobody needs what is in it: {drop}"
        )


def _refuse_unmoved(ask, site, new):
    schemas = f"{_text(site)}, {_text(new)}"
    found = ask(UNMOVED.format(schemas))
    if found:
        raise BackupError(
            f"{', '.join(found[:5])} cannot change places with another: restore by the mariadb "
            "command while the site is stopped"
        )


def _exchange(ask, site, new, old):
    coming, present = ask(TABLES.format(_text(new))), ask(TABLES.format(_text(site)))
    if not coming:
        raise BackupError("the backup has no table")
    going = [table for table in present if table in coming]
    _refuse_references(ask, site, coming)
    moves = [(site, table, old) for table in going] + [(new, table, site) for table in coming]
    renames = ", ".join(
        f"{_name(start)}.{_name(table)} TO {_name(end)}.{_name(table)}"
        for start, table, end in moves
    )
    ask(f"SET lock_wait_timeout = 60; RENAME TABLE {renames}")


def _refuse_references(ask, site, coming):
    rows = [line.split("\t") for line in ask(REFERENCES.format(_text(site)))]
    found = [
        f"{schema}.{table} refers to {target}"
        for schema, table, target in rows
        if target in coming and not (schema == site and table in coming)
    ]
    if found:
        raise BackupError(
            f"{', '.join(found[:5])}, and is not in the backup: back up, drop it or its foreign "
            "key, and restore; tables of the models are created anew afterwards"
        )


def _name(text):
    return "`" + text.replace("`", "``") + "`"


def _text(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


@contextmanager
def _options(connection):
    """Yield the option that has MariaDB's programs find the server of `connection`."""
    given = {
        "host": connection.host,
        "port": connection.port,
        "user": connection.user,
        "password": connection.password,
        "socket": connection.kw.get("unix_socket"),
    }
    lines = [f'{name}="{_escaped(str(value))}"' for name, value in given.items() if value]
    with secret_file("\n".join(["[client]", *lines, ""])) as path:
        yield f"--defaults-extra-file={path}"


def _escaped(text):
    return text.replace("\\", "\\\\").replace('"', '\\"')
