"""PostgreSQL's database: pg_dump's custom format, put back by one transaction.

DROP and CREATE obey no snapshot: a request that has begun before that transaction's COMMIT, and
reads a table after it, would find the new one without a row
(https://www.postgresql.org/docs/current/mvcc-caveats.html). So rows come by COPY FREEZE, which
every snapshot sees. A table that the request has read before is locked against DROP until the
request ends. Kept rows would still be the old ones. So the site's sessions are ended while all
tables are locked, and later ones have no kept rows. Requests whose session ends are run again, or
answered 503.
"""

import re
import subprocess
import tempfile
from contextlib import contextmanager

from app.backup.errors import BackupError
from app.backup.programs import find, run, secret_file

PACKAGE = "postgresql-client"
MAGIC = b"PGDMP"
# A request may hold one table and wait for another: PostgreSQL ends one of the two.
ATTEMPTS = 10
IN_THE_WAY = "deadlock detected"
BEGIN = b"BEGIN;\nSET LOCAL client_min_messages = warning;\n"
# It waits for the end of each session, at most 5000 ms.
COMMIT = b"""
SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid();
COMMIT;
"""


def dump(connection, out):
    """Write the database of `connection` to the binary file `out`; raises BackupError."""
    with _environment(connection) as environment:
        command = [find("pg_dump", PACKAGE), "--format=custom", "--no-owner", "--no-privileges"]
        run([*command, "--no-password"], environment, stdout=out)


def load(connection, file):
    """Replace the database of `connection` by the backup at the path `file`.

    Tables that the backup does not have stay. Raises BackupError.
    """
    with open(file, "rb") as backup:
        if backup.read(len(MAGIC)) != MAGIC:
            raise BackupError("this is no backup of a PostgreSQL database")
    command = [find("psql", PACKAGE), "--no-psqlrc", "--quiet", "--no-password"]
    command += ["--output=/dev/null", "--set=ON_ERROR_STOP=1"]
    with tempfile.TemporaryFile() as script, _environment(connection) as environment:
        _write_script(file, script)
        for attempt in range(1, ATTEMPTS + 1):
            script.seek(0)
            try:
                return run(command, environment, stdin=script)
            except BackupError as error:
                if IN_THE_WAY not in str(error) or attempt == ATTEMPTS:
                    raise


def _write_script(file, script):
    """Write to the binary file `script` what psql executes to restore the backup `file`."""
    command = [find("pg_restore", PACKAGE), "--clean", "--if-exists", "--no-owner"]
    command += ["--no-privileges", "--file=-", str(file)]
    script.write(BEGIN)
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said) as restore:
            script.writelines(_frozen(restore.stdout))
        if restore.returncode != 0:
            said.seek(0)
            raise BackupError(f"pg_restore failed: {said.read().decode(errors='replace')}")
    script.write(COMMIT)


def _frozen(lines):
    """Yield the lines of a script with COPY FREEZE in place of each COPY; its data stay."""
    in_data = False
    for line in lines:
        if in_data:
            in_data = line != b"\\.\n"
        elif re.fullmatch(rb"COPY .* FROM stdin;\n", line):
            in_data, line = True, line.replace(b" FROM stdin;", b" FROM stdin WITH (FREEZE);")
        yield line


@contextmanager
def _environment(connection):
    """Yield the variables by which libpq's programs find the database of `connection`."""
    given = {
        "PGHOST": connection.host or "",
        "PGPORT": str(connection.port or 5432),
        "PGDATABASE": connection.db,
        "PGUSER": connection.user or "",
        "PGSSLMODE": connection.dsn_dict.get("sslmode") or "",
    }
    given = {name: text for name, text in given.items() if text}
    password = (connection.password or "").replace("\\", "\\\\").replace(":", "\\:")
    with secret_file(f"*:*:*:*:{password}\n") as path:
        yield given | ({"PGPASSFILE": str(path)} if password else {})
