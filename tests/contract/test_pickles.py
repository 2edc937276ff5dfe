"""A pickled instance names its row: loaded from the pickle it shows what is committed."""

import copy
import pickle

import pytest
from sqlobject import SQLObjectNotFound, StringCol, sqlhub
from sqlobject.inheritance import InheritableSQLObject

from app.transactions import OutsideItsRequest, doom, in_transaction, no_transaction
from tests.contract.internals import is_writing
from tests.contract.library import MODELS, Author, Lazy, Library, Novel, OwnWay, Pickled
from tests.contract.site import in_threads


class Vessel(InheritableSQLObject):
    name = StringCol(default="")


class Boat(Vessel):
    sail = StringCol(default="")


def pickled(library, cls, id=1, method="GET"):
    return library.run(lambda: pickle.dumps(cls.get(id)), method)


each_method = pytest.mark.parametrize("method", ["GET", "POST"])


@each_method
def test_in_the_request_it_is_the_row_s_instance_in_all_but_identity(library, method):
    def handler():
        author = Author.get(1)
        again = pickle.loads(pickle.dumps(author))
        return again.id, again.name, again == author, again.novels[0].author is author

    assert library.run(handler, method) == (1, "Ada", True, True)


@each_method
@pytest.mark.parametrize("kept", [True, False])
def test_in_another_request_it_shows_what_is_committed(library, method, kept):
    data = pickled(library, Author)
    library.execute("UPDATE author SET name = 'Grace'")
    if kept:
        library.run(lambda: Author.get(1).name)
    assert library.run(lambda: pickle.loads(data).name, method) == "Grace"


@each_method
def test_one_object_in_one_request_after_another_shows_what_is_committed(library, method):
    author = pickle.loads(pickled(library, Author))
    for name in ("Grace", "Mary"):
        library.execute(f"UPDATE author SET name = '{name}'")
        assert library.run(lambda: author.name, method) == name


def test_in_another_thread_s_request_it_shows_what_is_committed(library):
    author = library.run(lambda: pickle.loads(pickle.dumps(Author.get(1))))
    library.execute("UPDATE author SET name = 'Grace'")
    seen = []
    in_threads(lambda: library.run(lambda: seen.append(author.name)))
    assert seen == ["Grace"]


def test_outside_of_requests_it_shows_what_is_committed(library, monkeypatch):
    data = pickled(library, Author)
    monkeypatch.setattr(sqlhub, "processConnection", library.connection, raising=False)
    author = pickle.loads(data)
    assert author.name == "Ada"
    library.execute("UPDATE author SET name = 'Grace'")
    assert author.name == "Grace"
    assert in_transaction(lambda: author.name) == "Grace"


def test_one_that_is_pickled_outside_of_requests_is_like_any_other(library, monkeypatch):
    monkeypatch.setattr(sqlhub, "processConnection", library.connection, raising=False)
    data = pickle.dumps(Author.get(1))
    library.execute("UPDATE author SET name = 'Grace'")
    assert library.run(lambda: pickle.loads(data).name) == "Grace"


def test_it_comes_out_of_its_pickle_where_there_is_no_connection(library, monkeypatch):
    data = pickled(library, Author)
    monkeypatch.delattr(sqlhub, "processConnection", raising=False)
    author = pickle.loads(data)
    assert library.run(lambda: author.name) == "Ada"


def test_the_row_of_a_pickle_may_be_gone(library):
    data = pickled(library, Novel)
    library.execute("DELETE FROM novel")

    def handler():
        with pytest.raises(SQLObjectNotFound, match="Novel by the ID 1"):
            _ = pickle.loads(data).title
        return "gone"

    for method in ("GET", "POST"):
        assert library.run(handler, method) == "gone"


def test_a_row_that_was_rolled_back_is_not_there(library):
    def handler():
        novel = Novel(title="lost", author=1)
        doom()
        return pickle.dumps(novel)

    data = library.run(handler, "POST")
    with pytest.raises(SQLObjectNotFound):
        in_transaction(lambda: pickle.loads(data).title, connection=library.connection)


