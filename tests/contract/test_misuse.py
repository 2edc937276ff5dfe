"""A request that would wait for itself, or bypass its transaction, is refused with the cure."""

import contextlib
import time

import pytest
import web
from sqlobject import sqlhub

from app.transactions import connection_for, in_transaction, on_commit
from tests.contract.site import POSTGRES, Entry, add, no_transaction
from tests.servers import session

# How long a request would wait for a lock: the test would notice that it waits for itself.
PATIENCE = 60


@pytest.fixture
def site(make_site, monkeypatch):
    site = make_site(timeout=PATIENCE)
    monkeypatch.setattr(sqlhub, "processConnection", site.connection, raising=False)
    return site


def refused(site, use, match):
    """Whether `use()`, in a request that has written, is refused at once and the write stays."""

    def handler():
        Entry(name="a")
        began = time.monotonic()
        with pytest.raises(RuntimeError, match=match):
            use()
        assert time.monotonic() - began < PATIENCE / 2
        return "refused"

    return site.request(handler).data == b"refused" and site.names() == ["a"]


def test_another_transaction_after_a_write_is_refused_at_once(site):
    message = r"a connection other than.*transaction\(\).*savepoint"
    assert refused(site, lambda: sqlhub.processConnection.transaction(), message)


def test_the_request_s_own_connection_refuses_another_transaction_too(site):
    message = "one transaction already.*savepoint"
    assert refused(site, lambda: sqlhub.getConnection().transaction(), message)


def test_another_transaction_of_the_same_database_is_refused_whatever_its_options(site):
    other = connection_for(site.uri, timeout=PATIENCE - 1)
    try:
        assert refused(site, other.transaction, "a connection other than")
    finally:
        other.close()


@pytest.mark.parametrize("name", ["getConnection", "makeConnection"])
@pytest.mark.engines("sqlite")
def test_another_connection_to_the_file_that_is_locked_is_refused_at_once(site, name):
    assert refused(site, getattr(site.connection, name), "a connection other than")


@pytest.mark.parametrize(
    "use",
    [
        lambda connection: Entry(name="b", connection=connection),
        lambda connection: Entry.get(1, connection=connection),
        lambda connection: list(Entry.select(connection=connection)),
        lambda connection: connection.query("INSERT INTO entry (name) VALUES ('b')"),
    ],
)
def test_the_process_s_connection_past_the_request_s_transaction_is_refused(site, use):
    """Its writes would stay even if the request is rolled back."""
    assert refused(site, lambda: use(sqlhub.processConnection), "a connection other than")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_process_s_connection_is_refused_before_the_transaction_has_begun(site, method):
    def handler():
        Entry(name="b", connection=sqlhub.processConnection)

    assert site.request(handler, method).status.startswith("500")
    assert site.names() == []


def begins(connection):
    transaction = connection.transaction()
    Entry(name="past", connection=transaction)
    transaction.commit(close=True)


def takes(connection):
    raw = connection.getConnection()
    raw.cursor().execute("INSERT INTO entry (name, number) VALUES ('past', 0)")
    raw.commit()
    connection.releaseConnection(raw)


def makes(connection):
    raw = connection.makeConnection()
    raw.cursor().execute("INSERT INTO entry (name, number) VALUES ('past', 0)")
    raw.commit()
    raw.close()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("use", [begins, takes, makes])
@pytest.mark.parametrize("before", [lambda: None, lambda: Entry.select().count()])
def test_nothing_of_the_process_s_connection_bypasses_a_request(site, use, method, before, capsys):
    def handler():
        before()
        use(sqlhub.processConnection)
        raise ZeroDivisionError

    assert site.request(handler, method).status.startswith("500")
    assert "savepoint" in capsys.readouterr().err
    assert site.names() == []
    assert no_transaction()


def before_the_request(site, function):
    """Have `function()` called by a processor that comes before ours."""

    def hook(handler):
        function()
        return handler()

    site.app.processors.insert(2, hook)


def test_a_transaction_that_is_older_than_the_request_is_refused_in_it(site, capsys):
    begun = []
    before_the_request(site, lambda: begun.append(site.connection.transaction()))

    def handler():
        Entry(name="past", connection=begun[0])

    assert site.request(handler).status.startswith("500")
    assert "a connection other than" in capsys.readouterr().err
    begun[0].rollback()
    assert site.names() == []


