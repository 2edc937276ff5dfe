"""A request past its deadline is rolled back and answered 503; nothing is committed after it."""

import threading
import time

import pytest
from sqlobject import sqlhub

from app.transactions import (
    GivenUp,
    Verdict,
    in_transaction,
    no_transaction,
    on_commit,
    on_rollback,
    reading,
    runs,
    savepoint,
    writing,
)
from app.transactions.outcomes import plain_503
from tests.contract.busy import Busy
from tests.contract.internals import raw_connection
from tests.contract.site import ENGINES, POSTGRES, SERVERS, Entry, Site, add, inside
from tests.contract.site import no_transaction as left_without
from tests.contract.test_kinds import SLOW, slow

# With one driver for each server, because the driver does not matter.
pytestmark = pytest.mark.engines("sqlite", "postgres", "mariadb")

SHORT = 0.4
# What a session says of its limits, in seconds.
STATEMENT_LIMIT = {
    "postgres": "SELECT setting::float / 1000 FROM pg_settings WHERE name = 'statement_timeout'",
    "mariadb": "SELECT @@max_statement_time",
}
IDLE_LIMIT = {
    "postgres": "SELECT setting::float / 1000 FROM pg_settings "
    "WHERE name = 'idle_in_transaction_session_timeout'",
    "mariadb": "SELECT @@idle_transaction_timeout",
}


def limit(limits, engine):
    """What the session has for one of `limits`, in a request."""
    ((seconds,),) = sqlhub.threadConnection.queryAll(limits[engine.partition("-")[0]])
    return float(seconds)


@pytest.fixture
def reasons():
    return []


@pytest.fixture
def hasty(make_site, reasons):
    """Create a site whose requests have `request_seconds`; `reasons` gets those of its 503."""

    def make(request_seconds=SHORT, **options):
        def unavailable(headers, reason):
            reasons.append(reason)
            return plain_503(headers, reason)

        return make_site(request_seconds=request_seconds, unavailable=unavailable, **options)

    return make


def answered_late(response, reasons):
    return response.status.startswith("503") and reasons == [Verdict.LATE]


@pytest.mark.engines(*ENGINES)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_statement_that_goes_on_past_the_deadline_is_given_up(hasty, engine, reasons, method):
    site = hasty()
    seen = []

    @writing
    def handler():
        on_rollback(lambda: seen.append("rolled back"))
        seen.append(runs())
        Entry(name="a")
        slow(engine, 60)

    began = time.monotonic()
    response = site.request(handler if method == "POST" else lambda: slow(engine, 60), method)
    assert time.monotonic() - began < 30
    assert answered_late(response, reasons)
    assert seen == ([1, "rolled back"] if method == "POST" else [])
    assert site.names() == []
    assert site.request(add("b")).data == b"added"
    assert site.request(lambda: str(Entry.select().count()), "GET").data == b"1"


def test_no_statement_is_begun_past_the_deadline(hasty, reasons):
    site = hasty()
    seen = []

    def handler():
        Entry(name="a")
        time.sleep(SHORT * 2)
        seen.append("awake")
        Entry(name="b")
        seen.append("went on")

    assert answered_late(site.request(handler), reasons)
    assert seen == ["awake"]
    assert site.names() == []


def test_no_commit_is_sent_past_the_deadline(hasty, reasons):
    site = hasty()
    seen = []

    def handler():
        on_commit(lambda: seen.append("committed"))
        Entry(name="a")
        time.sleep(SHORT * 2)
        return "done"

    assert answered_late(site.request(handler), reasons)
    assert (site.names(), seen) == ([], [])


def test_the_transaction_does_not_begin_after_the_deadline(hasty, reasons):
    site = hasty()

    def handler():
        time.sleep(SHORT * 2)
        return add()()

    assert answered_late(site.request(handler), reasons)
    assert site.names() == []


def test_a_request_without_the_database_has_no_deadline(hasty, reasons):
    assert hasty().request(lambda: time.sleep(SHORT * 2) or "done").data == b"done"


@pytest.mark.engines(*ENGINES)
def test_a_driver_s_statement_is_not_begun_past_the_deadline(hasty, engine, reasons):
    site = hasty()
    seen = []

    def handler():
        cursor = sqlhub.threadConnection.getConnection().cursor()
        cursor.execute("SELECT 1")
        cursor.fetchall()
        time.sleep(SHORT * 2)
        seen.append("awake")
        cursor.execute("SELECT 1")
        seen.append("went on")

    assert answered_late(site.request(handler), reasons)
    assert seen == ["awake"]


