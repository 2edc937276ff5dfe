"""The coherent cache on PostgreSQL: rows are kept while the snapshot is the same."""

import pytest
from sqlobject import sqlhub

from tests.test_transaction import Entry, add


@pytest.fixture
def engine():
    return "postgres"


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


@pytest.mark.parametrize("level", ["read committed", "serializable"])
def test_at_another_level_nothing_is_kept(make_site, level):
    site = make_site(cache_rows=10, reading_level=level)
    site.request(add())
    counts = []
    for _ in range(2):
        site.request(read(counts), "GET")
    assert counts == [None, None]
