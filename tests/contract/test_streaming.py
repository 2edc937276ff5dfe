"""An answer in chunks: sent as it is made, or, of a writing request, once it is committed."""

import pytest
from sqlobject import sqlhub

from app.transactions import OutsideItsRequest
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