@pytest.mark.engines(*ENGINES)
def test_a_driver_s_statement_is_given_up_at_the_deadline(hasty, engine, reasons):
    site = hasty()

    def handler():
        sqlhub.threadConnection.getConnection().cursor().execute(SLOW[engine].format(60))

    assert answered_late(site.request(handler), reasons)


def test_a_savepoint_does_not_have_the_handler_go_on_past_the_deadline(hasty, engine, reasons):
    site = hasty()

    def handler():
        Entry(name="a")
        try:
            with savepoint():
                Entry(name="b")
                slow(engine, 60)
        except Exception:
            return "as if"

    assert answered_late(site.request(handler), reasons)
    assert site.names() == []


def test_conflicts_are_run_again_until_the_deadline(hasty, reasons):
    site = hasty(timeout=0.01, attempts=100_000, retry_seconds=3600)
    busy = Busy(site)

    def handler():
        busy.impatient(sqlhub.threadConnection)
        return add()()

    began = time.monotonic()
    response = site.request(handler)
    busy.release()
    assert time.monotonic() - began < 30
    assert answered_late(response, reasons)


def test_a_wait_for_a_lock_ends_at_the_deadline(hasty, reasons):
    site = hasty(timeout=60)
    busy = Busy(site)
    began = time.monotonic()
    response = site.request(add())
    busy.release()
    assert time.monotonic() - began < 30
    assert answered_late(response, reasons)
    assert site.request(add()).data == b"added"


def test_a_handler_s_timeout_makes_the_deadline_earlier_only(hasty, engine, reasons):
    site = hasty()
    assert answered_late(site.request(writing(timeout=60)(lambda: slow(engine, 60))), reasons)
    patient = hasty(60)
    began = time.monotonic()
    response = patient.request(reading(timeout=SHORT)(lambda: slow(engine, 60)))
    assert time.monotonic() - began < 30
    assert response.status.startswith("503")


@pytest.mark.parametrize("kind", [reading, writing])
def test_a_handler_s_timeout_holds_where_a_processor_has_read_before(hasty, engine, reasons, kind):
    site = hasty(40)

    def processor(handler):
        Entry.select().count()
        return handler()

    site.app.add_processor(processor)
    handler = kind(timeout=SHORT)(lambda: slow(engine, 60))
    began = time.monotonic()
    response = site.request(handler, "GET" if kind is reading else "POST")
    assert time.monotonic() - began < 20
    assert answered_late(response, reasons)
    assert site.request(add()).data == b"added"


def test_a_run_after_another_has_the_deadline_of_the_first(hasty, engine, reasons):
    site = hasty(2)

    def handler():
        if runs() == 1:
            time.sleep(1)
        before = sqlhub.threadConnection.deadline - time.monotonic()
        Entry(name="a")
        return f"{runs()} {before <= 1}"

    assert site.request(handler, "GET").data == b"2 True"


def test_a_request_inside_another_has_the_other_s_deadline(hasty, engine, reasons):
    site = hasty()

    def handler():
        Entry(name="a")
        inside(site, writing(timeout=60)(lambda: slow(engine, 60)))
        return "as if"

    assert site.request(handler).status.startswith("503")
    assert site.names() == []
    assert set(reasons) == {Verdict.LATE}


def test_a_stream_is_cut_at_the_deadline_and_the_log_says_so(hasty, caplog):
    site = hasty()
    site.request(add())

    def handler():
        yield Entry.get(1).name
        time.sleep(SHORT * 2)
        yield "more"
        yield "never"

    answer = site.start(handler, "GET")
    assert next(answer) == b"a"
    assert next(answer) == b"more"
    with pytest.raises(Exception, match="longer than it may"):
        next(answer)
    assert "a handler failed after a part of its answer was sent" in caplog.text
    assert "@writing" not in caplog.text
    assert left_without()


def test_in_transaction_ends_at_its_timeout(site, engine):
    def work():
        Entry(name="a")
        slow(engine, 60)

    began = time.monotonic()
    with pytest.raises(GivenUp) as given_up:
        in_transaction(work, timeout=SHORT, connection=site.connection)
    assert time.monotonic() - began < 30
    assert given_up.value.reason is Verdict.LATE

    @in_transaction(timeout=SHORT, connection=site.connection)
    def too_slow():
        Entry(name="a")
        time.sleep(SHORT * 2)

    with pytest.raises(GivenUp):
        too_slow()
    assert site.names() == []
    assert in_transaction(add("b"), timeout=60, connection=site.connection) == "added"


def test_in_transaction_has_the_deadline_of_the_request_around_it(hasty, engine):
    site = hasty()
    seen = []

    @no_transaction
    def handler():
        try:
            in_transaction(lambda: slow(engine, 60), timeout=60)
        except GivenUp as error:
            seen.append(error.reason)
        return "told"

    began = time.monotonic()
    assert site.request(handler).data == b"told"
    assert time.monotonic() - began < 30
    assert seen == [Verdict.LATE]


