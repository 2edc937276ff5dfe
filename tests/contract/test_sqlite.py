"""What only SQLite does: locks on the whole file, pragmas, transactions that it ends by itself."""

import os
import resource
import sqlite3
from pathlib import Path

import pytest
from formencode import Invalid
from sqlobject import ForeignKey, IntCol, SQLObject, StringCol, dberrors, sqlhub
from sqlobject.inheritance import InheritableSQLObject

from app.transactions import TransactionLost, Verdict, connection_for
from app.transactions.engines.sqlite import Engine as SQLiteEngine
from app.transactions.engines.sqlite.session import SQLiteSession
from tests.contract.internals import begin, commit, raw_connection, rollback
from tests.contract.site import Entry, in_threads

pytestmark = pytest.mark.engines("sqlite")


class Rack(SQLObject):
    name = StringCol()
    colour = StringCol(default=None)


class Tome(SQLObject):
    rack = ForeignKey("Rack", cascade=True)


class Creature(InheritableSQLObject):
    name = StringCol()
    number = IntCol(default=0)


@pytest.fixture
def connection(uri):
    connection = connection_for(uri, timeout=0.05)
    sqlhub.processConnection = connection
    for model in (Rack, Tome):
        model.createTable()
    yield connection
    connection.close()
    del sqlhub.processConnection


def pragmas(raw):
    names = ("journal_mode", "foreign_keys", "synchronous", "busy_timeout", "query_only")
    return [raw.execute(f"PRAGMA {name}").fetchone()[0] for name in names]


@pytest.mark.parametrize(("writing", "query_only"), [(True, 0), (False, 1)])
def test_a_requests_connection_is_durable_enforces_foreign_keys_and_waits(
    connection, writing, query_only
):
    raw = begin(connection, writing)
    assert pragmas(raw) == ["wal", 1, 2, 50, query_only]
    rollback(connection, raw)


def test_a_stock_transaction_reads_one_snapshot(connection):
    """sqlite3's own BEGIN comes before a write only, so stock reads are not in a transaction."""
    Rack(name="a")
    transaction = connection.transaction()
    assert Rack.select(connection=transaction).count() == 1
    in_threads(lambda: Rack(name="b").id)
    assert Rack.select(connection=transaction).count() == 1
    transaction.commit()
    assert Rack.select(connection=transaction).count() == 2
    transaction.rollback()


def test_a_lock_that_does_not_come_in_time_is_a_conflict(connection):
    raw = begin(connection, True)

    def another():
        with pytest.raises(sqlite3.OperationalError) as caught:
            begin(connection, True)
        return connection.verdict(caught.value)

    assert in_threads(another) == [Verdict.CONFLICT]
    rollback(connection, raw)


def test_commit_raises_when_sqlite_has_rolled_back_by_itself(connection):
    raw = begin(connection, True)
    raw.execute("INSERT OR ROLLBACK INTO rack (id, name) VALUES (1, 'a')")
    with pytest.raises(sqlite3.IntegrityError):
        raw.execute("INSERT OR ROLLBACK INTO rack (id, name) VALUES (1, 'b')")
    with pytest.raises(TransactionLost):
        commit(connection, raw)


def test_a_transaction_that_sqlite_has_ended_is_not_acknowledged(site):
    def handler():
        Entry(name="a")
        # What SQLite does by itself on a full disk or an I/O error.
        raw_connection().execute("ROLLBACK")
        return "as if"

    assert site.request(handler).status.startswith("500")
    assert site.names() == []


def test_a_full_disk_is_not_acknowledged(site, caplog):
    def handler():
        raw = sqlhub.threadConnection.getConnection()
        Entry(name="a")
        (pages,) = raw.execute("PRAGMA page_count").fetchone()
        raw.execute(f"PRAGMA max_page_count={pages}")
        try:
            for number in range(1000):
                Entry(name=f"{number}".rjust(50))
        except dberrors.OperationalError:
            pass
        return "as if"

    response = site.request(handler)
    assert (response.status[:3], response.data) == ("503", b"%b\n" % Verdict.FULL.value.encode())
    assert f"{site.connection.filename}: database or disk is full; there is no" in caplog.text
    assert site.names() == []


def test_a_disk_that_fails_during_commit_leaves_the_outcome_unknown(site, caplog):
    """The log's file cannot grow."""
    site.request(lambda: Entry(name="a") and "made")
    size = os.stat(f"{site.connection.filename}-wal").st_size

    def handler():
        Entry(name="b")
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        response = site.request(handler)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (response.status[:3], "Retry-After" in response.headers) == ("503", False)
    assert b"may have succeeded" in response.data
    assert "its disk fails" in caplog.text
    assert site.request(lambda: Entry(name="c") and "made").data == b"made"
    assert site.names() == ["a", "c"]


