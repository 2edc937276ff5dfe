"""SQLite connections that belong to one thread of one process each."""

import os
import signal
import sqlite3
import threading

import pytest
from sqlobject import ForeignKey, SQLObject, StringCol, sqlhub

from app.transactions.engines.sqlite import ThreadSQLiteConnection
from app.transactions.engines.threads import TransactionLost, Verdict, connection_for


class Shelf(SQLObject):
    name = StringCol()
    colour = StringCol(default=None)


class Book(SQLObject):
    shelf = ForeignKey("Shelf", cascade=True)


@pytest.fixture
def connection(tmp_path):
    connection = connection_for(f"sqlite://{tmp_path}/site.db", timeout=0.05)
    sqlhub.processConnection = connection
    for model in (Shelf, Book):
        model.createTable()
    yield connection
    connection.close()
    del sqlhub.processConnection


def in_a_thread(function):
    """Return what `function()` returns, called in a thread of its own."""
    result = []
    thread = threading.Thread(target=lambda: result.append(function()))
    thread.start()
    thread.join()
    return result[0]


def pragmas(raw):
    names = ("journal_mode", "foreign_keys", "synchronous", "busy_timeout", "query_only")
    return [raw.execute(f"PRAGMA {name}").fetchone()[0] for name in names]


@pytest.mark.parametrize(("writing", "query_only"), [(True, 0), (False, 1)])
def test_a_requests_connection_is_durable_enforces_foreign_keys_and_waits(
    connection, writing, query_only
):
    raw = connection.begin(writing)
    assert pragmas(raw) == ["wal", 1, 2, 50, query_only]
    connection.rollback(raw)


def test_one_connection_for_one_uri(tmp_path):
    uri = f"sqlite://{tmp_path}/site.db"
    assert connection_for(uri) is connection_for(uri)


def test_a_thread_keeps_its_connections_and_shares_them_with_no_other(connection):
    def twice():
        raws = []
        for writing in (True, False, True, False):
            raw = connection.begin(writing)
            connection.rollback(raw)
            raws.append(raw)
        return raws

    mine, others = twice(), in_a_thread(twice)
    assert mine[:2] == mine[2:]
    assert others[:2] == others[2:]
    assert not {id(raw) for raw in mine} & {id(raw) for raw in others}


def test_a_thread_that_python_does_not_list_keeps_its_connection(connection, monkeypatch):
    """mod_wsgi's threads are not in threading.enumerate(); the stock class closes theirs."""
    monkeypatch.setattr("threading.enumerate", list)
    monkeypatch.setattr("sqlobject.sqlite.sqliteconnection.enumerate_threads", list)
    first = connection.getConnection()
    connection.releaseConnection(first)
    in_a_thread(lambda: Shelf(name="another thread's"))
    second = connection.getConnection()
    assert second is first
    second.execute("SELECT 1")
    connection.releaseConnection(second)


def test_a_connection_released_by_another_thread_goes_back_to_its_own(connection):
    raw = connection.getConnection()
    in_a_thread(lambda: connection.releaseConnection(raw))
    assert in_a_thread(connection.getConnection) is not raw
    assert connection.getConnection() is raw


def test_a_thread_closes_its_connections_when_it_ends(connection):
    opened = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        in_a_thread(lambda: connection.rollback(connection.begin(True)))
        in_a_thread(lambda: Shelf.select().count())
    assert len(os.listdir("/proc/self/fd")) <= opened + 3


def test_a_child_process_has_connections_of_its_own(connection):
    Shelf(name="parent's")
    raw = connection.begin(False)
    child = os.fork()
    if child == 0:
        try:
            mine = connection.begin(True)
            mine.execute("INSERT INTO shelf (name) VALUES ('child''s')")
            connection.commit(mine)
            os._exit(0 if mine is not raw and raw.in_transaction else 1)
        except BaseException:
            os._exit(2)
    timer = threading.Timer(20, os.kill, (child, signal.SIGKILL))
    timer.start()
    _, status = os.waitpid(child, 0)
    timer.cancel()
    assert os.waitstatus_to_exitcode(status) == 0
    connection.rollback(raw)
    assert Shelf.select().count() == 2


def test_a_stock_transaction_reads_one_snapshot(connection):
    """sqlite3's own BEGIN comes before a write only, so stock reads are not in a transaction."""
    Shelf(name="a")
    transaction = connection.transaction()
    assert Shelf.select(connection=transaction).count() == 1
    in_a_thread(lambda: Shelf(name="b").id)
    assert Shelf.select(connection=transaction).count() == 1
    transaction.commit()
    assert Shelf.select(connection=transaction).count() == 2
    transaction.rollback()


def test_the_engine_itself_refuses_a_write_in_a_reading_transaction(connection):
    raw = connection.begin(writing=False)
    for query in ("INSERT INTO shelf (name) VALUES ('a')", "CREATE TABLE t (a)"):
        with pytest.raises(sqlite3.OperationalError) as caught:
            raw.execute(query)
        assert connection.verdict(caught.value) is Verdict.REFUSED
    connection.rollback(raw)


def test_a_lock_that_is_not_had_in_time_is_a_conflict(connection):
    raw = connection.begin(writing=True)

    def another():
        with pytest.raises(sqlite3.OperationalError) as caught:
            connection.begin(writing=True)
        return connection.verdict(caught.value)

    assert in_a_thread(another) is Verdict.CONFLICT
    connection.rollback(raw)


def test_any_other_error_is_a_failure(connection):
    raw = connection.begin(writing=True)
    with pytest.raises(sqlite3.Error) as caught:
        raw.execute("SELECT * FROM nowhere")
    assert connection.verdict(caught.value) is Verdict.FAILED
    assert connection.verdict(KeyError()) is Verdict.FAILED
    connection.rollback(raw)


def test_commit_raises_when_sqlite_has_rolled_back_by_itself(connection):
    raw = connection.begin(writing=True)
    raw.execute("INSERT OR ROLLBACK INTO shelf (id, name) VALUES (1, 'a')")
    with pytest.raises(sqlite3.IntegrityError):
        raw.execute("INSERT OR ROLLBACK INTO shelf (id, name) VALUES (1, 'b')")
    with pytest.raises(TransactionLost):
        connection.commit(raw)


def test_a_connection_that_cannot_roll_back_is_thrown_away(connection):
    raw = connection.begin(writing=True)
    raw.close()
    connection.rollback(raw)
    assert connection.begin(writing=True) is not raw
    connection.close()


def test_dropping_a_table_or_column_keeps_the_rows_that_refer_to_it(connection):
    Book(shelf=Shelf(name="a", colour="red"))
    Shelf.sqlmeta.delColumn("colour", changeSchema=True)
    assert Book.select().count() == 1
    Shelf.sqlmeta.addColumn(StringCol("colour", default=None), changeSchema=True)
    Shelf.dropTable(cascade=True)
    assert Book.select().count() == 1
    Book.get(1).destroySelf()
    assert Book.select().count() == 0


def test_a_file_system_without_wal_is_refused(tmp_path, monkeypatch):
    class WithoutWal(sqlite3.Connection):
        def execute(self, query, *parameters):
            return super().execute(query.replace("journal_mode=WAL", "journal_mode"), *parameters)

    connection = ThreadSQLiteConnection(str(tmp_path / "site.db"))
    connection._connOptions["factory"] = WithoutWal
    with pytest.raises(sqlite3.OperationalError, match="local file system"):
        connection.begin(writing=False)


def test_a_database_in_memory_is_refused():
    with pytest.raises(ValueError, match="memory"):
        connection_for("sqlite:/:memory:")
