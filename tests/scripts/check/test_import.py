"""What the check finds in an application's import: told with its file, its line and the cure."""

import pytest

from app.check.findings import OK, WARNING, WRONG
from scripts.lib.check.inside import look
from tests.scripts.check.applications import Application, found, only_bad, query


def test_a_good_application_is_ok(notes):
    findings = notes.look()
    assert only_bad(findings) == []
    assert [str(one).split()[0] for one in findings] == [OK] * 3
    assert findings[0].text.startswith("notes.pages:app loads in ")


def test_the_example_is_ok(tmp_path):
    environment = Application(tmp_path).environment(SITE_APPLICATION=None, SITE_PATH=None)
    looked = look("application", environment)
    assert (only_bad(looked.findings), looked.loads) == ([], True)


# Lines before `class Index:` in the module of the pages, and what is told of the first one.
AT_IMPORT = {
    "asks": (
        "list(Note.select())\n",
        WRONG,
        ["asks the database when it is imported (SELECT", "in a handler"],
    ),
    "writes": (
        'Note(text="at the import")\n',
        WRONG,
        ["asks the database when it is imported (INSERT"],
    ),
    "makes tables": (
        "Note.createTable(ifNotExists=True)\n",
        WARNING,
        ["looks for its table when it is imported", "`.venv/bin/python -m app.database` creates"],
    ),
    "asks by web.py": (
        "list(web.database(dbn='sqlite', db=':memory:').query('SELECT 1'))\n",
        WRONG,
        ["asks the database when it is imported (SELECT 1)"],
    ),
    "opens a file": (
        "import sqlite3; sqlite3.connect(':memory:')\n",
        WRONG,
        ["opens the SQLite file :memory:"],
    ),
    "opens a port": (
        "import socket; socket.socket().bind(('127.0.0.1', 0))\n",
        WRONG,
        ["opens the port ('127.0.0.1', 0)", 'if __name__ == "__main__":'],
    ),
    "serves": (
        "app.run()\n",
        WRONG,
        ["starts web.py's own server", 'if __name__ == "__main__":'],
    ),
    "starts a thread": (
        "import threading; threading.Thread(target=print).start()\n",
        WARNING,
        ["starts a thread", "in_transaction()"],
    ),
    "exits": ("raise SystemExit(1)\n", WRONG, ["ends the process when it is imported"]),
    "fails": ("1 / 0\n", WRONG, ["cannot be imported: ZeroDivisionError: division by zero"]),
    "is no Python": ("class\n", WRONG, ["cannot be imported: SyntaxError: invalid syntax"]),
    "lacks a module": (
        "import no_such_module\n",
        WRONG,
        ["no module named no_such_module", ".venv", "SITE_PATH"],
    ),
    "uses a name that does not exist": (
        "web.no_such_name\n",
        WRONG,
        ["AttributeError: module 'web' has no attribute 'no_such_name'"],
    ),
}


@pytest.mark.parametrize("fault", AT_IMPORT)
def test_what_an_import_does_is_told(notes, fault):
    text, level, said = AT_IMPORT[fault]
    place = notes.add(text)
    found(notes, level, *place, *said)


def test_a_write_at_the_import_is_not_done(notes):
    notes.add('Note(text="at the import")\nNote.createTable()\n')
    [wrong] = only_bad(notes.look())
    assert "INSERT" in wrong.text
    [(count,)] = query(notes, "SELECT count(*) FROM note")
    assert count == 0


def test_a_query_at_the_import_creates_no_file(tmp_path):
    application = Application(tmp_path)
    place = application.add("list(Note.select())\n")
    (tmp_path / "data").mkdir()
    found(application, WRONG, *place, "asks the database when it is imported (opens ")
    assert list((tmp_path / "data").iterdir()) == []


def test_a_file_that_is_not_in_wal_mode_is_not_opened_by_a_query_at_the_import(notes):
    query(notes, "PRAGMA journal_mode=DELETE")
    place = notes.add("list(Note.select())\n")
    found(notes, WRONG, *place, "asks the database when it is imported (opens ")
    assert query(notes, "PRAGMA journal_mode") == [("delete",)]


def test_columns_from_the_database_are_told(notes):
    meta = "\n    class sqlmeta:\n        fromDatabase = True\n"
    place = notes.add(f"from sqlobject import SQLObject\nclass Other(SQLObject):{meta}")
    query(notes, "CREATE TABLE other (id INTEGER PRIMARY KEY, word TEXT)")
    found(notes, WARNING, place[0], place[1] + 1, "takes its columns from the table")


def test_another_database_is_told(notes):
    notes.add(
        "from sqlobject import connectionForURI, sqlhub\n"
        f"sqlhub.processConnection = connectionForURI('sqlite://{notes.folder}/other.db')\n"
    )
    wrong = [one for one in notes.look() if one.level == WRONG]
    assert "another database than DATABASE_URI says" in wrong[0].text


def test_an_import_that_hangs_is_told_with_its_line(notes):
    place = notes.add("import time; time.sleep(60)\n")
    found(notes, WRONG, *place, "still loads after 1.0 s", seconds=1)


def test_a_process_that_dies_is_told(notes):
    notes.add("import os; os._exit(7)\n")
    found(notes, WRONG, None, None, "ended with status 7")


def test_a_missing_application_is_told(notes):
    found(
        notes, WRONG, None, None, "there is no site in notes", SITE_APPLICATION="notes.pages:site"
    )
