"""A lost connection costs at most one request; nothing is half done, and the site recovers.

The faults under load are in tests/apache/test_engines.py.
"""

import contextlib
import time

import pytest
from sqlobject import dberrors, sqlhub

from app.transactions import writing
from tests.contract.site import NOT_ASKED, SERVERS, Entry, add, no_transaction
from tests.http_client import site_client

pytestmark = pytest.mark.engines(*SERVERS)


@pytest.fixture
def uri(new_uri, proxy):
    """The URI of an empty database, by way of the proxy."""
    return proxy.address(new_uri())


def read():
    return str(Entry.select().count())


def end_sessions(server):
    """End every session and wait until the server has told each of its clients."""
    server.end_sessions()
    time.sleep(0.2)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_session_ended_between_two_requests_is_not_noticed(site, server, method):
    site.request(add("a"))
    end_sessions(server)
    assert site.request(read, method).data == b"1"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_session_ended_during_a_request_is_503_and_the_next_request_succeeds(
    site, server, method
):
    def handler():
        Entry.select().count()
        end_sessions(server)
        return read()

    response = site.request(handler, method)
    assert response.status.startswith("503")
    assert response.headers["Retry-After"] == "1"
    assert no_transaction()
    assert site.request(read, method).data == b"0"


def test_a_swallowed_loss_of_the_connection_is_503_and_leaves_nothing(site, server):
    def handler():
        Entry(name="a")
        end_sessions(server)
        with contextlib.suppress(Exception):
            Entry(name="b")
        with contextlib.suppress(Exception):
            Entry(name="c")
        return "as if"

    assert site.request(handler).status.startswith("503")
    assert site.names() == []


def test_a_server_that_is_away_is_503_until_it_is_back(site, server):
    site.request(add("a"))
    server.stop("fast")
    try:
        for method in ("GET", "POST"):
            response = site.request(read, method)
            assert response.status.startswith("503")
            assert response.headers["Retry-After"] == "1"
    finally:
        server.start()
    assert site.request(read).data == b"1"


@pytest.mark.engines(*NOT_ASKED)
def test_a_connection_that_breaks_during_commit_is_503_once_without_retry_after(site, proxy):
    """The proxy passes COMMIT on and cuts the connection: it is committed, but nobody was told."""
    runs = []

    def handler():
        runs.append(1)
        Entry(name="a")
        proxy.cut_after = b"COMMIT"

    response = site.request(handler)
    assert response.status.startswith("503")
    assert b"may have succeeded" in response.data
    assert "Retry-After" not in response.headers
    assert runs == [1]
    # The server may still be at work when its client has given up.
    deadline = time.monotonic() + 30
    while site.request(read, "GET").data != b"1":
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.engines(*NOT_ASKED)
def test_a_commit_is_not_called_given_up_where_the_deadline_passes_before_its_answer(site, proxy):
    proxy.delay = 3

    @writing(timeout=2)
    def handler():
        Entry(name="a")
        proxy.cut_after = b"COMMIT"

    response = site.request(handler)
    assert response.status.startswith("503")
    assert b"may have succeeded" in response.data
    assert "Retry-After" not in response.headers


@pytest.mark.engines(*NOT_ASKED)
def test_the_api_says_that_the_outcome_is_unknown(uri, tmp_path, proxy):
    user = {"name": "ada", "fullname": "Ada Lovelace", "password": "open sesame"}
    with site_client(tmp_path, uri=uri) as client:
        proxy.cut_after = b"COMMIT"
        answer = client.send("POST", "/api/users", user)
        assert answer.status == 503
        assert answer.json["type"] == "/problems/outcome-unknown"
        assert "look whether it is there" in answer.json["detail"]
        assert client.send("POST", "/api/users", user).status == 409


def test_the_api_says_that_nothing_was_changed_where_the_server_is_away(uri, tmp_path, server):
    with site_client(tmp_path, uri=uri) as client:
        server.stop("fast")
        try:
            answer = client.send("DELETE", "/api/users/1")
        finally:
            server.start()
        assert answer.status == 503 and answer.headers["Retry-After"] == "1"
        assert "Nothing was changed" in answer.json["detail"]
        assert client.send("DELETE", "/api/users/1").status == 204


def test_a_reading_request_whose_connection_breaks_at_its_end_has_its_answer(site, proxy):
    def handler():
        proxy.cut_after = b"COMMIT"
        return read()

    assert site.request(handler, "GET").data == b"0"
    assert site.request(read, "GET").data == b"0"


def test_a_connection_that_was_idle_for_long_is_checked_before_the_handler_uses_it(
    make_site, server
):
    """So the handler is not run again: the check finds that the connection is lost."""
    site = make_site(check_after=0.001)
    site.request(add("a"))
    end_sessions(server)
    runs = []

    def handler():
        runs.append(1)
        return read()

    assert site.request(handler).data == b"1"
    assert runs == [1]


def test_a_server_that_does_not_answer_is_503_after_the_connect_timeout(make_site, proxy):
    site = make_site(connect_timeout=2)
    site.connection.close()
    with proxy.disturbed("silence"):
        assert site.request(read).status.startswith("503")
    assert site.request(read).data == b"0"


def test_a_statement_that_takes_too_long_is_given_up(make_site, engine):
    site = make_site(statement_timeout=0.2)
    query = "SELECT SLEEP(60)" if engine == "mariadb" else "SELECT pg_sleep(60)"

    def handler():
        sqlhub.threadConnection.query(query)

    assert site.request(handler).status.startswith("500")
    assert site.request(read).data == b"0"


# The errors of servers whose disk is full.
FULL = {
    "postgres": "DO $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END $$",
    "mariadb": "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1114, MESSAGE_TEXT = 'is full'",
}


def test_a_server_whose_disk_is_full_is_503_and_nothing_is_there(site, engine):
    def handler():
        Entry(name="a")
        sqlhub.threadConnection.query(FULL[engine.partition("-")[0]])

    response = site.request(handler)
    assert (response.status[:3], response.headers["Retry-After"]) == ("503", "1")
    assert b"no room left" in response.data
    assert site.names() == []
    assert site.request(add()).data == b"added"


def test_a_connection_outside_of_a_request_is_replaced_after_it_was_lost(site, server):
    site.processor()
    try:
        Entry(name="a")
        end_sessions(server)
        with contextlib.suppress(Exception):
            Entry.select().count()
        assert Entry.select().count() == 1
    finally:
        del sqlhub.processConnection


def test_a_connection_killed_in_mid_request_is_not_replaced_by_another(site):
    """SQLObject's stock class connects anew, and commits each later statement by itself."""

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
