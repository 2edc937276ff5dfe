"""Transactions outside of requests: the same ends, retries and errors as in one."""

import pytest
from sqlobject import dberrors, sqlhub

from app.transactions import (
    GivenUp,
    OutsideItsRequest,
    SwallowedError,
    Verdict,
    doom,
    in_transaction,
    no_transaction,
    on_commit,
    on_rollback,
    runs,
    savepoint,
)
from tests.contract.busy import Busy
from tests.contract.internals import is_writing, only_connections
from tests.contract.site import Entry, Site, add, in_threads
from tests.contract.site import no_transaction as left_without


@pytest.fixture
def site(make_site):
    made = make_site(timeout=0.01)
    with only_connections(made.connection):
        yield made


def test_a_function_s_work_is_committed_and_its_result_returned(site):
    def work():
        Entry(name="a")
        assert site.names() == []
        return "added"

    assert in_transaction(work) == "added"
    assert site.names() == ["a"]
    assert left_without()


def test_a_function_that_raises_is_rolled_back_and_its_error_goes_on(site):
    with pytest.raises(ZeroDivisionError):
        in_transaction(add(then=ZeroDivisionError))
    assert site.names() == []
    assert left_without()


def test_a_doomed_function_is_rolled_back_and_returns(site):
    def work():
        Entry(name="a")
        doom()
        return "doomed"

    assert in_transaction(work) == "doomed"
    assert site.names() == []


def test_a_decorated_function_takes_arguments_and_has_its_kind(site):
    @in_transaction(writing=False)
    def named(name, *, number):
        """Its docstring."""
        assert not is_writing()
        return Entry.selectBy(name=name, number=number).count()

    @in_transaction()
    def added(name):
        assert is_writing()
        return Entry(name=name).id

    assert added("a") == 1
    assert named("a", number=0) == 1
    assert (named.__name__, named.__doc__) == ("named", "Its docstring.")


def test_a_reading_function_that_writes_is_called_again_as_a_writing_one(site):
    seen = []

    def work():
        seen.append((runs(), is_writing()))
        Entry(name="a")

    in_transaction(work, writing=False)
    assert seen == [(1, False), (2, True)]
    assert site.names() == ["a"]


def test_a_reading_function_sees_one_snapshot(site):
    in_transaction(add("a"))

    def work():
        before = Entry.select().count()
        in_threads(lambda: in_transaction(add("b")))
        return before, Entry.select().count()

    assert in_transaction(work, writing=False) == (1, 1)


def count():
    return Entry.select().count()


def conflicting(busy, last):
    """A function that adds an Entry; until its run `last`, `busy` prevents that."""

    def work():
        busy.impatient(sqlhub.threadConnection)
        if runs() == last:
            busy.release()
        Entry(name="a")
        return runs()

    return work


def test_a_conflict_is_called_again(site):
    seen = []
    work = conflicting(Busy(site), 3)

    def noticed():
        on_commit(lambda: seen.append("committed"))
        on_rollback(lambda: seen.append("rolled back"))
        return work()

    assert in_transaction(noticed) == 3
    assert site.names() == ["a"]
    assert seen == ["committed"]


@pytest.mark.parametrize("limits", [{"attempts": 2}, {"attempts": 1000, "seconds": 0.05}])
def test_a_conflict_without_end_raises_given_up(site, limits):
    busy = Busy(site)
    seen = []
    work = conflicting(busy, 10_000)

    def noticed():
        on_rollback(lambda: seen.append(runs()))
        work()

    with pytest.raises(GivenUp) as caught:
        in_transaction(noticed, **limits)
    busy.release()
    assert caught.value.reason is Verdict.CONFLICT
    assert seen == [1]
    assert site.names() == []


def test_updates_of_several_threads_are_not_lost(make_site):
    site = make_site()
    in_transaction(add("a"), connection=site.connection)

    @in_transaction(attempts=100, seconds=60, connection=site.connection)
    def increment():
        entry = Entry.get(1)
        entry.number += 1

    def several():
        for _ in range(10):
            increment()

    in_threads(*[several] * 4)
    assert site.execute("SELECT number FROM entry") == [(40,)]


def test_a_swallowed_error_is_not_acknowledged(site):
    in_transaction(add("a"))

    def work():
        Entry(name="b")
        try:
            Entry(name="a")
        except dberrors.DuplicateEntryError:
            return "as if"

    with pytest.raises(SwallowedError, match="savepoint"):
        in_transaction(work)
    assert site.names() == ["a"]


