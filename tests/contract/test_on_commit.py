"""Functions that wait for the commit of their request."""

import pytest

from app.transactions import doom, on_commit, savepoint
from tests.contract.internals import begun
from tests.contract.site import Entry, add


def test_functions_given_to_on_commit_run_in_turn_after_the_commit(site, caplog):
    seen = []

    def fails():
        raise ZeroDivisionError

    def handler():
        entry = Entry(name="a")
        on_commit(lambda: seen.append((entry.id, site.names(), begun())))
        on_commit(fails)
        on_commit(lambda: seen.append("last"))
        return "added"

    assert site.request(handler).data == b"added"
    assert seen == [(1, ["a"], False), "last"]
    assert "ZeroDivisionError" in caplog.text


def test_functions_given_to_on_commit_run_once_though_the_handler_runs_twice(site):
    seen = []

    def handler():
        on_commit(lambda: seen.append(1))
        return add()()

    site.request(handler, "GET")
    assert seen == [1]


@pytest.mark.parametrize("end", [doom, lambda: 1 / 0])
def test_functions_given_to_on_commit_do_not_run_on_a_rollback(site, end):
    seen = []

    def handler():
        Entry(name="a")
        on_commit(lambda: seen.append(1))
        end()

    site.request(handler)
    assert seen == []


def test_on_commit_outside_a_request_runs_at_once_and_the_others_raise():
    seen = []
    on_commit(lambda: seen.append(1))
    assert seen == [1]
    with pytest.raises(RuntimeError, match="outside a request"):
        doom()
    with pytest.raises(RuntimeError, match="outside a request"):
        savepoint()
