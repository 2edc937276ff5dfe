"""The queue of a SQLite database's writers: who has the turn, and what an interruption leaves."""

import contextlib
import gc
import itertools
import sys
import threading
import time
from functools import partial

import pytest

from app.transactions.engines.sqlite import queue as module
from app.transactions.engines.sqlite.queue import Place, queue_for

PATIENCE = 30

# Python drops an interruption that hits a finalizer.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def path(tmp_path):
    (tmp_path / "site.db").touch()
    return str(tmp_path / "site.db")


@pytest.fixture
def queue(path):
    return queue_for(path)


@pytest.fixture
def elsewhere(path, queue):
    """The queue of another process: the kernel tells them apart by their open files."""
    return module.Queue(module._open_beside(path))


def turn(queue):
    """Take the turn in `queue`, at once; returns the function that ends it."""
    place = Place()
    assert queue.wait(place, 0) == 0
    return partial(queue.leave, place)


def is_free(queue):
    """Whether a writer gets the turn at once; it gives the turn back."""
    place = Place()
    waited = queue.wait(place, 0)
    queue.leave(place)
    return waited == 0


class Writer(threading.Thread):
    """A thread that stands in `queue` for `seconds`; in its turn it puts itself into `order`."""

    def __init__(self, queue, order=None, seconds=PATIENCE):
        super().__init__()
        self.queue, self._seconds = queue, seconds
        self._order = [] if order is None else order
        self._place = Place()
        self.had_turn = False
        self.start()
        wait_until(lambda: self._place in queue.places or not self.is_alive())

    def run(self):
        self.queue.wait(self._place, self._seconds)
        self.had_turn = self.queue.current is self._place
        if self.had_turn:
            self._order.append(self)
        self.queue.leave(self._place)


def wait_until(there):
    deadline = time.monotonic() + PATIENCE
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_turns_come_in_the_order_in_which_the_writers_came(queue):
    end, order = turn(queue), []
    writers = [Writer(queue, order) for _ in range(10)]
    end()
    for writer in writers:
        writer.join()
    assert order == writers
    assert is_free(queue)


def test_a_writer_that_gave_up_is_left_out(queue):
    end, order = turn(queue), []
    gone, there = Writer(queue, order, 0), Writer(queue, order)
    gone.join()
    end()
    there.join()
    assert order == [there]
    assert is_free(queue)


def test_a_turn_excludes_those_of_other_processes(queue, elsewhere):
    end = turn(queue)
    assert not is_free(elsewhere)
    end()
    wait_until(lambda: is_free(elsewhere))


def test_a_writer_that_waits_for_another_process_is_woken_by_its_end(queue, elsewhere):
    end, order = turn(elsewhere), []
    writer = Writer(queue, order)
    end()
    writer.join()
    assert order == [writer]
    wait_until(lambda: is_free(elsewhere))


def test_a_turn_that_comes_when_nobody_waits_any_more_goes_to_the_next(queue, elsewhere):
    end = turn(elsewhere)
    Writer(queue, [], 0).join()
    end()
    wait_until(lambda: is_free(elsewhere))
    wait_until(lambda: is_free(queue))


def test_another_process_has_a_turn_before_all_of_one_have_had_theirs(queue, elsewhere):
    end, order = turn(queue), []
    writers = [Writer(queue, order) for _ in range(50)]
    other = Writer(elsewhere, order)
    end()
    for writer in [*writers, other]:
        writer.join()
    assert order.index(other) < 50
    assert [writer for writer in order if writer is not other] == writers


def test_a_writer_alone_has_no_thread_started(queue):
    before = threading.active_count()
    turn(queue)()
    turn(queue)()
    assert threading.active_count() == before


def test_a_queue_that_nobody_uses_leaves_neither_thread_nor_file(path):
    queue, elsewhere = queue_for(path), module.Queue(module._open_beside(path))
    end = turn(elsewhere)
    Writer(queue, [], 0).join()
    usher = queue._usher
    del queue
    end()
    usher.join(PATIENCE)
    assert not usher.is_alive()
    gc.collect()
    assert path not in module._queues


def test_a_place_that_a_finalizer_leaves_in_the_middle_of_the_work_is_left(queue, monkeypatch):
    end, order = turn(queue), []
    writer = Writer(queue, order)
    find_next, left = queue._find_next, []

    def with_a_finalizer():
        find_next()
        if not left:
            left.append(queue.current)
            queue.leave(left[0])

    monkeypatch.setattr(queue, "_find_next", with_a_finalizer)
    end()
    writer.join()
    assert left == [writer._place]
    assert is_free(queue)


class Interruption(BaseException):
    pass


@contextlib.contextmanager
def interrupted(number):
    """Raise Interruption where the module gets control back from the call `number`.

    Yields a list that then has an item.
    """
    calls, done = itertools.count(1), []

    def look(frame, event, argument):
        frame = frame.f_back if event == "return" else frame
        here = event in ("return", "c_return") and frame.f_code.co_filename == module.__file__
        if here and next(calls) == number:
            done.append(True)
            raise Interruption

    sys.setprofile(look)
    try:
        yield done
    except Interruption:
        pass
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize("before", ["nobody", "a thread", "a process"])
def test_a_wait_that_is_interrupted_at_any_point_holds_up_nobody(queue, elsewhere, before):
    for number in itertools.count(1):
        end = (
            turn({"a thread": queue, "a process": elsewhere}[before])
            if before != "nobody"
            else None
        )
        place = Place()
        with interrupted(number) as done:
            queue.wait(place, 0)
        queue.leave(place)
        if end:
            end()
        assert_turns_come([Writer(queue), Writer(elsewhere)])
        if not done:
            break
    assert number > 3


def test_an_end_that_is_interrupted_at_any_point_holds_up_nobody(queue, elsewhere):
    for number in itertools.count(1):
        end = turn(queue)
        writers = [Writer(queue), Writer(elsewhere)]
        with interrupted(number) as done:
            end()
        end()
        assert_turns_come(writers)
        if not done:
            break
    assert number > 3


def assert_turns_come(writers):
    for writer in writers:
        writer.join()
        assert writer.had_turn
        wait_until(lambda: is_free(writer.queue))  # noqa: B023