def test_dropping_a_table_or_column_leaves_the_rows_that_refer_to_it(connection):
    Tome(rack=Rack(name="a", colour="red"))
    Rack.sqlmeta.delColumn("colour", changeSchema=True)
    assert Tome.select().count() == 1
    Rack.sqlmeta.addColumn(StringCol("colour", default=None), changeSchema=True)
    Rack.dropTable(cascade=True)
    assert Tome.select().count() == 1
    Tome.get(1).destroySelf()
    assert Tome.select().count() == 0


def test_a_request_may_add_a_column_and_drop_it(make_site):
    site = make_site(models=[Rack])

    def handler(change, *column):
        def handle():
            change(*column, changeSchema=True)
            Rack(name="a")
            return str([name for (name, *_) in sqlhub.getConnection().table_columns("rack")])

        return site.request(handle)

    dropped = handler(Rack.sqlmeta.delColumn, "colour")
    assert (dropped.status, dropped.data) == ("200 OK", b"['id', 'name']")
    added = handler(Rack.sqlmeta.addColumn, StringCol("colour", default=None))
    assert (added.status, added.data) == ("200 OK", b"['id', 'name', 'colour']")
    assert site.execute("SELECT name, colour FROM rack") == [("a", None), ("a", None)]


def test_a_file_system_without_wal_is_refused(tmp_path):
    class WithoutWal(SQLiteSession):
        def execute(self, query, *parameters):
            return super().execute(query.replace("journal_mode=WAL", "journal_mode"), *parameters)

    connection = SQLiteEngine(str(tmp_path / "site.db"))
    connection._connOptions["factory"] = WithoutWal
    with pytest.raises(sqlite3.OperationalError, match="local file system"):
        begin(connection, False)


def test_a_database_in_memory_is_refused():
    with pytest.raises(ValueError, match="memory"):
        connection_for("sqlite:/:memory:")


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("cls", [Entry, Creature])
def test_an_error_at_a_row_that_somebody_holds_pins_no_snapshot(make_site, cls, method):
    """Such as a log that shows the error later, with its traceback and so the query."""
    site = make_site(models=(Entry, Creature), timeout=1)
    site.request(lambda: [cls(name=name) for name in "abc"] and "made")
    table = cls.sqlmeta.table
    site.execute(f"UPDATE {table} SET number = 'no number' WHERE name = 'b'")
    kept = []

    def fail():
        with pytest.raises(Invalid) as error:
            list(cls.select())
        kept.append(error)

    assert site.request(fail, method).status == "200 OK"
    site.execute(f"UPDATE {table} SET number = 1 WHERE name = 'a'")
    assert site.request(lambda: str(cls.get(1).number), method).data == b"1"
    assert len(kept) == 1


@pytest.mark.parametrize(("method", "kept"), [("GET", 100), ("GET", 0), ("POST", 100)])
def test_after_a_request_nothing_is_read_any_more(make_site, method, kept):
    """Otherwise the cursor of a thread would hold back the log, which grows with each commit."""
    site = make_site(cache_rows=kept)
    site.request(lambda: [Entry(name=name) for name in "abc"] and "made")
    for _ in range(3):
        assert site.request(lambda: Entry.get(1).name, method).data == b"a"
        assert site.request(lambda: str(Entry.select().count()), method).data == b"3"
    other = sqlite3.connect(site.connection.filename)
    other.execute("UPDATE entry SET number = number + 1")
    other.commit()
    [busy, *pages] = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    other.close()
    assert (busy, pages) == (0, [0, 0])


def test_a_file_that_is_gone_is_not_created_and_nothing_acknowledged_is_lost(
    make_site, uri, caplog
):
    """A new thread has no session yet, and the log is still there."""
    path = Path(uri.removeprefix("sqlite://"))
    path.touch()
    site = make_site(create=False)
    site.request(lambda: Entry(name="a") and "made")
    away = path.rename(f"{path}-away")

    def ask(method):
        return site.request(lambda: Entry.get(1).name, method)

    for answer in in_threads(lambda: ask("GET"), lambda: ask("POST")):
        assert answer.status == "503 Service Unavailable"
        assert answer.headers["Retry-After"] == "1"
    assert f"{path} is not there: put the database back in its place" in caplog.text
    assert not path.exists()
    away.rename(path)
    assert [answer.data for answer in in_threads(lambda: ask("GET"), lambda: ask("POST"))] == [
        b"a",
        b"a",
    ]
