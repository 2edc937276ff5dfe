"""Functions that wait for the commit of their request."""

import contextlib

import pytest
import web
from pydispatch import dispatcher
from sqlobject import dberrors, events
from sqlobject.main import sqlmeta

from app.transactions import doom, on_commit, on_rollback, savepoint
from tests.contract.internals import begun
from tests.contract.site import Entry, add, no_transaction


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


def redirect():
    web.header("X-Mine", "1")
    web.setcookie("mine", "1")
    raise web.seeother("/elsewhere")


def not_found():
    web.ctx.status = "404 Not Found"
    raise web.notfound()


def leave():
    raise SystemExit


def error_page():
    web.ctx.status = "500 Internal Server Error"
    web.ctx.headers.clear()


@pytest.mark.parametrize("function", [redirect, not_found, leave, error_page])
@pytest.mark.parametrize("given_to", [on_commit, on_rollback])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_function_given_to_on_commit_cannot_change_the_answer(
    site, function, given_to, streamed, caplog
):
    called = []

    def handler():
        web.header("X-Kept", "1")
        Entry(name="a")
        given_to(function)
        given_to(lambda: called.append(web.ctx.path))
        if given_to is on_rollback:
            doom()
        return (part for part in ["ad", "ded"]) if streamed else "added"

    answer = site.request(handler)
    assert answer.status == "200 OK"
    assert answer.data == b"added"
    assert answer.headers["X-Kept"] == "1"
    assert not {"X-Mine", "Set-Cookie", "Location"} & set(answer.headers)
    assert called == ["/"]
    assert ("failed" in caplog.text) == (function is not error_page)


def test_what_on_commit_does_with_models_is_a_separate_transaction(site):
    def adds_and_fails():
        Entry(name="half")
        raise ZeroDivisionError

    def handler():
        Entry(name="a")
        on_commit(adds_and_fails)
        on_commit(lambda: Entry(name="b"))
        on_commit(lambda: Entry.byName("b").set(number=Entry.select().count()))
        return "added"

    assert site.request(handler).data == b"added"
    assert site.names() == ["a", "b"]
    assert site.execute("SELECT number FROM entry WHERE name = 'b'") == [(2,)]
    assert no_transaction()


def test_a_swallowed_error_in_on_commit_undoes_what_that_function_did(site, caplog):
    def adds():
        Entry(name="half")
        with contextlib.suppress(dberrors.DuplicateEntryError):
            Entry(name="a")

    def handler():
        Entry(name="a")
        on_commit(adds)
        return "added"

    assert site.request(handler).data == b"added"
    assert site.names() == ["a"]
    assert "savepoint()" in caplog.text


def test_on_commit_inside_on_commit_is_called_after_its_function(site):
    called = []

    def outer():
        Entry(name="b")
        on_commit(lambda: called.append(site.names()))
        called.append(site.names())

    def handler():
        Entry(name="a")
        on_commit(outer)

    site.request(handler)
    assert called == [["a"], ["a", "b"]]


@pytest.mark.parametrize(
    "end", [doom, lambda: 1 / 0, lambda: setattr(web.ctx, "status", "500 Sorry")]
)
def test_functions_given_to_on_rollback_run_once_after_it(site, end):
    called = []

    def handler():
        Entry(name="a")
        on_rollback(lambda: called.append(site.names()))
        on_rollback(lambda: Entry(name="audit"))
        on_commit(lambda: called.append("committed"))
        end()
        return ""

    site.request(handler, "GET")
    assert called == [[]]
    assert site.names() == ["audit"]


def test_functions_given_to_on_rollback_do_not_run_after_a_commit(site):
    called = []

    def handler():
        Entry(name="a")
        on_rollback(lambda: called.append(1))

    site.request(handler)
    assert called == []


def test_functions_given_to_on_rollback_run_where_the_commit_fails(site):
    called = []

    def handler():
        Entry(name="a")
        on_rollback(lambda: called.append("rolled back"))
        on_commit(lambda: called.append("committed"))
        with contextlib.suppress(dberrors.DuplicateEntryError):
            Entry(name="a")
        return "as if"

    assert site.request(handler).status.startswith("500")
    assert called == ["rolled back"]


@pytest.fixture
def signals():
    """The signals that SQLObject sends after transactions: pairs of a name and the rows."""
    seen = []

    def committed(ids):
        seen.append(("committed", sorted(ids)))

    def rolled_back(ids):
        seen.append(("rolled back", sorted(ids)))

    events.listen(committed, sqlmeta, events.CommitSignal)
    events.listen(rolled_back, sqlmeta, events.RollbackSignal)
    yield seen
    dispatcher.disconnect(committed, events.CommitSignal, sqlmeta)
    dispatcher.disconnect(rolled_back, events.RollbackSignal, sqlmeta)


def test_the_commit_signal_is_sent_once_after_the_commit(site, signals):
    there = []

    def listener(ids):
        there.append(site.names())

    events.listen(listener, sqlmeta, events.CommitSignal)
    try:
        # The first run is refused, because it is a reading request's.
        site.request(lambda: str([Entry(name="a"), Entry(name="b")]), "GET")
    finally:
        dispatcher.disconnect(listener, events.CommitSignal, sqlmeta)
    assert signals == [("committed", [("Entry", [1, 2])])]
    assert there == [["a", "b"]]


def test_the_rollback_signal_is_sent_once_after_the_rollback(site, signals):
    site.request(add(then=ZeroDivisionError))
    assert signals == [("rolled back", [("Entry", [1])])]


def test_no_signal_is_sent_where_no_row_was_used(site, signals):
    site.request(lambda: "nothing")
    assert signals == []


def test_a_listener_has_its_own_transaction_and_its_failure_changes_nothing(site, caplog):
    def listener(ids):
        Entry(name="half")
        raise ZeroDivisionError

    events.listen(listener, sqlmeta, events.CommitSignal)
    try:
        assert site.request(add("a")).data == b"added"
    finally:
        dispatcher.disconnect(listener, events.CommitSignal, sqlmeta)
    assert site.names() == ["a"]
    assert "ZeroDivisionError" in caplog.text