def test_a_savepoint_lets_a_function_go_on(site):
    in_transaction(add("a"))

    def work():
        with pytest.raises(dberrors.DuplicateEntryError), savepoint():
            Entry(name="a")
        Entry(name="b")

    in_transaction(work)
    assert site.names() == ["a", "b"]


def test_a_generator_is_refused_because_its_work_would_come_after_the_end(site):
    def work():
        yield Entry(name="a")

    with pytest.raises(TypeError, match="list"):
        in_transaction(work)
    assert site.names() == []


def test_an_instance_that_leaves_its_function_fails_loudly(site):
    entry = in_transaction(lambda: Entry(name="a"))
    with pytest.raises(OutsideItsRequest):
        _ = entry.name


def test_inside_a_request_it_raises_and_says_what_to_do(site):
    def handler():
        with pytest.raises(RuntimeError, match=r"inside a transaction.*savepoint.*on_commit"):
            in_transaction(add("a"))
        return "refused"

    assert site.request(handler).data == b"refused"
    assert site.request(handler, "GET").data == b"refused"
    assert site.names() == []


def test_inside_itself_it_raises(site):
    def work():
        Entry(name="a")
        in_transaction(add("b"))

    with pytest.raises(RuntimeError, match="inside a transaction"):
        in_transaction(work)
    assert site.names() == []


def test_in_a_handler_without_transaction_it_is_the_way_to_the_database(site):
    @no_transaction
    def handler():
        in_transaction(add("a"))
        # Nothing is held: others may write.
        site.execute("INSERT INTO entry (name, number) VALUES ('b', 0)")
        return str(in_transaction(count, writing=False))

    assert site.request(handler).data == b"2"
    assert site.names() == ["a", "b"]


def test_a_thread_that_a_handler_starts_has_its_own_transactions(site):
    site.request(add("a"))

    def handler():
        assert Entry.select().count() == 1
        in_threads(lambda: in_transaction(add("b")))
        return str(Entry.select().count())

    assert site.request(handler, "GET").data == b"1"
    assert site.names() == ["a", "b"]


def test_a_thread_of_a_request_that_fails_has_committed(site):
    def handler():
        in_threads(lambda: in_transaction(add("a")))
        raise ZeroDivisionError

    assert site.request(handler).status.startswith("500")
    assert site.names() == ["a"]


def test_what_on_commit_calls_is_run_again_where_it_calls_it(site, caplog):
    seen = []
    busy = []

    def work():
        seen.append(runs())
        if len(seen) == 1:
            busy.append(Busy(site))
        busy[0].impatient(sqlhub.threadConnection)
        if len(seen) == 2:
            busy[0].release()
        Entry(name="a")

    def handler():
        on_commit(lambda: in_transaction(work))
        Entry(name="first")

    assert site.request(handler).status == "200 OK"
    assert seen == [1, 2]
    assert site.names() == ["first", "a"]
    assert caplog.records == []


def test_after_models_were_used_in_on_commit_it_raises(site, caplog):
    def after():
        Entry(name="b")
        in_transaction(add("c"))

    site.request(lambda: on_commit(after) or add("a")())
    assert site.names() == ["a"]
    assert "inside a transaction" in caplog.text


def test_on_commit_of_a_function_is_called_after_its_commit(site):
    seen = []

    def work():
        on_commit(lambda: seen.append((site.names(), Entry.select().count())))
        Entry(name="a")

    in_transaction(work)
    assert seen == [(["a"], 1)]
    assert left_without()


def test_without_a_connection_it_says_how_to_get_one():
    with only_connections(), pytest.raises(RuntimeError, match=r"connection_for\(uri\)"):
        in_transaction(count)


def test_one_of_two_databases_must_be_named(site, server):
    other = Site(server, server.new_database())
    with only_connections(site.connection, other.connection):
        with pytest.raises(RuntimeError, match=r"connection_for\(uri\)"):
            in_transaction(count)
        in_transaction(add("a"), connection=other.connection)
    assert (site.names(), other.names()) == ([], ["a"])
    other.connection.close()


def test_without_a_processor_it_uses_the_connection_of_sqlhub(site):
    with only_connections():
        sqlhub.processConnection = site.connection
        in_transaction(add("a"))
    assert site.names() == ["a"]
