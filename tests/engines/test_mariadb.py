"""What is MariaDB's own: refusals, lost transactions, lost connections."""

import socket
import sys
import threading
from types import SimpleNamespace

import pytest
from sqlobject import SQLObject, StringCol, dberrors, sqlhub
from tests.test_transaction import Entry, add

from app.transactions.engines.threads import (
    OutcomeUnknown,
    TransactionLost,
    Verdict,
    connection_for,
)
from scripts.lib.serving.ports import free_port
from tests.servers import PASSWORD


class Other(SQLObject):
    name = StringCol()


@pytest.fixture
def engine():
    return "mariadb"


@pytest.fixture
def connection(uri):
    connection = connection_for(uri, timeout=1, statement_timeout=0.5)
    Entry.createTable(connection=connection)
    yield connection
    connection.close()


def run(connection, raw, query):
    """Execute `query` as a request does; returns its rows."""
    cursor = raw.cursor()
    connection._executeRetry(raw, cursor, query)
    return list(cursor.fetchall())


def verdict_of(connection, raw, query):
    with pytest.raises(dberrors.Error) as caught:
        run(connection, raw, query)
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
        raw = connection.begin(is_writing)
        expected = (writing, 0, 1, 0) if is_writing else (reading, 1, 1, 0)
        assert run(connection, raw, SESSION) == [expected]
        connection.commit(raw)
    connection.close()


def test_the_level_of_a_writing_transaction_locks_what_it_reads(connection, server, uri):
    raw = connection.begin(writing=True)
    run(connection, raw, "SELECT * FROM entry")
    query = "SELECT trx_isolation_level FROM information_schema.innodb_trx WHERE trx_rows_locked"
    assert server.execute(query) == [("SERIALIZABLE",)]
    connection.rollback(raw)


def test_timeouts_and_mode_of_the_session(connection):
    names = ("innodb_lock_wait_timeout", "lock_wait_timeout", "max_statement_time", "sql_mode")
    raw = connection.begin(writing=True)
    (found,) = run(connection, raw, f"SELECT {', '.join('@@' + name for name in names)}")
    mode = "STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
    assert found == (1, 1, 0.5, mode)
    assert verdict_of(connection, raw, "SELECT sleep(10)") is Verdict.FAILED
    connection.rollback(raw)


def test_a_request_has_two_round_trips_beside_its_queries(connection, server):
    def questions():
        query = "SHOW GLOBAL STATUS LIKE 'Questions'"
        return int(server.execute(query)[0][1])

    connection.commit(connection.begin(True))
    own = -questions() + questions()
    for kinds, expected in ((True, True), 4), ((False, False), 4), ((True, False), 4):
        before = questions()
        for writing in kinds:
            connection.commit(connection.begin(writing))
        assert questions() - before - own == expected


@pytest.mark.parametrize(
    "query",
    [INSERT.format("a"), "CREATE TABLE t (a INT)", "TRUNCATE entry", "DROP TABLE entry"],
)
def test_the_engine_refuses_writes_and_schema_changes_in_a_reading_transaction(
    connection, server, query
):
    raw = connection.begin(writing=False)
    cursor = raw.cursor()
    with pytest.raises(connection.module.Error) as caught:
        cursor.execute(query)
    assert connection.verdict(caught.value) is Verdict.REFUSED
    assert verdict_of(connection, raw, query) is Verdict.REFUSED
    connection.rollback(raw)


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
    raw = connection.begin(writing=True)
    for query in [*queries, INSERT.format("after")]:
        raw.cursor().execute(query)
    with pytest.raises(TransactionLost):
        connection.commit(raw)
    connection.rollback(raw)
    assert server.execute("SELECT * FROM entry", uri.rpartition("/")[2]) == []


def deadlock(connection):
    """Have the calling thread's transaction chosen as a deadlock's victim; returns it, raw."""
    first = connection.begin(writing=True)
    for name in ("a", "b"):
        run(connection, first, INSERT.format(name))
    connection.commit(first)
    first = connection.begin(writing=True)
    run(connection, first, "UPDATE entry SET number = 1 WHERE name = 'a'")
    locked = threading.Event()

    def other():
        raw = connection.begin(writing=True)
        # More changes than the victim's: InnoDB rolls the smaller transaction back.
        for name in "cdefgh":
            run(connection, raw, INSERT.format(name))
        run(connection, raw, "UPDATE entry SET number = 2 WHERE name = 'b'")
        locked.set()
        run(connection, raw, "UPDATE entry SET number = 2 WHERE name = 'a'")
        connection.commit(raw)

    thread = threading.Thread(target=other)
    thread.start()
    locked.wait(10)
    return first, thread