@pytest.mark.engines("sqlite")
def test_a_request_does_not_wait_for_a_transaction_that_its_thread_has_begun(site):
    begun = []

    def begin():
        begun.append(site.connection.transaction())
        Entry(name="other", connection=begun[0])

    before_the_request(site, begin)

    def handler():
        began = time.monotonic()
        with pytest.raises(RuntimeError, match="connection.transaction"):
            Entry(name="a")
        assert time.monotonic() - began < PATIENCE / 2
        return "refused"

    # The request itself has caught an error.
    assert site.request(handler).status.startswith("500")
    begun[0].rollback()
    assert site.names() == []
    del site.app.processors[2]
    assert site.request(add("next")).data == b"added"


@pytest.mark.parametrize("end", [lambda one: one.commit(close=True), lambda one: one.rollback()])
def test_a_transaction_that_has_ended_is_in_nobody_s_way(site, end):
    ended = []

    def begin():
        other = site.connection.transaction()
        Entry(name="other", connection=other)
        end(other)
        ended.append(site.names())

    before_the_request(site, begin)
    assert site.request(add()).data == b"added"
    assert site.names() == [*ended[0], "a"]


@pytest.mark.engines("sqlite", *POSTGRES)
def test_a_transaction_that_only_reads_is_in_nobody_s_way(site):
    begun = []

    def begin():
        begun.append(site.connection.transaction())
        Entry.select(connection=begun[0]).count()

    before_the_request(site, begin)
    assert site.request(add()).data == b"added"
    begun[0].rollback()
    assert site.names() == ["a"]


@pytest.mark.parametrize("use", [begins, takes, makes])
def test_another_transaction_after_the_request_is_as_ever(site, use):
    def handler():
        Entry(name="a")
        on_commit(lambda: use(site.connection))
        return "added"

    assert site.request(handler).data == b"added"
    assert site.names() == ["a", "past"]


def test_do_in_transaction_in_a_request_is_refused_with_the_cure(site):
    assert refused(site, lambda: sqlhub.doInTransaction(add("b")), "savepoint")


def test_in_transaction_in_a_request_is_refused_with_the_cure(site):
    assert refused(site, lambda: in_transaction(add("b")), "savepoint")


# How long a session of the test's own waits for a lock.
SHORT = {
    "sqlite": "PRAGMA busy_timeout=50",
    "postgres": "SET lock_timeout='50ms'",
    "mysql": "SET innodb_lock_wait_timeout=1",
}


@contextlib.contextmanager
def hooked(site, hook):
    """The site with `hook` in place of the processor."""
    site.app.processors[:] = [hook]
    yield site


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "hook",
    [
        lambda load_sqlo: web.loadhook(load_sqlo),
        lambda load_sqlo: web.unloadhook(load_sqlo),
        lambda load_sqlo: web.loadhook(lambda: load_sqlo()),
        lambda load_sqlo: lambda handler: (load_sqlo(), handler())[1],
    ],
)
def test_a_load_hook_is_refused_before_anything_is_written(site, hook, method, monkeypatch):
    with hooked(site, hook(site.processor)):
        monkeypatch.delattr(sqlhub, "processConnection")
        with pytest.raises(RuntimeError, match="add_processor"):
            raise _error_of(site, method)
    assert site.names() == []
    assert no_transaction()


def _error_of(site, method):
    """The error with which a request ends; web.py shows it to nobody."""
    caught = []

    def outermost(handler):
        try:
            return handler()
        except BaseException as error:
            caught.append(error)
            raise

    site.app.processors.insert(0, outermost)
    assert site.request(add(), method).status.startswith("500")
    error = caught[0]
    return error.__context__ if isinstance(error, web.HTTPError) else error


def test_an_unload_hook_is_refused_after_a_stream_too(site, monkeypatch):
    with hooked(site, web.unloadhook(site.processor)):
        monkeypatch.delattr(sqlhub, "processConnection")
        with pytest.raises(RuntimeError, match="add_processor"):
            site.request(lambda: iter(["chunk"]))


def test_load_sqlo_in_a_request_that_has_a_transaction_changes_nothing(site):
    def handler():
        site.processor()
        return add()()

    assert site.request(handler).data == b"added"
    assert site.names() == ["a"]


def test_a_wait_that_the_bundle_cannot_see_is_given_up_and_nothing_acknowledged(make_site):
    """A connection that the driver has opened waits for the lock of its own request."""
    site = make_site(timeout=1, attempts=1)
    site.request(add("a"))

    def handler():
        Entry.get(1).number = 1
        raw = session(site.server, site.database)
        with contextlib.closing(raw):
            raw.cursor().execute(SHORT[site.connection.dbName])
            raw.cursor().execute("UPDATE entry SET number = 2 WHERE id = 1")
            raw.commit()
        return "as if"

    assert site.request(handler).status.startswith("50")
    assert site.execute("SELECT number FROM entry") == [(0,)]
