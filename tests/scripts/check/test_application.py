"""What the check finds in an application: each fault with its file, its line and the cure."""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from app.check.findings import OK, WARNING, WRONG
from scripts.lib.check.inside import look
from scripts.lib.command import ROOT
from tests.scripts.check.applications import PAGES, TEMPLATE, Application, only_bad

POST = '        with savepoint():\n            Note(text="new")\n'


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """The folder of a database for the application."""
    made = Application(tmp_path_factory.mktemp("application"))
    command = [sys.executable, "-m", "app.database"]
    subprocess.run(command, cwd=ROOT, env=made.environment(), check=True, stdout=subprocess.PIPE)
    return made.folder / "data"


@pytest.fixture
def notes(tmp_path, database):
    """The application, and its database."""
    shutil.copytree(database, tmp_path / "data")
    return Application(tmp_path)


def found(application, level, file, line, *said, **options):
    """Check that exactly one thing is found, with this level, place and texts."""
    [finding] = only_bad(application.look(**options))
    assert (finding.level, finding.file, finding.line) == (level, file, line), finding
    for text in said:
        assert text in finding.text


def test_a_good_application_is_ok(notes):
    findings = notes.look()
    assert only_bad(findings) == []
    assert [str(one).split()[0] for one in findings] == [OK] * 3
    assert findings[0].text.startswith("notes.pages:app loads in ")


def test_the_example_is_ok(tmp_path):
    environment = Application(tmp_path).environment(SITE_APPLICATION=None, SITE_PATH=None)
    looked = look("application", environment)
    assert (only_bad(looked.findings), looked.loads) == ([], True)