def test_a_deadlock_is_a_conflict_and_nothing_after_it_is_committed(connection, server, uri):
    raw, thread = deadlock(connection)
    victim = verdict_of(connection, raw, "UPDATE entry SET number = 1 WHERE name = 'b'")
    thread.join()
    assert victim is Verdict.CONFLICT
    run(connection, raw, INSERT.format("after"))
    with pytest.raises(TransactionLost):
        connection.commit(raw)
    connection.rollback(raw)
    query = "SELECT name, number FROM entry WHERE name IN ('a', 'b', 'after')"
    assert server.execute(query, uri.rpartition("/")[2]) == [("a", 2), ("b", 2)]


def test_a_duplicate_is_sqlobjects_error(connection):
    raw = connection.begin(writing=True)
    run(connection, raw, INSERT.format("a"))
    with pytest.raises(dberrors.DuplicateEntryError) as caught:
        run(connection, raw, INSERT.format("a"))
    assert connection.verdict(caught.value) is Verdict.FAILED
    connection.rollback(raw)


def test_a_connection_killed_in_mid_request_is_not_replaced_by_another(site):
    """SQLObject's stock class connects anew, and what comes then is committed by itself."""

    def handler():
        Entry(name="before")
        site.server.end_sessions()
        for _ in range(3):
            with pytest.raises(dberrors.OperationalError):
                Entry(name="after")

    answer = site.request(handler)
    assert answer.status == "503 Service Unavailable"
    assert answer.headers["Retry-After"]
    assert site.names() == []
    assert site.request(add("next")).status == "200 OK"
    assert site.names() == ["next"]


def test_verdicts_of_a_commit(connection):
    raw = connection.begin(writing=True)
    raw.close()
    with pytest.raises(OutcomeUnknown) as caught:
        connection.commit(raw)
    assert connection.verdict(caught.value) is Verdict.UNKNOWN
    assert connection.verdict(KeyError(1213)) is Verdict.FAILED
    connection.rollback(raw)
    assert connection.begin(writing=True) is not raw


def test_a_wrong_login_tells_where_and_not_the_password(uri):
    wrong = connection_for(uri.replace("site:", "nobody:"))
    with pytest.raises(dberrors.OperationalError, match="nobody") as caught:
        wrong.begin(writing=False)
    assert wrong.verdict(caught.value) is Verdict.FAILED
    assert PASSWORD not in str(caught.value)


def test_no_server_and_a_silent_server_are_noticed_in_time(uri):
    nobody = connection_for(f"mysql://site@127.0.0.1:{free_port()}/test")
    with pytest.raises(dberrors.OperationalError) as caught:
        nobody.begin(writing=False)
    assert nobody.verdict(caught.value) is Verdict.GONE
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        mute = connection_for(f"mysql://site@127.0.0.1:{port}/test", connect_timeout=1)
        with pytest.raises(dberrors.OperationalError) as caught:
            mute.begin(writing=False)
    assert mute.verdict(caught.value) is Verdict.GONE


def test_a_connection_is_checked_before_use_when_it_was_idle_for_long(connection, monkeypatch):
    checked = []
    monkeypatch.setattr(type(connection), "check", lambda self, raw: checked.append(raw.ping()))
    for idle, expected in (0, []), (connection.check_after + 1, [None]):
        raw = connection.begin(writing=False)
        connection.commit(raw)
        raw.used -= idle
        assert connection.begin(writing=False) is raw
        connection.rollback(raw)
        assert checked == expected


def test_another_server_than_mariadb_is_refused(uri, monkeypatch):
    other = SimpleNamespace(get_server_info=lambda: "8.0.36", close=lambda: None)
    monkeypatch.setattr(
        "app.transactions.engines.mariadb.MySQLdb.connect", lambda **options: other
    )
    with pytest.raises(dberrors.NotSupportedError, match="MariaDB"):
        connection_for(uri).begin(writing=False)


def test_a_transaction_outside_of_requests_is_serializable(connection):
    transaction = connection.transaction()
    assert transaction.queryAll("SELECT @@tx_isolation, @@autocommit") == (("SERIALIZABLE", 0),)
    transaction.rollback()


def test_a_server_is_reached_by_its_socket(server, uri):
    database = uri.rpartition("/")[2]
    site, _, _ = uri.rpartition("@")
    connection = connection_for(f"{site}@localhost/{database}?unix_socket={server.folder}/socket")
    raw = connection.begin(writing=True)
    assert "socket" in raw.get_host_info()
    connection.rollback(raw)
    connection.close()


def test_a_missing_driver_is_an_error_that_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "MySQLdb", None)
    monkeypatch.delitem(sys.modules, "app.transactions.engines.mariadb", raising=False)
    with pytest.raises(ValueError, match="pip install mysqlclient"):
        connection_for("mysql://site@127.0.0.1/not_asked_for_before")
