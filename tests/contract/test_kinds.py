"""What `@reading`, `@writing` and `@no_transaction` say of a handler's method."""

import threading
import time

import pytest
import web
from sqlobject import IntCol, SQLObject, StringCol, sqlhub

from app.transactions import in_transaction, no_transaction, on_rollback, reading, runs, writing
from tests.contract.busy import Busy
from tests.contract.internals import is_writing, only_connections
from tests.contract.site import Entry, add, in_threads
from tests.contract.site import no_transaction as left_without

# A query that takes about `{}` seconds.
SLOW = {
    "sqlite": "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n "
    "WHERE i < 10000000 * {}) SELECT count(*) FROM n",
    "postgres": "SELECT pg_sleep({})",
    "postgres-psycopg2": "SELECT pg_sleep({})",
    "mariadb": "SELECT sleep({})",
}


def slow(engine, seconds):
    """Have the database busy for about that many seconds, in a request."""
    sqlhub.threadConnection.queryAll(SLOW[engine].format(seconds))


class Unmarked(SQLObject):
    class sqlmeta:
        lazyUpdate = True

    name = StringCol()
    number = IntCol(default=0)


@pytest.fixture
def processors(make_site):
    """Create a site with `processor` between the transaction and the handler."""

    def make(processor, **options):
        site = make_site(models=(Entry, Unmarked), **options)
        site.app.add_processor(processor)
        return site

    return make


def reads_before(handler):
    """A processor that reads, such as one that looks for the user."""
    web.ctx.first = Entry.selectBy(name="first").count()
    return handler()


def noted(kind, seen):
    """A handler of `kind` that notes its runs in `seen` and adds an Entry."""

    @kind
    def handler():
        seen.append((runs(), is_writing()))
        return add()()

    return handler


def test_a_post_that_reads_takes_no_lock(site):
    site.request(add())
    site.request(add("b"))
    met = threading.Barrier(2, timeout=10)

    @reading
    def handler():
        assert not is_writing()
        names = [entry.name for entry in Entry.select()]
        # Both are here at the same time, and a third one writes meanwhile.
        if met.wait() == 0:
            site.execute("INSERT INTO entry (name, number) VALUES ('c', 0)")
        met.wait()
        return str(names)

    answers = in_threads(*[lambda: site.request(handler).data] * 2)
    assert answers == [b"['a', 'b']"] * 2
    assert site.names() == ["a", "b", "c"]


def test_a_reading_post_that_writes_is_run_again_as_a_writing_one(site):
    seen = []
    site.request(noted(reading, seen))
    assert seen == [(1, False), (2, True)]
    assert site.names() == ["a"]


def test_a_writing_get_is_run_once(site):
    seen = []
    assert site.request(noted(writing, seen), "GET").data == b"added"
    assert seen == [(1, True)]
    assert site.names() == ["a"]


@pytest.mark.parametrize(("kind", "method"), [(writing, "GET"), (reading, "POST")])
def test_a_mark_restarts_a_request_in_which_a_processor_has_read(processors, kind, method):
    begins = []

    def processor(handler):
        begins.append(is_writing())
        return reads_before(handler)

    site = processors(processor)
    kinds = []

    @kind
    def handler():
        kinds.append(is_writing())
        return str(web.ctx.first)

    assert site.request(handler, method).data == b"0"
    assert begins == [method == "POST", kind is writing]
    assert kinds == [kind is writing]


def test_a_mark_of_the_kind_that_it_is_anyway_restarts_nothing(processors):
    site = processors(reads_before)
    seen = []
    site.request(noted(writing, seen))
    assert seen == [(1, True)]


def test_a_reading_post_behind_a_processor_that_writes_is_a_writing_one(processors):
    def processor(handler):
        Entry(name=f"by the processor {runs()}")
        return handler()

    site = processors(processor)
    seen = []
    site.request(noted(reading, seen))
    assert seen[-1] == (3, True)
    assert site.names() == ["by the processor 3", "a"]


def test_a_mark_restarts_a_request_whose_processor_has_used_kept_rows(processors):
    def processor(handler):
        web.ctx.first = Entry.get(1).name
        return handler()

    site = processors(processor)
    site.execute("INSERT INTO entry (name, number) VALUES ('first', 0)")
    for _ in range(2):
        assert site.request(lambda: web.ctx.first, "GET").data == b"first"

    @writing
    def handler():
        assert is_writing()
        Entry.get(1).number += 1
        return web.ctx.first

    assert site.request(handler, "GET").data == b"first"
    assert site.execute("SELECT number FROM entry") == [(1,)]


