"""What bypasses the transactions, such as an old hook: it is refused where that is certain."""

import gc
import re
from itertools import count

import pytest
import web
from sqlobject import SQLObject, StringCol, connectionForURI, sqlhub
from sqlobject.dbconnection import ConnectionHub

from app.transactions import connection_for, in_transaction, transaction_per_request
from tests.contract.internals import place_of, warnings_forgotten
from tests.contract.site import SERVERS, Entry, add, in_threads, no_transaction

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
    """Define a class whose connection is `connection`; it is gone after the test."""
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
    """The hook of an application, from the recipe or like it."""

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


def test_a_class_that_is_defined_later_has_each_request_refused(site, stock, bound, capsys):
    assert bound(stock)
    for _ in range(2):
        assert site.request(add()).status.startswith("500")
        assert "remove `_connection" in capsys.readouterr().err
    assert site.names() == []


def test_a_class_with_its_own_hub_is_seen_through(uri, stock, bound):
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
    """Each change of a module-level instance that was read with it would bypass the request."""
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
        assert "a connection other than" in capsys.readouterr().err
    assert site.names() == ["a"]
    assert kept.name == "a"


def test_outside_of_requests_it_is_what_it_always_was_and_warned_of_once(site, stock, caplog):
    """As in a thread of an old application."""
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


class Writes:
    """A page of an application beside the site's, which has no processor."""

    def POST(self):
        Entry(name="half")
        raise ZeroDivisionError


class Streams:
    def GET(self):
        yield "first"
        Entry(name="half")
        yield "second"


class Takes:
    def POST(self):
        raw = sqlhub.processConnection.getConnection()
        raw.cursor().execute("INSERT INTO entry (name, number) VALUES ('half', 0)")
        raw.commit()


class Asks:
    """A request inside a request empties web.ctx."""

    def POST(self):
        before = web.ctx.copy()
        web.application(("/", "nobody"), {}, autoreload=False).request("/elsewhere")
        try:
            Entry(name="half")
        finally:
            web.ctx.update(before)


BESIDE = ("/", Writes, "/streams", Streams, "/takes", Takes, "/asks", Asks)


@pytest.fixture
def of_process(site, monkeypatch):
    """The site, whose connection is that of the process, as it is where there is one processor."""
    monkeypatch.setattr(sqlhub, "processConnection", site.connection, raising=False)
    return site


def application(*mapping):
    made = web.application(mapping, autoreload=False)
    made.internalerror = web.webapi._InternalError
    return made


def refused(site, app, capsys, path="/", method="POST"):
    """Whether `app`, asked for `path`, refuses what is done with models there."""
    try:
        status = app.request(path, method=method).status
    except RuntimeError as error:
        # In the middle of a stream.
        assert "add_processor(load_sqlo)" in str(error)
        status = "500"
    else:
        assert "add_processor(load_sqlo)" in capsys.readouterr().err
    return status.startswith("500") and site.names() == []


@pytest.mark.parametrize("path", ["/", "/takes", "/asks"])
def test_an_application_beside_the_site_s_has_its_models_refused(of_process, path, capsys):
    """Such as the second one of a dispatcher over two applications."""
    assert refused(of_process, application(*BESIDE), capsys, path)
    assert of_process.request(add()).data == b"added"


def test_a_stream_of_an_application_beside_the_site_s_is_refused(of_process, capsys):
    assert refused(of_process, application(*BESIDE), capsys, "/streams", "GET")


def test_an_application_around_the_site_s_has_its_models_refused(of_process, capsys):
    around = application("/site", of_process.app, *BESIDE)
    assert refused(of_process, around, capsys)
    answer = around.request("/site/", method="POST", env={"tests.handler": add()})
    assert answer.data == b"added"


def test_an_application_that_a_handler_asks_in_a_thread_is_refused(of_process):
    beside = application(*BESIDE)

    def handler():
        [answer] = in_threads(lambda: beside.request("/", method="POST"))
        return answer.status

    assert of_process.request(handler).data.startswith(b"500")
    assert of_process.names() == []


def test_an_application_whose_list_of_processors_was_replaced_is_refused(of_process, capsys):
    beside = application(*BESIDE)
    beside.add_processor(of_process.processor)
    beside.processors = beside.processors[:2]
    assert refused(of_process, beside, capsys)


