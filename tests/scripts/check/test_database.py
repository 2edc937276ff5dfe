"""What the check finds in the database: it answers, is as the classes say, and loses nothing."""

import contextlib
import subprocess
import sys

import pytest

from app.check.findings import OK, WARNING, WRONG
from scripts.lib.command import ROOT
from scripts.lib.serving.ports import free_port
from tests.contract.site import database_of
from tests.scripts.check.applications import MODEL, Application, only_bad
from tests.servers import Files

# The settings of the tests' own servers, which may lose their data.
OF_THE_TESTS = {"sqlite": [], "postgres": ["fsync=off"], "mariadb": ["flush_log_at_trx_commit=2"]}
KEY = {
    "sqlite": "INTEGER PRIMARY KEY",
    "postgres": "SERIAL PRIMARY KEY",
    "mariadb": "INT AUTO_INCREMENT PRIMARY KEY",
}


class Database:
    """The database of an application, with its tables."""

    def __init__(self, engine, server, folder):
        self.engine, self.server = engine, server
        self.uri = server.new_database()
        self.application = Application(folder, self.uri)
        self.name = database_of(self.uri)
        self.model = f"{folder}/notes/model.py"

    def make_table(self):
        """Create it as app.database does, in a hundredth of the time."""
        if self.engine == "sqlite":
            self.execute("PRAGMA journal_mode=WAL")
        self.execute(f"CREATE TABLE note (id {KEY[self.engine]}, text VARCHAR(50))")

    def make(self):
        """Have app.database create what is missing."""
        command = [sys.executable, "-m", "app.database"]
        environment = self.application.environment()
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)

    def execute(self, *queries):
        for query in queries:
            self.server.execute(query, self.name)

    def look(self, **further):
        """The Findings without those that all of the tests' servers have."""
        findings = self.application.look("database", **further)
        told = [one for one in findings if any(map(one.text.count, OF_THE_TESTS[self.engine]))]
        assert [one.level for one in told] == [WARNING] * len(OF_THE_TESTS[self.engine])
        return [one for one in findings if one not in told]


@contextlib.contextmanager
def made(engine, request, folder):
    """A Database with its tables, dropped at the end."""
    server = Files(folder) if engine == "sqlite" else request.getfixturevalue(f"{engine}_server")
    found = Database(engine, server, folder)
    try:
        found.make_table()
        yield found
    finally:
        server.drop(found.name)


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def database(request, tmp_path):
    with made(request.param, request, tmp_path) as found:
        yield found


@pytest.fixture
def sqlite(request, tmp_path):
    with made("sqlite", request, tmp_path) as found:
        yield found


@pytest.fixture
def postgres(request, tmp_path):
    with made("postgres", request, tmp_path) as found:
        yield found


@pytest.fixture
def mariadb(request, tmp_path):
    with made("mariadb", request, tmp_path) as found:
        yield found


def test_a_database_as_the_classes_say_is_ok(database):
    findings = database.look()
    assert only_bad(findings) == []
    named = {"sqlite": "SQLite 3.", "postgres": "PostgreSQL 1", "mariadb": "MariaDB 1"}
    assert findings[0].text.startswith(named[database.engine])
    assert findings[-1] == (OK, "table note: as its model says", None, None)


def test_a_table_that_contradicts_its_class_is_told_with_the_classs_line(database):
    database.execute(
        "DROP TABLE note",
        f"CREATE TABLE note (id {KEY[database.engine]}, text FLOAT, must INT NOT NULL)",
    )
    text, must = only_bad(database.look())
    for one in (text, must):
        assert (one.level, one.file, one.line) == (WRONG, database.model, 4)
        assert "change the table by ALTER TABLE, or its class" in one.text
    assert "column text is of type " in text.text
    assert "column must, not in the model, is NOT NULL without a default" in must.text


def test_what_is_missing_is_told_with_the_command(database):
    database.application.write("notes/model.py", MODEL + "    stars = StringCol(default=None)\n")
    [missing] = only_bad(database.look())
    assert (missing.level, missing.file, missing.line) == (WRONG, database.model, 4)
    assert "column stars is missing" in missing.text
    assert "run `.venv/bin/python -m app.database`" in missing.text


