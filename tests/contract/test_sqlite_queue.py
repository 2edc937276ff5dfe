"""Writers of a SQLite database stand in a queue, and whatever ends a transaction ends a turn."""

import contextlib
import gc
import os
import sqlite3

import pytest
import web
from sqlobject import sqlhub

from app.transactions import connection_for, doom, in_transaction, no_transaction, savepoint
from tests.contract.internals import (
    begin,
    commit,
    only_connections,
    raw_connection,
    rollback,
    watched,
)
from tests.contract.queue_process import is_free, queue_file, turn_taken
from tests.contract.site import Entry, in_threads, inside

pytestmark = pytest.mark.engines("sqlite")


@pytest.fixture
def file(uri):
    """The queue's file of the site's database."""
    return queue_file(uri)


@pytest.fixture
def has_turn(file):
    """Called in a transaction: write, and note that it has the turn."""
    seen = []

    def has_turn():
        Entry(name=f"{len(seen)}")
        assert not is_free(file)
        seen.append(True)

    yield has_turn
    assert seen


def returns(site):
    pass


def answers_an_error(site):
    web.ctx.status = "500 Internal Server Error"


def redirects(site):
    raise web.seeother("/")


def raises(site):
    raise ZeroDivisionError


def is_stopped(site):
    raise KeyboardInterrupt


def dooms(site):
    doom()


def writes_what_is_refused_at_commit(site):
    sqlhub.getConnection().query("PRAGMA defer_foreign_keys=ON")
    sqlhub.getConnection().query("INSERT INTO child VALUES (99)")


def swallows_an_error(site):
    with contextlib.suppress(Exception):
        sqlhub.getConnection().query("SELECT * FROM nowhere")


def is_rolled_back_by_sqlite(site):
    raw_connection().execute("ROLLBACK")


def loses_its_connection(site):
    sqlite3.Connection.close(raw_connection())


def has_the_drivers_connection(site):
    sqlhub.getConnection().getConnection().execute("INSERT INTO child VALUES (NULL)")


def fails_in_a_savepoint(site):
    with contextlib.suppress(ZeroDivisionError), savepoint():
        raise ZeroDivisionError


def leaves_what_no_server_can_send(site):
    web.header("X", "\u20ac")


ENDS = [
    returns, answers_an_error, redirects, raises, is_stopped, dooms,
    writes_what_is_refused_at_commit, swallows_an_error, is_rolled_back_by_sqlite,
    loses_its_connection, has_the_drivers_connection, fails_in_a_savepoint,
    leaves_what_no_server_can_send,
]  # fmt: skip
each_end = pytest.mark.parametrize("then", ENDS, ids=lambda then: then.__name__)


@pytest.fixture
def site(make_site):
    site = make_site(timeout=1)
    site.execute("CREATE TABLE child (entry INT REFERENCES entry (id))")
    return site


@each_end
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_each_end_of_a_request_ends_its_turn(site, file, has_turn, then, method):
    def handler():
        has_turn()
        then(site)
        return "done"

    with contextlib.suppress(KeyboardInterrupt):
        site.request(handler, method)
    assert is_free(file)


@pytest.mark.parametrize("then", [returns, raises, is_stopped, is_rolled_back_by_sqlite])
def test_each_end_of_in_transaction_ends_its_turn(site, file, has_turn, then):
    def work():
        has_turn()
        then(site)

    with contextlib.suppress(BaseException):
        in_transaction(work, connection=site.connection)
    assert is_free(file)


@pytest.mark.parametrize("then", [returns, raises])
def test_a_stream_that_is_held_back_ends_its_turn(site, file, has_turn, then):
    def handler():
        has_turn()
        yield "chunk"
        then(site)

    site.request(handler)
    assert is_free(file)


@pytest.mark.parametrize("chunks", [1, 2, 3])
def test_a_stream_that_is_sent_at_once_has_its_turn_to_its_end(make_site, file, has_turn, chunks):
    """Whether it is read to its end, or dropped."""
    site = make_site(stream_writes=True)

    def handler():
        has_turn()
        yield "a"
        yield "b"

    answer = site.start(handler)
    for _ in range(chunks):
        assert not is_free(file)
        next(answer, None)
    del answer
    gc.collect()
    assert is_free(file)


