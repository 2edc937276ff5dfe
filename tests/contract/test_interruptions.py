"""A request that is interrupted at any point leaves nothing, and its answer is true.

mod_wsgi raises an exception in a request that takes too long; a signal does so in a script.
"""

import collections
import contextlib
import ctypes
import itertools
import os
import sys
import threading
import time

import pytest
from sqlobject import sqlhub

import app.transactions
from app.transactions import in_transaction, no_transaction, on_commit, on_rollback, savepoint
from tests.contract.internals import only_connections, raw_connection
from tests.contract.site import Entry, in_threads
from tests.contract.site import no_transaction as left_without

FOLDER = os.path.dirname(app.transactions.__file__)
# A test that fails must not wait for ever.
PATIENCE = {
    "postgres": "SET lock_timeout = '2s'",
    "postgres-psycopg2": "SET lock_timeout = '2s'",
    "mariadb": "SET SESSION innodb_lock_wait_timeout = 2",
}

# Python drops an interruption that hits a finalizer.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class Interruption(BaseException):
    pass


def interrupt(thread, exception=Interruption):
    """Raise `exception` in the thread with that number, as mod_wsgi does."""
    exception = ctypes.py_object(exception)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), exception)


class Interrupter:
    """Raises Interruption where the package's code gets control back from the call `number`."""

    def __init__(self, number):
        self._number = number
        self.done = False

    def __call__(self, frame, event, argument):
        if event == "return":
            frame = frame.f_back
        if (
            event in ("return", "c_return")
            and frame is not None
            and frame.f_code.co_filename.startswith(FOLDER)
        ):
            self._number -= 1
            if self._number == 0:
                self.done = True
                raise Interruption

    @contextlib.contextmanager
    def at_work(self):
        sys.setprofile(self)
        try:
            yield
        finally:
            sys.setprofile(None)


def write(called):
    Entry.get(1).number += 1
    on_commit(lambda: called.append("committed"))
    on_rollback(lambda: called.append("rolled back"))
    return "written"


def write_after_kept_rows(called):
    [entry.name for entry in Entry.select()]
    return write(called)


@no_transaction
def write_in_a_separate_transaction(called):
    return in_transaction(lambda: write(called))


def write_after_the_commit(called):
    on_commit(lambda: write(called))
    return write(called)


def number(site):
    return site.execute("SELECT number FROM entry WHERE id = 1")[0][0]


def interrupted(site, handler, method, point):
    """Answer a request and interrupt it; return its status or None, and whether that worked."""
    interrupter = Interrupter(point)
    status = None
    # While web.ctx is put back, web.py cannot answer with an error; the server does.
    with contextlib.suppress(Interruption, AttributeError), interrupter.at_work():
        status = site.request(handler, method).status
    return status, interrupter.done


def add_one():
    Entry.get(1).number += 1
    return "added"


def shown():
    return str(Entry.get(1).number)


def interrupt_at_each_point(site, engine, work, method):
    with only_connections(site.connection):
        site.request(lambda: Entry(name="a") and "made")
        if engine in PATIENCE:
            site.execute(PATIENCE[engine])
        for point in itertools.count(1):
            site.request(lambda: Entry.get(1).name, "GET")
            before, called = number(site), []
            status, done = interrupted(site, lambda: work(called), method, point)  # noqa: B023
            after = number(site)
            if status is not None and status.startswith("200"):
                assert after > before
            if status is not None and status.startswith("500"):
                # What it has done by in_transaction stays, whatever comes after it.
                assert after == before or work is write_in_a_separate_transaction
            assert not ("committed" in called and after == before)
            assert not (called == ["rolled back"] and after != before)
            assert left_without()
            # No lock is left, and the next request does not become a part of this one.
            site.execute("UPDATE entry SET number = number + 1 WHERE id = 1")
            assert site.request(add_one).data == b"added"
            assert number(site) == after + 2
            assert site.request(shown, "GET").data == b"%d" % number(site)
            if not done:
                break
    assert point > 20


@pytest.mark.slow
@pytest.mark.parametrize("work, method", [(write, "POST"), (write_after_kept_rows, "GET")])
def test_an_interruption_at_any_point_leaves_nothing_and_is_told(make_site, engine, work, method):
    interrupt_at_each_point(make_site(timeout=1), engine, work, method)


@pytest.mark.slow
@pytest.mark.engines("sqlite")
@pytest.mark.parametrize("work", [write_in_a_separate_transaction, write_after_the_commit])
def test_an_interruption_of_a_separate_transaction_is_the_same(make_site, engine, work):
    interrupt_at_each_point(make_site(timeout=1), engine, work, "POST")


class Worker(threading.Thread):
    """Sends requests until `stop`; counts them, and the statuses of their answers."""

    def __init__(self, site):
        super().__init__(daemon=True)
        self.site = site
        self.sent = 0
        self.statuses = collections.Counter()
        self.stopped = False
        self.start()

    def run(self):
        while not self.stopped:
            # It also comes between two requests, and where web.py does not answer with an error.
            with contextlib.suppress(Interruption):
                while not self.stopped:
                    self.sent += 1
                    self.statuses[self.site.request(add_one).status[:3]] += 1

    def interrupt(self):
        interrupt(self.ident)

    def stop(self):
        self.stopped = True
        self.join(60)
        assert not self.is_alive()


