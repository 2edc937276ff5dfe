"""Connections to the database that belong to one thread of one process each."""

import os
import signal
import threading

import pytest
from sqlobject import sqlhub

from app.transactions import Verdict, connection_for, transaction_per_request
from tests.contract.internals import begin, commit, execute, rollback
from tests.contract.site import Entry, in_threads


@pytest.fixture
def connection(uri):
    connection = connection_for(uri, timeout=0.05)
    sqlhub.processConnection = connection
    Entry.createTable()
    yield connection
    connection.close()
    del sqlhub.processConnection


def in_a_thread(function):
    """Return what `function()` returns, called in its own thread."""
    return in_threads(function)[0]


def test_one_connection_for_one_uri(uri):
    assert connection_for(uri) is connection_for(uri)


@pytest.mark.parametrize("uri", ["oracle://db", "sqlite:/:memory:", "nonsense"])
def test_a_wrong_uri_is_refused_at_the_start(uri):
    with pytest.raises(ValueError):
        transaction_per_request(uri)


def test_a_thread_gets_the_same_connections_again_and_shares_them_with_no_other(connection):
    def twice():
        raws = []
        for writing in (True, False, True, False):
            raw = begin(connection, writing)
            rollback(connection, raw)
            raws.append(raw)
        return raws

    mine, others = twice(), in_a_thread(twice)
    assert mine[:2] == mine[2:]
    assert others[:2] == others[2:]
    assert not {id(raw) for raw in mine} & {id(raw) for raw in others}


def test_a_thread_that_python_does_not_list_gets_the_same_connection_again(
    connection, monkeypatch
):
    """mod_wsgi's threads are not in threading.enumerate(); SQLite's stock class closes theirs."""
    monkeypatch.setattr("threading.enumerate", list)
    monkeypatch.setattr("sqlobject.sqlite.sqliteconnection.enumerate_threads", list)
    first = connection.getConnection()
    connection.releaseConnection(first)
    in_a_thread(lambda: Entry(name="another thread's"))
    second = connection.getConnection()
    assert second is first
    second.cursor().execute("SELECT 1")
    connection.releaseConnection(second)


def test_a_connection_released_by_another_thread_goes_back_to_its_own(connection):
    raw = connection.getConnection()
    in_a_thread(lambda: connection.releaseConnection(raw))

    def anothers():
        other = connection.getConnection()
        connection.releaseConnection(other)
        return other

    assert in_a_thread(anothers) is not raw
    assert anothers() is raw


def test_a_thread_closes_its_connections_when_it_ends(connection):
    opened = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        in_a_thread(lambda: rollback(connection, begin(connection, True)))
        in_a_thread(lambda: Entry.select().count())
    assert len(os.listdir("/proc/self/fd")) <= opened + 3


def test_a_child_process_has_its_own_connections(connection):
    Entry(name="parent's")
    raw = begin(connection, False)
    assert len(execute(connection, raw, "SELECT * FROM entry")) == 1
    child = os.fork()
    if child == 0:
        try:
            mine = begin(connection, True)
            execute(connection, mine, "SELECT * FROM entry")
            mine.cursor().execute("INSERT INTO entry (name, number) VALUES ('child''s', 0)")
            commit(connection, mine)
            os._exit(0 if mine is not raw else 1)
        except BaseException:
            os._exit(2)
    timer = threading.Timer(20, os.kill, (child, signal.SIGKILL))
    timer.start()
    _, status = os.waitpid(child, 0)
    timer.cancel()
    assert os.waitstatus_to_exitcode(status) == 0
    # The parent's own transaction goes on, with the snapshot that it had.
    assert len(execute(connection, raw, "SELECT * FROM entry")) == 1
    rollback(connection, raw)
    assert Entry.select().count() == 2


@pytest.mark.parametrize(
    "query", ["INSERT INTO entry (name, number) VALUES ('a', 0)", "CREATE TABLE t (a INT)"]
)
def test_the_engine_itself_refuses_a_write_in_a_reading_transaction(connection, query):
    raw = begin(connection, False)
    execute(connection, raw, "SELECT * FROM entry")
    # Without SQLObject: its class is not what refuses it.
    with pytest.raises(connection.module.Error) as caught:
        raw.cursor().execute(query)
    assert connection.verdict(caught.value) is Verdict.REFUSED
    rollback(connection, raw)


def test_an_error_that_is_no_conflict_is_a_failure(connection):
    raw = begin(connection, True)
    with pytest.raises(Exception) as caught:
        execute(connection, raw, "SELECT * FROM nowhere")
    assert connection.verdict(caught.value) is Verdict.FAILED
    assert connection.verdict(KeyError()) is Verdict.FAILED
    rollback(connection, raw)


def test_a_connection_that_cannot_roll_back_is_thrown_away(connection):
    raw = begin(connection, True)
    execute(connection, raw, "SELECT * FROM entry")
    raw.close()
    rollback(connection, raw)
    assert begin(connection, True) is not raw
