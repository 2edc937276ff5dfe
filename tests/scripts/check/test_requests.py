"""What the check finds of what a request does: told with its file, its line and the cure."""

import pytest

from app.check.findings import WARNING, WRONG
from tests.scripts.check.applications import PAGES, found, only_bad

POST = '        with savepoint():\n            Note(text="new")\n'


# Lines of the module, and a statement in the handler of POST in place of its own.
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
def test_the_same_below_main_belongs_to_no_request(notes, fault):
    lines, statement, _ = IN_A_REQUEST[fault]
    notes.add(lines)
    notes.add(f"    {statement}\n", before="    app.run()")
    assert only_bad(notes.look()) == []


def test_a_second_connection_to_another_database_is_allowed(notes):
    notes.add("import sqlite3\n")
    notes.add("        sqlite3.connect('/elsewhere/other.db')\n", before=POST)
    assert only_bad(notes.look()) == []


def test_a_connection_to_an_unknown_database_is_a_warning(notes):
    notes.add("import sqlite3\n")
    place = notes.add("        sqlite3.connect(self.file())\n", before=POST)
    found(notes, WARNING, *place, "to what may be the site's database")


def test_web_pys_connection_is_wrong_if_a_request_uses_it(notes):
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
def test_one_that_leaves_a_savepoint_or_ends_the_request_is_allowed(notes, before, after):
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
    found(notes, WARNING, file, line + 2, "which the bundle replaces by the site's")


def test_a_module_that_a_handler_imports_is_looked_at(notes):
    file = notes.write("notes/later.py", "from sqlobject import sqlhub\n\n\ndef later():\n"
                       "    sqlhub.doInTransaction(print)\n")  # fmt: skip
    notes.add("        from notes import later\n        later.later()\n", before=POST)
    found(notes, WRONG, file, 5, "calls doInTransaction in a request")


def test_what_can_be_told_without_an_import_is_told_if_it_fails(notes):
    notes.write("notes/pages.py", PAGES.replace(POST, "        sqlhub.doInTransaction(print)\n"))
    first = notes.add("1 / 0\n")
    findings = only_bad(notes.look())
    assert (findings[0].file, findings[0].line) == first
    assert "calls doInTransaction in a request" in findings[1].text
