"""An answer in chunks: sent chunk by chunk, or, in a writing request, after the commit."""

import gc
import os
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
import web
from sqlobject import sqlhub

from app.transactions import OutsideItsRequest, doom, on_commit, on_rollback, writing
from tests.contract.busy import Busy
from tests.contract.site import Entry, add, no_transaction


@pytest.fixture
def streaming_site(make_site):
    return make_site(stream_writes=True)


def two_chunks():
    Entry(name="a")
    yield "first"
    yield "second"


def fails_late():
    Entry(name="a")
    yield "first"
    raise ZeroDivisionError


def test_a_generator_is_inside_the_transaction_and_commits_at_its_end(site):
    def handler():
        Entry(name="a")
        yield "first"
        assert site.names() == []
        Entry(name="b")
        yield "second"

    assert site.request(handler).data == b"firstsecond"
    assert site.names() == ["a", "b"]
    assert no_transaction()


def test_a_generator_without_chunks_commits(site):
    def handler():
        Entry(name="a")
        return
        yield

    assert site.request(handler).data == b""
    assert site.names() == ["a"]


def test_a_generator_that_raises_at_once_is_answered_500(site):
    def handler():
        Entry(name="a")
        raise ZeroDivisionError
        yield

    assert site.request(handler).status.startswith("500")
    assert site.names() == []


def test_a_writing_request_s_generator_that_raises_late_is_answered_500(site):
    response = site.request(fails_late)
    assert response.status.startswith("500")
    assert b"first" not in response.data
    assert site.names() == []
    assert no_transaction()


def test_a_writing_request_s_chunks_are_there_once_it_is_committed(site):
    answer = site.start(two_chunks)
    assert site.names() == ["a"]
    assert no_transaction()
    assert b"".join(answer) == b"firstsecond"


def test_a_writing_request_s_generator_is_run_again_after_a_conflict(make_site):
    site = make_site(timeout=0.01)
    busy = Busy(site)
    seen = []

    def handler():
        yield "first"
        busy.impatient(sqlhub.threadConnection)
        seen.append(1)
        if len(seen) == 2:
            busy.release()
        Entry(name="a")
        yield "second"

    assert site.request(handler).data == b"firstsecond"
    assert len(seen) == 2
    assert site.names() == ["a"]


def test_held_back_chunks_larger_than_the_memory_for_them_come_whole(site):
    def handler():
        Entry(name="a")
        for number in range(100):
            yield bytes([number]) * 10_000

    assert site.request(handler).data == b"".join(bytes([n]) * 10_000 for n in range(100))


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_chunk_becomes_text_inside_the_transaction(site, method):
    site.request(add("a"))

    def handler():
        for number in (1, 1):
            entry = Entry.get(number)
            entry.expire()
            yield entry

    assert site.request(handler, method).data.count(b"<Entry 1 name='a'") == 2


def test_a_stream_read_on_after_another_request_on_its_thread_fails_loudly(site, caplog):
    site.request(add("a"))

    def handler():
        yield str(Entry.select().count())
        yield str(Entry.select().count())

    stream = site.start(handler, "GET")
    assert next(stream) == b"1"
    site.request(add("b"))
    # web.py's own error covers ours, because it has lost its context of the first request.
    with pytest.raises(Exception) as caught:
        next(stream)
    assert isinstance(caught.value.__context__, OutsideItsRequest)
    assert "OutsideItsRequest" in caplog.text


def test_sent_at_once_a_generator_that_raises_late_rolls_back(streaming_site):
    with pytest.raises(ZeroDivisionError):
        streaming_site.request(fails_late)
    assert streaming_site.names() == []
    assert no_transaction()


@pytest.mark.parametrize("chunks", [0, 1])
def test_sent_at_once_a_generator_that_is_dropped_rolls_back(streaming_site, chunks):
    answer = streaming_site.start(two_chunks)
    for _ in range(chunks):
        next(answer)
    del answer
    assert streaming_site.names() == []
    assert no_transaction()


def test_the_next_request_is_not_joined_to_an_answer_that_was_left_unread(streaming_site):
    unread = streaming_site.start(two_chunks)
    assert streaming_site.request(add("b")).data == b"added"
    assert streaming_site.names() == ["b"]
    del unread


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_the_first_chunk_may_set_headers_and_status(site, method):
    def handler():
        Entry.select().count()
        web.header("X-First", "1")
        web.ctx.status = "202 Accepted"
        yield "first"
        yield "second"

    response = site.request(handler, method)
    assert response.status == "202 Accepted"
    assert response.headers["X-First"] == "1"


