"""Every request has its own instances, whether they come from a kept row or a query."""

import threading

import pytest
from sqlobject import IntCol, SQLObject, StringCol, sqlhub
from sqlobject.sqlbuilder import func
from sqlobject.views import ViewSQLObject

from app.transactions import OutsideItsRequest
from tests.contract.internals import HELD
from tests.contract.library import Author, Lazy, Novel, OwnWay, Pickled, name


def test_one_row_is_one_instance_within_a_request_and_another_in_the_next(library):
    def instances():
        return [Novel.get(1), next(iter(Novel.select())), Author.get(1).novels[0]]

    for _ in range(2):
        first = library.run(instances)
        assert first[0] is first[1] is first[2]
    assert library.run(instances)[0] is not first[0]


def test_an_attribute_set_by_a_handler_is_not_seen_by_the_next(library):
    def mark():
        author = Author.get(1)
        author.mark = "left"
        author.__dict__["_SO_val_name"] = "forged"

    library.run(name)
    library.run(mark)
    assert library.run(lambda: (name(), hasattr(Author.get(1), "mark"))) == ("Ada", False)


def test_an_unsynced_lazy_update_is_not_seen_by_the_next(library):
    def rename():
        lazy = Lazy.get(1)
        lazy.name = "renamed"
        return lazy.name

    assert library.run(lambda: Lazy.get(1).name) == "lazy"
    assert library.run(rename) == "renamed"
    assert library.run(lambda: Lazy.get(1).name) == "lazy"


def test_a_value_that_can_be_changed_in_place_is_not_kept(library):
    library.run(lambda: Pickled.get(1).data.append("b"))
    assert library.run(lambda: Pickled.get(1).data) == ["a"]


def test_a_class_that_loads_in_its_own_way_does_so_in_every_request(library):
    for _ in range(2):
        assert library.counted(lambda: OwnWay.get(1).extra) == ("made by _init", 1)


def test_an_instance_from_a_kept_row_fails_loudly_outside_its_request_and_thread(library):
    library.run(name)
    leaked = library.run(lambda: Author.get(1))
    with pytest.raises(OutsideItsRequest):
        leaked.name  # noqa: B018

    def in_another_thread():
        author, errors = Author.get(1), []

        def use():
            try:
                author.name  # noqa: B018
            except OutsideItsRequest as error:
                errors.append(error)

        thread = threading.Thread(target=use)
        thread.start()
        thread.join()
        return len(errors)

    assert library.run(in_another_thread) == 1


def test_a_kept_row_can_be_synced_expired_and_changed_like_any_other(library):
    def use():
        author = Author.get(1)
        author.sync()
        author.expire()
        return author.name, repr(author)

    library.run(name)
    assert library.run(use)[0] == "Ada"
    library.run(lambda: Author.get(1).set(name="Grace"), "GET")
    assert library.run(name) == "Grace"


def test_instances_that_nobody_holds_can_go_within_a_request(library, monkeypatch):
    """As with SQLObject's own cache. One that somebody holds stays the only one of its row."""
    monkeypatch.setattr(HELD, 2)

    def read_all():
        first = Novel.get(1)
        for number in (2, 3, 2, 3):
            Novel.get(number)
        held = sqlhub.threadConnection.cache.getAll(Novel)
        return first is Novel.get(1), len(held)

    for _ in range(2):
        same, held = library.run(read_all)
        assert same
        assert held <= 3


class OwnNew(SQLObject):
    name = StringCol(default="")

    def __new__(cls, *args, **kw):
        made = super().__new__(cls)
        made.extra = "made by __new__"
        return made


class OwnGet(SQLObject):
    """Its `get` is no method, and does not return the instance."""

    name = StringCol(default="")

    @staticmethod
    def get(id, connection=None, selectResults=None):
        return "own", SQLObject.get.__func__(OwnGet, id, connection, selectResults).id


class Columnless(SQLObject):
    pass


@pytest.mark.parametrize(
    "model, seen",
    [
        (OwnNew, lambda made: made.extra == "made by __new__"),
        (OwnGet, lambda made: made == ("own", 1)),
        (Columnless, lambda made: made.id == 1),
    ],
)
def test_a_class_that_loads_itself_is_loaded_in_its_own_way(library, model, seen):
    model.createTable(connection=library.connection)
    library.execute(f"INSERT INTO {model.sqlmeta.table} (id) VALUES (1)")

    def used():
        return [seen(model.get(1)), *map(seen, model.select()), *map(seen, model.select())]

    for _ in range(4):
        assert library.run(used) == [True, True, True]


class NovelView(ViewSQLObject):
    class sqlmeta:
        idName = Author.q.id
        clause = Author.q.id == Novel.q.authorID

    longest = IntCol(dbName=func.MAX(Novel.q.pages))


def test_a_row_of_a_view_of_sqlobject_s_is_read_by_its_id(library):
    for _ in range(3):
        assert library.run(lambda: NovelView.get(1).longest) == 0