def test_a_class_that_takes_its_columns_from_the_table_does_not_contradict_it(database):
    kinds = "exact DECIMAL(10, 2) NOT NULL, moment TIMESTAMP NULL, ratio DOUBLE PRECISION"
    database.execute(f"CREATE TABLE kinds (id {KEY[database.engine]}, {kinds})")
    meta = "    class sqlmeta:\n        fromDatabase = True\n"
    database.application.write("notes/model.py", f"{MODEL}\n\nclass Kinds(SQLObject):\n{meta}")
    assert only_bad(database.look()) == []
    [told] = only_bad(database.application.look())
    assert (told.level, told.file, told.line) == (WARNING, database.model, 8)
    assert "takes its columns from the table when it is imported" in told.text


@pytest.mark.parametrize(
    ("text", "query"), [("list(Note.select())", "SELECT"), ("Note(text='new')", "INSERT")]
)
def test_a_query_at_the_import_is_told_and_changes_nothing(database, text, query):
    file, line = database.application.add(f"{text}\n")
    [told] = only_bad(database.application.look())
    assert (told.level, told.file, told.line) == (WRONG, file, line)
    assert f"asks the database when it is imported ({query} " in told.text
    [(count,)] = database.server.execute("SELECT count(*) FROM note", database.name)
    assert count == 0


def test_a_class_that_takes_its_columns_from_a_missing_table_is_told(sqlite):
    """On a server the import of such a class fails."""
    meta = "    class sqlmeta:\n        fromDatabase = True\n"
    sqlite.application.write("notes/model.py", f"{MODEL}\n\nclass Kinds(SQLObject):\n{meta}")
    [told] = only_bad(sqlite.look())
    assert told.level == WRONG
    assert told.text.endswith("create it by a program that SITE_DATABASE names, or by hand")


def test_an_application_without_a_class_is_told(sqlite):
    sqlite.application.write("notes/model.py", "Note = None\n")
    [told] = only_bad(sqlite.look())
    assert told.level == WRONG
    assert "the site has no SQLObject class: name the module" in told.text


def test_without_an_application_that_loads_the_database_is_looked_at(database):
    database.application.add("1 / 0\n")
    [reached] = database.look()
    assert reached.level == OK


@pytest.mark.parametrize("scheme", ["postgres", "mysql"])
def test_a_server_that_is_away_is_told_without_the_password(tmp_path, scheme):
    uri = f"{scheme}://site:secret@127.0.0.1:{free_port()}/site"
    [away] = Application(tmp_path, uri).look("database")
    assert away.level == WRONG
    assert "start the server, or correct the host" in away.text
    assert "secret" not in away.text


def test_a_missing_file_is_told_and_not_created(tmp_path):
    application = Application(tmp_path)
    [missing] = application.look("database")
    assert (missing.level, missing.file) == (WRONG, f"{tmp_path}/data/site.db")
    assert "is not there: run `.venv/bin/python -m app.database`" in missing.text
    assert not (tmp_path / "data").exists()


def test_for_a_log_without_its_file_the_cure_is_to_put_the_file_back(tmp_path):
    application = Application(tmp_path)
    application.write("data/site.db-wal", "acknowledged")
    [missing] = application.look("database")
    assert missing.text == (
        f"the database is not there: but its log {tmp_path}/data/site.db-wal is: put the file "
        "back in its place"
    )


def test_a_file_that_is_not_in_wal_mode_is_told_and_left_so(sqlite):
    sqlite.execute("PRAGMA journal_mode=DELETE")
    [told] = sqlite.look()
    assert told.level == WRONG and "is not in WAL mode" in told.text
    assert sqlite.server.execute("PRAGMA journal_mode", sqlite.name) == [("delete",)]
    assert [path.name for path in sqlite.server.folder.glob(".check-*")] == []


@pytest.mark.parametrize("text", [b"no database at all, only text" * 9, b""])
def test_a_file_that_is_not_a_database_is_told(sqlite, text):
    (sqlite.server.folder / sqlite.name).write_bytes(text)
    [told] = sqlite.look()
    assert told.level == WRONG and told.file == f"{sqlite.server.folder}/{sqlite.name}"


