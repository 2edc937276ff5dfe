"""What the check finds of what modules keep: told with its file, its line and the cure."""

import pytest

from app.check.findings import WARNING, WRONG
from tests.scripts.check.applications import found, only_bad, query


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


@pytest.mark.parametrize("form", ["{}", "[{}]", "{{'first': {}}}", "({}, 5)"])
def test_an_instance_at_module_level_is_told(notes, form):
    query(notes, "INSERT INTO note (text) VALUES ('first')")
    place = notes.add(f"FIRST = {form.format('Note.get(1)')}\n")
    asks, keeps = only_bad(notes.look())
    assert (asks.level, keeps.level) == (WRONG, WARNING)
    assert (keeps.file, keeps.line) == place
    assert "FIRST holds an instance of Note" in keeps.text


@pytest.mark.parametrize("value", ["Note.get(1)", "Note.select()[0].text", "Note(text='b')"])
def test_what_a_request_puts_into_a_global_name_is_told(notes, value):
    file, line = notes.add(f"def first():\n    global _first\n    _first = {value}\n\n\n")
    found(notes, WRONG, file, line + 2, "_first holds what one request has read for all others")


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
    found(notes, WRONG, *place, "debug" if "debug" in text else "autoreload")


@pytest.mark.parametrize(
    ("store", "level", "said"),
    [
        ("MemoryStore()", WRONG, "the memory of one process"),
        ("ShelfStore({})", WRONG, "which is for one process"),
        ("DiskStore('sessions')", WARNING, "in files, which are written once after the request"),
        ("DBStore(None, 'sessions')", WARNING, "by a connection of web.py's own"),
    ],
)
def test_where_sessions_are_stored_is_told(notes, store, level, said):
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
