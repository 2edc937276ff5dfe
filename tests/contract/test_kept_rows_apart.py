"""Queries and classes for which kept rows would be wrong use none."""

import threading
import time

import pytest
from sqlobject import (
    DateTimeCol,
    JSONCol,
    PickleCol,
    SQLObject,
    SQLRelatedJoin,
    StringCol,
    sqlhub,
)
from sqlobject.sqlbuilder import Alias

from app.transactions import savepoint
from tests.contract.internals import SQLITE_SESSION, attaching, kept_rows, sent_for
from tests.contract.library import Author, Library, Novel, name, titles
from tests.contract.site import POSTGRES


class Elsewhere(SQLObject):
    class sqlmeta:
        table = "elsewhere.thing"

    name = StringCol()


class Changing(SQLObject):
    """Its columns can be changed in place."""

    pickled = PickleCol(default=None)
    json = JSONCol(default=None)
    plain = StringCol(default="plain")


class Friend(SQLObject):
    name = StringCol()
    friends = SQLRelatedJoin(
        "Friend", joinColumn="friend", otherColumn="of_friend", intermediateTable="friends"
    )


class Dated(SQLObject):
    at = DateTimeCol()


@pytest.fixture
def elsewhere(tmp_path, server):
    """The path of a database to attach; as another process `rename` changes the name in it."""

    class Path(type(tmp_path)):
        def rename(self, name):
            server.execute(f"UPDATE thing SET name = '{name}'", self.name)

    path = Path(tmp_path / "elsewhere.db")
    server.execute("CREATE TABLE thing (id INTEGER PRIMARY KEY, name TEXT)", path.name)
    server.execute("INSERT INTO thing VALUES (1, 'first')", path.name)
    return path


def attach_by_query(path):
    sqlhub.threadConnection.query(f"ATTACH DATABASE '{path}' AS elsewhere")


def attach_by_the_driver(path):
    sqlhub.threadConnection.getConnection().execute(f"ATTACH DATABASE '{path}' AS elsewhere")


def both_ways():
    listed = [one.name for one in Elsewhere.select()]
    return [Elsewhere.get(1).name, *listed, Novel.get(1).title]


@pytest.mark.engines("sqlite")
@pytest.mark.parametrize("attach", [attach_by_query, attach_by_the_driver])
def test_a_class_on_a_database_that_a_request_attaches_shows_what_is_there(
    library, elsewhere, attach
):
    def handler():
        attach(elsewhere)
        return both_ways()

    for number in range(4):
        elsewhere.rename(number)
        assert library.run(handler) == [str(number), str(number), "novel 0"]


@pytest.mark.engines("sqlite")
def test_a_class_on_a_database_that_is_attached_to_every_session_shows_what_is_there(
    make_site, elsewhere, monkeypatch
):
    monkeypatch.setattr(SQLITE_SESSION, attaching(elsewhere, "elsewhere"))
    library = make_site(Library)
    for number in range(4):
        elsewhere.rename(number)
        assert library.run(both_ways) == [str(number), str(number), "novel 0"]
    assert library.run(kept_rows) is None


COUNTS = """
CREATE FUNCTION counted(int) RETURNS bigint VOLATILE LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_sleep(0.2);
    RETURN (SELECT count(*) FROM author);
END $$
"""


@pytest.mark.engines(*POSTGRES)
@pytest.mark.parametrize("spelling", ["counted(id)", 'public . "counted" (id)', "COUNTED\n(id)"])
def test_a_list_whose_clause_calls_a_volatile_function_is_of_one_snapshot(library, spelling):
    library.execute(COUNTS)
    for _ in range(4):
        library.run(titles)

    def commit():
        time.sleep(0.3)
        library.execute("INSERT INTO author (name) VALUES ('Grace')")

    def handler():
        thread = threading.Thread(target=commit)
        thread.start()
        found = list(Novel.select(f"{spelling} = 1"))
        thread.join()
        return len(found)

    assert library.run(handler) == 3


@pytest.mark.engines(*POSTGRES)
@pytest.mark.parametrize(
    "now",
    [
        "now()",
        "CURRENT_TIMESTAMP",
        "localtimestamp",
        "transaction_timestamp()",
        "'now'::timestamptz",
        "CAST('now' AS timestamptz)",
        "timestamptz ' NOW '",
    ],
)
def test_the_time_stands_still_within_a_request(library, now):
    for _ in range(4):
        library.run(titles)
    [(limit,)] = library.execute("SELECT (now() + interval '0.3 s')::text")

    def handler():
        clause = f"{now} < '{limit}'::timestamptz"
        found = len(list(Novel.select(clause)))
        time.sleep(0.4)
        return found, len(list(Novel.select(clause)))

    assert library.run(handler) == (3, 3)


@pytest.mark.engines(*POSTGRES)
def test_a_column_compared_with_the_word_now_has_the_time_stand_still(library):
    """Its type tells PostgreSQL that the text is a time."""
    Dated.createTable(connection=library.connection)
    library.execute("INSERT INTO dated (at) VALUES (localtimestamp + interval '0.5 s')")
    for _ in range(4):
        library.run(lambda: list(Dated.select()))

    def handler():
        found = len(list(Dated.select("at > 'now'")))
        time.sleep(0.6)
        return found, len(list(Dated.select("at > 'now'")))

    assert library.run(handler) == (1, 1)


