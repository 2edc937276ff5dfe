"""The coherent cache on PostgreSQL: rows are kept while the snapshot is the same."""

import contextlib
import subprocess
import time

import pytest
from sqlobject import sqlhub

from scripts.lib.databases import Postgres, postgres_binaries
from scripts.lib.ports import free_port
from tests.engines.conftest import EngineSite
from tests.engines.servers import PASSWORD, USERS, folder_of
from tests.test_transaction import Entry, add


@pytest.fixture
def engine(request):
    return getattr(request, "param", "postgres")


def read(counts=None):
    """A handler that reads the row and notes the rows kept before that."""

    def handler():
        rows = sqlhub.threadConnection.kept_rows()
        if counts is not None:
            counts.append(None if rows is None else len(rows))
        return str(Entry.get(1).number)

    return handler


def read_until_kept(site, expected):
    """Read until the row comes from the cache; return the rows kept before the first read.

    Anything that commits in the cluster, autovacuum too, has them dropped: so once is not enough.
    """
    counts = []
    while not (counts and counts[-1]):
        assert len(counts) < 100
        assert site.request(read(counts), "GET").data == expected
    return counts[0]


def test_a_row_is_kept_until_anybody_commits(make_site):
    site = make_site(cache_rows=10)
    site.request(add())
    read_until_kept(site, b"0")
    site.execute("UPDATE entry SET number = 7")
    assert read_until_kept(site, b"7") == 0
    site.request(lambda: Entry.get(1).set(number=8))
    assert read_until_kept(site, b"8") == 0


def test_a_schema_set_by_a_handler_has_no_rows_of_another(make_site):
    site = make_site(cache_rows=10)
    site.request(add())
    site.execute("CREATE SCHEMA other; CREATE TABLE other.entry AS SELECT * FROM entry")
    site.execute("UPDATE other.entry SET number = 5")

    def elsewhere():
        sqlhub.threadConnection.query("SET LOCAL search_path TO other")
        return str(Entry.get(1).number)

    read_until_kept(site, b"0")
    assert site.request(elsewhere, "GET").data == b"5"
    assert site.request(read(), "GET").data == b"0"


@pytest.mark.parametrize(
    "change",
    [
        "SET LOCAL search_path TO other",
        "select set_config('search_path', 'other', true)",
    ],
)
@pytest.mark.parametrize("through", ["sqlobject", "driver"])
def test_a_schema_set_after_a_row_was_used_has_rows_of_its_own(make_site, change, through):
    site = make_site(cache_rows=10)
    site.request(add("mine"))
    site.request(add("shared"))
    site.execute("CREATE SCHEMA other; CREATE TABLE other.entry AS SELECT * FROM entry")
    site.execute("UPDATE other.entry SET number = 5")

    def both():
        first = Entry.get(1).number
        if through == "driver":
            sqlhub.threadConnection.getConnection().cursor().execute(change)
        else:
            sqlhub.threadConnection.query(change)
        return f"{first} {Entry.get(2).number}"

    read_until_kept(site, b"0")
    site.request(lambda: str(Entry.get(2).number), "GET")
    for _ in range(3):
        assert site.request(both, "GET").data == b"0 5"
        assert site.request(lambda: str(Entry.get(2).number), "GET").data == b"0"


@pytest.mark.parametrize("engine", ["postgres", "postgres-psycopg2"], indirect=True)
def test_a_request_that_reads_kept_rows_only_asks_for_the_token_and_begins_nothing(make_site):
    site = make_site(cache_rows=10)
    site.request(add())
    sent, answers = [], []

    def handler():
        transaction = sqlhub.threadConnection
        answers.append(Entry.get(1).number)
        sent.append(transaction._raw is None)
        return str(answers[-1])

    while not (sent and sent[-1]):
        assert len(sent) < 100
        site.request(handler, "GET")
    site.execute("UPDATE entry SET number = 7")
    assert site.request(handler, "GET").data == b"7"


@pytest.mark.parametrize("engine", ["postgres", "postgres-psycopg2"], indirect=True)
def test_a_commit_after_a_kept_row_was_used_has_the_request_run_again(make_site):
    site = make_site(cache_rows=10)
    site.request(add("a"))
    site.request(add("b"))
    begun, seen = [], []

    def handler():
        transaction = sqlhub.threadConnection
        first = Entry.get(1).number
        if transaction._raw is None:
            begun.append("after the commit")
            site.execute(f"UPDATE entry SET number = {first + 1}")
        seen.append(first)
        return f"{first} {[entry.number for entry in Entry.select()]}"

    while not begun:
        assert len(seen) < 100
        answer = site.request(handler, "GET").data
    assert seen[-2:] == [0, 1]
    assert answer == b"1 [1, 1]"


@pytest.mark.parametrize("level", ["read committed", "serializable"])
def test_at_another_level_nothing_is_kept(make_site, level):
    site = make_site(cache_rows=10, reading_level=level)
    site.request(add())
    counts = []
    for _ in range(2):
        site.request(read(counts), "GET")
    assert counts == [None, None]


@contextlib.contextmanager
def standby_of(server):
    """A hot standby of the running `server`, itself a running server."""
    with folder_of(USERS["postgres"]) as (folder, as_user):
        subprocess.run(
            [postgres_binaries() / "pg_basebackup", "-h", "127.0.0.1", "-p", str(server.port),
             "-U", "site", "-D", folder / "data", "-R", "-c", "fast"],
            cwd=folder, check=True, env={"PGPASSWORD": PASSWORD}, **as_user,
        )  # fmt: skip
        standby = Postgres(folder, free_port(), PASSWORD, **as_user)
        standby.start()
        try:
            yield standby
        finally:
            standby.stop("immediate")


def test_on_a_standby_nothing_is_kept_and_what_the_primary_commits_is_seen(make_site, server):
    primary = make_site(cache_rows=10)
    primary.request(add())
    counts = []
    with standby_of(server) as standby:
        site = EngineSite(standby, standby.address(primary.database), cache_rows=10)
        for number in (0, 7, 8):
            primary.execute(f"UPDATE entry SET number = {number}")
            deadline = time.monotonic() + 30
            while site.request(read(counts), "GET").data != b"%d" % number:
                assert time.monotonic() < deadline
                time.sleep(0.01)
        site.connection.close()
    assert set(counts) == {None}