def test_each_chunk_of_a_writing_request_may_set_headers_and_status(site):
    def handler():
        Entry(name="a")
        yield "first"
        web.header("X-Late", "1")
        web.ctx.status = "500 Too late elsewhere"

    response = site.request(handler)
    assert (response.status[:3], response.headers["X-Late"]) == ("500", "1")
    assert site.names() == []


@pytest.mark.parametrize("chunks", [0, 1])
def test_a_generator_of_a_writing_request_may_raise_a_redirect_and_commits(site, chunks):
    def handler():
        Entry(name="a")
        yield from ["chunk"] * chunks
        raise web.seeother("/there")

    response = site.request(handler)
    assert response.status.startswith("303")
    assert b"chunk" not in response.data
    assert site.names() == ["a"]


def test_a_reading_request_s_generator_may_raise_not_found_at_once(site):
    def handler():
        Entry.select().count()
        raise web.notfound()
        yield

    assert site.request(handler, "GET").status.startswith("404")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("chunks", [[], [""], ["a", b"b"], [b"c" * 300_000, ""], [1, None]])
def test_an_answer_in_chunks_is_as_the_standard_wants_it(site, method, chunks):
    environ = {"QUERY_STRING": ""}
    setup_testing_defaults(environ)
    environ |= {"REQUEST_METHOD": method, "tests.handler": lambda: iter(chunks)}
    environ |= {"CONTENT_TYPE": "text/plain", "CONTENT_LENGTH": "0"} if method == "POST" else {}

    def with_type(environ, start):
        def start_with_type(status, headers, *more):
            return start(status, [*headers, ("Content-Type", "text/plain")], *more)

        return site.app.wsgifunc()(environ, start_with_type)

    answer = validator(with_type)(environ, lambda *_: lambda _: None)
    expected = b"".join(one if isinstance(one, bytes) else str(one).encode() for one in chunks)
    assert b"".join(answer) == expected
    answer.close()


def test_an_iterator_that_is_no_generator_is_streamed_and_closed(site, tmp_path):
    (tmp_path / "file").write_bytes(b"line\n" * 3)
    opened = []

    def handler():
        opened.append((tmp_path / "file").open("rb"))
        return opened[-1]

    for method in ("GET", "POST"):
        assert site.request(handler, method).data == b"line\n" * 3
    assert [file.closed for file in opened] == [True, True]


@pytest.mark.parametrize("read", [0, 1, 10])
def test_the_temporary_file_of_held_back_chunks_is_closed(site, read):
    def handler():
        Entry.select().count()
        for _ in range(10):
            yield b"x" * 100_000

    b"".join(site.start(handler))
    # Otherwise files that earlier tests have left would be closed in between.
    gc.collect()
    before = os.listdir("/proc/self/fd")
    answer = site.start(handler)
    assert len(os.listdir("/proc/self/fd")) == len(before) + 1
    for _ in range(read):
        next(answer, None)
    del answer
    assert os.listdir("/proc/self/fd") == before


def test_what_a_dropped_generator_does_at_its_end_is_inside_the_transaction(streaming_site):
    called = []

    def handler():
        try:
            Entry(name="a")
            yield "first"
            yield "second"
        finally:
            Entry(name="b")
            on_commit(lambda: called.append("committed"))
            on_rollback(lambda: called.append("rolled back"))
            doom()

    answer = streaming_site.start(handler)
    next(answer)
    del answer
    assert called == ["rolled back"]
    assert streaming_site.names() == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_dropped_generator_that_fails_at_its_end_holds_no_transaction(streaming_site):
    def handler():
        try:
            Entry(name="a")
            yield "first"
            yield "second"
        finally:
            raise ZeroDivisionError

    answer = streaming_site.start(handler)
    next(answer)
    del answer
    assert no_transaction()
    assert streaming_site.names() == []


def test_a_get_that_writes_after_its_first_chunk_says_what_to_do(site, caplog):
    def handler():
        yield str(Entry.select().count())
        Entry(name="a")
        yield "second"

    with pytest.raises(Exception, match="refused a write"):
        site.request(handler, "GET")
    assert "@writing" in caplog.text
    assert site.names() == []
    assert no_transaction()
    assert site.request(writing(handler), "GET").data == b"0second"
    assert site.names() == ["a"]


def test_functions_for_the_end_of_a_stream_are_called_once_it_is_read(site):
    called = []

    def handler():
        on_commit(lambda: called.append("committed"))
        yield str(Entry.select().count())
        yield "second"

    answer = site.start(handler, "GET")
    assert (next(answer), called) == (b"0", [])
    assert (b"".join(answer), called) == (b"second", ["committed"])
