"""A writing request that keeps conflicting goes through alone, where writers overlap."""

import contextlib
import os
import signal
import threading
from urllib.parse import urlsplit

import pytest
import web
from sqlobject import sqlhub

from app.transactions import doom, in_transaction, runs, writing
from tests.contract.internals import (
    ALONE_AFTER,
    FIRST_WAIT_OF_ALONE,
    only_connections,
    somebody_is_alone,
)
from tests.contract.site import (
    POSTGRES,
    SERVERS,
    Entry,
    Site,
    add,
    database_of,
    in_threads,
    no_transaction,
)
from tests.servers import pgbouncer

pytestmark = pytest.mark.engines(*SERVERS)

CONFLICTS = {
    "postgres": "DO $$ BEGIN RAISE SQLSTATE '40001'; END $$",
    "mysql": "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213",
}


def conflict():
    """Have the server say that this request conflicts with another."""
    sqlhub.threadConnection.query(CONFLICTS[sqlhub.threadConnection.dbName])


def alone(then):
    """A handler that conflicts until it is alone, and then answers by `then()`."""

    def handler():
        if runs() <= ALONE_AFTER:
            conflict()
        Entry.get(1)
        return then()

    return handler


def increment():
    entry = Entry.get(1)
    entry.number = entry.number + 1
    return "incremented"


@pytest.fixture
def site(make_site):
    site = make_site()
    site.request(add("a"))
    return site


def begin(function):
    """Call a function in a thread, and go on when it is done or has had enough time."""
    thread = threading.Thread(target=function)
    thread.start()
    thread.join(0.5)
    return thread


def test_other_writing_requests_wait_until_it_is_done(site):
    order, others = [], []

    def other():
        order.append(("other", Entry.get(1).number))

    def then():
        others.append(begin(lambda: site.request(other)))
        order.append(("alone", Entry.get(1).number))
        return increment()

    assert site.request(alone(then)).data == b"incremented"
    others[0].join()
    assert order == [("alone", 0), ("other", 1)]


def test_it_is_alone_from_the_first_run_in_which_it_may_be(site):
    seen = []

    def handler():
        Entry.get(1)
        seen.append(somebody_is_alone(site))
        if runs() <= ALONE_AFTER:
            conflict()

    site.request(handler)
    assert seen == [False] * ALONE_AFTER + [True]


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [(1, [0]), (2, [0, 1]), (6, [0, 0, 1, 0, 1, 1])],
)
def test_it_is_alone_again_and_again_and_in_its_last_run(site, attempts, expected):
    seen = []

    @writing(attempts=attempts)
    def handler():
        Entry.get(1)
        seen.append(somebody_is_alone(site))
        conflict()

    assert site.request(handler).status.startswith("503")
    assert seen == expected


def test_reading_requests_do_not_wait_for_it(site):
    answers = []

    def read():
        answers.append(site.request(lambda: Entry.get(1).name, "GET").data)

    def then():
        reader = threading.Thread(target=read)
        reader.start()
        reader.join()

    site.request(alone(then))
    assert answers == [b"a"]


def fail():
    raise ZeroDivisionError


def fail_as_the_server_does():
    raise web.HTTPError("500 Failed")


@pytest.mark.parametrize(
    ("then", "status"),
    [
        (increment, "200"),
        (lambda: doom(), "200"),
        (fail, "500"),
        (fail_as_the_server_does, "500"),
        (lambda: sqlhub.threadConnection.query("SELECT nothing"), "500"),
    ],
)
def test_however_it_ends_nobody_is_alone_after_it(site, then, status):
    seen = []

    def watched():
        seen.append(somebody_is_alone(site))
        return then()

    assert site.request(alone(watched)).status.startswith(status)
    assert (seen, somebody_is_alone(site)) == ([True], False)
    assert site.request(increment).data == b"incremented"


def test_where_its_session_is_ended_nobody_is_alone_after_it(site):
    def then():
        site.server.end_sessions()
        return increment()

    assert site.request(alone(then)).status.startswith("503")
    assert not somebody_is_alone(site)
    assert site.request(increment).data == b"incremented"


def test_where_its_process_is_killed_nobody_is_alone_after_it(site):
    reading, telling = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            site.request(alone(lambda: os.write(telling, b"x") and signal.pause()))
        os._exit(1)
    try:
        os.close(telling)
        assert os.read(reading, 1) == b"x"
        assert somebody_is_alone(site)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
    assert site.request(increment).data == b"incremented"
    assert not somebody_is_alone(site)


def test_in_transaction_goes_alone_too(site):
    seen = []
    with only_connections(site.connection):
        in_transaction(alone(lambda: seen.append(somebody_is_alone(site))))
    assert seen == [True]
    assert no_transaction()


