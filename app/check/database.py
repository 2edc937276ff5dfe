"""The site's database as the check looks at it: reachable, like its classes, and durable."""

import re

from sqlobject import dberrors, sqlhub

from app.check import servers, sqlite
from app.check.findings import OK, WRONG, Finding
from app.check.models import place_of_table
from app.check.sqlite import MAKE


def findings(loads):
    """Return the Findings in the database; `loads`: whether there are classes to compare."""
    connection = sqlhub.processConnection
    before = sqlite.file_findings(connection) if connection.dbName == "sqlite" else []
    if any(one.level == WRONG for one in before):
        return before
    try:
        return [*before, *_reached(connection, loads)]
    except (OSError, dberrors.Error, connection.module.Error) as error:
        cure = (
            "start the server, or correct the host, port, user, password and database in "
            "DATABASE_URI; characters other than letters and digits are written there as %XX"
        )
        if connection.dbName == "sqlite":
            cure = "let the daemons' user write the file and its folder, or restore a backup"
        return [*before, Finding(WRONG, f"{_shown(connection)} cannot be used: {error}: {cure}")]


def _shown(connection):
    # SQLObject quotes neither the slashes of a password nor the at signs of a path.
    return "the database " + re.sub(r"//.*@", "//", connection.uri())


def _reached(connection, loads):
    look = sqlite.findings if connection.dbName == "sqlite" else servers.findings
    yield from look(connection)
    yield from _tables() if loads else ()


def _tables():
    """Compare the tables with their classes; each line that says what is wrong has its cure."""
    from app import tables
    from app.transactions import tables as compared

    try:
        yield from (Finding(OK, line) for line in tables.check_database())
    except tables.SchemaError as error:
        cures = {tables.CURE, compared.CURE}
        yield from (_of_table(line) for line in str(error).splitlines() if line not in cures)


def _of_table(line):
    found = re.match(r"table (\w+): ", line)
    if not found or "(fromDatabase)" in line:
        return Finding(WRONG, line)
    cure = MAKE if line.endswith("is missing") else "change the table by ALTER TABLE, or its class"
    return Finding(WRONG, f"{line}: {cure}", *place_of_table(found[1]))
