"""A COMMIT on PostgreSQL that was not answered: the server is asked what became of it."""

import os
import re
import signal
import threading
import time
from urllib.parse import urlsplit

import pytest
from sqlobject import sqlhub

from app.transactions import Verdict, on_commit
from app.transactions.current import current
from app.transactions.engines.postgres import outcome
from tests.contract.proxy import Proxy
from tests.contract.site import Entry, Site, add, database_of
from tests.servers import pgbouncer

pytestmark = pytest.mark.engines("postgres")


@pytest.fixture
def uri(new_uri, proxy):
    """The URI of an empty database, by way of the proxy."""
    return proxy.address(new_uri())


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Wait longer than usual: a server needs up to a second to be back."""
    monkeypatch.setattr(outcome, "PATIENCE", 10)


def cutting(proxy, runs=(), conflicts=0):
    """A handler that adds an Entry and has the answer to its COMMIT cut off.

    `runs`: a list to which each run adds one. The first `conflicts` runs conflict.
    """

    def handler():
        runs.append(current().alone)
        Entry(name="a")
        on_commit(lambda: runs.append("committed"))
        if len(runs) <= conflicts:
            current().end_run(Verdict.CONFLICT)
        proxy.cut_after = b"COMMIT"
        return "done"

    return handler


def give_ids_again(server):
    """Have others take and commit the ids that a crash has freed, once the server is up again."""
    given = 0
    while given < 20:
        try:
            server.execute("SELECT pg_current_xact_id()")
            given += 1
        except Exception:
            time.sleep(0.05)


def is_unknown(response):
    assert response.status.startswith("503") and b"may have succeeded" in response.data
    assert "Retry-After" not in response.headers
    return True


def test_one_that_the_server_had_is_acknowledged(site, proxy):
    runs = []
    response = site.request(cutting(proxy, runs))
    assert (response.status, response.data) == ("200 OK", b"done")
    assert runs == [0, "committed"]
    assert site.names() == ["a"]
    assert site.request(lambda: str(Entry.select().count())).data == b"1"


def test_one_that_the_server_had_is_acknowledged_where_its_transaction_was_alone(site, proxy):
    runs = []
    assert site.request(cutting(proxy, runs, conflicts=2)).data == b"done"
    assert runs == [0, 0, 1, "committed"]
    assert site.names() == ["a"]


def test_one_that_the_server_never_had_may_be_sent_again(site, proxy):
    proxy.swallow = True
    response = site.request(cutting(proxy, []))
    assert response.status.startswith("503") and b"nothing was committed" in response.data
    assert response.headers["Retry-After"] == "1"
    assert site.names() == []


def test_one_whose_server_was_killed_and_started_meanwhile_is_unknown(site, proxy, server):
    """Its id may be another transaction's by now."""
    proxy.swallow = True

    def at_cut():
        server.stop("immediate")
        server.start()
        give_ids_again(server)

    proxy.at_cut = at_cut
    assert is_unknown(site.request(cutting(proxy, [])))
    assert site.names() == []


def test_one_whose_server_began_anew_without_a_start_is_unknown(site, proxy, server):
    """As after the crash of one process, which does not change the time of the start."""
    proxy.swallow = True
    started = server.execute("SELECT pg_postmaster_start_time()")
    victims = []

    def handler():
        victims.append(sqlhub.threadConnection.queryOne("SELECT pg_backend_pid()")[0])
        return cutting(proxy, [])()

    def at_cut():
        os.kill(victims[0], signal.SIGKILL)
        give_ids_again(server)

    proxy.at_cut = at_cut
    assert is_unknown(site.request(handler))
    assert server.execute("SELECT pg_postmaster_start_time()") == started
    assert site.names() == []


def test_one_that_is_still_at_work_when_patience_ends_is_unknown(site, proxy, monkeypatch):
    monkeypatch.setattr(outcome, "PATIENCE", 0.2)
    site.execute("CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS "
                 "'BEGIN PERFORM pg_sleep(2); RETURN NULL; END'")  # fmt: skip
    site.execute("CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON entry DEFERRABLE "
                 "INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()")  # fmt: skip
    assert is_unknown(site.request(cutting(proxy, [])))


def test_one_that_may_not_be_on_the_standby_is_unknown(site, proxy, server):
    """The server had it and waited for a standby, until its session was ended."""
    sessions = []

    def at_cut():
        threading.Thread(target=end_the_wait, args=(server, sessions[0])).start()

    def handler():
        server.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        server.execute("SELECT pg_reload_conf()")
        sessions.append(sqlhub.threadConnection.queryOne("SELECT pg_backend_pid()")[0])
        return cutting(proxy, [])()

    proxy.at_cut = at_cut
    try:
        assert is_unknown(site.request(handler))
    finally:
        server.execute("ALTER SYSTEM RESET synchronous_standby_names")
        server.execute("SELECT pg_reload_conf()")
    assert site.names() == ["a"]


def end_the_wait(server, session):
    """End the session of the server's process `session` once it waits for a standby."""
    query = f"FROM pg_stat_activity WHERE pid = {session} AND wait_event = 'SyncRep'"
    for _ in range(500):
        if server.execute(f"SELECT pg_terminate_backend(pid) {query}"):
            return
        time.sleep(0.01)


def test_one_through_a_pooler_is_unknown(server, new_uri):
    """Nobody knows on which server it was."""
    with pgbouncer(server, database_of(new_uri()), sessions=2) as pooled:
        proxy = Proxy(int(re.search(r":(\d+)/", pooled)[1]))
        site = Site(server, proxy.address(pooled))
        try:
            assert is_unknown(site.request(cutting(proxy, [])))
        finally:
            site.connection.close()
            proxy.close()


def test_an_ordinary_user_may_ask(site, uri, proxy):
    guest = f"guest_of_{site.database}"
    site.execute(f"CREATE ROLE {guest} LOGIN PASSWORD 'guest'")
    site.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {guest}")
    site.execute(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {guest}")
    parts = urlsplit(uri)
    place = f"{guest}:guest@{parts.hostname}:{parts.port}"
    theirs = Site(site.server, parts._replace(netloc=place).geturl(), models=())
    try:
        assert theirs.request(cutting(proxy, [])).data == b"done"
    finally:
        theirs.connection.close()
        site.execute(f"DROP OWNED BY {guest}")
        site.execute(f"DROP ROLE {guest}")


def test_the_outcome_is_unknown_where_the_server_does_not_tell_its_run(
    make_site, proxy, monkeypatch
):
    """As on a hosted server that lacks one of the functions: its requests are still served."""
    monkeypatch.setattr(outcome, "_RUN", "there_is_no_such_function()")
    site = make_site()
    assert site.request(add("b")).data == b"added"
    assert is_unknown(site.request(cutting(proxy, [])))


def test_the_id_costs_no_message(site):
    asked = []

    def handler():
        Entry(name="a")
        asked.append(current()._connection.transaction_id)

    site.request(handler)
    site.request(lambda: Entry.select().count(), "GET")
    [id] = asked
    assert int(id) > 0
    assert site.execute(f"SELECT pg_xact_status('{id}')") == [("committed",)]