def test_a_slow_one_that_has_begun_is_not_waited_for_and_all_others_wait(site):
    """Such as one that sends mail: it conflicts with nobody and must not hold up the others."""
    site.request(add("b"))
    begun, done = threading.Event(), threading.Event()
    order, others = [], []

    def slow():
        Entry.byName("b")
        begun.set()
        done.wait(20)

    def other():
        order.append(("other", Entry.get(1).number))

    def then():
        others.append(begin(lambda: site.request(other)))
        order.append(("alone", Entry.get(1).number))
        return increment()

    thread = threading.Thread(target=site.request, args=(slow,))
    thread.start()
    try:
        assert begun.wait(10)
        assert site.request(alone(then)).data == b"incremented"
        assert thread.is_alive()
    finally:
        done.set()
        thread.join()
    others[0].join()
    assert order == [("alone", 0), ("other", 1)]


@pytest.mark.engines(*POSTGRES)
def test_it_waits_for_those_that_have_begun_and_sees_what_they_did(site, monkeypatch):
    monkeypatch.setattr(FIRST_WAIT_OF_ALONE, 10_000)
    begun, go_on = threading.Event(), threading.Event()
    seen = []

    def earlier():
        entry = Entry.get(1)
        begun.set()
        go_on.wait(20)
        entry.number = entry.number + 1

    def then():
        seen.append(Entry.get(1).number)
        return increment()

    first = threading.Thread(target=site.request, args=(earlier,))
    first.start()
    assert begun.wait(10)
    second = begin(lambda: site.request(alone(then)))
    go_on.set()
    first.join()
    second.join()
    assert seen == [1]
    assert site.execute("SELECT number FROM entry") == [(2,)]


def test_a_request_that_waits_for_it_is_given_up_at_its_own_limit(site):
    answers = []

    @writing(timeout=0.3)
    def hurried():
        return increment()

    def then():
        thread = threading.Thread(target=lambda: answers.append(site.request(hurried).status))
        thread.start()
        thread.join()

    assert site.request(alone(then)).status == "200 OK"
    assert answers == ["503 Service Unavailable"]


@pytest.mark.engines(*POSTGRES)
def test_it_goes_alone_through_a_pooler_too(server, uri):
    direct, _, driver = uri.partition("?")
    order, others = [], []
    with pgbouncer(server, database_of(direct), sessions=3) as pooled:
        site = Site(server, f"{pooled}?{driver}")
        site.request(add("a"))

        def other():
            order.append(("other", Entry.get(1).number))

        def then():
            others.append(begin(lambda: site.request(other)))
            order.append(("alone", Entry.get(1).number))
            return increment()

        try:
            assert site.request(alone(then)).data == b"incremented"
            others[0].join()
        finally:
            site.connection.close()
    assert order == [("alone", 0), ("other", 1)]


def test_the_others_do_not_wait_for_one_that_is_idle_for_long(make_site):
    """As in a process that was stopped, or on a host that is away."""
    site = make_site(statement_timeout=1, timeout=0.5)
    site.request(add("a"))
    reached, done = threading.Event(), threading.Event()
    answers = []

    def then():
        reached.set()
        done.wait(20)
        return increment()

    thread = threading.Thread(target=lambda: answers.append(site.request(alone(then)).status))
    thread.start()
    try:
        assert reached.wait(10)
        assert site.request(increment).data == b"incremented"
    finally:
        done.set()
        thread.join()
    assert answers == ["503 Service Unavailable"]


@pytest.mark.engines(*POSTGRES)
def test_a_user_who_may_not_lock_is_served_with_one_line_in_the_log(site, uri, caplog):
    guest = f"guest_of_{site.database}"
    site.execute("REVOKE UPDATE ON pg_settings FROM PUBLIC")
    site.execute(f"CREATE ROLE {guest} LOGIN PASSWORD 'guest'")
    site.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {guest}")
    try:
        parts = urlsplit(uri)
        place = f"{guest}:guest@{parts.hostname}:{parts.port}"
        theirs = Site(site.server, parts._replace(netloc=place).geturl(), models=())
        assert theirs.request(alone(increment)).data == b"incremented"
        in_threads(lambda: theirs.request(increment))
        theirs.connection.close()
    finally:
        site.execute(f"DROP OWNED BY {guest}")
        site.execute(f"DROP ROLE {guest}")
    assert site.execute("SELECT number FROM entry") == [(2,)]
    [line] = [record.message for record in caplog.records if "pg_settings" in record.message]
    assert f"GRANT UPDATE ON pg_catalog.pg_settings TO {guest}" in line