def test_a_processor_before_web_py_s_own_is_refused(of_process, capsys):
    def audit(handler):
        Entry(name="audit")
        return handler()

    of_process.app.processors.insert(0, audit)
    assert refused(of_process, of_process.app, capsys)


def test_a_processor_between_web_py_s_and_ours_is_outside_of_the_transaction(of_process, caplog):
    """It works as before, with one warning, because its writes stay even after a rollback."""

    def audit(handler):
        Entry(name=f"audit {Entry.select().count()}")
        return handler()

    of_process.app.processors.insert(2, audit)
    for _ in range(2):
        assert of_process.request(add(f"{_}", ZeroDivisionError)).status.startswith("500")
    assert of_process.names() == ["audit 0", "audit 1"]
    [record] = caplog.records
    assert "in_transaction(function)" in record.message


def test_a_thread_whose_last_answer_was_not_read_to_its_end_may_use_models(of_process):
    beside = application("/", type("Page", (), {"GET": lambda self: "text"}))
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}
    unread = beside.wsgifunc()(environ, lambda *_: None)
    assert "env" in web.ctx
    assert Entry.select().count() == 0
    del unread
    web.ctx.clear()


def changes():
    Entry.get(1).number += 1


def inserts():
    Entry(name="b")


def deletes():
    Entry.delete(1)


@pytest.mark.parametrize("change", [changes, inserts, deletes])
def test_a_thread_that_changes_rows_without_a_transaction_is_warned_of_once(
    of_process, change, caplog
):
    of_process.request(add())

    def handler():
        in_threads(change)
        return "started"

    assert of_process.request(handler, "GET").data == b"started"
    [record] = caplog.records
    assert "in_transaction(function)" in record.message
    assert "test_bypass.py" in record.stack_info
    in_threads(lambda: Entry(name="once more"))
    assert len(caplog.records) == 1


def test_a_thread_that_reads_or_has_a_transaction_is_not_warned_of(of_process, caplog):
    def begins():
        transaction = of_process.connection.transaction()
        Entry(name="c", connection=transaction)
        transaction.commit(close=True)

    of_process.request(add())
    in_threads(lambda: Entry.get(1).name, lambda: in_transaction(changes))
    in_threads(begins)
    assert caplog.records == []


def test_a_process_that_serves_no_requests_is_not_warned_of(of_process, caplog):
    """Such as a script or a shell."""
    Entry(name="a")
    changes()
    assert caplog.records == []


@pytest.mark.parametrize("own", [False, True])
def test_a_transaction_of_another_database_is_warned_of_once(site, other_uri, other, own, caplog):
    elsewhere = connection_for(other_uri) if own else other

    def handler():
        transaction = elsewhere.transaction()
        Entry(name="there", connection=transaction)
        transaction.commit(close=True)
        Entry(name="here")
        raise ZeroDivisionError

    site.request(handler)
    [record] = caplog.records
    assert "another database" in record.message
    assert site.names() == []
    assert Entry.selectBy(name="there", connection=elsewhere).count() == 1
    elsewhere.close()


@pytest.mark.engines(*SERVERS)
@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1"])
def test_the_same_server_by_another_name_of_this_machine_is_refused(site, uri, host, capsys):
    stock = connectionForURI(re.sub("@[^/:?]*", f"@{host}", uri))

    def handler():
        Entry(name="a", connection=stock)

    assert site.request(handler).status.startswith("500")
    assert "a connection other than" in capsys.readouterr().err
    assert site.names() == []
    stock.close()


@pytest.mark.parametrize("scheme", ["postgres", "mysql"])
@pytest.mark.parametrize(
    ("host", "same"),
    [
        ("", True),
        ("localhost", True),
        ("localhost.", True),
        ("127.0.0.1", True),
        ("[::1]", True),
        ("db.example.org", False),
        ("10.0.0.1", False),
    ],
)
def test_the_names_of_this_machine_are_one_place(scheme, host, same):
    site = connectionForURI(f"{scheme}://u:p@localhost/d")
    other = connectionForURI(f"{scheme}://u:p@{host}/d")
    assert (place_of(site) == place_of(other)) is same