# The test does not see what psycopg2 sends without its cursors.
@pytest.mark.engines("sqlite", "postgres")
@pytest.mark.parametrize(
    "clause",
    ["title IN ('novel 0', 'novel 1')", "(pages = 0) AND (id < 9 OR NOT (id = 1))", "title = 'f'"],
)
def test_a_clause_without_a_call_needs_no_transaction(library, clause):
    for _ in range(4):
        library.run(titles)
    assert "BEGIN" not in " ".join(sent_for(library, lambda: list(Novel.select(clause))))


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_column_changed_in_place_is_as_in_the_database_once_it_is_selected_again(
    library, method
):
    Changing.createTable(connection=library.connection)

    def fill():
        Changing(pickled=["a"], json={"a": 1})
        Changing(pickled=["b"], json={"b": 1})
        Changing()

    library.run(fill, "POST")

    def values():
        return [(one.pickled, one.json, one.plain) for one in Changing.select(orderBy="id")]

    def handler():
        seen = []
        for _ in range(4):
            seen.append(values())
            for one in Changing.select():
                if one.pickled:
                    one.pickled.append("in place")
                    one.json["in place"] = 1
        return seen

    whole = [(["a"], {"a": 1}, "plain"), (["b"], {"b": 1}, "plain"), (None, None, "plain")]
    for _ in range(3):
        assert library.run(handler, method) == [whole] * 4


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_alias_of_a_class_can_be_listed(library, method):
    alias = Alias(Novel, "other")

    def handler():
        listed = [one.title for one in alias.select(orderBy=alias.q.title)]
        pairs = Novel.select(
            (Novel.q.pages == alias.q.pages) & (Novel.q.id < alias.q.id), orderBy=Novel.q.id
        )
        return listed, [one.id for one in pairs], alias.select(alias.q.id > 1).count()

    for _ in range(4):
        expected = (["novel 0", "novel 1", "novel 2"], [1, 1, 2], 2)
        assert library.run(handler, method) == expected


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_join_of_a_class_to_itself_can_be_listed(library, method):
    Friend.createTable(connection=library.connection)

    def fill():
        ada, grace, mary = Friend(name="Ada"), Friend(name="Grace"), Friend(name="Mary")
        ada.addFriend(grace)
        ada.addFriend(mary)
        grace.addFriend(ada)

    library.run(fill, "POST")

    def handler():
        ada = Friend.get(1)
        friends = sorted(one.name for one in ada.friends)
        again = [one for friend in ada.friends for one in friend.friends]
        return friends, ada.friends.count(), [one is ada for one in again]

    for _ in range(4):
        assert library.run(handler, method) == (["Grace", "Mary"], 2, [True])
    library.execute("UPDATE friend SET name = 'Hopper' WHERE id = 2")
    assert library.run(handler, method)[0] == ["Hopper", "Mary"]


FAILURES = {
    "division": "SELECT 1 / (SELECT count(*) - count(*) FROM novel)",
    "syntax": "SELEC 1",
    "no such table": "SELECT * FROM missing",
    "timeout": "SELECT pg_sleep(10)",
}


def fail(failure):
    """Send a query that fails, as the first one; and go on."""
    with pytest.raises(Exception, match=r".") as caught:
        sqlhub.threadConnection.queryAll(FAILURES[failure])
    return type(caught.value).__name__


@pytest.mark.engines(*POSTGRES)
@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("again", [False, True])
def test_after_a_first_query_that_fails_no_kept_row_is_used(make_site, failure, again):
    library = make_site(Library, statement_timeout=0.2)
    for _ in range(4):
        library.run(lambda: (name(), titles()))
    library.execute("UPDATE author SET name = 'Grace'")
    library.execute("UPDATE novel SET title = 'new'")

    def handler():
        fail(failure)
        seen = []
        for read in (name, titles) if again else (titles, name):
            try:
                seen.append(read())
            except Exception as error:
                # PostgreSQL refuses everything after an error.
                seen.append(type(error).__name__)
        return seen

    for value in library.run(handler):
        assert "Ada" not in value and "novel 0" not in value
    assert library.run(lambda: (name(), titles())) == ("Grace", ["new"] * 3)


@pytest.mark.engines(*POSTGRES)
@pytest.mark.parametrize("failure", FAILURES)
def test_a_row_that_was_used_before_a_first_query_that_fails_is_of_the_same_instant(
    make_site, failure
):
    library = make_site(Library, statement_timeout=0.2)
    for _ in range(4):
        library.run(name)
    runs = []

    def handler():
        before = name()
        if not runs:
            library.execute("UPDATE author SET name = 'Grace'")
        runs.append(before)
        fail(failure)
        try:
            return before, Author.get(1).name
        except Exception:
            return before, None

    before, after = library.run(handler)
    assert after in (before, None)
    assert library.run(name) == "Grace"


@pytest.mark.engines(*POSTGRES)
@pytest.mark.parametrize("failure", FAILURES)
def test_after_a_savepoint_around_a_first_query_that_fails_rows_are_of_the_snapshot(
    make_site, failure
):
    library = make_site(Library, statement_timeout=0.2)
    for _ in range(4):
        library.run(lambda: (name(), titles()))
    library.execute("UPDATE author SET name = 'Grace'")

    def handler():
        with pytest.raises(Exception, match="."), savepoint():
            sqlhub.threadConnection.queryAll(FAILURES[failure])
        first = name()
        library.execute("UPDATE author SET name = 'Mary'")
        return first, name(), [one.name for one in Author.select()]

    assert library.run(handler) == ("Grace", "Grace", ["Grace"])
