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


def test_a_row_is_kept_until_anybody_commits(make_site):
    site = make_site(cache_rows=10)
    site.request(add())
    counts = []
    for _ in range(3):
        assert site.request(read(counts), "GET").data == b"0"
    site.execute("UPDATE entry SET number = 7")
    for _ in range(2):
        assert site.request(read(counts), "GET").data == b"7"
    site.request(lambda: Entry.get(1).set(number=8))
    assert site.request(read(counts), "GET").data == b"8"
    assert counts == [0, 1, 1, 0, 1, 0]


def test_a_schema_set_by_a_handler_has_no_rows_of_another(make_site):
    site = make_site(cache_rows=10)
    site.request(add())
    site.execute("CREATE SCHEMA other; CREATE TABLE other.entry AS SELECT * FROM entry")
    site.execute("UPDATE other.entry SET number = 5")

    def elsewhere():
        sqlhub.threadConnection.query("SET LOCAL search_path TO other")
        return str(Entry.get(1).number)

    assert site.request(read(), "GET").data == b"0"
    assert site.request(read(), "GET").data == b"0"
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
