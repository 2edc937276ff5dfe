"""An observer is told of each transaction once, at its end, and changes nothing."""

import pytest
from sqlobject import sqlhub

from app.transactions import Run, doom, in_transaction, on_commit, savepoint
from tests.contract.site import KEEPING, Entry, add


@pytest.fixture
def told():
    return []


@pytest.fixture
def observed(make_site, told):
    return make_site(observer=told.append)


def facts(told):
    """What does not depend on the clock: (writing, of_request, end, used) of each Run."""
    return [(run.writing, run.of_request, run.end, run.used) for run in told]


def test_a_request_is_told_with_its_kind_and_end(observed, told):
    observed.request(add("a"))
    observed.request(lambda: str(Entry.select().count()), "GET")
    observed.request(lambda: "no database", "GET")
    assert facts(told) == [
        (True, True, "committed", True),
        (False, True, "committed", True),
        (False, True, "committed", False),
    ]
    assert all(isinstance(run, Run) for run in told)
    assert told[0].seconds > 0 and told[1].seconds > 0 and told[2].seconds < told[0].seconds


def test_each_way_to_end_has_its_name(observed, told):
    def doomed():
        doom()
        return Entry(name="doomed").name

    observed.request(add("a"))
    observed.request(doomed)
    observed.request(add("b", LookupError))
    observed.request(add("a"))
    assert [run.end for run in told] == ["committed", "rolled back", "rolled back", "rolled back"]


def test_a_refused_run_and_the_one_that_counts_are_two(observed, told):
    observed.request(add("a"), "GET")
    assert facts(told) == [(False, True, "refused", True), (True, True, "committed", True)]


def test_transactions_outside_of_requests_say_so(observed, told):
    def later():
        Entry(name="later")

    def work():
        on_commit(later)
        Entry(name="a")

    in_transaction(work, connection=observed.connection)
    assert facts(told) == [(True, False, "committed", True)] * 2


@pytest.mark.engines(*KEEPING)
def test_kept_rows_are_counted(observed, told):
    observed.request(add("a"))
    for _ in range(4):
        observed.request(lambda: Entry.get(1).name, "GET")
    assert [run.hits for run in told[:2]] == [0, 0]
    assert [run.hits for run in told[-2:]] == [1, 1]
    assert told[-1].used


def test_an_observer_that_fails_is_logged_and_changes_nothing(make_site, caplog):
    def fails(run):
        raise LookupError("the observer")

    site = make_site(observer=fails)
    assert site.request(add("a")).status == "200 OK"
    assert site.names() == ["a"]
    assert "the observer of transactions failed" in caplog.text


def test_a_savepoint_is_no_separate_run(observed, told):
    def handler():
        with savepoint():
            Entry(name="a")
        return "added"

    observed.request(handler)
    assert len(told) == 1


def test_without_an_observer_nothing_of_it_is_in_the_transactions_class(make_site):
    classes = []

    def handler():
        classes.extend(type(sqlhub.threadConnection).__mro__)
        return ""

    make_site().request(handler, "GET")
    assert "Observed" not in {one.__name__ for one in classes}
    make_site(observer=print).request(handler, "GET")
    assert "Observed" in {one.__name__ for one in classes}