def test_a_stream_that_another_thread_drops_ends_its_turn(make_site, file, has_turn):
    site = make_site(stream_writes=True)

    def handler():
        has_turn()
        yield "a"
        yield "b"

    answers = []
    in_threads(lambda: (answers.append(site.start(handler)), next(answers[0])))
    with contextlib.suppress(Exception):
        answers.clear()
    gc.collect()
    assert is_free(file)


def test_a_separate_transaction_has_its_own_turn(site, file, has_turn):
    @no_transaction
    def handler():
        for _ in range(2):
            in_transaction(has_turn)
            assert is_free(file)
        return "done"

    with only_connections(site.connection):
        assert site.request(handler).data == b"done"


def test_neither_a_savepoint_nor_a_request_inside_ends_the_turn(site, file, has_turn):
    def handler():
        has_turn()
        with savepoint():
            Entry(name="in a savepoint")
        with contextlib.suppress(ZeroDivisionError), savepoint():
            Entry(name="undone")
            raise ZeroDivisionError
        inside(site, lambda: Entry(name="inside") and "made")
        assert not is_free(file)
        return "done"

    assert site.request(handler).data == b"done"


@pytest.mark.parametrize("end", [commit, rollback])
def test_the_turn_lasts_until_the_engine_has_ended_the_transaction(
    connection, file, end, monkeypatch
):
    raw = begin(connection, True)
    seen = []
    leave = raw.let_go
    with monkeypatch.context() as patched:
        patched.setattr(
            raw, "let_go", lambda: (seen.append((raw.in_transaction, is_free(file))), leave())
        )
        end(connection, raw)
    assert seen == [(False, False)]
    assert is_free(file)


@pytest.mark.parametrize("how", ["the thread ends", "the connection is closed"])
def test_a_thread_that_goes_in_the_middle_of_a_transaction_ends_its_turn(connection, file, how):
    def go():
        begin(connection, True)
        assert not is_free(file)
        if how == "the connection is closed":
            connection.close()
            assert is_free(file)

    in_threads(go)
    assert is_free(file)


def test_a_transaction_that_does_not_begin_ends_its_turn(uri, file):
    connection = connection_for(uri, timeout=0.1)
    raw = begin(connection, True)
    rollback(connection, raw)
    with contextlib.closing(sqlite3.connect(connection.filename, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="database is locked: .* `timeout`"):
            begin(connection, True)
        assert is_free(file)
    connection.close()


def test_sqlite_waits_for_the_rest_of_the_time_only(uri, file):
    connection = connection_for(uri, timeout=0.2)
    raw = begin(connection, True)
    rollback(connection, raw)
    with watched(connection, raw) as sent:
        rollback(connection, begin(connection, True))
        assert sent == ["BEGIN IMMEDIATE", "ROLLBACK"]
        sent.clear()
        with turn_taken(file):
            begin(connection, True)
    shortened, restored = "PRAGMA busy_timeout=0", "PRAGMA busy_timeout=200"
    assert sent == [shortened, "BEGIN IMMEDIATE", restored]
    connection.close()


def test_a_table_is_dropped_with_cascade_in_a_turn(connection, file, monkeypatch):
    Entry.createTable()
    seen = []

    def look(raw):
        raw.set_trace_callback(lambda sent: seen.append((sent, is_free(file))))
        return raw

    get = connection.getConnection
    monkeypatch.setattr(connection, "getConnection", lambda: look(get()))
    Entry.dropTable(cascade=True)
    assert ("DROP TABLE entry", False) in seen
    assert is_free(file)


def test_no_descriptor_of_the_queue_is_left_with_the_last_session(uri):
    connection = connection_for(uri)
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    rollback(connection, begin(connection, True))
    assert len(os.listdir("/proc/self/fd")) > before
    connection.close()
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before