@pytest.mark.slow
def test_an_interruption_at_any_time_is_told_as_one(make_site, engine, monkeypatch):
    """As by mod_wsgi: an exception is raised in the thread, here every few milliseconds."""
    # pytest's own cannot be interrupted.
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    site = make_site(timeout=2)
    site.request(lambda: Entry(name="a") and "made")
    worker = Worker(site)
    done, ends = worker.statuses, time.monotonic() + 60
    for turn in range(60):
        seen = done["200"]
        while done["200"] == seen:
            assert time.monotonic() < ends
            time.sleep(0.001)
        time.sleep(turn % 12 / 2000)
        worker.interrupt()
    worker.stop()
    assert worker.sent - done["200"] > 10
    # A request that was answered 500 was rolled back.
    assert done["200"] <= number(site) <= worker.sent - done["500"]
    # None of them has left a lock, neither for its thread nor for another.
    (answer,) = in_threads(lambda: site.request(add_one))
    assert answer.data == b"added"
    assert site.request(add_one).data == b"added"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_query_left_by_an_interruption_pins_no_snapshot(site, method):
    """Somebody keeps its traceback, such as a handler of logging."""
    site.request(lambda: [Entry(name=name) for name in "abc"] and "made")
    kept = []

    def handler():
        cursor = raw_connection().cursor()
        kept.append(cursor)
        cursor.execute("SELECT name FROM entry")
        cursor.fetchone()
        raise Interruption

    site.request(lambda: Entry.get(1).name, method)
    site.request(handler, method)
    assert site.request(add_one).data == b"added"
    assert site.request(shown, method).data == b"1"
    assert len(kept) == 1


def test_a_script_is_stopped_by_control_c_in_a_function_given_to_on_commit(site):
    called = []

    def stop():
        raise KeyboardInterrupt

    def work():
        on_commit(stop)
        on_commit(lambda: called.append("next"))
        Entry(name="a")

    with pytest.raises(KeyboardInterrupt):
        in_transaction(work, connection=site.connection)
    assert called == ["next"]
    assert site.names() == ["a"]
    assert not hasattr(sqlhub.threadingLocal, "connection")


# A first row, and a second one that SQLite looks for until it is interrupted.
FAR_ROW = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600000000) "
    "SELECT i FROM n WHERE i IN (1, 600000000)"
)


def while_rows_come():
    sqlhub.threadConnection.queryAll(FAR_ROW)


def before_the_first_row():
    sqlhub.threadConnection.queryAll(FAR_ROW.replace("i IN (1,", "i IN ("))


def on_the_driver_s_connection():
    sqlhub.threadConnection.getConnection().execute(FAR_ROW).fetchall()


def in_a_savepoint():
    with savepoint():
        while_rows_come()


def goes_on_after(statement, seen):
    """A handler that takes what `statement` raises for an error of the database."""

    def handler():
        Entry.select().count()
        Entry(name="a")
        me = threading.get_ident()
        threading.Timer(0.3, interrupt, (me, seen[0])).start()
        try:
            statement()
        except Exception as error:
            seen.append(repr(error))
        Entry(name="b")
        seen.append("went on")
        return "done"

    return handler


STATEMENTS = [while_rows_come, before_the_first_row, on_the_driver_s_connection, in_a_savepoint]


@pytest.mark.engines("sqlite")
@pytest.mark.parametrize("statement", STATEMENTS)
def test_an_interruption_of_a_statement_is_no_error_of_the_database(make_site, statement):
    """It comes while SQLite asks for the time, and the driver has the statement fail."""
    site = make_site(request_seconds=30)
    seen = [Interruption]
    assert site.request(goes_on_after(statement, seen)).status.startswith("500")
    assert "went on" not in seen
    assert site.names() == []
    assert left_without()
    assert site.request(lambda: Entry(name="c") and "added").data == b"added"
    assert site.names() == ["c"]


@pytest.mark.engines("sqlite")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_interruption_that_a_handler_takes_for_an_error_is_no_answer(make_site, method):
    site = make_site(request_seconds=30)

    def handler():
        threading.Timer(0.3, interrupt, (threading.get_ident(), Interruption)).start()
        with contextlib.suppress(Exception):
            while_rows_come()
        return "done"

    status = site.request(handler, method).status
    assert status[:3] in ("500", "503")
    assert left_without()


@pytest.mark.engines("sqlite")
@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("exception", [Interruption, KeyboardInterrupt])
def test_what_interrupts_a_statement_of_in_transaction_is_raised(site, statement, exception):
    seen = [exception]
    work = goes_on_after(statement, seen)
    with pytest.raises(exception):
        in_transaction(work, timeout=30, connection=site.connection)
    assert "went on" not in seen
    assert site.names() == []
    assert not hasattr(sqlhub.threadingLocal, "connection")
