"""What goes past the transactions: an old hook, a connection of its own. Refused where certain."""

import gc
from itertools import count

import pytest
import web
from sqlobject import SQLObject, StringCol, connectionForURI, sqlhub
from sqlobject.dbconnection import ConnectionHub

from app.transactions import connection_for, transaction_per_request
from tests.contract.internals import warnings_forgotten
from tests.contract.site import Entry, add, no_transaction

# SQLObject's own connection to MariaDB.
pytestmark = pytest.mark.filterwarnings("ignore:The reconnect parameter:DeprecationWarning")

_numbers = count(1)


@pytest.fixture(autouse=True)
def forgotten():
    """As in a process in which nothing was warned of yet."""
    with warnings_forgotten():
        yield


@pytest.fixture
def stock(uri):
    """SQLObject's own connection to the same database."""
    connection = connectionForURI(uri)
    yield connection
    connection.close()


@pytest.fixture
def other_uri(server):
    return server.new_database()


@pytest.fixture
def other(other_uri):
    """SQLObject's own connection to another database, which has the table of Entry."""
    connection = connectionForURI(other_uri)
    Entry.createTable(connection=connection)
    yield connection
    connection.close()


@pytest.fixture
def bound():
    """Make a class whose connection is `connection`; it is gone after the test."""
    made = []

    def make(connection):
        class Bound(SQLObject):
            class sqlmeta:
                registry = f"bound {next(_numbers)}"

            _connection = connection
            name = StringCol()

        made.append(Bound)
        return Bound

    yield make
    for cls in made:
        cls.setConnection(sqlhub)
    made.clear()
    gc.collect()


def old_hook(connection):
    """What people have in their applications, by the recipe or like it."""

    def hook(handler):
        transaction = connection.transaction()
        sqlhub.threadConnection = transaction
        try:
            return handler()
        finally:
            transaction.commit(close=True)

    return hook


def test_an_old_hook_inside_ours_is_refused_before_it_commits_anything(site, stock, capsys):
    site.app.add_processor(old_hook(stock))
    assert site.request(add()).status.startswith("500")
    assert "remove the hook" in capsys.readouterr().err
    assert site.names() == []
    assert no_transaction()


def test_an_old_load_hook_is_refused(site, stock, capsys):
    def load():
        sqlhub.threadConnection = stock

    site.app.add_processor(web.loadhook(load))
    assert site.request(add(), "GET").status.startswith("500")
    assert "remove the hook" in capsys.readouterr().err
    assert site.names() == []


def test_taking_the_transaction_away_is_refused(site, capsys):
    def handler():
        del sqlhub.threadConnection

    assert site.request(handler).status.startswith("500")
    assert "remove the hook" in capsys.readouterr().err
    assert no_transaction()


def test_an_old_hook_around_ours_is_warned_of_once_and_gets_nothing_to_commit(
    make_site, stock, caplog
):
    site = make_site()
    site.app.processors.insert(2, old_hook(stock))
    if site.connection.dbName != "sqlite":
        stock.query("SELECT 1")
        caplog.clear()
    for _ in range(2):
        assert site.request(add(then=ZeroDivisionError)).status.startswith("500")
    assert site.names() == []
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "threadConnection" in caplog.text
    del sqlhub.threadConnection


@pytest.mark.parametrize("own", [False, True])
def test_a_class_with_a_connection_to_the_same_database_has_the_processor_refused(
    uri, stock, bound, own
):
    bound(connection_for(uri) if own else stock)
    with pytest.raises(RuntimeError, match=r"Bound: .*remove `_connection"):
        transaction_per_request(uri)


def test_a_class_that_is_made_later_has_each_request_refused(site, stock, bound, capsys):
    assert bound(stock)
    for _ in range(2):
        assert site.request(add()).status.startswith("500")
        assert "remove `_connection" in capsys.readouterr().err
    assert site.names() == []


def test_a_class_with_a_hub_of_its_own_is_seen_through(uri, stock, bound):
    hub = ConnectionHub()
    hub.processConnection = stock
    bound(hub)
    with pytest.raises(RuntimeError, match="remove `_connection"):
        transaction_per_request(uri)


def test_a_class_with_a_connection_to_another_database_is_warned_of_once(
    make_site, other, bound, caplog
):
    bound(other)
    site = make_site()
    for _ in range(2):
        assert site.request(add(str(_))).status.startswith("200")
    [record] = caplog.records
    assert "Bound has a connection of its own" in record.message


def test_a_connection_of_sqlobject_s_own_to_the_same_database_is_refused_in_a_request(
    site, stock, capsys
):
    """An instance at module level, read with it, goes past the request with each change."""
    site.request(add())
    kept = Entry.get(1, connection=stock)

    def reads():
        return kept.name

    def writes():
        kept.name = "b"

    def lists():
        return str(list(Entry.select(connection=stock)))

    def begins():
        transaction = stock.transaction()
        Entry(name="c", connection=transaction)

    for handler in (reads, writes, lists, begins):
        assert site.request(handler).status.startswith("500")
        assert "another connection" in capsys.readouterr().err
    assert site.names() == ["a"]
    assert kept.name == "a"


def test_outside_of_requests_it_is_what_it_always_was_and_warned_of_once(site, stock, caplog):
    """As a thread of an old application uses the one that it has always had."""
    Entry(name="a", connection=stock)
    assert Entry.get(1, connection=stock).name == "a"
    assert site.names() == ["a"]
    [record] = caplog.records
    assert "in_transaction(function)" in record.message
    assert "test_bypass.py" in record.stack_info


def test_one_to_another_database_outside_of_requests_is_not_warned_of(site, other, caplog):
    assert site.request(add()).data == b"added"
    Entry(name="a", connection=other)
    assert caplog.records == []


def test_a_connection_to_another_database_is_warned_of_once(site, other, other_uri, caplog):
    def handler():
        Entry(name="there", connection=other)
        Entry(name="here")
        raise ZeroDivisionError

    site.request(handler)
    [record] = caplog.records
    assert "another database" in record.message
    assert "test_bypass.py" in record.stack_info
    assert site.names() == []
    assert Entry.selectBy(name="there", connection=other).count() == 1


def test_a_connection_of_sqlobject_s_own_as_the_process_s_is_warned_of_once(site, stock, caplog):
    sqlhub.processConnection = stock
    for name in ("a", "b"):
        site.request(add(name))
    del sqlhub.processConnection
    [record] = caplog.records
    assert "processConnection" in record.message
    assert site.names() == ["a", "b"]


def test_an_application_without_any_of_this_is_not_warned(site, caplog):
    site.request(add())
    site.request(add("b"), "GET")
    assert caplog.records == []
