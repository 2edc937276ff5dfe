"""What only PostgreSQL does: conflicts at COMMIT, COMMIT answered ROLLBACK, PgBouncer."""

import contextlib
import sys
import threading

import pytest
from sqlobject import dberrors, sqlhub

from app.transactions import connection_for, savepoint
from app.transactions.engines.postgres import Engine as PostgresEngine
from tests.contract.internals import (
    close_as_the_driver_does,
    is_writing,
    raw_connection,
    sent_for,
)
from tests.contract.site import POSTGRES, Entry, Site, add, database_of, in_threads
from tests.servers import pgbouncer

pytestmark = pytest.mark.engines(*POSTGRES)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_connection_that_the_driver_has_found_closed_is_replaced(site, method):
    """As it does when it receives the end of the session behind the answer to a COMMIT."""
    site.request(add("a"))
    raws = []

    def handler():
        raws.append(raw_connection())
        return Entry.get(1).name

    for _ in range(2):
        assert site.request(handler, method).data == b"a"
        close_as_the_driver_does(raws[-1])
    assert raws[0] is not raws[1]


@pytest.mark.engines("postgres")
def test_begin_goes_out_with_the_first_query(make_site):
    site = make_site(cache_rows=0)
    site.request(add("a"))
    [read] = sent_for(site, lambda: Entry.get(1).name)
    assert read.startswith("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;SELECT")
    first, write, commit = sent_for(site, lambda: Entry.get(1).set(number=7), "POST")
    assert first.startswith("BEGIN ISOLATION LEVEL SERIALIZABLE;LOCK")
    assert (
        "SELECT pg_current_xact_id();SELECT" in first
        and write.startswith("UPDATE")
        and commit == "COMMIT"
    )


def limit():
    # Not by its whole name, which the connection would notice.
    query = "SELECT setting FROM pg_settings WHERE name LIKE 'statement_timeou_'"
    return sqlhub.threadConnection.queryOne(query)[0]


@pytest.mark.engines("postgres")
def test_without_a_pooler_the_limits_are_not_set_in_each_transaction(make_site):
    site = make_site(statement_timeout=7)
    site.request(add("a"))
    assert not any("SET" in sent for sent in sent_for(site, lambda: Entry.get(1).name))
    assert site.request(limit).data == b"7000"


@pytest.mark.parametrize(
    "change",
    [
        "SET statement_timeout = 0",
        "reset all",
        "SELECT set_config('statement_timeout', '0', false)",
    ],
)
@pytest.mark.parametrize("through", ["sqlobject", "driver"])
def test_a_limit_that_a_handler_has_changed_holds_again_in_the_next_request(
    make_site, change, through
):
    site = make_site(statement_timeout=7)

    def handler():
        if through == "driver":
            sqlhub.threadConnection.getConnection().cursor().execute(change)
        else:
            sqlhub.threadConnection.query(change)
        return limit()

    for method in ("POST", "GET"):
        assert site.request(limit, method).data == b"7000"
        assert site.request(handler, method).data == b"0"
        assert site.request(limit, method).data == b"7000"


def test_a_conflict_at_commit_is_run_again(site):
    """Both have read and written before either commits, so the second fails at its COMMIT."""
    reached = threading.Barrier(2)
    runs = []

    def taker(name):
        def handler():
            count = Entry.select().count()
            runs.append(name)
            if runs.count(name) == 1:
                reached.wait(10)
            if count == 0:
                Entry(name=name)
            if runs.count(name) == 1:
                reached.wait(10)

        return lambda: site.request(handler)

    in_threads(taker("a"), taker("b"))
    assert len(site.names()) == 1
    assert len(runs) == 3


def test_writers_of_two_rows_of_a_small_table_do_not_conflict(site):
    """They do where the planner goes through the table, as with PostgreSQL's own settings."""
    rows = "SELECT 'entry ' || n, 0 FROM generate_series(1, 300) AS n"
    site.execute(f"INSERT INTO entry (name, number) {rows}")
    # A page has room for a changed row, so that the index is left alone.
    site.execute("DELETE FROM entry WHERE id % 3 = 0")
    site.execute("VACUUM ANALYZE entry")
    reached = threading.Barrier(2)
    runs = []

    def adder(number):
        def handler():
            runs.append(number)
            entry = Entry.get(number)
            if len(runs) <= 2:
                reached.wait(10)
            entry.number = entry.number + 1
            if len(runs) <= 2:
                reached.wait(10)

        return lambda: site.request(handler)

    in_threads(adder(1), adder(2))
    assert sorted(runs) == [1, 2]


def test_commit_of_a_failed_transaction_is_not_acknowledged(site):
    """The error came up on the raw connection, so only the answer to COMMIT tells of it."""

    def handler():
        Entry(name="a")
        cursor = sqlhub.threadConnection.getConnection().cursor()
        with contextlib.suppress(site.connection.module.Error):
            cursor.execute("SELECT * FROM nowhere")
        return "as if"

    assert site.request(handler).status.startswith("500")
    assert site.names() == []


def test_a_transaction_that_a_query_has_ended_is_not_acknowledged(site):
    def handler():
        Entry(name="a")
        sqlhub.threadConnection.query("ROLLBACK")
        return "as if"

    assert site.request(handler).status.startswith("500")
    assert site.names() == []


def test_a_constraint_that_fails_at_commit_is_not_acknowledged(site):
    site.execute(
        "ALTER TABLE entry ADD CONSTRAINT once UNIQUE (number) DEFERRABLE INITIALLY DEFERRED"
    )

    def handler():
        Entry(name="a")
        Entry(name="b")

    assert site.request(handler).status.startswith("500")
    assert site.names() == []


