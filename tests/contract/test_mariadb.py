"""What only MariaDB does: refusals, lost transactions, lost connections."""

import socket
import sys
import threading
from types import SimpleNamespace

import pytest
from sqlobject import SQLObject, StringCol, dberrors, sqlhub

from app.transactions import OutcomeUnknown, TransactionLost, Verdict, connection_for
from scripts.lib.serving.ports import free_port
from tests.contract.internals import (
    MARIADB_MODULE,
    MYSQLDB_CONNECT,
    begin,
    checks_watched,
    commit,
    execute,
    make_idle,
    rollback,
)
from tests.contract.site import Entry
from tests.servers import PASSWORD

pytestmark = pytest.mark.engines("mariadb")


class Other(SQLObject):
    name = StringCol()


@pytest.fixture
def connection(uri):
    connection = connection_for(uri, timeout=1, statement_timeout=0.5)
    Entry.createTable(connection=connection)
    yield connection
    connection.close()


def verdict_of(connection, raw, query):
    with pytest.raises(dberrors.Error) as caught:
        execute(connection, raw, query)
    return connection.verdict(caught.value)


INSERT = "INSERT INTO entry (name, number) VALUES ('{}', 0)"
SESSION = "SELECT @@tx_isolation, @@tx_read_only, @@in_transaction, @@autocommit"


@pytest.mark.parametrize(
    ("options", "reading", "writing"),
    [
        ({}, "REPEATABLE-READ", "SERIALIZABLE"),
        (
            {"reading_level": "read committed", "writing_level": "read committed"},
            "READ-COMMITTED",
            "READ-COMMITTED",
        ),
    ],
)
def test_each_kind_of_request_runs_at_its_level_in_any_order(uri, options, reading, writing):
    connection = connection_for(uri, **options)
    for is_writing in (True, False, False, True, True, False):
        raw = begin(connection, is_writing)
        expected = (writing, 0, 1, 0) if is_writing else (reading, 1, 1, 0)
        assert execute(connection, raw, SESSION) == [expected]
        commit(connection, raw)
    connection.close()


def test_the_level_of_a_writing_transaction_locks_what_it_reads(connection, server, uri):
    raw = begin(connection, True)
    execute(connection, raw, "SELECT * FROM entry")
    query = "SELECT trx_isolation_level FROM information_schema.innodb_trx WHERE trx_rows_locked"
    assert server.execute(query) == [("SERIALIZABLE",)]
    rollback(connection, raw)


def test_timeouts_and_mode_of_the_session(connection):
    names = ("innodb_lock_wait_timeout", "lock_wait_timeout", "max_statement_time", "sql_mode")
    raw = begin(connection, True)
    (found,) = execute(connection, raw, f"SELECT {', '.join('@@' + name for name in names)}")
    mode = "STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
    assert found == (1, 1, 0.5, mode)
    assert verdict_of(connection, raw, "SELECT sleep(10)") is Verdict.FAILED
    rollback(connection, raw)


def test_a_request_has_two_round_trips_beside_its_queries(connection):
    """Counted by the server for this session; other sessions may just be ending."""

    def questions():
        raw = begin(connection, True)
        [(_, count)] = execute(connection, raw, "SHOW SESSION STATUS LIKE 'Questions'")
        rollback(connection, raw)
        return int(count)

    own = -questions() + questions()
    for kinds in (True, True), (False, False), (True, False):
        before = questions()
        for writing in kinds:
            commit(connection, begin(connection, writing))
        assert questions() - before - own == 2 * len(kinds)


@pytest.mark.parametrize(
    "query",
    [INSERT.format("a"), "CREATE TABLE t (a INT)", "TRUNCATE entry", "DROP TABLE entry"],
)
def test_the_engine_refuses_writes_and_schema_changes_in_a_reading_transaction(
    connection, server, query
):
    raw = begin(connection, False)
    cursor = raw.cursor()
    with pytest.raises(connection.module.Error) as caught:
        cursor.execute(query)
    assert connection.verdict(caught.value) is Verdict.REFUSED
    assert verdict_of(connection, raw, query) is Verdict.REFUSED
    rollback(connection, raw)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_schema_change_in_a_request_is_refused_before_it_commits(site, method):
    def handler():
        Entry(name="a")
        Other.createTable(connection=sqlhub.threadConnection)

    assert site.request(handler, method).status == "500 Internal Server Error"
    assert site.names() == []
    assert site.execute("SHOW TABLES") == [("entry",)]


@pytest.mark.parametrize(
    "query",
    [
        "/* a * comment */ -- another\n# and one\nCREATE TABLE t (a INT)",
        "CHECK TABLE entry",
        "ANALYZE LOCAL TABLE entry",
        "SET @@autocommit=1",
        "EXECUTE IMMEDIATE 'COMMIT'",
    ],
)
def test_a_statement_that_commits_is_refused_however_it_is_written(site, query):
    def handler():
        Entry(name="a")
        sqlhub.threadConnection.query(query)

    assert site.request(handler).status == "500 Internal Server Error"
    assert site.names() == []


@pytest.mark.parametrize(
    "queries",
    [["CREATE TABLE t (a INT)"], ["COMMIT"], ["COMMIT", "START TRANSACTION"], ["ROLLBACK"]],
)
def test_a_transaction_that_the_raw_connection_has_ended_is_lost(connection, server, uri, queries):
    raw = begin(connection, True)
    for query in [*queries, INSERT.format("after")]:
        raw.cursor().execute(query)
    with pytest.raises(TransactionLost):
        commit(connection, raw)
    rollback(connection, raw)
    assert server.execute("SELECT * FROM entry", uri.rpartition("/")[2]) == []