def test_a_damaged_file_is_told(sqlite):
    values = ", ".join(f"('{number:0100d}')" for number in range(1000))
    sqlite.execute(f"INSERT INTO note (text) VALUES {values}", "PRAGMA wal_checkpoint(TRUNCATE)")
    path = sqlite.server.folder / sqlite.name
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xff" * 8192 + whole[16384:])
    told = only_bad(sqlite.look())
    assert told[0].level == WRONG
    assert "restore a backup" in told[0].text


def test_rows_that_refer_to_missing_ones_are_told(sqlite):
    model = MODEL.replace("SQLObject, ", "ForeignKey, SQLObject, ")
    sqlite.application.write(
        "notes/model.py",
        f"{model}\n\nclass Page(SQLObject):\n    note = ForeignKey('Note', cascade=False)\n",
    )
    sqlite.make()
    sqlite.execute("INSERT INTO page (note_id) VALUES (7)")
    [told] = only_bad(sqlite.look())
    assert (told.level, told.file, told.line) == (WARNING, sqlite.model, 8)
    assert "row 1 refers to a missing row of note" in told.text
    assert "SITE_FOREIGN_KEYS=off" in told.text
    assert only_bad(sqlite.look(SITE_FOREIGN_KEYS="off")) == []


def is_told_of_equal_letters(database, *queries):
    database.execute(*queries)
    told = only_bad(database.look())
    assert [one.level for one in told] == [WARNING]
    assert 'column name is UNIQUE and takes "a" and "A" for the same' in told[0].text


def test_a_unique_column_without_case_is_told_on_sqlite(sqlite):
    is_told_of_equal_letters(
        sqlite, "CREATE TABLE person (name TEXT COLLATE NOCASE UNIQUE, other TEXT UNIQUE)"
    )


def test_a_unique_column_without_case_is_told_on_postgres(postgres):
    is_told_of_equal_letters(
        postgres,
        "CREATE COLLATION anycase "
        "(provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        "CREATE TABLE person (name TEXT COLLATE anycase UNIQUE, other TEXT UNIQUE)",
    )


def test_a_unique_column_of_citext_is_told(postgres):
    is_told_of_equal_letters(
        postgres, "CREATE EXTENSION citext", "CREATE TABLE person (name CITEXT UNIQUE)"
    )


def test_a_unique_column_without_case_is_told_on_mariadb(mariadb):
    is_told_of_equal_letters(
        mariadb,
        "CREATE TABLE person (name VARCHAR(50) COLLATE latin1_swedish_ci UNIQUE, "
        "other VARCHAR(50) COLLATE latin1_bin UNIQUE)",
    )


@pytest.mark.parametrize("kind", ["MyISAM", "Aria"])
def test_a_table_that_rolls_nothing_back_is_told(mariadb, kind):
    mariadb.execute(f"ALTER TABLE note ENGINE={kind}")
    [told] = only_bad(mariadb.look())
    assert (told.level, told.file, told.line) == (WRONG, mariadb.model, 4)
    assert f"its engine is {kind}" in told.text
    assert "ALTER TABLE note ENGINE=InnoDB" in told.text


def test_commits_that_are_not_waited_for_are_told(postgres):
    postgres.execute(f"ALTER DATABASE {postgres.name} SET synchronous_commit = off")
    [told] = only_bad(postgres.look())
    assert told.level == WARNING
    assert "synchronous_commit=off: what was acknowledged may be lost" in told.text


def test_a_clock_that_differs_is_told(postgres):
    """Another function, an hour late, hides the server's."""
    postgres.execute(
        "CREATE SCHEMA late",
        "CREATE FUNCTION late.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS "
        "'SELECT pg_catalog.clock_timestamp() - interval ''1 hour'''",
        f"ALTER DATABASE {postgres.name} SET search_path = late, pg_catalog, public",
    )
    assert any("the server's clock differs by 3600 s" in one.text for one in postgres.look())