@pytest.mark.parametrize(
    ("options", "method", "level"),
    [
        ({}, "GET", "repeatable read"),
        ({}, "POST", "serializable"),
        ({"reading_level": "serializable"}, "GET", "serializable"),
        ({"writing_level": "read committed"}, "POST", "read committed"),
    ],
)
def test_an_option_sets_the_isolation_level(make_site, options, method, level):
    site = make_site(**options)
    [shown] = site.request(
        lambda: sqlhub.threadConnection.queryOne("SHOW transaction_isolation")[0], method
    ).data.splitlines()
    assert shown.decode() == level


def test_the_timeouts_are_those_of_the_options_and_end_with_the_transaction(make_site):
    site = make_site(timeout=1.5, statement_timeout=7)
    queries = ("SHOW lock_timeout", "SHOW statement_timeout")

    def handler():
        return " ".join(sqlhub.threadConnection.queryOne(query)[0] for query in queries)

    assert site.request(handler).data == b"1500ms 7s"
    site.processor()
    try:
        assert [sqlhub.processConnection.queryOne(query)[0] for query in queries] == ["0", "0"]
    finally:
        del sqlhub.processConnection


@pytest.mark.parametrize(
    "wrong",
    [{"timeout": 0}, {"statement_timeout": "nan"}, {"check_after": "x"}, {"reading_level": "x"}]
    + [{"writing_level": "SERIALIZABLE"}, {"connect_timeout": -1}, {"driver": "pg8000"}],
)
def test_a_wrong_option_is_refused_by_name(wrong):
    [name] = wrong
    with pytest.raises(ValueError, match=name):
        PostgresEngine(db="nowhere", **wrong)


def test_an_unknown_option_and_a_missing_driver_are_refused(monkeypatch):
    with pytest.raises(ValueError, match="nonsense"):
        connection_for("postgres://nowhere/nothing?nonsense=1")
    for driver in ("psycopg", "psycopg2"):
        monkeypatch.setitem(sys.modules, driver, None)
    with pytest.raises(ValueError, match="pip install"):
        connection_for("postgres://nowhere/driverless")


def test_pgbouncer_in_transaction_pooling_mode_serves_many_threads_by_one_session(server, uri):
    """Each transaction may run in another session; with one, all threads take turns on it."""
    direct, _, driver = uri.partition("?")
    with pgbouncer(server, database_of(direct)) as pooled:
        site = Site(server, f"{pooled}?{driver}")
        statuses = []

        def work():
            for _ in range(10):
                for method in ("POST", "GET"):
                    statuses.append(site.request(handler, method).status)

        def handler():
            if is_writing():
                entry = Entry.byName("a")
                entry.number = entry.number + 1
            return str(Entry.byName("a").number)

        site.request(add("a"))
        in_threads(*[work] * 4)
        site.connection.close()
        # Another client's statements in the one session are not limited.
        limits = "current_setting('statement_timeout'), current_setting('lock_timeout')"
        assert connection_for(pooled).queryAll(f"SELECT {limits}") == [("0", "0")]
        connection_for(pooled).close()
        assert statuses == ["200 OK"] * 80
        assert site.execute("SELECT number FROM entry") == [(40,)]


@pytest.mark.parametrize("text", ["\0", "a\x001"])
def test_text_with_a_nul_is_a_data_error_and_no_other_text(site, text):
    """SQLObject's escape for it and a digit after it are another character to PostgreSQL."""

    def handler():
        for query in (lambda: Entry(name=text), lambda: Entry.selectBy(name=text).count()):
            with pytest.raises(dberrors.DataError, match="U\\+0000"):
                query()
        return Entry(name="b").name

    assert site.request(handler).data == b"b"
    assert site.names() == ["b"]


FAR_AWAY = (
    "CREATE FUNCTION far_away() RETURNS int LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE 'the foreign server is away' USING ERRCODE = '08001'; END $$"
)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_lost_connection_of_the_server_s_own_is_an_error_of_the_query(site, method):
    """As with dblink or a foreign table: it comes with the first query of a live session."""
    site.execute(FAR_AWAY)
    site.request(add("a"))
    runs = []

    def handler():
        runs.append(raw_connection())
        assert len(runs) < 5
        sqlhub.threadConnection.queryAll("SELECT far_away()")

    assert site.request(handler, method).status.startswith("500")
    site.request(lambda: runs.append(raw_connection()))
    assert len(runs) == 2 and runs[0] is runs[1]


def test_a_handler_can_expect_it_in_a_savepoint(site):
    site.execute(FAR_AWAY)

    def handler():
        with contextlib.suppress(dberrors.Error), savepoint():
            sqlhub.threadConnection.queryAll("SELECT far_away()")
        return add("a")()

    assert site.request(handler).data == b"added"
    assert site.names() == ["a"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_comment_as_the_first_query_has_no_answer(site, method):
    site.request(lambda: Entry.select().count(), method)

    found = []

    def first():
        found.extend(sqlhub.threadConnection.queryAll("-- nothing"))

    assert site.request(first, method).status.startswith("500")
    assert found == []


@pytest.mark.engines("postgres")
def test_the_first_of_several_answers_counts_in_the_first_query_as_in_others(site):
    site.request(lambda: Entry.select().count(), "GET")

    def handler():
        query = sqlhub.threadConnection.queryAll
        return str([query("SELECT 1; SELECT 2"), query("SELECT 1; SELECT 2")])

    assert site.request(handler, "GET").data == b"[[(1,)], [(1,)]]"