def test_marks_are_for_methods_of_classes_too_and_keep_the_name(site):
    class Page:
        @writing(attempts=2, timeout=5)
        def GET(self, name="a"):
            """Its docstring."""
            return add(name)()

    assert (Page.GET.__name__, Page.GET.__doc__) == ("GET", "Its docstring.")
    site.request(Page().GET, "GET")
    assert site.names() == ["a"]


def test_outside_of_requests_a_mark_does_nothing(site):
    assert reading(lambda: "called")() == "called"
    assert no_transaction(lambda: "called")() == "called"


def test_a_reading_post_s_generator_is_sent_chunk_by_chunk(site):
    site.request(add())

    @reading
    def handler():
        yield str(Entry.select().count())
        yield str(Entry.select().count())

    answer = site.start(handler)
    assert next(answer) == b"1"
    site.execute("INSERT INTO entry (name, number) VALUES ('b', 0)")
    assert b"".join(answer) == b"1"


def test_the_handler_s_mark_sets_the_attempts(make_site):
    site = make_site(timeout=0.01)
    busy = Busy(site)
    seen = []

    @writing(attempts=2)
    def handler():
        busy.impatient(sqlhub.threadConnection)
        seen.append(runs())
        return add()()

    response = site.request(handler)
    busy.release()
    assert response.status == "503 Service Unavailable"
    assert seen == [1, 2]


@pytest.mark.parametrize("kind", [reading, writing])
def test_a_handler_that_takes_longer_than_its_timeout_is_answered_503(site, engine, kind):
    seen = []

    @kind(timeout=0.3)
    def handler():
        on_rollback(lambda: seen.append("rolled back"))
        seen.append(runs())
        slow(engine, 30)
        return "too late"

    began = time.monotonic()
    response = site.request(handler)
    assert time.monotonic() - began < 10
    assert response.status == "503 Service Unavailable"
    assert seen == [1, "rolled back"]
    assert site.request(add()).data == b"added"


def test_a_handler_that_swallows_its_timeout_is_answered_503_and_rolled_back(site, engine):
    @writing(timeout=0.3)
    def handler():
        Entry(name="a")
        try:
            slow(engine, 30)
        except Exception:
            return "as if"

    assert site.request(handler).status.startswith("503")
    assert site.names() == []


def test_time_that_a_handler_spends_elsewhere_counts_for_its_timeout(site):
    @writing(timeout=0.05)
    def handler():
        Entry(name="a")
        time.sleep(0.1)
        return "too late"

    assert site.request(handler).status.startswith("503")
    assert site.names() == []


def test_waiting_for_a_lock_counts_for_the_timeout(make_site, engine):
    site = make_site(timeout=20)
    busy = Busy(site)
    began = time.monotonic()
    response = site.request(writing(timeout=0.3)(add()))
    waited = time.monotonic() - began
    busy.release()
    assert response.status.startswith("503")
    assert waited < 10
    assert site.names() == []
    # Nothing of it is left for the next request.
    assert site.request(lambda: slow(engine, 0.5) or add("b")()).data == b"added"


def test_the_timeout_of_a_handler_does_not_hold_for_the_next(site, engine):
    site.request(writing(timeout=0.2)(add()))
    site.request(reading(timeout=0.2)(lambda: str(Entry.select().count())))

    def handler():
        slow(engine, 0.5)
        return "in time"

    assert site.request(handler, "GET").data == b"in time"
    assert site.request(handler).data == b"in time"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_handler_without_transaction_holds_nothing_and_its_models_raise(site, method):
    site.request(add())

    @no_transaction
    def handler():
        with pytest.raises(RuntimeError, match="in_transaction"):
            Entry.get(1)
        with pytest.raises(RuntimeError, match="in_transaction"):
            Entry(name="b")
        with pytest.raises(RuntimeError, match="in_transaction"):
            list(Entry.select())
        site.execute("UPDATE entry SET number = number + 1")
        return "done"

    assert site.request(handler, method).data == b"done"
    assert site.execute("SELECT name, number FROM entry") == [("a", 1)]
    assert left_without()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_processor_s_transaction_ends_before_such_a_handler(processors, method):
    """Such as one that reads the user: PostgreSQL and MariaDB would hold a lock on the row."""

    def processor(handler):
        web.ctx.user = Entry.get(1)
        assert web.ctx.user.name == "a"
        answer = handler()
        # It is read anew: somebody has changed it meanwhile, and no update is lost.
        web.ctx.user.number += 1
        return f"{answer} {web.ctx.user.number} {Entry.get(1) is web.ctx.user}"

    site = processors(processor)
    site.execute("INSERT INTO entry (name, number) VALUES ('a', 0)")
    seen = []

    @no_transaction
    def handler():
        seen.append(1)
        with pytest.raises(RuntimeError, match="in_transaction"):
            _ = web.ctx.user.name
        with pytest.raises(RuntimeError, match="in_transaction"):
            web.ctx.user.number = 9
        site.execute("UPDATE entry SET number = 40")
        return "done"

    assert site.request(handler, method).data == b"done 41 True"
    assert seen == [1]
    assert site.execute("SELECT number FROM entry") == [(41,)]


