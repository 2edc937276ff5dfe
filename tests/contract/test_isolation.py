"""Requests at the same time: each sees one snapshot, of two that conflict one is run again."""

import threading

import pytest
from sqlobject import sqlhub

from tests.contract.site import SERVERS, Entry, add, in_threads, no_transaction


def test_a_reading_request_sees_one_snapshot(site):
    site.request(add("a"))
    seen = []

    def handler():
        seen.append(Entry.select().count())
        site.execute("INSERT INTO entry (name, number) VALUES ('b', 0)")
        seen.append(Entry.select().count())

    site.request(handler, "GET")
    assert seen == [1, 1]
    assert site.names() == ["a", "b"]


def test_concurrent_increments_are_all_there(site):
    """Every conflict, at a query or at COMMIT, has the handler run again."""
    site.request(add("a"))
    statuses = []

    def increment():
        def handler():
            entry = Entry.byName("a")
            entry.number = entry.number + 1

        for _ in range(25):
            statuses.append(site.request(handler).status)

    in_threads(*[increment] * 4)
    assert statuses == ["200 OK"] * 100
    assert site.execute("SELECT number FROM entry") == [(100,)]


# SQLite's writers take turns from their first query on: they cannot both have read.
@pytest.mark.engines(*SERVERS)
def test_a_write_skew_has_one_request_run_again(site):
    """Both read that nothing is there before either writes; one then sees the other's row."""
    both_have_read = threading.Barrier(2)
    counts = {"a": [], "b": []}

    def taker(name):
        def handler():
            counts[name].append(Entry.select().count())
            if len(counts[name]) == 1:
                both_have_read.wait(10)
            if counts[name][-1] == 0:
                Entry(name=name)

        return lambda: site.request(handler)

    in_threads(taker("a"), taker("b"))
    assert len(site.names()) == 1
    assert sorted(map(len, counts.values())) == [1, 2]


def test_a_lock_that_does_not_come_in_time_is_a_conflict_and_503(make_site):
    site = make_site(timeout=1, attempts=1)
    site.request(add("a"))
    statuses = []

    def holder():
        Entry.byName("a").number = 1

        def other():
            return site.request(lambda: Entry.byName("a").set(number=2)).status

        statuses.extend(in_threads(other))

    assert site.request(holder).status == "200 OK"
    assert statuses == ["503 Service Unavailable"]


def test_an_interrupted_request_leaves_no_lock(make_site):
    site = make_site(timeout=1, attempts=1)
    site.request(add("a"))

    def handler():
        Entry.byName("a").number = 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        site.request(handler)
    site.execute("UPDATE entry SET number = 2")
    assert no_transaction()


def test_a_query_on_the_raw_connection_is_inside_the_transaction(site):
    def handler():
        cursor = sqlhub.threadConnection.getConnection().cursor()
        cursor.execute("INSERT INTO entry (name, number) VALUES ('a', 0)")
        assert site.names() == []
        raise ZeroDivisionError

    assert site.request(handler).status.startswith("500")
    assert site.names() == []


def test_a_cursor_left_open_does_not_hold_the_old_snapshot(site):
    for name in "abc":
        site.request(add(name))
    kept = []

    def handler():
        cursor = sqlhub.threadConnection.getConnection().cursor()
        cursor.execute("SELECT * FROM entry")
        cursor.fetchone()
        kept.append(cursor)

    site.request(handler, "GET")
    site.request(add("d"))
    assert site.request(lambda: str(Entry.select().count()), "GET").data == b"4"