# What stands before `class Index:` in the module of the pages, and what is told of its first line.
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
        ["looks for its table when it is imported", "`python -m app.database` makes"],
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
    "has a name that is none": (
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


def test_a_write_at_the_import_is_not_made(notes):
    notes.add('Note(text="at the import")\nNote.createTable()\n')
    [wrong] = only_bad(notes.look())
    assert "INSERT" in wrong.text
    [(count,)] = query(notes, "SELECT count(*) FROM note")
    assert count == 0


def query(application, text):
    with closing(sqlite3.connect(application.folder / "data" / "site.db")) as raw, raw:
        return raw.execute(text).fetchall()


def test_a_file_that_is_not_there_is_not_made_by_a_query_at_the_import(tmp_path):
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
    found(notes, WRONG, None, None, "ends with status 7")


def test_an_application_that_is_not_there_is_told(notes):
    found(
        notes, WRONG, None, None, "there is no site in notes", SITE_APPLICATION="notes.pages:site"
    )


# What stands in the handler of POST in place of its statement, below lines of the module.
IN_A_REQUEST = {
    "thread connection": (
        "from sqlobject import sqlhub\n",
        "sqlhub.threadConnection = None",
        ["sets sqlhub.threadConnection in a request", "remove the hook"],
    ),
    "process connection": (
        "from sqlobject import sqlhub\n",
        "sqlhub.processConnection = None",
        ["sets sqlhub.processConnection in a request"],
    ),
    "doInTransaction": (
        "from sqlobject import sqlhub\n",
        "sqlhub.doInTransaction(print)",
        ["calls doInTransaction in a request", "savepoint()"],
    ),
    "transaction": (
        "from sqlobject import sqlhub\n",
        "sqlhub.getConnection().transaction()",
        ["calls transaction() in a request", "savepoint()"],
    ),
    "a second connection of SQLObject": (
        "import os\nfrom sqlobject import connectionForURI\n",
        'connectionForURI(os.environ["DATABASE_URI"])',
        ["opens a second connection to the site's database"],
    ),
    "a second connection of sqlite3": (
        "import sqlite3\nFILE = 'data/site.db'\n",
        "sqlite3.connect(FILE)",
        ["opens a second connection to the site's database"],
    ),
}


@pytest.mark.parametrize("fault", IN_A_REQUEST)
@pytest.mark.parametrize("where", ["handler", "function", "hook"])
def test_what_a_request_may_not_do_is_told(notes, fault, where):
    lines, statement, said = IN_A_REQUEST[fault]
    notes.add(lines)
    if where == "handler":
        place = notes.add(f"        {statement}\n", before=POST)
    else:
        file, line = notes.add(f"def before():\n    {statement}\n\n\n")
        place = file, line + 1
        if where == "function":
            notes.add("        before()\n", before=POST)
        else:
            notes.add("app.add_processor(web.loadhook(before))\n")
    level = WARNING if fault == "process connection" else WRONG
    found(notes, level, *place, *said)


@pytest.mark.parametrize("fault", IN_A_REQUEST)
def test_the_same_below_main_is_of_no_request(notes, fault):
    lines, statement, _ = IN_A_REQUEST[fault]
    notes.add(lines)
    notes.add(f"    {statement}\n", before="    app.run()")
    assert only_bad(notes.look()) == []


def test_a_second_connection_to_another_database_is_let_be(notes):
    notes.add("import sqlite3\n")
    notes.add("        sqlite3.connect('/elsewhere/other.db')\n", before=POST)
    assert only_bad(notes.look()) == []


def test_one_that_cannot_be_told_is_a_warning(notes):
    notes.add("import sqlite3\n")
    place = notes.add("        sqlite3.connect(self.file())\n", before=POST)
    found(notes, WARNING, *place, "to what may be the site's database")


def test_web_pys_connection_is_wrong_where_a_request_uses_it(notes):
    file, line = notes.add("db = web.database(dbn='sqlite', db='data/site.db')\n")
    found(notes, WARNING, file, line, "what it writes is no part of a request's transaction")
    notes.add("        db.insert('note', text='x')\n", before=POST)
    found(notes, WRONG, file, line, "opens a second connection to the site's database")


CAUGHT = """\
        try:
            Note(text="twice")
        except dberrors.DuplicateEntryError:
            {}
"""


@pytest.mark.parametrize("after", ["pass", "raise web.seeother('/')"])
def test_an_error_that_is_caught_outside_of_a_savepoint_is_told(notes, after):
    notes.add("from sqlobject import dberrors\n")
    place = notes.add(CAUGHT.format(after), before=POST)
    found(notes, WARNING, *place, "catches DuplicateEntryError outside of savepoint()")


@pytest.mark.parametrize(
    ("before", "after"),
    [("Note(", "with savepoint(): Note("), ("pass", "raise web.conflict()"), ("pass", "raise")],
)
def test_one_that_leaves_a_savepoint_or_ends_the_request_is_let_be(notes, before, after):
    notes.add("from sqlobject import dberrors\n")
    notes.add(CAUGHT.format("pass").replace(before, after), before=POST)
    assert only_bad(notes.look()) == []


@pytest.mark.parametrize(("call", "cure"), [("commit", "leave it out"), ("rollback", "doom()")])
@pytest.mark.parametrize("whose", ["threadConnection", "getConnection()"])
def test_a_commit_or_rollback_in_a_request_is_told(notes, call, cure, whose):
    notes.add("from sqlobject import sqlhub\n")
    place = notes.add(f"        sqlhub.{whose}.{call}()\n", before=POST)
    found(notes, WRONG, *place, f"calls {call}() in a request, which is refused", cure)


def test_a_thread_that_a_request_starts_is_told_unless_the_commit_does(notes):
    notes.add("import threading\nfrom app.transactions import on_commit\n")
    notes.add("        on_commit(threading.Thread(target=print).start)\n", before=POST)
    assert only_bad(notes.look()) == []
    place = notes.add("        threading.Thread(target=print).start()\n", before=POST)
    found(notes, WARNING, *place, "starts a thread in a request", "on_commit()")


def test_the_recipes_function_is_told_as_a_whole(notes):
    first = notes.add(
        "from sqlobject import sqlhub\n"
        "def load_sqlo(handler):\n"
        "    trans = sqlhub.getConnection().transaction()\n"
        "    sqlhub.threadConnection = trans\n"
        "    return handler()\n"
        "app.add_processor(load_sqlo)\n"
    )
    findings = only_bad(notes.look())
    assert [(one.level, one.line - first[1]) for one in findings] == [(WRONG, 1), (WRONG, 5)]
    assert "remove the function" in findings[0].text
    assert "remove the line" in findings[1].text


def test_load_sqlo_as_a_load_hook_is_told(notes):
    file, line = notes.add(
        "from app import load_sqlo\napp.add_processor(web.loadhook(load_sqlo))\n"
    )
    found(notes, WARNING, file, line + 1, "has load_sqlo as a load hook", "remove the line")


def test_a_process_connection_set_at_the_import_is_told(notes):
    file, line = notes.add(
        "import os\nfrom sqlobject import connectionForURI, sqlhub\n"
        "sqlhub.processConnection = connectionForURI(os.environ['DATABASE_URI'])\n"
    )
    found(notes, WARNING, file, line + 2, "in whose place the site's is put")


@pytest.mark.parametrize(
    ("text", "further"),
    [
        ("class Own(SQLObject):\n    _connection = connectionForURI(URI)\n", 1),
        ("class Own(SQLObject):\n    pass\n\n\nOwn.setConnection(connectionForURI(URI))\n", 4),
    ],
)
@pytest.mark.parametrize(("file", "level"), [("data/site.db", WRONG), ("other.db", WARNING)])
def test_a_class_with_a_connection_is_told(notes, text, further, file, level):
    head = (
        "from sqlobject import SQLObject, connectionForURI\n"
        f"URI = 'sqlite://{notes.folder}/{file}'\n"
    )
    notes.write("notes/own.py", head + text)
    notes.add("import notes.own\n")
    told = [one for one in only_bad(notes.look()) if "Own has a connection of its own" in one.text]
    assert [(one.level, one.file, one.line) for one in told] == [
        (level, f"{notes.folder}/notes/own.py", 3 + further)
    ]


@pytest.mark.parametrize("kept", ["{}", "[{}]", "{{'first': {}}}", "({}, 5)"])
def test_an_instance_at_module_level_is_told(notes, kept):
    query(notes, "INSERT INTO note (text) VALUES ('first')")
    place = notes.add(f"FIRST = {kept.format('Note.get(1)')}\n")
    asks, keeps = only_bad(notes.look())
    assert (asks.level, keeps.level) == (WRONG, WARNING)
    assert (keeps.file, keeps.line) == place
    assert "FIRST keeps an instance of Note" in keeps.text


@pytest.mark.parametrize("value", ["Note.get(1)", "Note.select()[0].text", "Note(text='b')"])
def test_what_a_request_puts_into_a_global_name_is_told(notes, value):
    file, line = notes.add(f"def first():\n    global _first\n    _first = {value}\n\n\n")
    found(notes, WRONG, file, line + 2, "_first keeps what one request has read for all others")


def test_two_classes_of_one_table_are_told(notes):
    meta = "    class sqlmeta:\n        table = 'note'\n"
    file, line = notes.add(f"from sqlobject import SQLObject\nclass Memo(SQLObject):\n{meta}")
    found(notes, WARNING, file, line + 1, "Memo has the table note of notes.model.Note too")


@pytest.mark.parametrize(
    "text",
    ["web.config.debug = True\n", "app = web.application(urls, globals(), autoreload=True)\n"],
)
def test_debug_mode_is_told(notes, text):
    place = notes.add(text)
    found(notes, WRONG, *place, "reload")


@pytest.mark.parametrize(
    ("store", "level", "said"),
    [
        ("MemoryStore()", WRONG, "the memory of one process"),
        ("ShelfStore({})", WRONG, "which is for one process"),
        ("DiskStore('sessions')", WARNING, "in files, which are written once after the request"),
        ("DBStore(None, 'sessions')", WARNING, "by a connection of web.py's own"),
    ],
)
def test_where_sessions_are_kept_is_told(notes, store, level, said):
    file, line = notes.add(
        f"import web.session\nsession = web.session.Session(app, web.session.{store})\n"
    )
    found(notes, level, file, line + 1, said, "SQLObject class")


def test_a_session_that_was_added_before_load_sqlo_is_as_good(notes):
    """The bundle puts load_sqlo before it."""
    notes.add(
        "from app import load_sqlo\nimport web.session\n"
        "class Store(web.session.Store):\n    pass\n"
        "session = web.session.Session(app, Store())\napp.add_processor(load_sqlo)\n"
    )
    assert only_bad(notes.look()) == []


# A line of a template, and what is told of it.
STOPPED = {
    "<script>alert(1)</script>": "an inline <script>",
    '<script type="module">alert(1)</script>': "an inline <script>",
    "<style>p {}</style>": "an inline <style>",
    '<p onclick="go()">x</p>': "onclick= on <p>",
    '<p style="color: red">x</p>': "style= on <p>",
    '<a href="javascript:go()">x</a>': "href=javascript: on <a>",
    '<script src="https://cdn.example.org/x.js"></script>': "by script-src",
    '<link rel="stylesheet" href="//cdn.example.org/x.css">': "by style-src",
    '<img src="http://example.org/x.png">': "by img-src",
    '<form action="https://example.org/">': "by form-action",
    '<base href="https://example.org/">': "by base-uri",
}


@pytest.mark.parametrize("line", STOPPED)
def test_what_the_policy_stops_is_told(notes, line):
    place = notes.add(f"{line}\n", "templates/index.html", "<form")
    found(notes, WRONG, *place, "the Content-Security-Policy stops", STOPPED[line], "WEBPY_CSP")


def test_what_the_sites_own_policy_allows_is_ok(notes):
    for line in STOPPED:
        notes.add(f"{line}\n", "templates/index.html", "<form")
    allowed = "default-src * 'unsafe-inline'"
    assert only_bad(notes.look(policy=allowed)) == []
    assert len(only_bad(notes.look(policy=f"{allowed}; script-src 'self'"))) == 5


@pytest.mark.parametrize(
    ("text", "further", "said"),
    [
        ("PAGE = '<p onclick=\"go()\">'\n", 0, "onclick= on <p>"),
        ('PAGE = """<p>\n</p>\n<script>go()</script>"""\n', 2, "an inline <script>"),
        ("PAGE = '<p>\\n\\n<style>p {}</style>'\n", 0, "an inline <style>"),
        ("import web.form\nweb.form.Button('go', onclick='go()')\n", 1, "onclick= on <input>"),
    ],
)
def test_markup_in_code_is_looked_at(notes, text, further, said):
    file, line = notes.add(text)
    found(notes, WRONG, file, line + further, "the Content-Security-Policy stops", said)


def test_a_text_about_markup_is_none(notes):
    notes.add("ABOUT = 'write <p> on the page; style = none'\n")
    assert only_bad(notes.look()) == []


def test_an_application_without_a_path_is_looked_at(tmp_path):
    """Such as one that pip has installed; this one is below the checkout."""
    application = Application(tmp_path)
    environment = application.environment(
        SITE_PATH=None, SITE_APPLICATION="tests.scripts.check.without_path:app"
    )
    [wrong] = only_bad(look("application", environment).findings)
    assert (wrong.level, wrong.file) == (WRONG, f"{ROOT}/tests/scripts/check/without_path.py")
    assert "calls doInTransaction in a request" in wrong.text


def test_a_link_that_misses_the_prefix_is_told_once_for_each_file(notes):
    notes.write("templates/other.html", TEMPLATE.replace("$ctx.homepath/", "/"))
    found(
        notes, WARNING, f"{notes.folder}/templates/other.html", 4,
        '3 links such as href="/static/notes.css"', "$ctx.homepath",
    )  # fmt: skip


def test_a_folder_of_templates_is_found_by_its_render(notes):
    place = notes.write("pages/one.html", "<p onclick='go()'>x</p>\n")
    notes.add("other = web.template.render('pages')\n")
    found(notes, WRONG, place, 1, "onclick= on <p>")


def test_a_module_that_a_handler_imports_is_looked_at(notes):
    file = notes.write("notes/later.py", "from sqlobject import sqlhub\n\n\ndef later():\n"
                       "    sqlhub.doInTransaction(print)\n")  # fmt: skip
    notes.add("        from notes import later\n        later.later()\n", before=POST)
    found(notes, WRONG, file, 5, "calls doInTransaction in a request")


def test_what_is_told_without_an_import_is_told_where_it_fails(notes):
    notes.write("notes/pages.py", PAGES.replace(POST, "        sqlhub.doInTransaction(print)\n"))
    first = notes.add("1 / 0\n")
    findings = only_bad(notes.look())
    assert (findings[0].file, findings[0].line) == first
    assert "calls doInTransaction in a request" in findings[1].text