def test_kept_rows_of_a_processor_are_read_again_after_such_a_handler(processors):
    def processor(handler):
        before = Entry.get(1).name
        return f"{before} {handler()} {Entry.get(1).name}"

    site = processors(processor)
    site.execute("INSERT INTO entry (name, number) VALUES ('a', 0)")
    site.request(lambda: "", "GET")

    @no_transaction
    def handler():
        site.execute("UPDATE entry SET name = 'b'")

    assert site.request(handler, "GET").data == b"a None b"


def test_a_row_that_was_kept_before_such_a_handler_is_not_used_after_it(processors):
    def processor(handler):
        return f"{Entry.get(1).name} {handler()} {Entry.get(2).name}"

    site = processors(processor)
    site.execute("INSERT INTO entry (name, number) VALUES ('a', 0)")
    site.execute("INSERT INTO entry (name, number) VALUES ('b', 0)")
    for _ in range(3):
        assert site.request(lambda: "", "GET").data == b"a  b"

    @no_transaction
    def handler():
        site.execute("UPDATE entry SET name = 'c' WHERE id = 2")

    assert site.request(handler, "GET").data == b"a None c"


def changes_without_sending(handler):
    Unmarked.get(1).name = "changed"
    return handler()


def writes_before(handler):
    Entry(name=f"before {runs()}")
    return handler()


@pytest.mark.parametrize("processor", [writes_before, changes_without_sending])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_processor_that_has_written_before_such_a_handler_is_refused(
    processors, processor, method, capsys
):
    site = processors(processor)
    site.execute("INSERT INTO unmarked (name, number) VALUES ('as it was', 0)")
    called = []

    @no_transaction
    def handler():
        called.append(1)

    assert site.request(handler, method).status.startswith("500")
    assert "in_transaction" in capsys.readouterr().err
    assert called == []
    assert site.names() == []
    assert site.execute("SELECT name FROM unmarked") == [("as it was",)]


def test_what_a_processor_writes_after_such_a_handler_is_committed(processors):
    def processor(handler):
        answer = handler()
        Entry(name="after")
        return answer

    site = processors(processor)
    seen = []

    @no_transaction
    def handler():
        seen.append(1)
        return "done"

    assert site.request(handler, "GET").data == b"done"
    assert site.names() == ["after"]
    assert seen == [1]


def test_such_a_handler_s_generator_holds_nothing_and_is_sent_chunk_by_chunk(site):
    site.request(add())
    with only_connections(site.connection):

        @no_transaction
        def handler():
            for _ in range(3):
                with pytest.raises(RuntimeError, match="in_transaction"):
                    Entry.get(1)
                yield str(in_transaction(lambda: Entry.get(1).number, writing=False))

        answer = site.start(handler)
        for number in range(3):
            site.execute(f"UPDATE entry SET number = {number}")
            assert next(answer) == str(number).encode()
        assert b"".join(answer) == b""
    assert left_without()


def test_a_request_from_such_a_handler_has_its_own_transaction(site):
    @no_transaction
    def handler():
        before = web.ctx.__dict__.copy()
        site.request(add())
        web.ctx.__dict__.update(before)
        assert site.names() == ["a"]
        with pytest.raises(RuntimeError, match="in_transaction"):
            Entry.get(1)
        raise ZeroDivisionError

    assert site.request(handler).status.startswith("500")
    assert site.names() == ["a"]
    assert left_without()


def test_such_a_handler_inside_another_request_is_refused(site, capsys):
    @no_transaction
    def inner():
        return "called"

    def handler():
        Entry(name="a")
        before = web.ctx.__dict__.copy()
        answer = site.request(inner)
        web.ctx.__dict__.update(before)
        return answer.status

    assert site.request(handler).data.startswith(b"500")
    assert "another request" in capsys.readouterr().err
    assert site.names() == ["a"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_marks_that_contradict_one_another_end_in_a_writing_request(site, method):
    kinds = []

    @writing
    def write():
        Entry(name="a")
        return "added"

    @reading
    def read_and_write():
        assert len(kinds) < 10
        kinds.append(is_writing())
        Entry.select().count()
        return write()

    assert site.request(read_and_write, method).data == b"added"
    assert kinds == [False, True]
    assert site.names() == ["a"]
