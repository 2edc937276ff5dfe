"""A request's transaction is on each database server what it is on SQLite."""

import contextlib
import threading

import pytest
from sqlobject import dberrors, sqlhub

from app.transactions.processor import savepoint
from tests.test_transaction import (  # noqa: F401
    Entry,
    add,
    no_transaction,
    test_a_4xx_after_a_database_error_is_the_answer_and_rolls_back,
    test_a_doomed_request_answers_and_rolls_back,
    test_a_generator_is_inside_the_transaction_and_commits_at_its_end,
    test_a_generator_that_is_dropped_rolls_back,
    test_a_generator_that_raises_later_rolls_back,
    test_a_get_that_writes_is_run_again_as_a_writing_request_from_a_clean_start,
    test_a_handler_that_returns_commits,
    test_a_leaked_instance_fails_loudly_after_its_request,
    test_a_request_without_queries_opens_no_connection,
    test_a_savepoint_lets_a_handler_go_on_after_an_error_it_expects,
    test_a_sub_application_joins_the_transaction,
    test_a_swallowed_database_error_is_not_acknowledged,
    test_a_swallowed_error_turned_into_a_redirect_answers_500_without_its_location,
    test_a_swallowed_refusal_is_still_run_again,
    test_a_veto_sees_status_and_headers_and_decides,
    test_an_exception_rolls_back,
    test_an_exit_rolls_back_and_goes_on,
    test_an_http_error_below_500_commits,
    test_an_http_error_of_500_or_more_rolls_back,
    test_an_instance_used_by_another_thread_during_its_request_fails_loudly,
    test_functions_given_to_on_commit_run_in_turn_after_the_commit,
    test_the_next_request_is_not_joined_to_an_answer_that_was_left_unread,
    test_without_a_request_the_processor_opens_a_regular_connection,
)


def in_threads(*functions):
    """Call each function in a thread of its own and wait for all."""
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


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
            statuses.append(site.app.request("/", method="POST", env={"handler": handler}).status)

    site.handler = lambda: sqlhub.threadConnection.request["handler"]()
    in_threads(*[increment] * 4)
    assert statuses == ["200 OK"] * 100
    assert site.execute("SELECT number FROM entry") == [(100,)]


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

        return lambda: site.app.request("/", method="POST", env={"handler": handler})

    site.handler = lambda: sqlhub.threadConnection.request["handler"]()
    in_threads(taker("a"), taker("b"))
    assert len(site.names()) == 1
    assert sorted(map(len, counts.values())) == [1, 2]


def test_a_lock_that_is_not_had_in_time_is_a_conflict_and_503(make_site):
    site = make_site(timeout=1, attempts=1)
    site.request(add("a"))
    statuses = []

    def holder():
        Entry.byName("a").number = 1

        def other():
            env = {"handler": lambda: Entry.byName("a").set(number=2)}
            statuses.append(site.app.request("/", method="POST", env=env).status)

        in_threads(other)

    site.handler = lambda: sqlhub.threadConnection.request["handler"]()
    assert site.app.request("/", method="POST", env={"handler": holder}).status == "200 OK"
    assert statuses == ["503 Service Unavailable"]


def test_a_savepoint_inside_a_savepoint_undoes_its_own_writes_only(site):
    def handler():
        with savepoint():
            Entry(name="outer")
            try:
                with savepoint():
                    Entry(name="inner")
                    Entry(name="outer")
            except dberrors.DuplicateEntryError:
                pass
        Entry(name="after")

    site.request(handler)
    assert site.names() == ["outer", "after"]


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
        with sqlhub.threadConnection.getConnection().cursor() as cursor:
            cursor.execute("INSERT INTO entry (name, number) VALUES ('a', 0)")
        assert site.names() == []
        raise ZeroDivisionError

    assert site.request(handler).status.startswith("500")
    assert site.names() == []


def test_a_syntax_error_as_the_first_query_leaves_no_write_outside_the_transaction(site):
    def handler():
        with contextlib.suppress(dberrors.Error):
            sqlhub.threadConnection.query("SELEC 1")
        with contextlib.suppress(dberrors.Error):
            Entry(name="a")
        return "as if"

    assert site.request(handler).status.startswith("500")
    assert site.names() == []