def test_values_that_a_lazy_class_has_not_sent_yet_are_sent_with_its_pickle(library):
    def handler():
        lazy = Lazy.get(1)
        lazy.name = "changed"
        return pickle.dumps(lazy), is_writing()

    # The reading request was run again as a writing one.
    data, writing = library.run(handler)
    assert writing
    assert library.execute("SELECT name FROM lazy") == [("changed",)]
    assert library.run(lambda: pickle.loads(data).name) == "changed"


def test_a_lazy_one_with_unsent_values_cannot_be_pickled_after_its_request(library):
    leaked = []

    def handler():
        leaked.append(Lazy.get(1))
        leaked[-1].name = "changed"

    library.run(handler, "POST")
    with pytest.raises(OutsideItsRequest):
        pickle.dumps(leaked[-1])


def test_what_is_written_through_it_is_seen_through_the_row_s_instance(library):
    data = pickled(library, Author)

    def handler():
        author = Author.get(1)
        other = pickle.loads(data)
        assert author.name == "Ada"
        other.name = "Grace"
        assert author.name == other.name == "Grace"
        other.set(name="Mary")
        assert [one.name for one in Author.select()] == [author.name] == ["Mary"]
        author.name = "Joan"
        return other.name

    # As a reading request it is run again.
    assert library.run(handler) == "Joan"
    assert library.execute("SELECT name FROM author") == [("Joan",)]


def test_what_is_written_through_it_and_rolled_back_is_gone(library):
    author = pickle.loads(pickled(library, Author))

    def handler():
        author.name = "Grace"
        doom()

    library.run(handler, "POST")
    assert library.run(lambda: author.name, "POST") == "Ada"


def test_it_can_be_destroyed(library):
    novel = pickle.loads(pickled(library, Novel))

    def handler():
        assert novel.author.name == "Ada"
        novel.destroySelf()
        return Novel.select().count()

    assert library.run(handler, "POST") == 2


def test_a_class_that_loads_itself_and_one_with_mutable_values_can_be_pickled(library):
    own, values = pickled(library, OwnWay), pickled(library, Pickled)

    def handler():
        one, other = pickle.loads(own), pickle.loads(values)
        return one.name, one.extra, other.data

    assert library.run(handler) == ("own", "made by _init", ["a"])


def test_one_of_a_kept_row_can_be_pickled(library):
    for _ in range(3):
        data = pickled(library, Author)
    assert library.run(lambda: pickle.loads(data).name) == "Ada"


@each_method
def test_a_copy_is_like_one_from_a_pickle(library, method):
    copied = library.run(lambda: copy.deepcopy([Author.get(1)]), method)
    assert library.run(lambda: copied[0].name, method) == "Ada"


def test_an_inherited_row_comes_back_whole(make_site):
    library = make_site(Library, models=(*MODELS, Vessel, Boat))
    library.run(lambda: Boat(name="b", sail="s"), "POST")
    data = pickled(library, Vessel)
    library.execute("UPDATE vessel SET name = 'c'")

    def handler():
        boat = pickle.loads(data)
        return type(boat), boat.name, boat.sail

    for method in ("GET", "POST"):
        assert library.run(handler, method) == (Boat, "c", "s")


def test_without_a_transaction_it_says_what_to_do(library):
    author = pickle.loads(pickled(library, Author))

    @no_transaction
    def handler():
        with pytest.raises(RuntimeError, match="in_transaction"):
            _ = author.name
        return in_transaction(lambda: author.name)

    assert library.run(handler) == "Ada"


def test_its_values_are_read_at_once_and_from_kept_rows(library):
    library.run(lambda: Author.get(1).name)
    author = pickle.loads(pickled(library, Author))
    values, queries = library.counted(lambda: (author.name, author.born.year, author.name))
    assert values == ("Ada", 1815, "Ada")
    # MariaDB keeps no rows.
    assert queries == (1 if library.connection.dbName == "mysql" else 0)