def test_what_is_called_after_the_commit_has_no_deadline(hasty):
    site = hasty()

    def later():
        time.sleep(SHORT * 2)
        Entry(name="later")

    def handler():
        on_commit(later)
        return add()()

    assert site.request(handler).data == b"added"
    assert site.names() == ["a", "later"]


@pytest.mark.engines(*ENGINES)
def test_a_deadline_costs_no_session(make_site):
    site = make_site()
    seen = []

    def handler():
        seen.append(id(raw_connection()))
        kept.append(raw_connection())
        return str(Entry.select().count())

    kept = []
    for options in ({}, {"timeout": 3}, {}, {"timeout": 2}):
        for kind in (reading, writing):
            assert site.request(kind(**options)(handler)).data == b"0"
    # SQLite has one for each kind.
    assert len(set(seen[::2])) == len(set(seen[1::2])) == 1


@pytest.mark.engines(*SERVERS)
def test_the_server_s_limit_of_a_statement_follows_the_time_that_is_left(make_site, engine):
    site = make_site(statement_timeout=20)
    seen = []

    def handler(pause=0):
        for _ in range(2):
            seen.append(limit(STATEMENT_LIMIT, engine))
        time.sleep(pause)
        seen.append(limit(STATEMENT_LIMIT, engine))

    for kind in (reading, writing):
        site.request(kind(handler))
    assert seen == [20] * 6
    seen.clear()
    site.request(writing(timeout=9)(lambda: handler(1.2)))
    assert 6 < seen[0] == seen[1] <= 9
    assert seen[2] < seen[1] - 1
    seen.clear()
    # Nothing is left of it.
    site.request(writing(handler))
    assert seen == [20] * 3


@pytest.mark.engines(*POSTGRES)
def test_a_savepoint_is_undone_while_the_limit_follows_the_time(make_site):
    site = make_site()

    @writing(timeout=9)
    def handler():
        Entry(name="a")
        with pytest.raises(Exception, match="no_such"), savepoint():
            try:
                sqlhub.threadConnection.query("SELECT no_such")
            finally:
                time.sleep(1.2)
        return "done"

    assert site.request(handler).data == b"done"
    assert site.names() == ["a"]


@pytest.mark.engines(*SERVERS)
def test_a_request_that_does_nothing_holds_its_locks_until_its_deadline_only(hasty, reasons):
    site = hasty(1)
    site.request(add())
    free, seen = threading.Event(), []

    def handler():
        Entry.get(1).number = 1
        other = threading.Thread(target=change)
        other.start()
        # The server ends the session; the handler hangs on.
        assert free.wait(30)
        other.join()
        return "done"

    def change():
        site.execute("UPDATE entry SET number = 2")
        seen.append("changed")
        free.set()

    assert answered_late(site.request(handler), reasons)
    assert seen == ["changed"]
    assert site.execute("SELECT number FROM entry") == [(2,)]
    assert site.request(add("b")).data == b"added"


@pytest.mark.engines(*SERVERS)
def test_only_a_transaction_with_a_deadline_must_not_be_idle_for_long(make_site, engine):
    site = make_site(Site, request_seconds=40)
    assert site.request(lambda: str(limit(IDLE_LIMIT, engine))).data == b"40.0"
    job = in_transaction(lambda: limit(IDLE_LIMIT, engine), connection=site.connection)
    assert job == 0
    long = in_transaction(
        lambda: limit(IDLE_LIMIT, engine), timeout=900, connection=site.connection
    )
    assert 800 < long <= 901
    assert site.request(lambda: str(limit(IDLE_LIMIT, engine))).data == b"40.0"


@pytest.mark.engines(*SERVERS)
def test_a_function_after_a_request_must_not_be_idle_for_long(make_site, engine):
    """It has no deadline, but a daemon that is stopped in it must not hold locks for ever."""
    site = make_site(Site, request_seconds=40)
    seen = []

    def processor(handler):
        answer = handler()
        seen.append(limit(IDLE_LIMIT, engine))
        return answer

    site.app.add_processor(processor)

    site.request(no_transaction(lambda: "done"))
    assert seen == [40]
    seen.clear()

    def after():
        seen.append(limit(IDLE_LIMIT, engine))

    def called():
        on_commit(after)
        on_commit(lambda: in_transaction(after))

    site.request(called)
    assert seen == [40] * 3
    seen.clear()
    # In a script both may.
    in_transaction(called, connection=site.connection)
    assert seen == [0] * 2
