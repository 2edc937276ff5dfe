"""SQLObject in threads and scripts without a transaction shows what is committed now."""

import subprocess
import sys

import pytest
from sqlobject import (
    ForeignKey,
    IntCol,
    JSONCol,
    MultipleJoin,
    RelatedJoin,
    SQLObject,
    SQLObjectNotFound,
    StringCol,
)
from sqlobject.inheritance import InheritableSQLObject

from tests.contract.internals import ids_known, only_connections
from tests.contract.site import Entry, Site, add, in_threads, no_transaction


class Shelf(SQLObject):
    name = StringCol()
    books = MultipleJoin("Book")
    tags = RelatedJoin("Tag")


class Book(SQLObject):
    title = StringCol()
    shelf = ForeignKey("Shelf")
    data = JSONCol(default=None)


class Tag(SQLObject):
    name = StringCol()
    shelves = RelatedJoin("Shelf")


class Unsent(SQLObject):
    class sqlmeta:
        lazyUpdate = True

    name = StringCol()
    number = IntCol(default=0)


class Person(InheritableSQLObject):
    name = StringCol()


class Employee(Person):
    wage = IntCol(default=0)


MODELS = (Entry, Shelf, Book, Tag, Unsent, Person, Employee)


@pytest.fixture
def site(make_site):
    made = make_site(models=MODELS)
    with only_connections(made.connection):
        yield made


def test_a_value_that_another_process_has_changed_is_seen(site):
    entry = Entry(name="a")
    site.execute("UPDATE entry SET name = 'b', number = 7")
    assert (entry.name, entry.number) == ("b", 7)
    assert Entry.get(1).name == "b"
    assert [one.name for one in Entry.select()] == ["b"]
    assert Entry.byName("b").id == 1
    assert Entry.get(1) is entry


def test_a_value_that_a_request_has_changed_is_seen(site):
    entry = Entry(name="a")
    site.request(lambda: Entry.get(1).set(name="b"))
    assert entry.name == "b"


def test_a_value_that_is_not_committed_is_not_seen(site):
    entry = Entry(name="a")
    seen = []

    def handler():
        Entry.get(1).name = "b"
        seen.extend(in_threads(lambda: (entry.name, Entry.get(1).name)))

    site.request(handler)
    assert seen == [("a", "a")]


def test_a_row_that_another_process_has_deleted_is_gone(site):
    entry = Entry(name="a")
    site.execute("DELETE FROM entry")
    with pytest.raises(SQLObjectNotFound):
        Entry.get(1)
    with pytest.raises(SQLObjectNotFound, match="deleted"):
        _ = entry.name
    assert list(Entry.select()) == []


def test_a_row_that_comes_again_is_seen(site):
    entry, other = Entry(name="a"), Entry(name="b")
    other.destroySelf()
    site.execute("DELETE FROM entry")
    for id in (1, 2):
        with pytest.raises(SQLObjectNotFound):
            Entry.get(id)
    site.execute("INSERT INTO entry (id, name, number) VALUES (1, 'a2', 0), (2, 'b2', 0)")
    assert (entry.name, Entry.get(1).name, Entry.get(2).name) == ("a2", "a2", "b2")


@pytest.mark.engines("sqlite")
def test_instances_that_nobody_holds_leave_nothing(site):
    """A thread that runs for ever reads new rows for ever."""
    site.execute(
        "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 4000) "
        "INSERT INTO entry (name, number) SELECT i, i FROM n"
    )
    held = Entry.get(1)
    for id in range(1, 4001):
        Entry.get(id)
    assert ids_known(site.connection, Entry) < 3000
    assert Entry.get(1) is held


def test_joins_and_foreign_keys_show_what_is_committed(site):
    shelf, other = Shelf(name="a"), Shelf(name="b")
    book = Book(title="first", shelf=shelf)
    shelf.addTag(Tag(name="old"))
    assert [one.title for one in shelf.books] == ["first"]
    site.execute("UPDATE book SET title = 'second'")
    site.execute("UPDATE tag SET name = 'new'")
    assert [one.title for one in shelf.books] == ["second"]
    assert [one.name for one in shelf.tags] == ["new"]
    site.execute(f"UPDATE book SET shelf_id = {other.id}")
    assert book.shelf is other
    assert book.shelfID == other.id
    assert shelf.books == []