def deadlock(connection):
    """Have a deadlock end the calling thread's transaction; returns its driver's connection."""
    first = begin(connection, True)
    for name in ("a", "b"):
        execute(connection, first, INSERT.format(name))
    commit(connection, first)
    first = begin(connection, True)
    execute(connection, first, "UPDATE entry SET number = 1 WHERE name = 'a'")
    locked = threading.Event()

    def other():
        raw = begin(connection, True)
        # More changes than the victim's: InnoDB rolls the smaller transaction back.
        for name in "cdefgh":
            execute(connection, raw, INSERT.format(name))
        execute(connection, raw, "UPDATE entry SET number = 2 WHERE name = 'b'")
        locked.set()
        execute(connection, raw, "UPDATE entry SET number = 2 WHERE name = 'a'")
        commit(connection, raw)

    thread = threading.Thread(target=other)
    thread.start()
    locked.wait(10)
    return first, thread


def test_a_deadlock_is_a_conflict_and_nothing_after_it_is_committed(connection, server, uri):
    raw, thread = deadlock(connection)
    victim = verdict_of(connection, raw, "UPDATE entry SET number = 1 WHERE name = 'b'")
    thread.join()
    assert victim is Verdict.CONFLICT
    execute(connection, raw, INSERT.format("after"))
    with pytest.raises(TransactionLost):
        commit(connection, raw)
    rollback(connection, raw)
    query = "SELECT name, number FROM entry WHERE name IN ('a', 'b', 'after')"
    assert server.execute(query, uri.rpartition("/")[2]) == [("a", 2), ("b", 2)]


def test_a_duplicate_is_sqlobjects_error(connection):
    raw = begin(connection, True)
    execute(connection, raw, INSERT.format("a"))
    with pytest.raises(dberrors.DuplicateEntryError) as caught:
        execute(connection, raw, INSERT.format("a"))
    assert connection.verdict(caught.value) is Verdict.FAILED
    rollback(connection, raw)


def test_verdicts_of_a_commit(connection):
    raw = begin(connection, True)
    raw.close()
    with pytest.raises(OutcomeUnknown) as caught:
        commit(connection, raw)
    assert connection.verdict(caught.value) is Verdict.UNKNOWN
    assert connection.verdict(KeyError(1213)) is Verdict.FAILED
    rollback(connection, raw)
    assert begin(connection, True) is not raw


def test_a_wrong_login_tells_where_and_not_the_password(uri):
    wrong = connection_for(uri.replace("site:", "nobody:"))
    with pytest.raises(dberrors.OperationalError, match="nobody") as caught:
        begin(wrong, False)
    assert wrong.verdict(caught.value) is Verdict.FAILED
    assert PASSWORD not in str(caught.value)


def test_no_server_and_a_silent_server_are_noticed_in_time(uri):
    nobody = connection_for(f"mysql://site@127.0.0.1:{free_port()}/test")
    with pytest.raises(dberrors.OperationalError) as caught:
        begin(nobody, False)
    assert nobody.verdict(caught.value) is Verdict.GONE
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        mute = connection_for(f"mysql://site@127.0.0.1:{port}/test", connect_timeout=1)
        with pytest.raises(dberrors.OperationalError) as caught:
            begin(mute, False)
    assert mute.verdict(caught.value) is Verdict.GONE


def test_a_connection_is_checked_before_use_when_it_was_idle_for_long(connection, monkeypatch):
    with checks_watched(connection, monkeypatch) as checked:
        for idle, expected in (0, []), (connection.check_after + 1, [None]):
            raw = begin(connection, False)
            commit(connection, raw)
            make_idle(raw, idle)
            assert begin(connection, False) is raw
            rollback(connection, raw)
            assert checked == expected


def test_a_server_that_is_not_mariadb_is_refused(uri, monkeypatch):
    other = SimpleNamespace(get_server_info=lambda: "8.0.36", close=lambda: None)
    monkeypatch.setattr(MYSQLDB_CONNECT, lambda **options: other)
    with pytest.raises(dberrors.NotSupportedError, match="MariaDB"):
        begin(connection_for(uri), False)


def test_a_transaction_outside_of_requests_is_serializable(connection):
    transaction = connection.transaction()
    assert transaction.queryAll("SELECT @@tx_isolation, @@autocommit") == (("SERIALIZABLE", 0),)
    transaction.rollback()


def test_a_server_is_reached_by_its_socket(server, uri):
    database = uri.rpartition("/")[2]
    site, _, _ = uri.rpartition("@")
    connection = connection_for(f"{site}@localhost/{database}?unix_socket={server.folder}/socket")
    raw = begin(connection, True)
    assert "socket" in raw.get_host_info()
    rollback(connection, raw)
    connection.close()


def test_a_missing_driver_is_an_error_that_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "MySQLdb", None)
    monkeypatch.delitem(sys.modules, MARIADB_MODULE, raising=False)
    with pytest.raises(ValueError, match="pip install mysqlclient"):
        connection_for("mysql://site@127.0.0.1/not_asked_for_before")


def test_options_that_would_change_text_are_refused(uri):
    with pytest.raises(ValueError, match="charset"):
        connection_for(f"{uri}?charset=latin1")
