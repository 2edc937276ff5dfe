"""The coherent cache on PostgreSQL: rows are kept while the snapshot is the same."""

import contextlib
import subprocess
import time

import pytest
from sqlobject import sqlhub

from app.transactions import runs
from scripts.lib.serving.databases import Postgres, postgres_binaries
from scripts.lib.serving.ports import free_port
from tests.contract.internals import begun, is_writing, kept_rows, sent_for
from tests.contract.site import POSTGRES, Entry, Site, add
from tests.servers import PASSWORD, USERS, folder_of

pytestmark = pytest.mark.engines(*POSTGRES)


def read(counts=None):
    """A handler that reads the row and notes the rows kept before that."""

    def handler():
        rows = kept_rows()
        if counts is not None:
            counts.append(rows)
        return str(Entry.get(1).number)

    return handler


def read_until_kept(site, expected):
    """Read until the row comes from the cache; return the rows kept before the first read.

    Anything that commits in the cluster, autovacuum too, drops the rows. So it may take several.
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
def test_a_schema_set_after_a_row_was_used_has_its_own_rows(make_site, change, through):
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


def test_a_request_that_reads_kept_rows_only_asks_for_the_token_and_begins_nothing(make_site):
    site = make_site(cache_rows=10)
    site.request(add())
    sent, answers = [], []

    def handler():
        answers.append(Entry.get(1).number)
        sent.append(not begun())
        return str(answers[-1])

    while not (sent and sent[-1]):
        assert len(sent) < 100
        site.request(handler, "GET")
    site.execute("UPDATE entry SET number = 7")
    assert site.request(handler, "GET").data == b"7"


def test_a_commit_after_a_kept_row_was_used_has_the_request_run_again(make_site):
    site = make_site(cache_rows=10)
    site.request(add("a"))
    site.request(add("b"))
    peeked, seen = [], []

    def handler():
        first = Entry.get(1).number
        if not begun():
            peeked.append("after the commit")
            site.execute(f"UPDATE entry SET number = {first + 1}")
        seen.append(first)
        return f"{first} {[entry.number for entry in Entry.select()]}"

    while not peeked:
        assert len(seen) < 100
        answer = site.request(handler, "GET").data
    assert seen[-2:] == [0, 1]
    assert answer == b"1 [1, 1]"


def test_a_handler_that_takes_the_prepared_token_away_has_kept_rows_all_the_same(make_site):
    site = make_site(cache_rows=10)
    site.request(add())
    read_until_kept(site, b"0")
    for through in (lambda t: t.query, lambda t: t.getConnection().cursor().execute):
        site.request(lambda through=through: through(sqlhub.threadConnection)("DEALLOCATE ALL"))
        read_until_kept(site, b"0")
        site.execute("UPDATE entry SET number = 7")
        read_until_kept(site, b"7")
        site.execute("UPDATE entry SET number = 0")
    assert site.request(read(), "GET").data == b"0"


def names():
    return " ".join(entry.name for entry in Entry.select(orderBy="-name"))


def messages_once_kept(site, handler):
    """The messages of one request once all rows that `handler` reads are kept.

    Anything that commits in the cluster, autovacuum too, has them dropped meanwhile.
    """
    for _ in range(100):
        sent = sent_for(site, handler, times=4)
        if "WITH webpy_found(" in sent[0]:
            return sent
    raise AssertionError(f"the rows are not kept: {sent}")


def test_a_list_of_kept_rows_is_one_message_without_a_transaction(make_site):
    site = make_site(cache_rows=10)
    for name in ("a", "c", "b"):
        site.request(add(name))
    [sent] = messages_once_kept(site, names)
    assert sent.startswith("SET LOCAL transaction_read_only=on;")
    assert "BEGIN" not in sent
    assert site.request(names, "GET").data == b"c b a"


def test_a_list_of_kept_rows_is_new_after_a_commit(make_site):
    site = make_site(cache_rows=10)
    for name in ("a", "c", "b"):
        site.request(add(name))
    for name in ("d", "e", "f"):
        for _ in range(4):
            site.request(names, "GET")
        site.execute(f"UPDATE entry SET name = '{name}' WHERE id = 1")
        assert site.request(names, "GET").data == f"{name} c b".encode()


def test_a_commit_between_a_list_and_the_next_query_has_the_request_run_again(make_site):
    site = make_site(cache_rows=10)
    site.request(add("a"))
    interrupted, runs = [], []

    def both():
        before = names()
        if not begun() and not interrupted:
            interrupted.append(len(runs))
            site.execute("UPDATE entry SET name = 'b'")
        runs.append(before)
        return f"{before} {Entry.select(Entry.q.name == before).count()}"

    while not interrupted:
        assert len(runs) < 100
        answer = site.request(both, "GET").data
    assert runs[interrupted[0] :] == ["a", "b"]
    assert answer == b"b 1"


def test_a_list_of_kept_rows_whose_query_writes_is_run_again_as_a_writing_request(make_site):
    site = make_site(cache_rows=10)
    site.request(add("a"))
    site.execute("CREATE SEQUENCE visits")
    methods = []

    def visits():
        methods.append(is_writing())
        return str(len(list(Entry.select("nextval('visits') > 0"))))

    for number in range(1, 4):
        messages_once_kept(site, names)
        assert site.request(visits, "GET").data == b"1"
        assert site.execute("SELECT last_value FROM visits") == [(number,)]
    assert methods == [False, True] * 3


def test_an_error_in_a_list_of_kept_rows_is_that_of_its_query(make_site):
    site = make_site(cache_rows=10)
    site.request(add("a"))
    messages_once_kept(site, names)
    assert site.request(lambda: list(Entry.select("nowhere = 1")), "GET").status[:3] == "500"
    assert site.request(names, "GET").data == b"a"


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


# The server does this, so one driver is enough.
@pytest.mark.engines("postgres")
def test_on_a_standby_nothing_is_kept_and_what_the_primary_commits_is_seen(make_site, server):
    primary = make_site(cache_rows=10)
    primary.request(add())
    counts = []
    with standby_of(server) as standby:
        site = Site(standby, standby.address(primary.database), cache_rows=10)
        for number in (0, 7, 8):
            primary.execute(f"UPDATE entry SET number = {number}")
            deadline = time.monotonic() + 30
            while site.request(read(counts), "GET").data != b"%d" % number:
                assert time.monotonic() < deadline
                time.sleep(0.01)
        site.connection.close()
    assert set(counts) == {None}


def test_what_a_writing_request_sets_in_the_session_ends_with_it(make_site):
    site = make_site(cache_rows=10)
    site.request(add())
    site.execute(
        "ALTER TABLE entry RENAME TO entries; CREATE VIEW entry AS SELECT id, name, number + "
        "coalesce(current_setting('site.more', true), '0')::integer AS number FROM entries"
    )
    read_until_kept(site, b"0")

    def more():
        sqlhub.threadConnection.query("SET site.more = '5'")
        return str(Entry.get(1).number)

    assert site.request(more).data == b"5"
    assert site.request(read(), "GET").data == b"0"


def test_taking_the_driver_s_connection_does_not_have_a_request_run_again(make_site):
    site = make_site(cache_rows=10)
    site.request(add())

    def handler():
        Entry.get(1)
        sqlhub.threadConnection.getConnection()
        return str(runs())

    read_until_kept(site, b"0")
    assert site.request(handler, "GET").data == b"1"