def test_a_value_changed_in_place_is_not_stored(site):
    book = Book(title="a", shelf=Shelf(name="a"), data={"pages": 1})
    book.data["pages"] = 2
    assert book.data == {"pages": 1}


def test_inherited_columns_show_what_is_committed(site):
    employee = Employee(name="a", wage=1)
    site.execute("UPDATE person SET name = 'b'")
    site.execute("UPDATE employee SET wage = 2")
    assert (employee.name, employee.wage) == ("b", 2)
    assert Person.get(1).name == "b"
    assert [(one.name, one.wage) for one in Employee.select()] == [("b", 2)]


def test_what_is_not_sent_yet_is_shown_to_who_has_set_it(site):
    unsent = Unsent(name="a")
    unsent.name = "mine"
    site.execute("UPDATE unsent SET name = 'theirs', number = 7")
    assert (unsent.name, unsent.number) == ("mine", 7)
    assert site.execute("SELECT name FROM unsent") == [("theirs",)]
    unsent.syncUpdate()
    assert site.execute("SELECT name, number FROM unsent") == [("mine", 7)]
    site.execute("UPDATE unsent SET name = 'theirs'")
    assert unsent.name == "theirs"


def test_a_change_is_of_one_column_only(site):
    entry = Entry(name="a")
    site.execute("UPDATE entry SET name = 'b'")
    entry.number = 1
    assert site.execute("SELECT name, number FROM entry") == [("b", 1)]
    entry.set(number=entry.number + 1)
    assert entry.number == 2


def test_a_thread_that_a_handler_starts_sees_what_is_committed_at_each_use(site):
    site.request(add("a"))

    def in_thread():
        entry = Entry.get(1)
        site.execute("UPDATE entry SET name = 'b'")
        return entry.name, Entry.get(1).name, no_transaction()

    def handler():
        # A reading request goes on to see its own instant.
        return str([Entry.get(1).name, *in_threads(in_thread), Entry.get(1).name])

    assert site.request(handler, "GET").data == b"['a', ('b', 'b', True), 'a']"


def test_a_module_level_instance_belongs_to_whoever_uses_it(site):
    """In a request its values are of the request's transaction, which takes its changes."""
    entry = Entry(name="a")

    def fails():
        entry.name = "b"
        assert (entry.name, Entry.get(1).name) == ("b", "b")
        assert site.names() == ["a"]
        raise ZeroDivisionError

    site.request(fails)
    assert entry.name == "a"
    site.execute("UPDATE entry SET name = 'c'")
    assert site.request(lambda: entry.name, "GET").data == b"c"
    site.request(lambda: entry.set(name="d"))
    assert (site.names(), entry.name) == (["d"], "d")


def test_two_processors_of_different_databases_leave_no_connection_to_be_mistaken(site, server):
    other = Site(server, server.new_database())
    both = only_connections(site.connection, other.connection)
    with both, pytest.raises(AttributeError, match="No connection"):
        Entry.get(1)
    other.connection.close()


SCRIPT = """
import sys

from app.transactions import transaction_per_request
from sqlobject import SQLObjectNotFound, sqlhub
from tests.contract.site import Entry

transaction_per_request(sys.argv[1])
entry = Entry.get(1)
print(entry.name, flush=True)
for line in sys.stdin:
    try:
        print(entry.name, Entry.get(1).name, [one.name for one in Entry.select()], flush=True)
    except SQLObjectNotFound:
        print("gone", flush=True)
"""


def test_another_process_sees_each_commit_of_this_one(site):
    site.request(add("a"))
    command = [sys.executable, "-c", SCRIPT, site.uri]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:

        def seen():
            process.stdin.write("\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        assert process.stdout.readline() == "a\n"
        for name in ("b", "c"):
            site.request(lambda name=name: Entry.get(1).set(name=name))
            assert seen() == f"{name} {name} ['{name}']"
        site.request(lambda: Entry.get(1).destroySelf())
        assert seen() == "gone"
        process.stdin.close()
